//! What is kept, as it is written, and its way back through every check.

use std::io;
use std::sync::Arc;

use paceline_limiter as limiter;
use paceline_pace::{Nonsense, Remembered};
use paceline_tokens::{CalibrationsState, OutputLengthsState};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::file::Problem;
use super::{Known, SALT_BYTES, Salt};
use crate::pace::PoolKey;

/// Everything that is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Payload {
    /// What credentials are hashed with.
    pub(super) salt: String,
    /// Whose limits these are.
    pub(super) upstream: String,
    pub(super) pools: Vec<PoolRecord>,
    pub(super) calibrations: CalibrationsState,
    pub(super) output_lengths: OutputLengthsState,
}

/// What one pool knew.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PoolRecord {
    rule: String,
    /// Only for pools that are made for each credential and model.
    #[serde(flatten)]
    learned: Option<LearnedFor>,
    pub(super) taken_unix_s: u64,
    #[serde(flatten)]
    remembered: Remembered,
}

#[derive(Debug, Serialize, Deserialize)]
struct LearnedFor {
    credential: String,
    model: String,
}

impl Payload {
    pub(super) fn to_json(&self) -> io::Result<Box<RawValue>> {
        Ok(serde_json::value::to_raw_value(self)?)
    }

    /// What credentials were hashed with.
    pub(super) fn salt(&self) -> Result<Salt, Problem> {
        let wrong = || Problem::Nonsense("the salt");
        let number = self.salt.len() == SALT_BYTES * 2;
        let number = number.then(|| u128::from_str_radix(&self.salt, 16).ok());
        let number = number.flatten().ok_or_else(wrong)?;
        Ok(number.to_be_bytes())
    }
}

impl PoolRecord {
    pub(super) fn pack(key: &PoolKey, known: &Known) -> Self {
        let learned = match key {
            PoolKey::Configured { .. } => None,
            PoolKey::Learned {
                credential, model, ..
            } => Some(LearnedFor {
                credential: format!("{credential:016x}"),
                model: model.to_string(),
            }),
        };
        Self {
            rule: key.rule().to_owned(),
            learned,
            taken_unix_s: known.taken_unix_s,
            remembered: Remembered::from(&known.memory),
        }
    }

    pub(super) fn unpack(&self) -> Result<(PoolKey, Known), Problem> {
        let rule = Arc::from(self.rule.as_str());
        let key = match &self.learned {
            None => PoolKey::Configured { rule },
            Some(learned) => PoolKey::Learned {
                rule,
                credential: u64::from_str_radix(&learned.credential, 16)
                    .map_err(|_| Problem::Nonsense("the hash of a credential"))?,
                model: Arc::from(learned.model.as_str()),
            },
        };
        if !key.is_keepable() {
            return Err(Problem::Nonsense("the name of a pool"));
        }
        let memory = limiter::Memory::try_from(&self.remembered);
        let memory = memory.map_err(|Nonsense(what)| Problem::Nonsense(what))?;
        let known = Known {
            taken_unix_s: self.taken_unix_s,
            memory,
        };
        Ok((key, known))
    }
}
