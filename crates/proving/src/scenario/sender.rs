//! Who sends the requests of a scenario.

use serde::{Deserialize, Serialize};

use super::Formula;

/// A kind of sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// Paceline.
    Gateway,
    /// A client library that sends at once and retries what was refused.
    RetriesOnly,
    /// A client that keeps to a rate that somebody configured.
    FixedRate,
}

impl Sender {
    /// The sender as tables name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "paceline",
            Self::RetriesOnly => "retries only",
            Self::FixedRate => "fixed rate",
        }
    }
}

/// The gateway's side, with the gateway's own defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// How many gateways use the quota, each by itself; requests go to them in turn.
    pub count: usize,
    /// What they are told of the limits.
    pub knows: Knowledge,
    /// The allowance for the spread of the delay to the provider.
    pub guard_ms: u64,
    /// Requests in flight at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// The shortest time between two launches.
    pub spacing_ms: u64,
    /// Requests in flight while no limit is known.
    pub probe_concurrency: u32,
    /// What a request is believed to be charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge: Option<Formula>,
    /// What a finished request is settled at.
    pub settle: Settle,
    /// Tokens that count as used on top after a refusal.
    pub penalty_tokens: u64,
    /// Retries of one request.
    pub retries: u32,
    /// The part of each known limit that is held back, in percent.
    pub headroom_percent: u32,
    /// The longest wait of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_wait_s: Option<u64>,
    /// Requests waiting at once; no bound where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_max: Option<usize>,
    /// Requests of one tenant waiting at once; no bound where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_per_tenant_max: Option<usize>,
    /// The guaranteed shares of interactive, standard and batch requests, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shares_percent: Option<[u32; 3]>,
    /// How long the rate of a refused limit stays reduced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stabilisation_s: Option<u64>,
}

/// What a gateway is told of the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knowledge {
    /// Nothing: it learns them.
    #[default]
    Nothing,
    /// Amounts and windows, but not how the windows are kept.
    Amounts,
    /// All of it.
    Everything,
}

/// What a finished request is settled at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settle {
    /// As answers tell; the larger of both where they do not.
    #[default]
    Learned,
    /// What was reserved.
    AtAdmission,
    /// What it used.
    Actual,
    /// The larger of both.
    Highest,
}

/// A client library as it comes: what is refused or fails is sent again after half a second, then
/// a second, and so on up to eight, or after as long as the answer asks for, up to a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetriesOnly {
    /// Requests in flight at once.
    pub concurrency: u32,
    /// Retries of one request.
    pub retries: u32,
}

/// A client that keeps to a rate, with a bucket that holds `burst_s` of it, and retries like the
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FixedRate {
    /// Tokens per minute; the quota's where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Requests per minute; the quota's where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Seconds of the rate that may go at once.
    pub burst_s: u64,
    /// Requests in flight at once.
    pub concurrency: u32,
    /// Retries of one request.
    pub retries: u32,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            count: 1,
            knows: Knowledge::Nothing,
            guard_ms: 200,
            concurrency: None,
            spacing_ms: 0,
            probe_concurrency: 2,
            charge: None,
            settle: Settle::Learned,
            penalty_tokens: 1_000,
            retries: 5,
            headroom_percent: 0,
            max_wait_s: None,
            waiting_max: None,
            waiting_per_tenant_max: None,
            shares_percent: None,
            stabilisation_s: None,
        }
    }
}

impl Default for RetriesOnly {
    fn default() -> Self {
        Self {
            concurrency: 100,
            retries: 2,
        }
    }
}

impl Default for FixedRate {
    fn default() -> Self {
        Self {
            tokens_per_minute: None,
            requests_per_minute: None,
            burst_s: 60,
            concurrency: 100,
            retries: 2,
        }
    }
}
