//! Groq: OpenAI's texts with a service tier, a status of its own for what is too large, and headers that
//! tell the day's requests and the minute's tokens.

use http::{HeaderMap, StatusCode};

use super::{Subject, limit_of, number};
use crate::{
    enforcer::{QuotaLevel, Refusal},
    go_duration::go_duration_ns,
    headers::add_text,
    quota::{Metric, NANOS_PER_SECOND, Quota},
    refusal::{ApiError, rate_limit_error},
};

const UPGRADE: &str = "Need more tokens? Upgrade to Dev Tier today at \
                       https://console.groq.com/settings/billing";

pub(super) fn refusal(subject: &Subject<'_>, refusal: &Refusal) -> ApiError {
    let organization = &subject.settings.organization;
    let Some((quota, _)) = limit_of(refusal) else {
        return rate_limit_error(refusal, subject.model, organization);
    };
    let on = format!(
        "model `{}` in organization `{organization}` service tier `on_demand` on {}",
        subject.model,
        long_name(quota),
    );
    let limit = quota.amount;
    let kind = match quota.metric {
        Metric::Requests => "requests",
        _ => "tokens",
    };
    let (status, message, wait_ns) = match refusal {
        Refusal::OverLimit {
            used,
            requested,
            stated_wait_ns,
            ..
        } => {
            let wait = go_duration_ns(*stated_wait_ns);
            let message = format!(
                "Rate limit reached for {on}: Limit {limit}, Used {used}, Requested {requested}. \
                 Please try again in {wait}. {UPGRADE}"
            );
            (StatusCode::TOO_MANY_REQUESTS, message, *stated_wait_ns)
        }
        Refusal::TooLarge { requested, .. } => {
            let message = format!(
                "Request too large for {on}: Limit {limit}, Requested {requested}, please reduce \
                 your message size and try again. {UPGRADE}"
            );
            // It tells a wait although none helps. Not known: which.
            let wait_ns = 60 * NANOS_PER_SECOND;
            (StatusCode::PAYLOAD_TOO_LARGE, message, wait_ns)
        }
        Refusal::Concurrency { .. } | Refusal::SlowDown { .. } => {
            return rate_limit_error(refusal, subject.model, organization);
        }
    };
    ApiError::new(status, kind, message)
        .code("rate_limit_exceeded")
        .retry_after(wait_ns)
}

/// `tokens per minute (TPM)`: the window written out.
fn long_name(quota: &Quota) -> String {
    let window = match quota.window_ms {
        Quota::MINUTE_MS => "minute",
        Quota::DAY_MS => "day",
        _ => return quota.to_string(),
    };
    format!(
        "{} per {window} ({})",
        quota.metric.words(),
        quota.abbreviation()
    )
}

/// The minute's requests and the day's tokens never appear.
pub(super) fn levels(headers: &mut HeaderMap, levels: &[QuotaLevel]) {
    let level = |metric, window_ms| {
        let is_wanted = |level: &&QuotaLevel| {
            level.quota.metric == metric && level.quota.window_ms == window_ms
        };
        levels.iter().find(is_wanted)
    };
    if let Some(requests) = level(Metric::Requests, Quota::DAY_MS) {
        number(headers, "x-ratelimit-limit-requests", requests.quota.amount);
        number(
            headers,
            "x-ratelimit-remaining-requests",
            requests.remaining,
        );
        let reset = go_duration_ns(requests.reset_ns);
        let name = http::HeaderName::from_static("x-ratelimit-reset-requests");
        add_text(headers, name, &reset);
    }
    if let Some(tokens) = level(Metric::Tokens, Quota::MINUTE_MS) {
        number(headers, "x-ratelimit-limit-tokens", tokens.quota.amount);
        number(headers, "x-ratelimit-remaining-tokens", tokens.remaining);
        let reset = go_duration_ns(tokens.reset_ns);
        let name = http::HeaderName::from_static("x-ratelimit-reset-tokens");
        add_text(headers, name, &reset);
    }
}
