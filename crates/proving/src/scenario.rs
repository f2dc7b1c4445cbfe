//! What is simulated: a workload, a provider, the way between them, and who sends.

mod check;
mod expect;
mod parse;
mod provider;
mod sender;
mod workload;

use serde::{Deserialize, Serialize};

pub use self::{
    expect::Expect,
    parse::{ScenarioError, ScenarioFault},
    provider::{
        Change, Fault, FaultKind, Foreign, ForeignBurst, Formula, Headers, Kind, Provider,
        QuotaRule, RampRule, Retry,
    },
    sender::{FixedRate, Gateway, Knowledge, RetriesOnly, Sender, Settle},
    workload::{Arrivals, Priority, Prompt, Size, Workload},
};
use crate::time::Span;

/// A scenario, as its TOML file says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is called.
    #[serde(default)]
    pub name: String,
    /// What it shows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Where chance starts, unless the caller says otherwise.
    #[serde(default = "one")]
    pub seed: u64,
    /// How long requests arrive, in seconds; a finite job may end sooner.
    pub duration_s: u64,
    /// How much longer the unfinished ones are followed, in seconds.
    #[serde(default = "ten_minutes")]
    pub drain_s: u64,
    /// Who sends the requests; each sender gets the same workload and a provider of its own.
    #[serde(default = "gateway_only")]
    pub senders: Vec<Sender>,
    /// The gateway, or several of them on one quota.
    #[serde(default)]
    pub gateway: Gateway,
    /// A client that only retries.
    #[serde(default)]
    pub retries_only: RetriesOnly,
    /// A client with a rate that somebody configured.
    #[serde(default)]
    pub fixed_rate: FixedRate,
    /// The way to the provider and back.
    #[serde(default)]
    pub delay: Delay,
    /// The provider.
    pub provider: Provider,
    /// What is sent, as one or several streams of requests.
    pub workload: Vec<Workload>,
    /// What goes wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fault: Vec<Fault>,
    /// What the gateway must achieve.
    #[serde(default, skip_serializing_if = "Expect::is_empty")]
    pub expect: Expect,
}

/// How long things take; every request draws each of them anew, so that requests overtake each
/// other and so do answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delay {
    /// From the sender to the provider.
    pub to_provider_ms: Span,
    /// From the provider back.
    pub from_provider_ms: Span,
    /// From the arrival of an admitted request to the head of its answer.
    pub processing_ms: Span,
    /// From the head of an answer to its end.
    pub streaming_ms: Span,
    /// After this time without an answer a sender gives an attempt up.
    pub timeout_s: u64,
}

impl Default for Delay {
    fn default() -> Self {
        Self {
            to_provider_ms: Span(20, 120),
            from_provider_ms: Span(10, 60),
            processing_ms: Span(300, 3_000),
            streaming_ms: Span(0, 0),
            timeout_s: 60,
        }
    }
}

impl Scenario {
    /// Reads a scenario. `name` is what errors call the file.
    ///
    /// # Errors
    /// Everything that is wrong with it, with file, line and key.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        parse::scenario(name, text)
    }

    /// Whether it holds what a scenario must hold beyond its form.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        check::scenario(self).is_empty()
    }

    /// The scenario as the text of a file.
    ///
    /// # Errors
    /// When a number does not fit TOML's.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

const fn one() -> u64 {
    1
}

const fn ten_minutes() -> u64 {
    600
}

fn gateway_only() -> Vec<Sender> {
    vec![Sender::Gateway]
}
