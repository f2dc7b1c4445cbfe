//! What is kept, as it is written, and its way back through every check.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use paceline_limiter::{self as limiter, ChargeFormula, Combine, LimitMemory, Metric, WindowKind};
use paceline_tokens::{CalibrationsState, OutputLengthsState};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::file::Problem;
use super::{Known, SALT_BYTES, Salt};
use crate::exchange::milliseconds;
use crate::pace::PoolKey;

/// No provider counts beyond this.
const UNITS_MAX: u64 = 1 << 50;
/// No window is longer: a year and a day.
const WINDOW_MS_MAX: u64 = 366 * 86_400_000;
/// No pool has more limits.
const LIMITS_MAX: usize = 32;
/// No provider counts more tokens than a thousand times the estimate.
const INPUT_PERMILLE_MAX: u32 = 1_000_000;

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
    limits: Vec<LimitRecord>,
    charge: Option<ChargeRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct LearnedFor {
    credential: String,
    model: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct LimitRecord {
    metric: MetricName,
    amount: u64,
    window_ms: u64,
    kind: Option<KindName>,
    confirmed: u64,
    piece: Option<u64>,
    used: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct ChargeRecord {
    combine: CombineName,
    input_permille: u32,
    refunds: bool,
    failures_free: bool,
}

macro_rules! names {
    ($name:ident of $of:ident { $($variant:ident),+ }) => {
        #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum $name { $($variant),+ }

        impl From<$of> for $name {
            fn from(of: $of) -> Self {
                match of { $($of::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $of {
            fn from(name: $name) -> Self {
                match name { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

names!(MetricName of Metric { Requests, Tokens, InputTokens, OutputTokens, Images });
names!(KindName of WindowKind { Bucket, Fixed, Sliding });
names!(CombineName of Combine { Max, Sum, Input });

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
        let limits = known.memory.limits.iter().take(LIMITS_MAX);
        Self {
            rule: key.rule().to_owned(),
            learned,
            taken_unix_s: known.taken_unix_s,
            // What would not be taken back is left out, or it would take the rest with it.
            limits: limits
                .map(LimitRecord::pack)
                .filter(|limit| limit.unpack().is_ok())
                .collect(),
            charge: known
                .memory
                .charge
                .map(ChargeRecord::pack)
                .filter(|charge| charge.unpack().is_ok()),
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
        if self.limits.len() > LIMITS_MAX {
            return Err(Problem::Nonsense("the number of a pool's limits"));
        }
        let limits: Result<_, _> = self.limits.iter().map(LimitRecord::unpack).collect();
        let memory = limiter::Memory {
            limits: limits?,
            charge: self.charge.as_ref().map(ChargeRecord::unpack).transpose()?,
        };
        let known = Known {
            taken_unix_s: self.taken_unix_s,
            memory,
        };
        Ok((key, known))
    }
}

impl LimitRecord {
    fn pack(limit: &LimitMemory) -> Self {
        Self {
            metric: limit.metric.into(),
            amount: limit.amount,
            window_ms: milliseconds(limit.window),
            kind: limit.kind.map(KindName::from),
            confirmed: limit.confirmed,
            piece: limit.piece,
            used: limit.used,
        }
    }

    fn unpack(&self) -> Result<LimitMemory, Problem> {
        if !(1..=UNITS_MAX).contains(&self.amount) {
            return Err(Problem::Nonsense("the amount of a limit"));
        }
        if !(1..=WINDOW_MS_MAX).contains(&self.window_ms) {
            return Err(Problem::Nonsense("the window of a limit"));
        }
        if self.piece.is_some_and(|piece| piece == 0) {
            return Err(Problem::Nonsense("the piece of a limit"));
        }
        Ok(LimitMemory {
            metric: self.metric.into(),
            amount: self.amount,
            window: Duration::from_millis(self.window_ms),
            kind: self.kind.map(WindowKind::from),
            confirmed: self.confirmed.min(self.amount),
            piece: self.piece.map(|piece| piece.min(self.amount)),
            // Debt beyond a window or two would stop a pool for longer than any mistake may.
            used: self.used.min(self.amount.saturating_mul(2)),
        })
    }
}

impl ChargeRecord {
    fn pack(formula: ChargeFormula) -> Self {
        Self {
            combine: formula.combine.into(),
            input_permille: formula.input_permille,
            refunds: formula.refunds,
            failures_free: formula.failures_free,
        }
    }

    fn unpack(&self) -> Result<ChargeFormula, Problem> {
        if !(1..=INPUT_PERMILLE_MAX).contains(&self.input_permille) {
            return Err(Problem::Nonsense("the coefficient of a charge"));
        }
        Ok(ChargeFormula {
            combine: self.combine.into(),
            input_permille: self.input_permille,
            refunds: self.refunds,
            failures_free: self.failures_free,
        })
    }
}
