//! Waiting for a turn: limit pools, their queues, and the guards that settle what was reserved.

mod convert;
mod episode;
mod lease;
mod pool;
mod registry;

pub(crate) use convert::{charge_rule, limiter_metric, observation, tier};
pub(crate) use lease::Lease;
pub(crate) use pool::{Acquired, Pool, Turn, WaitingRequest};
pub(crate) use registry::{PoolKey, Registry};
