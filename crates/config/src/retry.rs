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
    /// Time of reduced rate and gradual return after a rate-limit error.
    pub stabilisation: Duration,
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
    /// Time of reduced rate and gradual return after a rate-limit error.
    #[schemars(extend("x-maximum" = "24h"))]
    stabilisation: Span,
}

impl Default for RawRetry {
    fn default() -> Self {
        Self {
            retries_max: 5,
            base_delay: Span(Duration::from_secs(1)),
            delay_max: Span(Duration::from_secs(30)),
            jitter: Span(Duration::from_secs(1)),
            stabilisation: Span(Duration::from_secs(15 * 60)),
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
        }
    }
}
