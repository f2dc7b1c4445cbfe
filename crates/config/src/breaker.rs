//! `[breaker]`: what happens while a way to a provider is ill.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::time::Duration;

use crate::checker::Checker;
use crate::quantity::Span;

/// When a lane counts as ill, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Breaker {
    /// Whether lanes are watched at all.
    pub is_enabled: bool,
    /// Failures in a row that open it.
    pub failures_max: u32,
    /// The share of calls that may fail within `window`.
    pub failure_share_max: f64,
    /// Calls within `window` before the share counts.
    pub calls_min: u32,
    /// The time that the share is taken over.
    pub window: Duration,
    /// How long it stays open the first time; doubled each time that it opens again.
    pub open: Duration,
    /// The longest that it stays open for failures.
    pub open_max: Duration,
    /// The longest that it stays open where the key is refused or its credit is spent.
    pub account_open: Duration,
    /// How long calls wait for a lane to come back when no other is left.
    pub patience: Duration,
    /// A lane of which half of the answers, or ten in a row, begin later than this is opened; `None`:
    /// lateness opens none.
    pub late_after: Option<Duration>,
}

/// A lane whose provider fails is left alone for a while, and then tried with one call.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawBreaker {
    /// Whether lanes are watched at all.
    enabled: bool,
    /// Failures in a row that open it, where there are fewer than calls_min calls in the window: faults of
    /// the provider alone, never of callers, and no refusals for the quota.
    #[schemars(range(min = 1, max = 64))]
    failures_max: u32,
    /// The share of calls that may fail within window.
    #[schemars(range(min = 0.01, max = 1.0))]
    failure_share_max: f64,
    /// Calls within window before the share counts.
    #[schemars(range(min = 1, max = 64))]
    calls_min: u32,
    /// The time that the share is taken over.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    window: Span,
    /// How long it stays open the first time; doubled each time that it opens again.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    open: Span,
    /// The longest that it stays open for failures.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "24h"))]
    open_max: Span,
    /// The longest that it stays open where the gateway's own key is refused or its credit is spent: the
    /// first time a minute, doubled each time that it opens again.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "24h"))]
    account_open: Span,
    /// How long calls wait for a lane to come back when no other is left; then they are refused.
    #[schemars(extend("x-maximum" = "24h"))]
    patience: Span,
    /// A lane is opened when half of its answers begin later than this, or ten in a row. Left out:
    /// lateness opens none, as long answers that are no streams begin at their end.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "1h", "examples" = ["5s"]))]
    late_after: Option<Span>,
}

impl Default for RawBreaker {
    fn default() -> Self {
        Self {
            enabled: true,
            failures_max: 3,
            failure_share_max: 0.5,
            calls_min: 10,
            window: Span(Duration::from_secs(30)),
            open: Span(Duration::from_secs(2)),
            open_max: Span(Duration::from_secs(20)),
            account_open: Span(Duration::from_secs(30 * 60)),
            patience: Span(Duration::from_secs(30)),
            late_after: None,
        }
    }
}

impl RawBreaker {
    pub(crate) fn check(self, checker: &mut Checker<'_>) -> Breaker {
        if self.open_max.0 < self.open.0 {
            let what = "must not be less than breaker.open";
            checker.problem("breaker.open_max", what, "");
        }
        if self.calls_min < self.failures_max {
            let what = "must not be less than breaker.failures_max";
            checker.problem("breaker.calls_min", what, "");
        }
        Breaker {
            is_enabled: self.enabled,
            failures_max: self.failures_max,
            failure_share_max: self.failure_share_max,
            calls_min: self.calls_min,
            window: self.window.0,
            open: self.open.0,
            open_max: self.open_max.0,
            account_open: self.account_open.0,
            patience: self.patience.0,
            late_after: self.late_after.map(|span| span.0),
        }
    }
}
