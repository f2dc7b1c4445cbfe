//! What follows for everyone from a refusal by the provider: metrics, a log line, a cool-down.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use paceline_limiter::{Charge, Metric, ProviderRefusal};
use paceline_pace::{is_quota, level, limiter_metric, pool_kind};
use paceline_provider::{LimitHeaders, Refusal};

use crate::exchange::Exchange;
use crate::labels;
use crate::pace::Pool;

/// Counts and logs a refusal, and learns from it which calls share a pool.
pub(crate) fn note(exchange: &Exchange, refusal: &Refusal) {
    if let Some(asks) = &exchange.asks {
        exchange.shared.registry.refused(asks, refusal);
    }
    let metrics = &exchange.shared.metrics;
    let kind = labels::refusal(refusal);
    metrics.refusals.of(&["provider", &kind]).inc();
    if is_quota(refusal.kind) || refusal.status == Some(429) {
        metrics.provider_429.of(&["openai", &kind]).inc();
    }
    if pool_kind(refusal.kind).is_some() && exchange.pool.is_some() {
        // The pool tells of it once, however many requests are refused with it.
        tracing::debug!(id = %exchange.request_id, kind, message = %refusal.message, "refused");
    } else if refusal.status == Some(429) {
        tracing::warn!(
            id = %exchange.request_id,
            pool = exchange.pool.as_deref(),
            kind,
            limit = refusal.limit,
            requested = refusal.requested,
            message = %refusal.message,
            "the provider refused"
        );
    }
}

/// A refusal and the headers it came with, if it came with any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusedWith<'a> {
    pub(crate) refusal: &'a Refusal,
    pub(crate) headers: Option<&'a HeaderMap>,
}

/// The pause after a refusal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pause {
    /// Where the provider named none.
    pub(crate) unnamed: Option<Duration>,
    /// Added to either.
    pub(crate) jitter: Duration,
}

/// Lets the pool cool down when the refusal concerns everyone in it; whether it does.
///
/// `penalty_tokens` count as used on top, once in an episode.
pub(crate) fn cool_down(
    exchange: &Exchange,
    pool: &Arc<Pool>,
    RefusedWith { refusal, headers }: &RefusedWith<'_>,
    pause: Pause,
    penalty_tokens: u64,
) -> bool {
    let Some(kind) = pool_kind(refusal.kind) else {
        return false;
    };
    let metric = refusal.metric.and_then(limiter_metric);
    let refused = ProviderRefusal {
        metric,
        limit: refusal.limit,
        used: refusal.used,
        level: metric.and_then(|metric| level(&LimitHeaders::parse((*headers)?), metric)),
        requested: refusal.requested,
        window: refusal.window,
        sent_at: exchange.sent_at(),
        retry_after: refusal.retry_after.or(pause.unnamed),
        wait_named: refusal.retry_after.is_some(),
        jitter: pause.jitter,
        penalty: Charge::ZERO.with(Metric::Tokens, penalty_tokens),
        kind,
    };
    pool.watch().count_refusal();
    if pool.refused(refused, &refusal.message) {
        let episodes = &exchange.shared.metrics.refusal_episodes;
        episodes.of(&[pool.watch().name(), kind.name()]).inc();
    }
    true
}
