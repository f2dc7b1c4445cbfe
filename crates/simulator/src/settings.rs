//! How a simulated provider behaves.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    charge::{ChargeFormula, Settlement},
    enforcer::EnforcerSettings,
    faults::FaultRule,
    likeness::Likeness,
};

/// Everything that can be set before a simulated provider starts.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatorSettings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Threads of its own that serve connections. With none, they are served on the runtime that
    /// the simulator was started in.
    pub worker_threads: usize,
    /// The limits that each pool has.
    pub limits: EnforcerSettings,
    /// Which requests share a pool.
    pub pool_scope: PoolScope,
    /// Whether each model has a pool of its own within the scope.
    pub pool_per_model: bool,
    /// Which provider it is like: its paths, the header its keys are in, its bodies and headers.
    pub likeness: Likeness,
    /// How the token charge at admission is computed.
    pub charge_formula: ChargeFormula,
    /// The answer tokens charged for a request that names no limit.
    pub default_max_tokens: u64,
    /// How the charge is set right by what was used; at the end only if `limits.refund` is set.
    pub settlement: Settlement,
    /// Requests per minute to the endpoint that counts tokens, which draws on nothing else; unlimited
    /// where absent.
    pub counts_per_minute: Option<u64>,
    /// How long answers are.
    pub output_length: OutputLength,
    /// How long answers take.
    pub latency: Latency,
    /// Which limit headers are sent, of those that the provider has.
    pub headers: HeaderSettings,
    /// How a streamed request is refused.
    pub stream_refusals: StreamRefusals,
    /// The organisation that headers and messages name.
    pub organization: String,
    /// The project named in headers for requests that name none; no header where absent.
    pub project: Option<String>,
    /// What the model list shows. Other models are served as well.
    pub models: Vec<String>,
    /// Models that do not exist.
    pub unknown_models: Vec<String>,
    /// What a valid key starts with.
    pub key_prefix: String,
    /// Keys that are refused although they start right.
    pub invalid_keys: Vec<String>,
    /// The most tokens that a prompt and its answer may have together.
    pub context_tokens: u64,
    /// The largest request body in bytes.
    pub max_body_bytes: usize,
    /// Faults that happen to requests that do not order one.
    pub faults: Vec<FaultRule>,
    /// Decisions that the journal keeps; none where 0.
    pub journal_capacity: usize,
    /// Whether ids and times in bodies follow from the request too, so that the same request gets
    /// the very same body.
    pub deterministic: bool,
    /// Varies all answers, latencies and faults.
    pub seed: u64,
}

impl Default for SimulatorSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            worker_threads: 0,
            limits: EnforcerSettings::default(),
            pool_scope: PoolScope::default(),
            pool_per_model: false,
            likeness: Likeness::default(),
            charge_formula: ChargeFormula::default(),
            default_max_tokens: 0,
            settlement: Settlement::default(),
            counts_per_minute: None,
            output_length: OutputLength::default(),
            latency: Latency::default(),
            headers: HeaderSettings::default(),
            stream_refusals: StreamRefusals::default(),
            organization: "org-simulator".to_owned(),
            project: None,
            models: DEFAULT_MODELS.map(str::to_owned).to_vec(),
            unknown_models: vec!["model-does-not-exist".to_owned()],
            key_prefix: "sk-".to_owned(),
            invalid_keys: vec!["sk-invalid".to_owned()],
            context_tokens: 128_000,
            max_body_bytes: 64 * 1024 * 1024,
            faults: Vec::new(),
            journal_capacity: 65_536,
            deterministic: true,
            seed: 0,
        }
    }
}

pub(crate) const DEFAULT_MODELS: [&str; 10] = [
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-tts",
    "gpt-image-1",
    "gpt-realtime",
    "omni-moderation-latest",
    "text-embedding-3-small",
];

/// Which requests share a limit pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolScope {
    /// All of them.
    #[default]
    Organization,
    /// Those of the same project: named in the header `openai-project`, or else by the key.
    Project,
    /// Those with the same key.
    Key,
}

/// How many tokens an answer has, before the request's own limit cuts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputLength {
    /// Always this many.
    Exactly(u64),
    /// Drawn from an exponential distribution with this mean, at least one.
    Mean(u64),
}

impl Default for OutputLength {
    fn default() -> Self {
        Self::Mean(48)
    }
}

/// How long answers take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// The time to the first token.
    pub first_token: Duration,
    /// The time for each token after the first.
    pub per_token: Duration,
    /// How much each time varies around its value, in percent of it, drawn per request.
    pub jitter_percent: u32,
    /// The shortest time for which a request is on its way before it is read and judged.
    pub arrival_min: Duration,
    /// The longest such time. Each request's is drawn evenly between the two; requests pass each
    /// other on the way, and `openai-processing-ms` does not contain it.
    pub arrival_max: Duration,
}

impl Latency {
    /// The time on the way of a request, by a number drawn from `0.0..1.0`.
    pub(crate) fn arrival(&self, unit: f64) -> Duration {
        let spread = self.arrival_max.saturating_sub(self.arrival_min);
        self.arrival_min.saturating_add(spread.mul_f64(unit))
    }
}

/// Which limit headers are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderSettings {
    /// `x-ratelimit-*` on every answer that was judged.
    pub rate_limits: bool,
    /// The `-project-tokens` headers beside those on tokens.
    pub project_tokens: bool,
    /// `retry-after` on refusals, in whole seconds rounded up.
    pub retry_after: bool,
    /// `retry-after-ms` on refusals, rounded up.
    pub retry_after_ms: bool,
}

impl Default for HeaderSettings {
    fn default() -> Self {
        Self {
            rate_limits: true,
            project_tokens: false,
            retry_after: true,
            retry_after_ms: true,
        }
    }
}

/// How a streamed request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamRefusals {
    /// With status 429, as any other.
    #[default]
    AsStatus,
    /// With status 200 and an error as the first content of the stream, without a hint in the
    /// headers (seen from OpenAI's Responses API).
    InStream,
    /// The same with a `retry-after` header and an `error` event before the failure (seen from
    /// Azure).
    InStreamWithRetryAfter,
}
