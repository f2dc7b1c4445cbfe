//! From checked settings and requests to the limiter's own types.
//!
//! The limiter, the configuration and the provider crate do not know each other; here is the one
//! place that knows all three.

use std::time::Duration;

use paceline_config as config;
use paceline_limiter::{
    self as limiter, CalmSettings, ChargeFormula, ChargeParts, DomainSettings, Limit, Metric,
    QueueSettings, Tier, TierSettings, WindowModel,
};
use paceline_pace::unknown_window;
use paceline_provider::{ChargeRule, Combine, RequestFacts};

use crate::clock::Clock;

/// A reservation that is never settled is settled as spent after this time: longer than any call.
const RESERVATION_LIFETIME: Duration = Duration::from_secs(2 * 3_600);

/// The limiter's settings of one pool.
pub(crate) fn domain_settings(
    rule: &config::DomainRule,
    settings: &config::Settings,
    clock: &Clock,
) -> DomainSettings {
    let queue = &settings.queue;
    DomainSettings {
        limits: rule
            .limits
            .iter()
            .map(|limit| limiter_limit(limit, rule.guard, clock))
            .collect(),
        concurrency_max: rule.concurrency_max,
        spacing: rule.spacing,
        reservation_lifetime: RESERVATION_LIFETIME,
        learned_guard: rule.guard,
        // Limits that are given may come from a provider that tells nothing: then its documents
        // are all there is.
        assumed_charge: if rule.limits.is_empty() {
            ChargeFormula::CAUTIOUS
        } else {
            ChargeFormula {
                combine: limiter::Combine::Max,
                ..ChargeFormula::CAUTIOUS
            }
        },
        probe_concurrency: (rule.learn && rule.limits.is_empty()).then_some(rule.probe_concurrency),
        calm: calm_settings(&settings.retry),
        queue: QueueSettings {
            waiting_max: queue.waiting_max,
            waiting_per_tenant_max: queue.waiting_per_tenant_max,
            tiers: config::Tier::ALL.map(|tier| tier_settings(queue.tiers.of(tier))),
        },
    }
}

fn calm_settings(retry: &config::Retry) -> CalmSettings {
    CalmSettings {
        stabilisation: retry.stabilisation,
        stabilisation_share_ppm: parts_per_million(retry.stabilisation_share),
        growth_period: retry.growth_period,
        growth_percent: retry.growth_percent,
    }
}

/// Shares are checked to lie between 0 and 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 1e6"
)]
fn parts_per_million(share: f64) -> u32 {
    (share * 1e6) as u32
}

fn tier_settings(rule: &config::TierRule) -> TierSettings {
    TierSettings {
        guaranteed_share_ppm: parts_per_million(rule.guaranteed_share),
        aging: rule.aging,
    }
}

fn limiter_limit(rule: &config::LimitRule, guard: Duration, clock: &Clock) -> Limit {
    Limit {
        metric: config_metric(rule.metric),
        amount: rule.amount,
        window: rule.window,
        model: window_model(rule, guard, clock),
        guard,
    }
}

fn window_model(rule: &config::LimitRule, guard: Duration, clock: &Clock) -> WindowModel {
    match rule.kind {
        config::WindowKind::Unknown => unknown_window(rule.amount, rule.window, guard),
        config::WindowKind::Bucket { burst } => WindowModel::Bucket {
            burst: burst.unwrap_or(rule.amount),
        },
        config::WindowKind::Fixed { aligned: true } => WindowModel::Fixed {
            phase: clock.wall_clock_phase(rule.window),
        },
        config::WindowKind::Fixed { aligned: false } => WindowModel::FixedFromFirstUse,
        config::WindowKind::Sliding => WindowModel::Sliding,
        config::WindowKind::Quantised { quantum } => WindowModel::Quantised { quantum },
    }
}

fn config_metric(metric: config::Metric) -> Metric {
    match metric {
        config::Metric::Requests => Metric::Requests,
        config::Metric::Tokens => Metric::Tokens,
        config::Metric::InputTokens => Metric::InputTokens,
        config::Metric::OutputTokens => Metric::OutputTokens,
        config::Metric::Images => Metric::Images,
    }
}

/// The limiter's tier.
pub(crate) fn tier(tier: config::Tier) -> Tier {
    match tier {
        config::Tier::Interactive => Tier::Interactive,
        config::Tier::Standard => Tier::Standard,
        config::Tier::Batch => Tier::Batch,
    }
}

/// What the token charge of a request is made from, where the formula is to be learned.
pub(crate) fn charge_parts(
    rule: config::ChargeRule,
    facts: &RequestFacts<'_>,
) -> Option<ChargeParts> {
    (rule == config::ChargeRule::Learned).then(|| ChargeParts {
        input: ChargeRule::OPENAI.input_tokens(facts),
        output_max: ChargeRule::OPENAI.output_tokens(facts),
    })
}

/// The rule by which the provider charges a request at admission.
pub(crate) fn charge_rule(rule: config::ChargeRule) -> ChargeRule {
    ChargeRule {
        combine: match rule {
            // Only the parts are used, which are the same for both.
            config::ChargeRule::Max | config::ChargeRule::Learned => Combine::Max,
            config::ChargeRule::Sum => Combine::Sum,
        },
        ..ChargeRule::OPENAI
    }
}
