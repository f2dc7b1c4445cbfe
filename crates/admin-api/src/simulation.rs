//! `/monitoring/simulation`: a workload and settings that are tried in virtual time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is to be simulated. Nothing of the running gateway changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulationRequest {
    /// How long requests arrive, in seconds of virtual time.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 10, max = 3600))]
    pub duration_s: u64,
    /// Where chance starts: the same seed gives the same result.
    #[serde(default = "one")]
    pub seed: u64,
    /// Who sends; each gets the same requests and a provider of its own.
    #[serde(default = "gateway_only")]
    pub senders: Vec<SimulatedSender>,
    /// The provider's limits.
    pub quota: Vec<SimulatedQuota>,
    /// What others take of the first limit on tokens (of the first one where none is), in percent.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub foreign_percent: f64,
    /// What is sent.
    pub workload: Vec<SimulatedWorkload>,
    /// The gateway's settings.
    #[serde(default)]
    pub gateway: SimulatedGateway,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimulatedSender {
    /// Paceline.
    Gateway,
    /// A client library as it comes, which sends at once and retries what was refused.
    RetriesOnly,
    /// A client that keeps to the rate of the quota, and retries.
    FixedRate,
}

/// A limit of the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatedQuota {
    /// What it counts.
    pub metric: SimulatedMetric,
    /// Units in each window.
    #[schemars(range(min = 1))]
    pub amount: u64,
    /// The length of the window in seconds.
    #[serde(default = "minute")]
    #[schemars(range(min = 1, max = 86400))]
    pub window_s: u64,
    /// How the provider counts.
    #[serde(default)]
    pub kind: SimulatedKind,
    /// Units that may go at once, of a bucket; left out: the whole amount.
    #[serde(default)]
    pub burst: Option<u64>,
    /// The length of a piece, of a quantised limit; left out: a second.
    #[serde(default)]
    pub quantum_ms: Option<u64>,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimulatedMetric {
    /// Requests.
    Requests,
    /// Tokens.
    Tokens,
}

/// How a limit is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimulatedKind {
    /// What was used drains evenly.
    #[default]
    Bucket,
    /// Windows of the clock.
    Fixed,
    /// Windows that open with the first use after the last one.
    FixedFromFirstUse,
    /// What was used counts for one window.
    Sliding,
    /// Handed out in pieces.
    Quantised,
}

/// A stream of requests: one of `requests_per_minute`, `job` and `bursts` says how they come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatedWorkload {
    /// Whose requests they are.
    #[serde(default = "everyone")]
    pub tenant: String,
    /// How urgent they are.
    #[serde(default)]
    pub priority: SimulatedPriority,
    /// The tenant's weight.
    #[serde(default = "one_weight")]
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
    /// Independent of each other, so many in a minute on average.
    #[serde(default)]
    pub requests_per_minute: Option<f64>,
    /// So many, and not one more.
    #[serde(default)]
    pub job: Option<SimulatedJob>,
    /// Many at once, again and again.
    #[serde(default)]
    pub bursts: Option<SimulatedBursts>,
    /// The mean length of prompts; they vary as prompts do, up to eight times of it.
    #[serde(default = "thousand")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub prompt_tokens: u64,
    /// The mean length of answers; they vary in the same way, and never exceed `max_tokens`.
    #[serde(default = "short_answers")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub output_tokens: u64,
    /// The requests' own limit of answer tokens.
    #[serde(default)]
    pub max_tokens: Option<u64>,
    /// When the first one comes, in seconds.
    #[serde(default)]
    pub start_s: u64,
}

/// How urgent requests are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SimulatedPriority {
    /// Somebody looks at a screen.
    Interactive,
    /// Ordinary traffic.
    #[default]
    Standard,
    /// Whenever there is room.
    Batch,
}

/// A finite number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatedJob {
    /// How many.
    #[schemars(range(min = 1, max = 50000))]
    pub requests: u64,
    /// How many at once; left out: all.
    #[serde(default)]
    pub concurrency: Option<u64>,
}

/// Requests that come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulatedBursts {
    /// How many at once.
    #[schemars(range(min = 1, max = 50000))]
    pub requests: u64,
    /// How often, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub every_s: u64,
}

/// Settings of the simulated gateway. What is left out is as `preset` says, else as it is by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatedGateway {
    /// A preset of the configuration: its settings that a simulation knows are in force.
    pub preset: Option<String>,
    /// Whether the limits are configured, with the way in which the provider counts; else they are
    /// learned.
    pub knows_limits: bool,
    /// `limits.headroom`, in percent.
    #[schemars(range(min = 0, max = 99))]
    pub headroom_percent: u32,
    /// `limits.guard`.
    #[schemars(range(min = 0, max = 60000))]
    pub guard_ms: u64,
    /// `limits.concurrency`; left out: no bound.
    pub concurrency: Option<u32>,
    /// `limits.spacing`.
    #[schemars(range(min = 0, max = 3600000))]
    pub spacing_ms: u64,
    /// `limits.penalty_tokens`.
    pub penalty_tokens: u64,
    /// `limits.probe_concurrency`.
    #[schemars(range(min = 1, max = 1000))]
    pub probe_concurrency: u32,
    /// `retry.retries_max`.
    #[schemars(range(min = 0, max = 100))]
    pub retries_max: Option<u32>,
    /// `retry.stabilisation`, in seconds.
    pub stabilisation_s: Option<u64>,
    /// `queue.max_wait`, in seconds.
    pub max_wait_s: Option<u64>,
    /// `queue.waiting_max`.
    pub waiting_max: Option<u64>,
    /// `queue.waiting_per_tenant_max`.
    pub waiting_per_tenant_max: Option<u64>,
    /// `queue.tiers.interactive.guaranteed_share`, in percent.
    pub interactive_percent: Option<u32>,
    /// `queue.tiers.standard.guaranteed_share`, in percent.
    pub standard_percent: Option<u32>,
    /// `queue.tiers.batch.guaranteed_share`, in percent.
    pub batch_percent: Option<u32>,
}

/// What a simulation came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Simulation {
    /// The length of the steps in `points`, in seconds of virtual time.
    pub step_s: u64,
    /// What each limit allows in a step.
    pub limits_per_step: Vec<StepLimit>,
    /// One for each sender, in the order asked for.
    pub senders: Vec<SenderResult>,
    /// The settings of the gateway that was simulated, as the configuration file would have them.
    pub toml: String,
}

/// What a limit allows in a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StepLimit {
    /// What it counts.
    pub metric: String,
    /// The length of its window in seconds.
    pub window_s: u64,
    /// Units.
    pub units: f64,
}

/// What one sender came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SenderResult {
    /// Who.
    pub sender: SimulatedSender,
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that got the provider's answer.
    pub served: u64,
    /// Requests that got an error, from the provider or from the sender, or none at all in the time.
    pub failed: u64,
    /// Attempts that were sent.
    pub attempts: u64,
    /// Attempts that the provider refused.
    pub refused_by_provider: u64,
    /// The same of 1,000 attempts.
    pub refusals_per_1000: f64,
    /// What was used of the limit that was used most, of what others left, from the second minute on;
    /// `None` for less than two minutes.
    pub quota_used: Option<f64>,
    /// Waits of the requests that were served, from arrival to the attempt that was.
    pub wait: SimulatedWaits,
    /// When the last request was answered.
    pub last_answer_ms: u64,
    /// What each tenant had.
    pub tenants: Vec<SimulatedTenant>,
    /// The course of it, `step_s` each.
    pub points: Vec<SimulatedPoint>,
}

/// Waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SimulatedWaits {
    /// Half waited no longer.
    pub p50_ms: u64,
    /// 95 of 100 waited no longer.
    pub p95_ms: u64,
    /// 99 of 100 waited no longer.
    pub p99_ms: u64,
    /// The longest.
    pub max_ms: u64,
    /// On average.
    pub mean_ms: u64,
}

/// What a tenant had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SimulatedTenant {
    /// Its name.
    pub tenant: String,
    /// Requests that arrived.
    pub requests: u64,
    /// Requests that were served.
    pub served: u64,
    /// Tokens that it was charged.
    pub tokens: u64,
    /// 95 of 100 of those that were served waited no longer.
    pub wait_p95_ms: u64,
}

/// A step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SimulatedPoint {
    /// When it began, in seconds.
    pub at_s: u64,
    /// Tokens that were charged.
    pub tokens: u64,
    /// Requests that were served.
    pub served: u64,
    /// The most requests that waited at the end of a second.
    pub waiting: u64,
    /// Attempts that were refused.
    pub refused: u64,
}

/// A simulation that could be asked for, filled in from the present.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SimulationProposal {
    /// The request.
    pub request: SimulationRequest,
    /// The pool whose limits and settings these are; `None`: no limit is known yet, and `quota` is a
    /// sample.
    pub pool: Option<String>,
    /// Whether the workload is a sample, because no calls of the last hour are known.
    pub sample: bool,
    /// Presets of the configuration.
    pub presets: Vec<SettingsPreset>,
    /// Every setting of the configuration that a simulation knows, as it is in force here.
    pub settings: Vec<PresetSetting>,
}

/// A bundle of settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsPreset {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// What it sets.
    pub settings: Vec<PresetSetting>,
    /// The text that puts it into the configuration file.
    pub toml: String,
}

/// A setting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PresetSetting {
    /// Its key, with dots.
    pub key: String,
    /// Its value, as the file would have it.
    pub value: String,
    /// What it does.
    pub about: String,
    /// Whether a simulation knows it; the others change nothing of its result.
    pub simulated: bool,
}

impl Default for SimulatedGateway {
    fn default() -> Self {
        Self {
            preset: None,
            knows_limits: true,
            headroom_percent: 0,
            guard_ms: 200,
            concurrency: None,
            spacing_ms: 0,
            penalty_tokens: 1_000,
            probe_concurrency: 2,
            retries_max: None,
            stabilisation_s: None,
            max_wait_s: None,
            waiting_max: None,
            waiting_per_tenant_max: None,
            interactive_percent: None,
            standard_percent: None,
            batch_percent: None,
        }
    }
}

const fn ten_minutes() -> u64 {
    600
}

const fn one() -> u64 {
    1
}

const fn one_weight() -> u32 {
    1
}

const fn minute() -> u64 {
    60
}

const fn thousand() -> u64 {
    1_000
}

const fn short_answers() -> u64 {
    250
}

fn everyone() -> String {
    "all".to_owned()
}

fn gateway_only() -> Vec<SimulatedSender> {
    vec![SimulatedSender::Gateway]
}
