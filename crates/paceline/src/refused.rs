//! Why a call may not go.

use std::time::Duration;

use paceline_limiter::{Binding, Metric, Outlook, Refusal};
use paceline_pace::NotNow;

/// Why a call may not go, and when it might.
///
/// Each says what to do: [`retry_after`](Self::retry_after) is the exact time after which the same
/// call would have got its turn, as far as is known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The call alone is more than a whole window allows: it can never go.
    #[error(
        "{requested} {metric} are more than the whole limit of {amount} in {window:?}; make the call smaller"
    )]
    TooLarge {
        /// What is limited.
        metric: Metric,
        /// Units per window.
        amount: u64,
        /// The length of the window.
        window: Duration,
        /// Units that the call needs.
        requested: u64,
    },
    /// It would have to wait, and was not to.
    #[error("no room now ({binding}); {}", again(*.retry_after))]
    NotNow {
        /// When it would have its turn; `None` where that depends on calls in flight.
        retry_after: Option<Duration>,
        /// What it would wait for.
        binding: Binding,
    },
    /// It cannot start within its longest wait, or did not.
    #[error("its turn would come in {eta:?} ({binding}), which is longer than it may wait; {}", again(Some(*.retry_after)))]
    WaitTooLong {
        /// The same call with as long a wait would do if it came this much later.
        retry_after: Duration,
        /// The expected time until its turn.
        eta: Duration,
        /// What it would wait for.
        binding: Binding,
    },
    /// Too many calls wait.
    #[error("{waiting} calls wait already; {}", again(Some(*.retry_after)))]
    QueueFull {
        /// How many wait.
        waiting: usize,
        /// When the next place should come free.
        retry_after: Duration,
    },
    /// Too many calls of this tenant wait.
    #[error("{waiting} calls of this tenant wait already; {}", again(Some(*.retry_after)))]
    TenantQueueFull {
        /// How many of the tenant's calls wait.
        waiting: usize,
        /// When the tenant's next place should come free.
        retry_after: Duration,
    },
    /// The pacer was closed.
    #[error("the pacer is closed; use another one")]
    Closed,
}

impl Refused {
    /// When to try again; `None` where it is not known, or where it would not help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match *self {
            Self::TooLarge { .. } | Self::Closed => None,
            Self::NotNow { retry_after, .. } => retry_after,
            Self::WaitTooLong { retry_after, .. }
            | Self::QueueFull { retry_after, .. }
            | Self::TenantQueueFull { retry_after, .. } => Some(retry_after),
        }
    }

    /// What stands in the way; `None` where it is the queue, or the end.
    #[must_use]
    pub const fn limited_by(&self) -> Option<Binding> {
        match *self {
            Self::TooLarge {
                metric,
                amount,
                window,
                ..
            } => Some(Binding::Limit {
                metric,
                amount,
                window,
            }),
            Self::NotNow { binding, .. } | Self::WaitTooLong { binding, .. } => Some(binding),
            Self::QueueFull { .. } | Self::TenantQueueFull { .. } | Self::Closed => None,
        }
    }

    /// Whether the same call may go later.
    #[must_use]
    pub const fn may_pass_later(&self) -> bool {
        !matches!(self, Self::TooLarge { .. } | Self::Closed)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooLarge {
                metric,
                amount,
                window,
                requested,
            } => Self::TooLarge {
                metric,
                amount,
                window,
                requested,
            },
            Refusal::QueueFull {
                waiting,
                retry_after,
            } => Self::QueueFull {
                waiting,
                retry_after,
            },
            Refusal::TenantQueueFull {
                waiting,
                retry_after,
            } => Self::TenantQueueFull {
                waiting,
                retry_after,
            },
            Refusal::DeadlineUnmeetable {
                retry_after,
                eta,
                binding,
            } => Self::WaitTooLong {
                retry_after,
                eta,
                binding,
            },
            Refusal::Cancelled | Refusal::Draining { .. } => Self::Closed,
        }
    }
}

impl From<NotNow> for Refused {
    fn from(not_now: NotNow) -> Self {
        match not_now {
            NotNow::Refused(refusal) => refusal.into(),
            NotNow::Waits(Outlook { eta, binding, .. }) => Self::NotNow {
                retry_after: eta,
                binding,
            },
        }
    }
}

fn again(after: Option<Duration>) -> String {
    match after {
        Some(after) => format!("try again in {after:?}"),
        None => "try again when a call has ended".to_owned(),
    }
}
