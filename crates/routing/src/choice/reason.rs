//! Why a lane has its place, and why others have none.

use super::settings::Policy;
use crate::fault::FaultKind;
use crate::time::Timestamp;

/// What makes a call leave a lane, or a priority, for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// Its quota does not let the call go soon enough.
    Quota,
    /// The provider is overloaded or slow.
    Overload,
    /// The provider fails in another way.
    Error,
    /// The call is longer than the model's context.
    ContextLength,
    /// The lane lacks something that the call asks for.
    Unsupported,
}

impl From<FaultKind> for Trigger {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Overload | FaultKind::Slow => Self::Overload,
            _ => Self::Error,
        }
    }
}

/// Why a lane has its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The policy chose it.
    Policy(Policy),
    /// The session's last calls went there.
    Affinity,
    /// A session that is not known belongs there by its hash.
    SessionHash,
    /// The call finds out whether the lane is well again.
    Probe,
    /// Lanes of higher priority cannot be used because of this.
    Fallback(Trigger),
    /// Next if the lanes before it fail.
    Alternative,
    /// The lane has just come back and should not get this call, but nothing else is left.
    LastResort,
}

impl Reason {
    /// The name in headers, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy(policy) => policy.as_str(),
            Self::Affinity => "affinity",
            Self::SessionHash => "session_hash",
            Self::Probe => "probe",
            Self::Fallback(Trigger::Quota) => "fallback_quota",
            Self::Fallback(Trigger::Overload) => "fallback_overload",
            Self::Fallback(Trigger::Error) => "fallback_error",
            Self::Fallback(Trigger::ContextLength) => "fallback_context_length",
            Self::Fallback(Trigger::Unsupported) => "fallback_unsupported",
            Self::Alternative => "alternative",
            Self::LastResort => "last_resort",
        }
    }
}

/// Why a lane is not in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// Its breaker is open, or another call is its probe.
    Ill {
        /// What it is ill of.
        kind: FaultKind,
        /// When the next call may go and see, at the latest.
        until: Timestamp,
    },
    /// Its limits will never let the call go.
    NeverFits,
    /// The call is longer than its model's context.
    ContextTooLong,
    /// It lacks something that the call asks for.
    Unsupported,
    /// It has a lower priority, and what is wrong above is not in [`FallBackOn`](crate::FallBackOn).
    FallBackOff,
}

impl Out {
    /// The name in logs and views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ill { .. } => "ill",
            Self::NeverFits => "never_fits",
            Self::ContextTooLong => "context_too_long",
            Self::Unsupported => "unsupported",
            Self::FallBackOff => "fall_back_off",
        }
    }

    /// What leaving the lane for the next counts as.
    pub(crate) fn trigger(self) -> Option<Trigger> {
        match self {
            Self::Ill { kind, .. } => Some(kind.into()),
            Self::NeverFits => Some(Trigger::Quota),
            Self::ContextTooLong => Some(Trigger::ContextLength),
            Self::Unsupported => Some(Trigger::Unsupported),
            Self::FallBackOff => None,
        }
    }
}
