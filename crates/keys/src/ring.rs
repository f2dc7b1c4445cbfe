//! All keys, as a gateway looks them up.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::record::{KeyId, KeyRecord, KeyState, RecordError};
use crate::secret::Secret;
use crate::text::KeyText;

/// The layout of the file.
const VERSION: u64 = 1;

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    keys: Vec<KeyRecord>,
}

/// What is wrong with a file of keys. Follows its name.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// It is no JSON, or has not the parts that it should have.
    #[error("is not a file of keys: {0}")]
    Json(#[from] serde_json::Error),
    /// It was written by another version.
    #[error("is of version {0}, this is version {VERSION}: use the paceline that wrote it")]
    Version(u64),
    /// One of its keys makes no sense.
    #[error("has a key `{id}` that cannot be used: {problem}")]
    Record {
        /// Which.
        id: KeyId,
        /// Why.
        problem: RecordError,
    },
    /// Two keys cannot be told apart.
    #[error("has two keys with the id or hash of `{0}`")]
    Twice(KeyId),
}

/// A key that was found and is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The key.
    pub record: &'a KeyRecord,
    /// Whether it was rotated, and is valid for a while only: until then, in seconds since 1970.
    pub replaced_until_unix_s: Option<u64>,
}

/// Why a key is not valid. To callers all of these are one answer; to logs they are not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Nobody has it.
    #[error("no such key is known")]
    NoSuchKey,
    /// Its time is over.
    #[error("the key {0} has expired: rotate it or create another")]
    Expired(KeyId),
    /// Somebody has revoked it.
    #[error("the key {0} was revoked")]
    Revoked(KeyId),
    /// Another has taken its place, and its grace is over.
    #[error("the key {0} was rotated: use the new one")]
    Replaced(KeyId),
}

/// All keys.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    records: Vec<KeyRecord>,
    /// Which record a hash belongs to, and whether it is that of the key before its rotation.
    by_hash: HashMap<[u8; 32], (usize, bool)>,
}

impl KeyRing {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When they are not a file of keys of this version, or a key makes no sense.
    pub fn parse(bytes: &[u8]) -> Result<Self, RingError> {
        let Version { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(RingError::Version(version));
        }
        let document: Document = serde_json::from_slice(bytes)?;
        Self::of(document.keys)
    }

    pub(crate) fn of(records: Vec<KeyRecord>) -> Result<Self, RingError> {
        let mut by_hash = HashMap::with_capacity(records.len());
        let mut ids = std::collections::HashSet::with_capacity(records.len());
        for (index, record) in records.iter().enumerate() {
            record.check().map_err(|problem| RingError::Record {
                id: record.id.clone(),
                problem,
            })?;
            let former = record.former.iter().map(|former| (former.hash.0, true));
            let hashes = former.chain([(record.hash.0, false)]);
            let mut is_new = ids.insert(&record.id);
            for (hash, is_former) in hashes {
                is_new &= by_hash.insert(hash, (index, is_former)).is_none();
            }
            if !is_new {
                return Err(RingError::Twice(record.id.clone()));
            }
        }
        Ok(Self { records, by_hash })
    }

    /// A file's bytes.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, RingError> {
        let document = Document {
            version: VERSION,
            keys: self.records.clone(),
        };
        let mut bytes = serde_json::to_vec_pretty(&document)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The key that somebody presents.
    ///
    /// It is looked up by its keyed hash, which nobody can choose who does not know the secret, so the time
    /// that takes tells nothing of other keys; and the hash is compared once more in constant time.
    ///
    /// # Errors
    /// When it is not valid, and why.
    pub fn find(
        &self,
        secret: &Secret,
        key: &KeyText,
        now_unix_s: u64,
    ) -> Result<Found<'_>, Unknown> {
        let hash = secret.hash(key);
        let found = self.by_hash.get(&hash);
        let found =
            found.and_then(|(index, is_former)| Some((self.records.get(*index)?, *is_former)));
        let kept = match found {
            Some((record, false)) => record.hash.0,
            Some((record, true)) => record
                .former
                .as_ref()
                .map_or([0; 32], |former| former.hash.0),
            None => [0; 32],
        };
        let is_same = bool::from(kept.ct_eq(&hash));
        let Some((record, is_former)) = found.filter(|_| is_same) else {
            return Err(Unknown::NoSuchKey);
        };
        match record.state(now_unix_s) {
            KeyState::Revoked => return Err(Unknown::Revoked(record.id.clone())),
            KeyState::Expired => return Err(Unknown::Expired(record.id.clone())),
            KeyState::Active => {}
        }
        let replaced_until_unix_s = is_former
            .then(|| record.former_until_unix_s(now_unix_s))
            .flatten();
        if is_former && replaced_until_unix_s.is_none() {
            return Err(Unknown::Replaced(record.id.clone()));
        }
        Ok(Found {
            record,
            replaced_until_unix_s,
        })
    }

    /// All keys, in the order in which they were made.
    #[must_use]
    pub fn records(&self) -> &[KeyRecord] {
        &self.records
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

    fn file(fields: &str) -> String {
        format!(
            r#"{{"version":1,"keys":[{{"id":"k-1","name":"n","tenant":"t","shown":"pl-abc",
            "hash":"{HASH}","created_unix_s":1{fields}}}]}}"#
        )
    }

    #[test]
    fn a_file_is_read_and_written_without_loss() {
        let fields = r#","expires_unix_s":9,"models":["gpt-*"],"budgets":["cap"],"weight":3,"priority":"batch""#;
        let ring = KeyRing::parse(file(fields).as_bytes()).unwrap();
        let again = KeyRing::parse(&ring.to_bytes().unwrap()).unwrap();
        assert_eq!(ring.records(), again.records());
        assert_eq!(ring.records()[0].weight, Some(3));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        for (text, part) in [
            ("{".to_owned(), "not a file of keys"),
            (r#"{"version":2,"keys":7}"#.to_owned(), "version 2"),
            (file(r#","colour":1"#), "colour"),
            (file(r#","weight":0"#), "the weight 0"),
            (
                file("").replace("\"n\"", "\"a\\u001b[2J\""),
                r"`a\u{1b}[2J`",
            ),
            (file("").replace(HASH, "ff"), "64 hexadecimal digits"),
        ] {
            let error = KeyRing::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let one = KeyRing::parse(file("").as_bytes()).unwrap().records()[0].clone();
        assert!(matches!(
            KeyRing::of(vec![one.clone(), one]),
            Err(RingError::Twice(_))
        ));
    }

    proptest! {
        #[test]
        fn foreign_files_are_refused_and_never_break_anything(bytes in any::<Vec<u8>>()) {
            prop_assert!(KeyRing::parse(&bytes).is_err());
        }

        #[test]
        fn files_with_damage_are_refused_or_read(place in 0..180_usize, byte in any::<u8>()) {
            let mut bytes = file("").into_bytes();
            let place = place % bytes.len();
            bytes[place] = byte;
            if let Ok(ring) = KeyRing::parse(&bytes) {
                prop_assert!(KeyRing::parse(&ring.to_bytes().unwrap()).is_ok());
            }
        }
    }
}
