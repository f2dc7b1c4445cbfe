//! What a domain has come to believe about its provider, for people and for the next start.

use std::time::Duration;

use crate::charge::Metric;
use crate::formula::ChargeFormula;
use crate::settings::WindowModel;
use crate::time::Timestamp;

/// How a limit is counted, as far as answers tell. Pieces are told apart from a bucket by
/// [`LimitBelief::piece`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// What was taken drains evenly.
    Bucket,
    /// Everything is forgotten when the window ends.
    Fixed,
    /// Everything counts for one window.
    Sliding,
}

impl WindowKind {
    /// The kind that a model is of; `None`: one that is safe under all kinds.
    #[must_use]
    pub const fn of(model: &WindowModel) -> Option<Self> {
        match model {
            WindowModel::Bucket { .. } | WindowModel::Quantised { .. } => Some(Self::Bucket),
            WindowModel::Fixed { .. } | WindowModel::FixedFromFirstUse => Some(Self::Fixed),
            WindowModel::Sliding => Some(Self::Sliding),
            WindowModel::Unknown { .. } => None,
        }
    }
}

/// Why a belief changed last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeReason {
    /// The answers told the kind of the window.
    Kind,
    /// The provider states another amount.
    Amount {
        /// The amount until then.
        before: u64,
    },
    /// A refusal showed that the quota is enforced in pieces.
    Piece,
}

/// The latest change of a belief.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// When it was made.
    pub at: Timestamp,
    /// Why.
    pub reason: ChangeReason,
}

/// What is believed of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitBelief {
    /// How it is counted; `None` while answers do not tell, in which case it is paced in a way that
    /// is safe under all kinds.
    pub kind: Option<WindowKind>,
    /// How sure the kind is, in thousandths.
    pub kind_confidence_permille: u32,
    /// Answers it took to tell the kind.
    pub decided_after: Option<u64>,
    /// Answers that spoke of this limit.
    pub answers: u64,
    /// Time until the present window ends, where windows are fixed.
    pub ends_in: Option<Duration>,
    /// How exactly that end is known.
    pub end_spread: Option<Duration>,
    /// Whether windows follow a clock (`true`) or open at the first use; `None` before it shows.
    pub aligned: Option<bool>,
    /// The highest level that the provider was seen to let in, in units.
    pub confirmed: u64,
    /// What one piece holds, in units, where a refusal showed that the quota is enforced in pieces.
    pub piece: Option<u64>,
    /// The usual charge of one request, in units.
    pub usual_charge: u64,
    /// What others take from the limit, in units per minute.
    pub foreign_per_minute: u64,
    /// Units kept free for what others take between two answers.
    pub reserve: u64,
    /// Whether an answer has confirmed what was remembered from an earlier run.
    pub verified: bool,
    /// The latest change.
    pub change: Option<Change>,
}

/// What is believed of the token charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargeBelief {
    /// The formula in use.
    pub formula: ChargeFormula,
    /// How sure it is, in thousandths; 0 where it is assumed.
    pub confidence_permille: u32,
    /// Pairs of answers it took.
    pub decided_after: Option<u64>,
}

/// What is worth remembering of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitMemory {
    /// What is limited.
    pub metric: Metric,
    /// Units per window.
    pub amount: u64,
    /// The length of the window.
    pub window: Duration,
    /// How it is counted.
    pub kind: Option<WindowKind>,
    /// The highest level that the provider was seen to let in, in units.
    pub confirmed: u64,
    /// What one piece holds, in units.
    pub piece: Option<u64>,
    /// Units used when this was written.
    pub used: u64,
}

/// What is worth remembering of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Its learned limits.
    pub limits: Vec<LimitMemory>,
    /// The charge formula, once it was believed.
    pub charge: Option<ChargeFormula>,
}
