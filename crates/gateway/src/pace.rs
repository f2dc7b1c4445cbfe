//! Waiting for a turn: limit pools, their queues, and the guards that settle what was reserved.

mod convert;
mod demand;
mod episode;
mod forecast;
mod hits;
mod pool;
mod registry;
mod sharing;
mod store;
mod table;

pub(crate) use convert::{charge_parts, charge_rule, domain_settings, tier};
pub(crate) use forecast::{LimitForecast, PoolForecast, forecast};
pub(crate) use hits::{count_hit, window_label};
pub(crate) use pool::{Acquired, Lease, Pool, Turn, WaitingRequest};
pub(crate) use registry::{Asks, Holder, PoolKey, Registry};
pub(crate) use sharing::{Together, is_long_context};
pub(crate) use store::SharedPools;
