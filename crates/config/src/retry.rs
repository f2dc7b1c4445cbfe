//! `[retry]`: what happens after the provider fails or refuses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::quantity::Span;

use std::time::Duration;

/// Retries after a failure or a refusal that is worth a retry.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Retries after the first try: 5 means at most 6 requests sent.
    pub retries_max: u32,
    /// Wait before the first retry, doubled for each one after it.
    pub base_delay: Duration,
    /// Longest wait that doubling may reach; a longer `Retry-After` still counts.
    pub delay_max: Duration,
    /// Upper bound of the random addition to each wait.
    pub jitter: Duration,
    /// Time of reduced rate and gradual return after a rate-limit error; zero turns it off.
    pub stabilisation: Duration,
    /// The share of the refused limit's rate that stabilisation begins with.
    pub stabilisation_share: f64,
    /// Time for which a rate is held whose growth the provider refused, and in which it may then
    /// grow by `growth_percent`.
    pub growth_period: Duration,
    /// Percent by which such a rate may grow in each period.
    pub growth_percent: u32,
}

/// What happens after the provider fails (429, 500, 502, 503, 504 and network errors).
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawRetry {
    /// Retries after the first try: 5 means at most 6 requests sent.
    #[schemars(range(min = 0, max = 100))]
    retries_max: u32,
    /// Wait before the first retry, doubled for each one after it.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "10m"))]
    base_delay: Span,
    /// Longest wait that doubling may reach; a longer Retry-After still counts.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h"))]
    delay_max: Span,
    /// Upper bound of the random addition to each wait.
    #[schemars(extend("x-maximum" = "10m"))]
    jitter: Span,
    /// Time of reduced rate and gradual return after a rate-limit error; 0s turns it off.
    #[schemars(extend("x-maximum" = "24h"))]
    stabilisation: Span,
    /// Share of the refused limit's rate that stabilisation begins with.
    #[schemars(range(min = 0.01, max = 1.0))]
    stabilisation_share: f64,
    /// Time for which a rate is held whose growth the provider refused (`slow_down`), and in which
    /// it may then grow by growth_percent.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "24h"))]
    growth_period: Span,
    /// Percent by which a rate whose growth the provider refused may then grow in each growth_period.
    #[schemars(range(min = 0, max = 1000))]
    growth_percent: u32,
}

impl Default for RawRetry {
    fn default() -> Self {
        Self {
            retries_max: 5,
            base_delay: Span(Duration::from_secs(1)),
            delay_max: Span(Duration::from_secs(30)),
            jitter: Span(Duration::from_secs(1)),
            stabilisation: Span(Duration::from_secs(15 * 60)),
            stabilisation_share: 0.8,
            growth_period: Span(Duration::from_secs(15 * 60)),
            growth_percent: 40,
        }
    }
}

impl RawRetry {
    pub(crate) fn check(self, checker: &mut Checker<'_>) -> Retry {
        if self.base_delay.0 > self.delay_max.0 {
            // The problem is shown where something was written; the other may be a default.
            let (path, relation, other) = match checker.is_set("retry.base_delay") {
                true => (
                    "retry.base_delay",
                    "at most retry.delay_max",
                    self.delay_max,
                ),
                false => (
                    "retry.delay_max",
                    "at least retry.base_delay",
                    self.base_delay,
                ),
            };
            let got = if path.ends_with("base_delay") {
                self.base_delay
            } else {
                self.delay_max
            };
            let what = format!("must be {relation}, which is {other} (got {got})");
            checker.problem(
                path,
                what,
                "a plain number in OPENAI_BASE_DELAY is in seconds",
            );
        }
        Retry {
            retries_max: self.retries_max,
            base_delay: self.base_delay.0,
            delay_max: self.delay_max.0,
            jitter: self.jitter.0,
            stabilisation: self.stabilisation.0,
            stabilisation_share: self.stabilisation_share,
            growth_period: self.growth_period.0,
            growth_percent: self.growth_percent,
        }
    }
}
