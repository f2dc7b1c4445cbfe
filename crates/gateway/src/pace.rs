//! Waiting for a turn: limit pools, their queues, and the guards that settle what was reserved.

mod convert;
mod demand;
mod episode;
mod forecast;
mod hits;
mod lease;
mod pool;
mod registry;
mod sharing;
mod table;

pub(crate) use convert::{
    Answered, charge_parts, charge_rule, level, limiter_metric, observation, tier,
};
pub(crate) use forecast::{LimitForecast, PoolForecast, forecast};
pub(crate) use hits::{count_hit, window_label};
pub(crate) use lease::Lease;
pub(crate) use pool::{Acquired, Pool, Turn, WaitingRequest};
pub(crate) use registry::{Asks, PoolKey, Registry};
pub(crate) use sharing::{Together, is_long_context};
