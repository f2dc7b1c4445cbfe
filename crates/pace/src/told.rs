//! What the answers of a provider tell, as the limiter takes it.
//!
//! The limiter and the provider crate do not know each other; here is the one place that knows both.

use std::time::Duration;

use http::HeaderMap;
use paceline_limiter::{Charge, Metric, Observation, RefusalKind, ReservationId, Timestamp};
use paceline_provider::{
    LimitHeaders, LimitMetric, LimitReport, LimitScope, Refusal, RefusalKind as ToldKind,
};

/// The answer that carries limit headers.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// When the request was sent.
    pub sent: Timestamp,
    /// Its reservation, where the provider let it in, so that its figures count it.
    pub admitted: Option<ReservationId>,
    /// How long the provider says that it worked on it.
    pub processing: Option<Duration>,
}

/// The limiter's view of one limit report; `None` when it does not describe a limit of the plain
/// pools that calls are charged to.
#[must_use]
pub fn observation(report: &LimitReport, answered: &Answered) -> Option<Observation> {
    let plain = matches!(report.scope, LimitScope::Default | LimitScope::Project);
    if !plain {
        return None;
    }
    Some(Observation {
        metric: limiter_metric(report.metric)?,
        limit: report.limit.filter(|limit| *limit > 0)?,
        remaining: report.remaining?,
        reset: report.reset,
        as_of: answered.sent,
        reservation: answered.admitted,
        window: report.window,
        processing: answered.processing,
    })
}

/// What the provider counts, as the limiter counts it; `None` for what paceline does not pace.
#[must_use]
pub fn limiter_metric(metric: LimitMetric) -> Option<Metric> {
    match metric {
        LimitMetric::Requests => Some(Metric::Requests),
        LimitMetric::Tokens => Some(Metric::Tokens),
        LimitMetric::InputTokens => Some(Metric::InputTokens),
        LimitMetric::OutputTokens => Some(Metric::OutputTokens),
        LimitMetric::Images => Some(Metric::Images),
        LimitMetric::Other => None,
    }
}

/// Units that the limit headers of an answer show as used of the limit on `metric`.
#[must_use]
pub fn level(headers: &LimitHeaders, metric: Metric) -> Option<u64> {
    let report = headers
        .reports
        .iter()
        .find(|report| limiter_metric(report.metric) == Some(metric))?;
    let used = i128::from(report.limit?) - i128::from(report.remaining?);
    u64::try_from(used.max(0)).ok()
}

/// The time that the provider says it worked on a request: `openai-processing-ms`.
#[must_use]
pub fn processing(headers: &HeaderMap) -> Option<Duration> {
    let told = headers.get("openai-processing-ms")?.to_str().ok()?;
    let milliseconds: u64 = told.trim().parse().ok()?;
    Some(Duration::from_millis(milliseconds))
}

/// Whether a refusal is about a quota.
#[must_use]
pub fn is_quota(kind: ToldKind) -> bool {
    matches!(kind, ToldKind::RateLimited | ToldKind::SlowDown)
}

/// What a refusal means to the pool that it concerns; `None` where it concerns one request alone.
#[must_use]
pub fn pool_kind(kind: ToldKind) -> Option<RefusalKind> {
    match kind {
        ToldKind::RateLimited => Some(RefusalKind::Quota),
        ToldKind::SlowDown => Some(RefusalKind::Acceleration),
        ToldKind::Overloaded => Some(RefusalKind::Overload),
        ToldKind::Concurrency => Some(RefusalKind::Concurrency),
        _ => None,
    }
}

/// What a refused call was charged all the same: unsuccessful requests count against the limits on
/// requests, while a refusal for tokens takes none.
#[must_use]
pub fn charged_although_refused(reserved: Charge, refusal: &Refusal) -> Option<Charge> {
    let refused = is_quota(refusal.kind) || refusal.kind == ToldKind::RequestTooLarge;
    refused.then(|| {
        let requests = reserved.get(Metric::Requests);
        Charge::ZERO.with(Metric::Requests, requests)
    })
}
