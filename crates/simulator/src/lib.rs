//! A provider of language models that enforces limits as the real ones do: as a server that speaks
//! the API of OpenAI or of one of fifteen other providers ([`Likeness`]), and as a pure model for
//! simulations in virtual time.
//!
//! It is the judge of the rest of the system, and therefore deliberately knows nothing of it: not
//! the limiter, not the gateway, not how either counts. The [`Enforcer`] decides with `now` as an
//! argument; [`verify`] checks a journal of decisions by definition and shares no code with it.
//!
//! What a request is charged follows from its characters and its own token limit
//! ([`ChargeFormula`]); what it reports as used follows from a rule of its own (a token for every
//! four characters of each text, and the framing of chat messages), because with real providers
//! the two differ as well. Answers follow from the request alone; only what is read from a cache of
//! prompts follows from the requests before.
//!
//! What each provider does is written down here a second time, from the same public facts as elsewhere
//! and without looking there, so that a fact that was misread in one place does not agree with itself.

mod answer;
mod book;
mod caller;
mod charge;
mod clock;
mod content;
mod control;
mod court;
mod endpoints;
mod enforcer;
mod faults;
mod go_duration;
mod headers;
mod journal;
mod json;
mod likeness;
mod prompt;
mod provider;
mod quota;
mod realtime;
mod refusal;
mod service;
mod settings;
mod simulator;
mod state;
mod turn;
mod verify;
mod voice;
mod wire;

pub use book::BilledRequest;
pub use charge::{Charge, ChargeFormula, RequestSize, Settlement};
pub use enforcer::{
    Admission, Enforcer, EnforcerSettings, ForeignTraffic, Outcome, QuotaLevel, RampLimit, Refusal,
    Reservation,
};
pub use faults::{Fault, FaultOrder, FaultRule, InvalidFault};
pub use go_duration::go_duration_ns;
pub use journal::{Decision, JournalEntry};
pub use likeness::{Likeness, UnknownLikeness};
pub use quota::{Metric, Quota, QuotaKind};
pub use settings::{
    HeaderSettings, Latency, OutputLength, PoolScope, SimulatorSettings, StreamRefusals,
};
pub use simulator::{Simulator, StartError};
pub use state::{Counters, PoolState, SimulatorState};
pub use verify::{MinuteUse, Utilisation, Violation, verify};
