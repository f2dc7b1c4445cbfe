//! The keys that `[limits]` and each of `[[domains]]` share.

mod check;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ChargeRule, Metric, SettleRule, WhenStoreIsAway};
use crate::quantity::{Amount, Span};

const SECOND: Duration = Duration::from_secs(1);

/// The periods of limits that have a key of their own, with the last word of that key.
pub(crate) const PERIODS: [(&str, Duration); 4] = [
    ("second", SECOND),
    ("minute", Duration::from_secs(60)),
    ("hour", Duration::from_secs(3_600)),
    ("day", Duration::from_secs(86_400)),
];

/// The limit pool of all models that no other pool names. Limits that are left out are learned.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLimits {
    /// Requests each second.
    #[schemars(extend("examples" = [10]))]
    requests_per_second: Option<Amount>,
    /// Requests each minute.
    #[schemars(extend("examples" = [500]))]
    requests_per_minute: Option<Amount>,
    /// Requests each hour.
    #[schemars(extend("examples" = [10_000]))]
    requests_per_hour: Option<Amount>,
    /// Requests each day.
    #[schemars(extend("examples" = [50_000]))]
    requests_per_day: Option<Amount>,
    /// Tokens each second.
    #[schemars(extend("examples" = [4_000]))]
    tokens_per_second: Option<Amount>,
    /// Tokens each minute.
    #[schemars(extend("examples" = [200_000]))]
    tokens_per_minute: Option<Amount>,
    /// Tokens each hour.
    #[schemars(extend("examples" = [4_000_000]))]
    tokens_per_hour: Option<Amount>,
    /// Tokens each day.
    #[schemars(extend("examples" = [20_000_000]))]
    tokens_per_day: Option<Amount>,
    /// Input tokens each second.
    #[schemars(extend("examples" = [2_000]))]
    input_tokens_per_second: Option<Amount>,
    /// Input tokens each minute.
    #[schemars(extend("examples" = [100_000]))]
    input_tokens_per_minute: Option<Amount>,
    /// Input tokens each hour.
    #[schemars(extend("examples" = [2_000_000]))]
    input_tokens_per_hour: Option<Amount>,
    /// Input tokens each day.
    #[schemars(extend("examples" = [10_000_000]))]
    input_tokens_per_day: Option<Amount>,
    /// Output tokens each second.
    #[schemars(extend("examples" = [400]))]
    output_tokens_per_second: Option<Amount>,
    /// Output tokens each minute.
    #[schemars(extend("examples" = [20_000]))]
    output_tokens_per_minute: Option<Amount>,
    /// Output tokens each hour.
    #[schemars(extend("examples" = [400_000]))]
    output_tokens_per_hour: Option<Amount>,
    /// Output tokens each day.
    #[schemars(extend("examples" = [2_000_000]))]
    output_tokens_per_day: Option<Amount>,
    /// Images each second.
    #[schemars(extend("examples" = [1]))]
    images_per_second: Option<Amount>,
    /// Images each minute.
    #[schemars(extend("examples" = [50]))]
    images_per_minute: Option<Amount>,
    /// Images each hour.
    #[schemars(extend("examples" = [1_000]))]
    images_per_hour: Option<Amount>,
    /// Images each day.
    #[schemars(extend("examples" = [5_000]))]
    images_per_day: Option<Amount>,
    /// Limits over other periods.
    #[schemars(extend("examples" = [[{ "metric": "tokens", "amount": 1000, "period": "30s" }]]))]
    custom: Vec<RawCustomLimit>,
    /// How much of the limits to use: sets `headroom` and `guard` together. Left out: all of
    /// them, with a guard of 200ms.
    #[schemars(extend("examples" = ["moderate"]))]
    profile: Option<RawProfile>,
    /// Fraction of every limit that is held back: a limit of 1000 with a headroom of 0.1 is kept
    /// as 900 (rounded down, 1 at the least). Left out: that of `profile`, else 0.
    #[schemars(range(min = 0.0, max = 0.99), extend("examples" = [0.1]))]
    headroom: Option<f64>,
    /// Spread of the delay between here and the provider, kept free at window edges. Left out:
    /// that of `profile`, else 200ms, and at most half of the shortest window.
    #[schemars(extend("x-maximum" = "1m", "examples" = ["200ms"]))]
    guard: Option<Span>,
    /// How the provider counts within a window.
    window: RawWindow,
    /// Length of the pieces of a quantised window. Left out: 1s.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1h", "examples" = ["1s"]))]
    quantum: Option<Span>,
    /// Tokens that may go at once from a bucket; it bounds token limits alone. Left out: the
    /// whole limit.
    #[schemars(extend("examples" = [1_000]))]
    burst: Option<Amount>,
    /// Requests in flight at once. Left out: no bound.
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [8]))]
    concurrency: Option<u32>,
    /// Least time between two launches.
    #[schemars(extend("x-maximum" = "1h"))]
    spacing: Span,
    /// How the provider computes the charge of a request at admission.
    charge: ChargeRule,
    /// What happens when the true usage becomes known.
    settle: SettleRule,
    /// Whether limits that are not given are learned from the provider's answers. Left out: true
    /// if no limit is given.
    #[schemars(extend("examples" = [true]))]
    learn: Option<bool>,
    /// Tokens taken from the quota when the provider refuses a request all the same.
    #[schemars(range(min = 0, max = 1_000_000_000))]
    penalty_tokens: u64,
    /// Requests in flight at once while no limit is known yet.
    #[schemars(range(min = 1, max = 1_000))]
    probe_concurrency: u32,
    /// What this instance may use while the store that gateways share is away.
    when_store_is_away: WhenStoreIsAway,
}

/// A limit over a period that has no key of its own.
// The verification says what is missing; a limit that is not whole is passed over after it.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["metric", "amount", "period"]))]
struct RawCustomLimit {
    /// What is counted.
    metric: Option<Metric>,
    /// How many of it.
    amount: Option<Amount>,
    /// In how much time.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "31d"))]
    period: Option<Span>,
}

/// How much of the limits to use.
#[derive(Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RawProfile {
    /// Headroom 0.2, guard 500ms.
    Conservative,
    /// Headroom 0.05, guard 200ms.
    Moderate,
    /// Headroom 0, guard 100ms.
    Aggressive,
}

/// How the provider counts within a window.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RawWindow {
    /// Not known: a pace that is safe under all the others.
    Unknown,
    /// Continuous refill, up to `burst` at once.
    Bucket,
    /// Windows that start at multiples of their length on the wall clock.
    Fixed,
    /// Windows that start at the first use after the last one closed.
    FixedFromFirstUse,
    /// The amount over any span of the window's length.
    Sliding,
    /// The amount is enforced in shorter pieces of length `quantum`.
    Quantised,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            requests_per_second: None,
            requests_per_minute: None,
            requests_per_hour: None,
            requests_per_day: None,
            tokens_per_second: None,
            tokens_per_minute: None,
            tokens_per_hour: None,
            tokens_per_day: None,
            input_tokens_per_second: None,
            input_tokens_per_minute: None,
            input_tokens_per_hour: None,
            input_tokens_per_day: None,
            output_tokens_per_second: None,
            output_tokens_per_minute: None,
            output_tokens_per_hour: None,
            output_tokens_per_day: None,
            images_per_second: None,
            images_per_minute: None,
            images_per_hour: None,
            images_per_day: None,
            custom: Vec::new(),
            profile: None,
            headroom: None,
            guard: None,
            window: RawWindow::Unknown,
            quantum: None,
            burst: None,
            concurrency: None,
            spacing: Span(Duration::ZERO),
            charge: ChargeRule::Learned,
            settle: SettleRule::Learned,
            learn: None,
            penalty_tokens: 1_000,
            probe_concurrency: 2,
            when_store_is_away: WhenStoreIsAway::Share,
        }
    }
}
