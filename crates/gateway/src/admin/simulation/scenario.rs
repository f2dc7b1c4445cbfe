//! From a request to a scenario that can be played.

use paceline_admin_api::{
    SimulatedKind, SimulatedMetric, SimulatedPriority, SimulatedQuota, SimulatedSender,
    SimulatedWorkload, SimulationRequest,
};
use paceline_proving::{
    Arrivals, Foreign, Gateway, Kind, Knowledge, Metric, Priority, Provider, QuotaRule, Scenario,
    Sender, Size, Workload,
};

use super::super::problem::Problem;
use super::{check, settings};

/// How far sizes go beyond their mean.
const SPREAD: u64 = 8;

/// The longest wait, the retries and the bounds of the queue that the configuration has by default.
const MAX_WAIT_S: u64 = 600;
const RETRIES_MAX: u32 = 5;
const WAITING_MAX: u64 = 100_000;
const WAITING_PER_TENANT_MAX: u64 = 20_000;

/// How much longer the unfinished ones are followed, in seconds.
const DRAIN_S: u64 = 600;

/// The scenario of a request.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn of(request: &SimulationRequest) -> Result<Scenario, Problem> {
    let wrong = check::wrong(request);
    if !wrong.is_empty() {
        return Err(Problem::several(&wrong));
    }
    let quota: Vec<QuotaRule> = request.quota.iter().map(quota).collect();
    let tokens = quota.iter().any(|quota| quota.metric == Metric::Tokens);
    let metric = quota.first().map_or(Metric::Tokens, |quota| quota.metric);
    let foreign = Foreign {
        metric: if tokens { Metric::Tokens } else { metric },
        percent: request.foreign_percent,
        every_ms: 1_000,
    };
    let others = request.foreign_percent > 0.0;
    let scenario = Scenario {
        name: String::new(),
        about: String::new(),
        seed: request.seed,
        duration_s: request.duration_s,
        drain_s: DRAIN_S,
        senders: request.senders.iter().copied().map(sender).collect(),
        gateway: gateway(request),
        retries_only: Default::default(),
        fixed_rate: Default::default(),
        delay: Default::default(),
        provider: Provider {
            quota,
            formula: Default::default(),
            default_max_tokens: 0,
            refund: false,
            failures_are_free: false,
            refusals_count: false,
            max_in_flight: None,
            ramp: None,
            headers: Default::default(),
            retry_after: Default::default(),
            foreign: others.then_some(foreign).into_iter().collect(),
            foreign_burst: Vec::new(),
            change: Vec::new(),
        },
        workload: request.workload.iter().map(workload).collect(),
        fault: Vec::new(),
        expect: Default::default(),
    };
    if scenario.is_sound() {
        return Ok(scenario);
    }
    // What is checked here is stricter than what a scenario has to hold.
    Err(Problem::in_body(".", "this cannot be simulated"))
}

/// The sender as simulations know it.
pub(super) const fn sender(sender: SimulatedSender) -> Sender {
    match sender {
        SimulatedSender::Gateway => Sender::Gateway,
        SimulatedSender::RetriesOnly => Sender::RetriesOnly,
        SimulatedSender::FixedRate => Sender::FixedRate,
    }
}

fn gateway(request: &SimulationRequest) -> Gateway {
    let asked = settings::with_preset(&request.gateway);
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Gateway {
        knows: if asked.knows_limits {
            Knowledge::Everything
        } else {
            Knowledge::Nothing
        },
        guard_ms: asked.guard_ms,
        concurrency: asked.concurrency,
        spacing_ms: asked.spacing_ms,
        probe_concurrency: asked.probe_concurrency,
        penalty_tokens: asked.penalty_tokens,
        retries: asked.retries_max.unwrap_or(RETRIES_MAX),
        headroom_percent: asked.headroom_percent,
        max_wait_s: Some(asked.max_wait_s.unwrap_or(MAX_WAIT_S)),
        waiting_max: Some(count(asked.waiting_max.unwrap_or(WAITING_MAX))),
        waiting_per_tenant_max: Some(count(
            asked
                .waiting_per_tenant_max
                .unwrap_or(WAITING_PER_TENANT_MAX),
        )),
        shares_percent: Some(settings::shares_percent(&asked)),
        stabilisation_s: asked.stabilisation_s,
        ..Gateway::default()
    }
}

fn quota(quota: &SimulatedQuota) -> QuotaRule {
    QuotaRule {
        metric: match quota.metric {
            SimulatedMetric::Requests => Metric::Requests,
            SimulatedMetric::Tokens => Metric::Tokens,
        },
        amount: quota.amount,
        window_s: quota.window_s,
        kind: match (quota.kind, quota.burst) {
            (SimulatedKind::Bucket, None) => Kind::Bucket,
            (SimulatedKind::Bucket, Some(burst)) => Kind::BucketBurst { burst },
            (SimulatedKind::Fixed, _) => Kind::Fixed,
            (SimulatedKind::FixedFromFirstUse, _) => Kind::FixedFromFirstUse,
            (SimulatedKind::Sliding, _) => Kind::Sliding,
            (SimulatedKind::Quantised, _) => Kind::Quantised {
                quantum_ms: quota.quantum_ms.unwrap_or(1_000),
            },
        },
    }
}

fn workload(stream: &SimulatedWorkload) -> Workload {
    let size = |mean: u64| Size::Lognormal {
        mean,
        max: mean.saturating_mul(SPREAD),
    };
    let arrivals = match (stream.job, stream.bursts) {
        (Some(job), _) => Arrivals::Job {
            requests: job.requests,
            concurrency: job.concurrency,
        },
        (None, Some(bursts)) => Arrivals::Bursts {
            requests: bursts.requests,
            every_s: bursts.every_s,
        },
        (None, None) => Arrivals::PerMinute {
            requests: stream.requests_per_minute.unwrap_or(1.0),
        },
    };
    Workload {
        tenant: stream.tenant.clone(),
        tenants: 1,
        weight: stream.weight,
        priority: match stream.priority {
            SimulatedPriority::Interactive => Priority::Interactive,
            SimulatedPriority::Standard => Priority::Standard,
            SimulatedPriority::Batch => Priority::Batch,
        },
        start_s: stream.start_s,
        arrivals,
        prompt_tokens: size(stream.prompt_tokens),
        max_tokens: stream.max_tokens,
        output_tokens: size(stream.output_tokens),
        characters_per_token: 4.0,
        patience_s: None,
    }
}
