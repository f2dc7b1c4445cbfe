//! A simulation that could be asked for, filled in from the present.

use paceline_admin_api::{
    SimulatedKind, SimulatedMetric, SimulatedPriority, SimulatedQuota, SimulatedSender,
    SimulatedWorkload, SimulationProposal, SimulationRequest,
};
use paceline_config::{Settings, Tier};
use paceline_ledger::{Dimension, Filter, Group, Order, Query};
use paceline_limiter::{LimitView, Metric, WindowModel};

use super::{check, settings};
use crate::shared::Shared;

/// How far back calls are looked at.
const SPAN_MS: i64 = 3_600_000;

/// The most tenants that are told apart: those with the most calls.
const TENANTS_MAX: usize = 8;

/// How long requests arrive, unless there would be too many.
const DURATION_S: u64 = 600;

/// The request, and what goes with it.
pub(super) async fn proposal(shared: &Shared) -> SimulationProposal {
    let live = shared.live();
    let pool = shared.registry.latest_used(1).into_iter().next();
    let name = pool.as_ref().map(|pool| pool.watch().name().to_string());
    let rules = live.settings.domains.iter();
    let rule = rules
        .clone()
        .find(|rule| Some(&rule.name) == name.as_ref())
        .unwrap_or(&live.settings.default_domain);
    let snapshot = pool.map(|pool| pool.snapshot());
    let limits = snapshot.iter().flat_map(|snapshot| &snapshot.limits);
    let mut quota: Vec<SimulatedQuota> = limits.filter_map(known).collect();
    let pool = name.filter(|_| !quota.is_empty());
    if quota.is_empty() {
        quota = sample_quota();
    }
    let found = tenants(shared, &live.settings).await;
    let sample = found.is_empty();
    let workload = if sample { sample_workload() } else { found };
    let gateway = settings::in_force(&live.settings, rule);
    SimulationProposal {
        pool,
        sample,
        presets: settings::all_presets(),
        settings: settings::listed(&gateway),
        request: SimulationRequest {
            duration_s: duration_s(&workload),
            seed: 1,
            senders: vec![SimulatedSender::Gateway],
            quota,
            foreign_percent: 0.0,
            workload,
            gateway,
        },
    }
}

/// A limit that a simulation can have.
fn known(limit: &LimitView) -> Option<SimulatedQuota> {
    let metric = match limit.metric {
        Metric::Requests => SimulatedMetric::Requests,
        Metric::Tokens => SimulatedMetric::Tokens,
        Metric::InputTokens | Metric::OutputTokens | Metric::Images => return None,
    };
    let mut quota = SimulatedQuota {
        metric,
        amount: limit.amount,
        window_s: limit.window.as_secs(),
        kind: SimulatedKind::Bucket,
        burst: None,
        quantum_ms: None,
    };
    match limit.model {
        WindowModel::Bucket { burst } => quota.burst = Some(burst).filter(|it| *it < limit.amount),
        WindowModel::Fixed { .. } => quota.kind = SimulatedKind::Fixed,
        WindowModel::FixedFromFirstUse => quota.kind = SimulatedKind::FixedFromFirstUse,
        WindowModel::Sliding => quota.kind = SimulatedKind::Sliding,
        WindowModel::Quantised { quantum } => {
            quota.kind = SimulatedKind::Quantised;
            quota.quantum_ms = u64::try_from(quantum.as_millis()).ok();
        }
        // The most common kind.
        WindowModel::Unknown { .. } => {}
    }
    let fits = quota.amount > 0 && (1..=86_400).contains(&quota.window_s);
    fits.then_some(quota)
}

fn sample_quota() -> Vec<SimulatedQuota> {
    let limit = |metric, amount| SimulatedQuota {
        metric,
        amount,
        window_s: 60,
        kind: SimulatedKind::Bucket,
        burst: None,
        quantum_ms: None,
    };
    vec![
        limit(SimulatedMetric::Tokens, 90_000),
        limit(SimulatedMetric::Requests, 500),
    ]
}

/// What tenants sent in the last hour; nothing where no records can be read.
async fn tenants(shared: &Shared, settings: &Settings) -> Vec<SimulatedWorkload> {
    let Some(ledger) = shared.recorder.kept().and_then(|kept| kept.ledger()) else {
        return Vec::new();
    };
    let now_ms = shared.now_ms();
    let query = Query::total(Filter {
        from_ms: Some((now_ms - SPAN_MS).max(0)),
        until_ms: Some(now_ms + 1),
        ..Filter::default()
    });
    let query = query.by(Dimension::Tenant).top(Order::Calls, TENANTS_MAX);
    let Ok(answer) = ledger.query(&query).await else {
        return Vec::new();
    };
    let groups = answer.groups.iter();
    groups
        .filter_map(|group| workload(group, settings))
        .collect()
}

/// What a tenant sent, as a stream.
#[expect(clippy::cast_precision_loss, reason = "a mean rate")]
fn workload(group: &Group, settings: &Settings) -> Option<SimulatedWorkload> {
    let (usage, name) = (&group.usage, group.names.first()?);
    let mean = |sum: u64| (sum / usage.sent.max(1)).clamp(1, 1_000_000);
    let tenant = settings.tenant(name);
    (usage.sent > 0).then(|| SimulatedWorkload {
        tenant: if name.is_empty() {
            "all".to_owned()
        } else {
            name.clone()
        },
        priority: match settings.tier_of(name) {
            Tier::Interactive => SimulatedPriority::Interactive,
            Tier::Standard => SimulatedPriority::Standard,
            Tier::Batch => SimulatedPriority::Batch,
        },
        weight: tenant.weight.clamp(1, 1_000),
        requests_per_minute: Some(usage.calls as f64 / 60.0),
        prompt_tokens: mean(usage.input_tokens),
        output_tokens: mean(usage.output_tokens),
        ..stream()
    })
}

fn stream() -> SimulatedWorkload {
    SimulatedWorkload {
        tenant: "all".to_owned(),
        priority: SimulatedPriority::Standard,
        weight: 1,
        requests_per_minute: None,
        job: None,
        bursts: None,
        prompt_tokens: 1_000,
        output_tokens: 250,
        max_tokens: None,
        start_s: 0,
    }
}

fn sample_workload() -> Vec<SimulatedWorkload> {
    vec![
        SimulatedWorkload {
            tenant: "people".to_owned(),
            priority: SimulatedPriority::Interactive,
            requests_per_minute: Some(20.0),
            prompt_tokens: 600,
            max_tokens: Some(500),
            ..stream()
        },
        SimulatedWorkload {
            tenant: "reports".to_owned(),
            priority: SimulatedPriority::Batch,
            requests_per_minute: Some(90.0),
            prompt_tokens: 1_200,
            max_tokens: Some(500),
            ..stream()
        },
    ]
}

/// As long as all senders can be played with this workload.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a length between bounds"
)]
fn duration_s(workload: &[SimulatedWorkload]) -> u64 {
    let rates = workload.iter().filter_map(|it| it.requests_per_minute);
    let per_second = rates.sum::<f64>() / 60.0;
    // Three senders, and a little room for chance.
    let most = check::REQUESTS_MAX as f64 / 3.3 / per_second.max(1e-9);
    (most as u64).clamp(10, DURATION_S)
}
