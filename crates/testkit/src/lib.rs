//! Ephemeral gateways, simulators and callers for tests.
//!
//! Only ever a development dependency. Everything listens on free loopback ports, keeps its state in
//! a folder of its own and is gone when it is dropped. Knows no test framework.

mod caller;
mod gateway;
mod pacing;
mod raw;
mod unconfigured;

pub use caller::{Answer, Caller, chat};
pub use gateway::TestGateway;
pub use pacing::{PacingReport, PacingRun};
pub use raw::{RawAnswer, raw_exchange};
pub use unconfigured::{Believed, JobReport, UnconfiguredReport, UnconfiguredRun};
