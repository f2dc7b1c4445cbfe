//! `GET /monitoring/forecasts`: when each limit will be hit, and what will be spent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is to be expected at the present demand.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Forecasts {
    /// Now, in milliseconds since 1970.
    pub at_ms: i64,
    /// Every limit, those that are hit first before the others.
    pub limits: Vec<LimitForecast>,
    /// Every limit pool.
    pub pools: Vec<PoolForecast>,
    /// Spending; `None` where no ledger is kept or its store does not answer, which
    /// `/monitoring/ledger` tells.
    pub spend: Option<SpendForecast>,
}

/// What is to be expected of a limit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LimitForecast {
    /// Its limit pool.
    pub pool: String,
    /// What it counts, such as `requests` or `tokens`.
    pub metric: String,
    /// Units in each window.
    pub amount: u64,
    /// Length of the window.
    pub window_ms: u64,
    /// Units used in the window now.
    pub used: u64,
    /// `used` over `amount`; above 1 is debt.
    pub utilisation: f64,
    /// `configured` or `learned`.
    pub source: String,
    /// The present demand over what the limit lets through: above 1 it cannot be met.
    pub demand_ratio: f64,
    /// Time until it is hit: 0 where it holds requests back now, `None` where the present demand does
    /// not reach it.
    pub hit_in_ms: Option<u64>,
    /// That moment, in milliseconds since 1970.
    pub hit_at_ms: Option<i64>,
}

/// What is to be expected of a limit pool.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PoolForecast {
    /// Its name.
    pub name: String,
    /// Requests waiting now.
    pub waiting: u64,
    /// Requests a minute by which the queue grows once a limit is hit.
    pub queue_growth_per_minute: f64,
}

/// What was spent lately, and what that comes to. Of calls whose price is known.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct SpendForecast {
    /// In the last 24 hours, in billionths of a dollar.
    pub last_day_nanousd: u64,
    /// In the 24 hours before.
    pub day_before_nanousd: u64,
    /// In the last 7 times 24 hours.
    pub last_week_nanousd: u64,
    /// The last 24 hours over those before; `None` where nothing was spent then.
    pub trend_ratio: Option<f64>,
    /// In 30 days, if they are like the last 7, or like those of them since the first call.
    pub next_30_days_nanousd: u64,
    /// The days that this is told from.
    pub observed_days: f64,
    /// Calls of the last 7 days that were sent and whose price is not known.
    pub unpriced: u64,
}
