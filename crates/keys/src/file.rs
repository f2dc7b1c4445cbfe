//! The file of keys: read again when it has changed, replaced as a whole when it is changed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::record::{Former, KeyHash, KeyId, KeyRecord, KeyState, NewKey, RecordError};
use crate::ring::{KeyRing, RingError};
use crate::secret::{Secret, to_hex};
use crate::text::KeyText;

/// A larger file was not written here.
const BYTES_MAX: u64 = 64 << 20;

const ID_BYTES: usize = 8;

/// Why keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system refuses.
    #[error("cannot read or write {}: {source}; check its folder and rights", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file of keys is no such file.
    #[error("{} {problem}; mend it, or put it aside to begin with no keys", path.display())]
    Ring {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: RingError,
    },
    /// The file of keys is larger than any that was written here.
    #[error("{} is larger than {} MiB: it is not a file of keys", path.display(), BYTES_MAX >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The secret is not what it should be.
    #[error("the secret in {} is not 64 hexadecimal digits: restore it; without it no key is valid", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
    },
    /// There are keys, and the secret that they were hashed with is gone.
    #[error("{} is missing, and keys were made with it: restore it, or put the file of keys aside", path.display())]
    NoSecret {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the secret.
    #[error("{} can be read by others: chmod 600 it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness to give.
    #[error("no random bytes for a key: {0}")]
    Random(String),
    /// A key cannot be as it is wished for.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// There is no such key.
    #[error("there is no key `{}`: `paceline keys list` shows those there are", .0.0.escape_debug())]
    NoSuchKey(KeyId),
    /// A key is not valid any more.
    #[error("the key {id} is {}: create another", state.name())]
    NotActive {
        /// Which.
        id: KeyId,
        /// What it is instead.
        state: KeyState,
    },
}

impl KeyFileError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// What tells that a file is another one than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    modified: (i64, i64),
    length: u64,
}

/// The keys of one folder: `keys.json`, with the secret in `keys.secret` and writers' lock in `keys.lock`.
#[derive(Debug)]
pub struct KeyFile {
    folder: PathBuf,
    stamp: Option<Stamp>,
    ring: Arc<KeyRing>,
    secret: Option<Secret>,
}

impl KeyFile {
    /// Reads the keys in a folder. Where there is no file there are no keys; nothing is made.
    ///
    /// # Errors
    /// When there is one and it cannot be used.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, KeyFileError> {
        let mut file = Self {
            folder: folder.into(),
            stamp: None,
            ring: Arc::default(),
            secret: None,
        };
        file.refresh()?;
        Ok(file)
    }

    /// Where the keys are.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.join("keys.json")
    }

    fn secret_path(&self) -> PathBuf {
        self.folder.join("keys.secret")
    }

    /// The keys as they were read last, and the secret to look them up with; nothing where there are none.
    #[must_use]
    pub fn keys(&self) -> Option<(Arc<KeyRing>, Secret)> {
        let secret = self.secret.clone()?;
        (!self.ring.records().is_empty()).then(|| (Arc::clone(&self.ring), secret))
    }

    /// All keys as they were read last.
    #[must_use]
    pub fn records(&self) -> &[KeyRecord] {
        self.ring.records()
    }

    /// Reads the file again if it has changed; whether it had. Costs one look at the file otherwise. A file
    /// that was there and is gone holds no keys any more.
    ///
    /// # Errors
    /// When it cannot be used: what was read before stays, and the next call tries again.
    pub fn refresh(&mut self) -> Result<bool, KeyFileError> {
        let path = self.path();
        let stamp = stamp(&path)?;
        if stamp == self.stamp {
            return Ok(false);
        }
        let ring = match stamp {
            None => KeyRing::default(),
            Some(_) => read(&path)?,
        };
        let secret = Secret::read(&self.secret_path())?;
        if secret.is_none() && !ring.records().is_empty() {
            let path = self.secret_path();
            return Err(KeyFileError::NoSecret { path });
        }
        (self.ring, self.secret, self.stamp) = (Arc::new(ring), secret, stamp);
        Ok(true)
    }

    /// Makes a key. Its text is in the answer, and nowhere else.
    ///
    /// # Errors
    /// When it cannot be as it is wished for, or the files cannot be written.
    pub fn create(
        &mut self,
        new: NewKey,
        now_unix_s: u64,
    ) -> Result<(KeyRecord, KeyText), KeyFileError> {
        let key = KeyText::make()?;
        let mut id = [0; ID_BYTES];
        getrandom::fill(&mut id).map_err(|error| KeyFileError::Random(error.to_string()))?;
        self.change(|records, secret| {
            let record = KeyRecord {
                id: KeyId(format!("k-{}", to_hex(&id))),
                name: new.name,
                tenant: new.tenant,
                shown: key.shown(),
                hash: KeyHash(secret.hash(&key)),
                created_unix_s: now_unix_s,
                expires_unix_s: new.expires_unix_s,
                revoked_unix_s: None,
                rotated_unix_s: None,
                former: None,
                models: new.models,
                budgets: new.budgets,
                weight: new.weight,
                priority: new.priority,
            };
            record.check()?;
            records.push(record.clone());
            Ok((record, key))
        })
    }

    /// Puts another key in the place of one: it has the same id and rights. The present one stays valid for
    /// the grace; the one before it, if any, is not any more.
    ///
    /// # Errors
    /// When there is no such key, it is not valid, or the files cannot be written.
    pub fn rotate(
        &mut self,
        id: &KeyId,
        grace_s: u64,
        now_unix_s: u64,
    ) -> Result<(KeyRecord, KeyText), KeyFileError> {
        let key = KeyText::make()?;
        self.change(|records, secret| {
            let record = of(records, id)?;
            let state = record.state(now_unix_s);
            if state != KeyState::Active {
                let id = id.clone();
                return Err(KeyFileError::NotActive { id, state });
            }
            let shown = std::mem::replace(&mut record.shown, key.shown());
            let hash = std::mem::replace(&mut record.hash, KeyHash(secret.hash(&key)));
            record.former = Some(Former {
                shown,
                hash,
                until_unix_s: now_unix_s.saturating_add(grace_s),
            });
            record.rotated_unix_s = Some(now_unix_s);
            Ok((record.clone(), key))
        })
    }

    /// Revokes a key, at once and for good. One that is revoked stays so since when it was.
    ///
    /// # Errors
    /// When there is no such key, or the files cannot be written.
    pub fn revoke(&mut self, id: &KeyId, now_unix_s: u64) -> Result<KeyRecord, KeyFileError> {
        self.change(|records, _| {
            let record = of(records, id)?;
            record.revoked_unix_s.get_or_insert(now_unix_s);
            record.former = None;
            Ok(record.clone())
        })
    }

    /// Changes what is in the file now, alone, and replaces it as a whole.
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Vec<KeyRecord>, &Secret) -> Result<T, KeyFileError>,
    ) -> Result<T, KeyFileError> {
        let failed = |source| KeyFileError::io(&self.folder, source);
        let mut builder = DirBuilder::new();
        let builder = builder.recursive(true).mode(0o700);
        builder.create(&self.folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).write(true).mode(0o600);
        let lock = options
            .open(self.folder.join("keys.lock"))
            .map_err(failed)?;
        // Held until the end of this function, or of the process.
        lock.lock().map_err(failed)?;
        self.refresh()?;
        let secret = match Secret::read(&self.secret_path())? {
            Some(secret) => secret,
            None if self.ring.records().is_empty() => Secret::make(&self.secret_path())?,
            None => {
                let path = self.secret_path();
                return Err(KeyFileError::NoSecret { path });
            }
        };
        let mut records = self.ring.records().to_vec();
        let changed = change(&mut records, &secret)?;
        let path = self.path();
        let broken = |problem| KeyFileError::Ring {
            path: path.clone(),
            problem,
        };
        let ring = KeyRing::of(records).map_err(broken)?;
        let bytes = ring.to_bytes().map_err(broken)?;
        replace(&path, &bytes).map_err(|source| KeyFileError::io(&path, source))?;
        self.refresh()?;
        Ok(changed)
    }
}

fn of<'a>(records: &'a mut [KeyRecord], id: &KeyId) -> Result<&'a mut KeyRecord, KeyFileError> {
    let found = records.iter_mut().find(|record| record.id == *id);
    found.ok_or_else(|| KeyFileError::NoSuchKey(id.clone()))
}

fn stamp(path: &Path) -> Result<Option<Stamp>, KeyFileError> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(Stamp {
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            length: found.len(),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KeyFileError::io(path, error)),
    }
}

fn read(path: &Path) -> Result<KeyRing, KeyFileError> {
    let failed = |source| KeyFileError::io(path, source);
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut file = file.take(BYTES_MAX + 1);
    file.read_to_end(&mut bytes).map_err(failed)?;
    let path = path.to_owned();
    if bytes.len() as u64 > BYTES_MAX {
        return Err(KeyFileError::TooLarge { path });
    }
    KeyRing::parse(&bytes).map_err(|problem| KeyFileError::Ring { path, problem })
}

/// The file holds what it held or all of this at every moment.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("json.tmp");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests;
