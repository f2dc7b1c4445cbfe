//! The proving ground: workloads, senders and providers in virtual time.
//!
//! A [`Scenario`] says what is sent, by whom, over which delays, and what the provider allows. A
//! [`Run`] plays it on one thread, without a clock and without I/O: hours pass in a moment, the same
//! seed always gives the same story, and the story is summed up in a [`Report`] that also names every
//! rule that was broken. A scenario that fails can be [`reduce`]d to one that still does.
//!
//! The provider's decisions are those of `paceline-simulator`; the gateway's are those of
//! `paceline-limiter`, which `client.rs` drives the way the gateway does. The crate deliberately
//! knows nothing of HTTP, of configuration files of the gateway, and of terminals.

#![forbid(unsafe_code)]

mod agenda;
mod best;
mod client;
pub mod families;
mod oracles;
mod random;
mod reduce;
mod report;
mod rivals;
mod run;
mod scenario;
mod sender;
mod time;
mod trace;
mod upstream;
mod world;

pub use paceline_simulator::Metric;

pub use self::{
    reduce::reduce,
    report::{LimitUse, Minute, Refused, Report, Second, TenantShare, Timeline, Waits},
    run::{Run, RunError},
    scenario::{
        Arrivals, Change, Delay, Expect, Fault, FaultKind, FixedRate, Foreign, ForeignBurst,
        Formula, Gateway, Headers, Kind, Knowledge, Priority, Prompt, Provider, QuotaRule,
        RampRule, RetriesOnly, Retry, Scenario, ScenarioError, ScenarioFault, Sender, Settle, Size,
        Workload,
    },
    time::Span,
    trace::{Event, Happening},
};
