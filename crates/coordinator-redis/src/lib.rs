//! Limit pools that many processes share, kept in Redis or Valkey.
//!
//! One hash per domain, and one script that decides on the server, with the server's clock, by the
//! rules of `Shared` in `paceline-coordinator`: the same messages at the same times get the same
//! answers. Budgets are kept in the same way, a hash for each account. One server, a master that sentinels know, or a cluster; with TLS and users if need be.
//! `docs/redis.md` has the layout of keys and what happens when a server is slow or gone.
//!
//! It does not know what the messages are for, and what instances do while the store is away.

mod budgets;
mod coordinator;
mod examine;
mod link;
mod pack;
mod plain;
mod script;
mod servers;
mod settings;
mod wakes;
mod wire;

pub use budgets::RedisBudgets;
pub use coordinator::RedisCoordinator;
pub use examine::{ClockReading, Examination, Identity, Right};
pub use settings::{Settings, SettingsError};
