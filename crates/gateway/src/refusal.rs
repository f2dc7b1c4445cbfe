//! What follows for everyone from a refusal by the provider: metrics, a log line, a cool-down.

use std::sync::Arc;
use std::time::Duration;

use paceline_limiter::{Charge, Metric, ProviderRefusal, RefusalKind as LimiterKind};
use paceline_provider::{Refusal, RefusalKind};

use crate::exchange::{Exchange, milliseconds};
use crate::labels;
use crate::pace::{Pool, limiter_metric};

/// Whether a refusal is about a quota.
pub(crate) fn is_quota(kind: RefusalKind) -> bool {
    matches!(kind, RefusalKind::RateLimited | RefusalKind::SlowDown)
}

/// Counts and logs a refusal.
pub(crate) fn note(exchange: &Exchange, refusal: &Refusal) {
    let metrics = &exchange.shared.metrics;
    let kind = labels::refusal(refusal);
    metrics.refusals.of(&["provider", &kind]).inc();
    if !is_quota(refusal.kind) && refusal.status != Some(429) {
        return;
    }
    metrics.provider_429.of(&["openai", &kind]).inc();
    tracing::warn!(
        id = %exchange.request_id,
        pool = exchange.pool.as_deref(),
        kind,
        limit = refusal.limit,
        used = refusal.used,
        requested = refusal.requested,
        retry_after_ms = refusal.retry_after.map(milliseconds),
        message = %refusal.message,
        "the provider refused"
    );
}

/// Lets the pool cool down when the refusal concerns everyone in it; whether it does.
///
/// `pause` is the wait where the provider named none; `jitter` is added to either. `penalty_tokens`
/// count as used on top.
pub(crate) fn cool_down(
    pool: &Arc<Pool>,
    refusal: &Refusal,
    pause: Option<Duration>,
    jitter: Duration,
    penalty_tokens: u64,
) -> bool {
    let kind = match refusal.kind {
        RefusalKind::RateLimited | RefusalKind::SlowDown => LimiterKind::Quota,
        RefusalKind::Overloaded => LimiterKind::Overload,
        _ => return false,
    };
    pool.refused(ProviderRefusal {
        metric: refusal.metric.and_then(limiter_metric),
        limit: refusal.limit,
        used: refusal.used,
        requested: refusal.requested,
        retry_after: refusal.retry_after.or(pause),
        jitter,
        penalty: Charge::ZERO.with(Metric::Tokens, penalty_tokens),
        kind,
    });
    true
}
