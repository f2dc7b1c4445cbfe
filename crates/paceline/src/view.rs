//! Limits as a program sees them.

use std::time::Duration;

use paceline_limiter::{DomainSnapshot, LimitSource, Metric};

/// One limit at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitState {
    /// What is limited.
    pub metric: Metric,
    /// Units per window that are used at the most: the limit without its headroom.
    pub amount: u64,
    /// The length of the window.
    pub window: Duration,
    /// Units that count as used now; more than `amount` where calls took more than they reserved.
    pub used: u64,
    /// Whether it was learned from answers.
    pub is_learned: bool,
}

pub(crate) fn limit_states(snapshot: &DomainSnapshot) -> Vec<LimitState> {
    let limits = snapshot.limits.iter();
    limits
        .map(|limit| LimitState {
            metric: limit.metric,
            amount: limit.amount,
            window: limit.window,
            used: limit.used,
            is_learned: limit.source == LimitSource::Learned,
        })
        .collect()
}

/// What is left of the tightest limit on `metric`.
pub(crate) fn remaining(snapshot: &DomainSnapshot, metric: Metric) -> Option<u64> {
    let limits = snapshot.limits.iter();
    limits
        .filter(|limit| limit.metric == metric)
        .map(|limit| limit.amount.saturating_sub(limit.used))
        .min()
}
