//! What a simulated provider reports about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{charge::Charge, enforcer::QuotaLevel};

/// The state of a simulated provider at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SimulatorState {
    /// The provider's clock, in nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// All limit pools that a request has reached, by name.
    pub pools: Vec<PoolState>,
    /// What happened since the start or the last reset.
    pub counters: Counters,
    /// Open connections.
    pub connections: u64,
}

/// The state of one limit pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PoolState {
    /// The pool's name.
    pub name: String,
    /// Requests that were admitted and have not ended.
    pub in_flight: u64,
    /// The level of every limit.
    pub quotas: Vec<QuotaLevel>,
    /// Units that other consumers have taken, per foreign consumer in the order of the settings.
    pub foreign_taken: Vec<u64>,
}

/// What happened since the start or the last reset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// HTTP requests that arrived, those to the control paths left out.
    pub received: u64,
    /// Requests that were admitted.
    pub admitted: u64,
    /// Admitted requests that were served to their end.
    pub served: u64,
    /// Admitted requests that ended otherwise: by a fault, or because the caller went away.
    pub unserved: u64,
    /// Refusals by the limit that caused them: its abbreviation, `too_large`, `concurrency` or
    /// `slow_down`.
    pub refused: BTreeMap<String, u64>,
    /// Faults that happened, by name.
    pub faults: BTreeMap<String, u64>,
    /// What was charged at admission.
    pub charged: Charge,
    /// What was given back at the end.
    pub refunded: Charge,
    /// What was added at the end.
    pub added: Charge,
    /// Tokens in prompts of served requests, as reported in usage.
    pub prompt_tokens: u64,
    /// Tokens in answers of served requests, as reported in usage.
    pub completion_tokens: u64,
}

impl Counters {
    /// All refusals together.
    #[must_use]
    pub fn refused_in_total(&self) -> u64 {
        self.refused.values().sum()
    }
}
