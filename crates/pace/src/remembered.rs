//! What a pool remembers, as it is written down, and its way back through every check.

use std::time::Duration;

use paceline_limiter::{ChargeFormula, Combine, LimitMemory, Memory, Metric, WindowKind};
use serde::{Deserialize, Serialize};

/// No provider counts beyond this.
const UNITS_MAX: u64 = 1 << 50;
/// No window is longer: a year and a day.
const WINDOW_MS_MAX: u64 = 366 * 86_400_000;
/// No pool has more limits.
const LIMITS_MAX: usize = 32;
/// No provider counts more tokens than a thousand times the estimate.
const INPUT_PERMILLE_MAX: u32 = 1_000_000;

/// That more was seen to be let in is worth telling from this part of an amount on.
const CONFIRMED_PART: u64 = 20;

/// A part of what was written down that no pool can have remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} makes no sense")]
pub struct Nonsense(pub &'static str);

/// What a pool remembers, as text can hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    limits: Vec<LimitRecord>,
    charge: Option<ChargeRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct LimitRecord {
    metric: MetricName,
    amount: u64,
    window_ms: u64,
    kind: Option<KindName>,
    confirmed: u64,
    piece: Option<u64>,
    used: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ChargeRecord {
    combine: CombineName,
    input_permille: u32,
    refunds: bool,
    failures_free: bool,
}

macro_rules! names {
    ($name:ident of $of:ident { $($variant:ident),+ }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl From<&Memory> for Remembered {
    /// What would not be taken back is left out, or it would take the rest with it.
    fn from(memory: &Memory) -> Self {
        let limits = memory.limits.iter().take(LIMITS_MAX);
        let charge = memory.charge.map(ChargeRecord::pack);
        Self {
            limits: limits
                .map(LimitRecord::pack)
                .filter(|limit| limit.unpack().is_ok())
                .collect(),
            charge: charge.filter(|charge| charge.unpack().is_ok()),
        }
    }
}

impl TryFrom<&Remembered> for Memory {
    type Error = Nonsense;

    fn try_from(remembered: &Remembered) -> Result<Self, Nonsense> {
        if remembered.limits.len() > LIMITS_MAX {
            return Err(Nonsense("the number of a pool's limits"));
        }
        let limits: Result<_, _> = remembered.limits.iter().map(LimitRecord::unpack).collect();
        let charge = remembered.charge.as_ref().map(ChargeRecord::unpack);
        Ok(Self {
            limits: limits?,
            charge: charge.transpose()?,
        })
    }
}

impl Remembered {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limits.is_empty() && self.charge.is_none()
    }

    /// Leaves the charge formula as it was known `before`.
    pub(crate) fn keep_charge(&mut self, before: Option<&Self>) {
        self.charge = before.and_then(|before| before.charge.clone());
    }

    /// Whether this is news to who knows `other`. That a little more of a limit was seen to be let in
    /// is none.
    #[must_use]
    pub fn tells_more_than(&self, other: &Self) -> bool {
        let is_known = |limit: &LimitRecord| {
            let mut others = other.limits.iter();
            others.any(|other| {
                let grown = limit.confirmed.saturating_sub(other.confirmed);
                let alike = LimitRecord {
                    confirmed: other.confirmed,
                    used: other.used,
                    ..limit.clone()
                };
                alike == *other && grown <= limit.amount / CONFIRMED_PART
            })
        };
        self.charge != other.charge || !self.limits.iter().all(is_known)
    }
}

impl LimitRecord {
    fn pack(limit: &LimitMemory) -> Self {
        Self {
            metric: limit.metric.into(),
            amount: limit.amount,
            window_ms: u64::try_from(limit.window.as_millis()).unwrap_or(u64::MAX),
            kind: limit.kind.map(KindName::from),
            confirmed: limit.confirmed,
            piece: limit.piece,
            used: limit.used,
        }
    }

    fn unpack(&self) -> Result<LimitMemory, Nonsense> {
        if !(1..=UNITS_MAX).contains(&self.amount) {
            return Err(Nonsense("the amount of a limit"));
        }
        if !(1..=WINDOW_MS_MAX).contains(&self.window_ms) {
            return Err(Nonsense("the window of a limit"));
        }
        if self.piece.is_some_and(|piece| piece == 0) {
            return Err(Nonsense("the piece of a limit"));
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

    fn unpack(&self) -> Result<ChargeFormula, Nonsense> {
        if !(1..=INPUT_PERMILLE_MAX).contains(&self.input_permille) {
            return Err(Nonsense("the coefficient of a charge"));
        }
        Ok(ChargeFormula {
            combine: self.combine.into(),
            input_permille: self.input_permille,
            refunds: self.refunds,
            failures_free: self.failures_free,
        })
    }
}
