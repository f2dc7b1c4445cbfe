//! What the caller reports about admitted requests and about the provider's words.

use std::time::Duration;

use crate::charge::{Charge, Metric};
use crate::formula::ActualTokens;
use crate::request::ReservationId;
use crate::time::Timestamp;

/// The end of an admitted request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// What the provider finally deducted; `None`: as reserved, or as the charge formula that was
    /// learned says where `actual` is known.
    pub charged: Option<Charge>,
    /// What the request turned out to use, as far as the answer told.
    pub actual: Option<ActualTokens>,
    /// How it went.
    pub outcome: Outcome,
}

/// How an admitted request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The provider served it.
    Success,
    /// It broke: a network error, a server error, a client that left.
    Failed,
    /// The provider refused it for its quota.
    Refused,
}

/// What a settlement did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The reservation is closed.
    Applied {
        /// Reserved and not charged.
        refunded: Charge,
        /// Charged and not reserved.
        debt: Charge,
    },
    /// The reservation was closed before, by a settlement or by its lease; nothing changed.
    Already,
}

/// What a provider's answer says about one of its limits (limit, remaining and reset headers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What is limited.
    pub metric: Metric,
    /// Units per window.
    pub limit: u64,
    /// Units left; negative where the provider lets usage run over.
    pub remaining: i64,
    /// Time until the provider counts nothing as used.
    pub reset: Option<Duration>,
    /// When the answered request was sent: the provider made up these figures at some time from
    /// then on. What has drained or expired since must not be counted again.
    pub as_of: Timestamp,
    /// The request, if it was admitted and these figures count it: they can then be compared with
    /// what was counted here at its admission, whatever has happened since.
    pub reservation: Option<ReservationId>,
    /// The length of the window, where the provider names it or is known to mean it.
    pub window: Option<Duration>,
    /// How long the provider says that it worked on the request.
    pub processing: Option<Duration>,
}

/// What kind of refusal a provider sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// A quota is used up.
    Quota,
    /// The provider is short of capacity; the quota has nothing to do with it.
    Overload,
    /// Too many requests are in flight: one more fits as soon as one of them ends.
    Concurrency,
    /// The traffic rises too fast. The quota may have room: it is the growth that is held, and no
    /// level changes.
    Acceleration,
}

impl RefusalKind {
    /// The kind in a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Overload => "overload",
            Self::Concurrency => "concurrency",
            Self::Acceleration => "acceleration",
        }
    }
}

/// A refusal by the provider, as far as its message and headers tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderRefusal {
    /// Which metric was refused.
    pub metric: Option<Metric>,
    /// Units per window.
    pub limit: Option<u64>,
    /// Units the provider counts as used.
    pub used: Option<u64>,
    /// Units that the limit headers of the refusal show as used, where it carries any: the true
    /// level, while `used` is made to fit the message.
    pub level: Option<u64>,
    /// Units the refused request asked for.
    pub requested: Option<u64>,
    /// The length of the limit's window.
    pub window: Option<Duration>,
    /// When the refused request was sent: what was sent before a pause was over belongs to the
    /// refusal that the pause is for.
    pub sent_at: Timestamp,
    /// How long to wait.
    pub retry_after: Option<Duration>,
    /// Whether the provider named that wait. One that the caller made up counts only for the first
    /// refusal of an episode.
    pub wait_named: bool,
    /// Added to the pause; the caller draws it, so that decisions stay free of randomness. That of
    /// the first refusal of an episode counts.
    pub jitter: Duration,
    /// Counted as used on top of what was, once in an episode, for a quota that turned out smaller
    /// than believed.
    pub penalty: Charge,
    /// Quota, capacity or growth.
    pub kind: RefusalKind,
}
