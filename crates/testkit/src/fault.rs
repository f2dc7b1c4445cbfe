//! A network that misbehaves on request: a proxy on loopback in front of any address.

mod behaviour;
mod connection;
mod counts;
mod proxy;

pub use behaviour::{Behaviour, Lane};
pub use counts::Counts;
pub use proxy::FaultProxy;
