//! What a gateway's domain is told in advance.

use std::time::Duration;

use paceline_limiter::{
    CalmSettings, ChargeFormula, Combine, DomainSettings, Limit, Metric, QueueSettings, Timestamp,
    WindowModel,
};
use paceline_simulator as simulator;

use crate::scenario::{Gateway, Kind, Knowledge, QuotaRule};

/// What goes at once where only amounts are known: the refill of this time and of the guard.
const UNKNOWN_BURST: Duration = Duration::from_millis(500);

pub(super) const fn metric(metric: simulator::Metric) -> Metric {
    match metric {
        simulator::Metric::Requests => Metric::Requests,
        simulator::Metric::Tokens => Metric::Tokens,
        simulator::Metric::InputTokens => Metric::InputTokens,
        simulator::Metric::OutputTokens => Metric::OutputTokens,
        simulator::Metric::Images => Metric::Images,
    }
}

pub(super) fn settings(rules: &Gateway, quotas: &[QuotaRule]) -> DomainSettings {
    let guard = Duration::from_millis(rules.guard_ms);
    let limits: Vec<Limit> = match rules.knows {
        Knowledge::Nothing => Vec::new(),
        Knowledge::Amounts | Knowledge::Everything => quotas
            .iter()
            .map(|quota| {
                limit(
                    &held_back(quota, rules.headroom_percent),
                    rules.knows,
                    guard,
                )
            })
            .collect(),
    };
    DomainSettings {
        probe_concurrency: limits.is_empty().then_some(rules.probe_concurrency),
        concurrency_max: rules.concurrency,
        spacing: Duration::from_millis(rules.spacing_ms),
        reservation_lifetime: Duration::from_secs(2 * 3_600),
        learned_guard: guard,
        assumed_charge: if limits.is_empty() {
            ChargeFormula::CAUTIOUS
        } else {
            ChargeFormula {
                combine: Combine::Max,
                ..ChargeFormula::CAUTIOUS
            }
        },
        limits,
        calm: calm(rules),
        queue: queue(rules),
    }
}

fn calm(rules: &Gateway) -> CalmSettings {
    let defaults = CalmSettings::default();
    let given = rules.stabilisation_s.map(Duration::from_secs);
    CalmSettings {
        stabilisation: given.unwrap_or(defaults.stabilisation),
        ..defaults
    }
}

fn queue(rules: &Gateway) -> QueueSettings {
    let mut tiers = QueueSettings::default().tiers;
    for (tier, percent) in tiers.iter_mut().zip(rules.shares_percent.iter().flatten()) {
        tier.guaranteed_share_ppm = percent.saturating_mul(10_000);
    }
    QueueSettings {
        waiting_max: rules.waiting_max.unwrap_or(usize::MAX),
        waiting_per_tenant_max: rules.waiting_per_tenant_max.unwrap_or(usize::MAX),
        tiers,
    }
}

/// What is kept of a limit: 1 at the least.
fn held_back(quota: &QuotaRule, percent: u32) -> QuotaRule {
    match percent {
        0 => *quota,
        percent => quota.scaled(-f64::from(percent)),
    }
}

fn limit(quota: &QuotaRule, knows: Knowledge, guard: Duration) -> Limit {
    let window = Duration::from_secs(quota.window_s);
    let unknown = || {
        let held = (UNKNOWN_BURST + guard).as_nanos();
        let burst = u128::from(quota.amount).saturating_mul(held) / window.as_nanos().max(1);
        let burst = u64::try_from(burst).unwrap_or(u64::MAX);
        WindowModel::Unknown {
            burst: burst.clamp(1, quota.amount.max(1)),
        }
    };
    let model = match quota.kind {
        _ if knows != Knowledge::Everything => unknown(),
        Kind::Bucket => WindowModel::Bucket {
            burst: quota.amount,
        },
        Kind::BucketBurst { burst } => WindowModel::Bucket { burst },
        Kind::Fixed => WindowModel::Fixed {
            phase: Timestamp::ZERO,
        },
        Kind::FixedFromFirstUse => WindowModel::FixedFromFirstUse,
        Kind::Sliding => WindowModel::Sliding,
        Kind::Quantised { quantum_ms } => WindowModel::Quantised {
            quantum: Duration::from_millis(quantum_ms),
        },
    };
    Limit {
        metric: metric(quota.metric),
        amount: quota.amount,
        window,
        model,
        guard,
    }
}
