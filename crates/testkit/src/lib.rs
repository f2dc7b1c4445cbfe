//! Ephemeral gateways, simulators, stores, callers and faults for tests.
//!
//! Only ever a development dependency. Everything listens on free loopback ports, keeps its state in
//! a folder of its own and is gone when it is dropped. Knows no test framework.

mod books;
mod caller;
pub mod fault;
mod gateway;
mod gateway_process;
mod journal;
mod lanes_run;
mod pacing;
mod ports;
mod postgres;
pub mod process;
mod provider_run;
mod raw;
pub mod redis;
mod shared_run;
mod unconfigured;

pub use books::{BooksReport, BooksRun, CallKind, KilledReport, Rule, Sums, Tally};
pub use caller::{Answer, Caller, chat};
pub use gateway::TestGateway;
pub use gateway_process::{GatewayCommand, GatewayProcess, ProcessGroup};
pub use lanes_run::{FirstBytes, IllnessReport, IllnessRun, Keys, KeysReport, KeysRun};
pub use pacing::{PacingReport, PacingRun};
pub use postgres::PostgresServer;
pub use provider_run::{Binding, Learned, ProviderReport, ProviderRun};
pub use raw::{RawAnswer, raw_exchange};
pub use shared_run::{
    Counting, Peak, Refused, SharedFault, SharedReport, SharedRun, Slice, Store, TenantShare, Use,
    Waits,
};
pub use unconfigured::{Believed, JobReport, UnconfiguredReport, UnconfiguredRun};
