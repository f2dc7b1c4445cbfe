//! What is kept of a key.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::pattern::ModelPattern;
use crate::secret::{hex, to_hex};

/// The longest name and tenant, in bytes.
pub const NAME_MAX: usize = 128;

/// The largest weight.
pub const WEIGHT_MAX: u32 = 1_000;

/// How many patterns, and how many budgets, a key has at most.
const LIST_MAX: usize = 64;

/// What a key is called wherever it must not be shown: the same before and after it is rotated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub String);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// How urgent the calls of a key are, unless they say so themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody waits for the answer.
    Interactive,
    /// Neither.
    Standard,
    /// It may take its time.
    Batch,
}

/// A keyed hash, as hexadecimal digits in files.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct KeyHash(pub(crate) [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyHash(***)")
    }
}

impl TryFrom<String> for KeyHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex(&text)
            .map(Self)
            .ok_or("a hash is 64 hexadecimal digits")
    }
}

impl From<KeyHash> for String {
    fn from(hash: KeyHash) -> Self {
        to_hex(&hash.0)
    }
}

/// The key that was valid before a rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Former {
    pub(crate) shown: String,
    pub(crate) hash: KeyHash,
    /// It is valid before this time.
    pub(crate) until_unix_s: u64,
}

/// One key, without the key itself. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// What it is called.
    pub id: KeyId,
    /// What its owner calls it.
    pub name: String,
    /// The tenant as which its calls count.
    pub tenant: String,
    /// Its first letters, to tell keys apart.
    pub shown: String,
    pub(crate) hash: KeyHash,
    /// When it was made.
    pub created_unix_s: u64,
    /// From when on it is not valid any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_unix_s: Option<u64>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_unix_s: Option<u64>,
    /// When it was rotated last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_unix_s: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) former: Option<Former>,
    /// Models that it may be used for; none: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelPattern>,
    /// Names of the budgets that its calls have to fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<String>,
    /// The tenant's weight, unless configuration has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// How urgent its calls are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// What somebody wants of a new key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewKey {
    /// What its owner calls it.
    pub name: String,
    /// The tenant as which its calls count.
    pub tenant: String,
    /// From when on it is not valid any more.
    pub expires_unix_s: Option<u64>,
    /// Models that it may be used for; none: all.
    pub models: Vec<ModelPattern>,
    /// Names of the budgets that its calls have to fit.
    pub budgets: Vec<String>,
    /// The tenant's weight.
    pub weight: Option<u32>,
    /// How urgent its calls are.
    pub priority: Option<Priority>,
}

/// Why a key cannot be as it is wished for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Empty, too long, or with letters that spoil a terminal or a log.
    #[error("the {field} `{}` cannot be used: 1 to {NAME_MAX} bytes without control characters", value.escape_debug())]
    Text {
        /// Which part.
        field: &'static str,
        /// What was given.
        value: String,
    },
    /// Too many of something.
    #[error("a key has at most {LIST_MAX} {0}")]
    TooMany(&'static str),
    /// No weight.
    #[error("the weight {0} cannot be used: 1 to {WEIGHT_MAX}")]
    Weight(u32),
}

/// What a key is good for at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is valid.
    Active,
    /// Its time is over.
    Expired,
    /// Somebody has revoked it.
    Revoked,
}

impl KeyState {
    /// Its name, as answers have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl KeyRecord {
    /// What it is good for.
    #[must_use]
    pub fn state(&self, now_unix_s: u64) -> KeyState {
        if self.revoked_unix_s.is_some() {
            KeyState::Revoked
        } else if self.expires_unix_s.is_some_and(|at| now_unix_s >= at) {
            KeyState::Expired
        } else {
            KeyState::Active
        }
    }

    /// Until when the key before the last rotation is valid too; `None`: it is not.
    #[must_use]
    pub fn former_until_unix_s(&self, now_unix_s: u64) -> Option<u64> {
        let until = self.former.as_ref()?.until_unix_s;
        (now_unix_s < until).then_some(until)
    }

    /// Whether it may be used for a model.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| pattern.matches(model))
    }

    /// Checks what a file or a person says.
    pub(crate) fn check(&self) -> Result<(), RecordError> {
        plain("id", &self.id.0)?;
        plain("prefix", &self.shown)?;
        plain("name", &self.name)?;
        plain("tenant", &self.tenant)?;
        for (field, list) in [
            ("models", self.models.len()),
            ("budgets", self.budgets.len()),
        ] {
            if list > LIST_MAX {
                return Err(RecordError::TooMany(field));
            }
        }
        for model in &self.models {
            plain("model", &model.0)?;
        }
        for budget in &self.budgets {
            plain("budget", budget)?;
        }
        match self.weight {
            Some(weight) if !(1..=WEIGHT_MAX).contains(&weight) => Err(RecordError::Weight(weight)),
            _ => Ok(()),
        }
    }
}

fn plain(field: &'static str, value: &str) -> Result<(), RecordError> {
    if value.is_empty() || value.len() > NAME_MAX || value.chars().any(char::is_control) {
        let value = value.chars().take(NAME_MAX).collect();
        return Err(RecordError::Text { field, value });
    }
    Ok(())
}
