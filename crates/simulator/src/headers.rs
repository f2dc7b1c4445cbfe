//! The headers of an answer.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    enforcer::QuotaLevel,
    go_duration::go_duration_ns,
    quota::Metric,
    refusal::{ApiError, retry_after_ms, retry_after_seconds},
    settings::HeaderSettings,
};

/// A `limit`, `remaining` and `reset` header for one metric.
struct Trio {
    limit: HeaderName,
    remaining: HeaderName,
    reset: HeaderName,
}

macro_rules! trio {
    ($name:literal) => {
        Trio {
            limit: HeaderName::from_static(concat!("x-ratelimit-limit-", $name)),
            remaining: HeaderName::from_static(concat!("x-ratelimit-remaining-", $name)),
            reset: HeaderName::from_static(concat!("x-ratelimit-reset-", $name)),
        }
    };
}

/// Adds the limit headers. Of several limits on the same metric, the one with the least left is
/// shown, as the provider does.
pub(crate) fn add_levels(
    headers: &mut HeaderMap,
    settings: &HeaderSettings,
    levels: &[QuotaLevel],
) {
    if !settings.rate_limits {
        return;
    }
    add_trio(
        headers,
        || trio!("requests"),
        binding(levels, Metric::Requests),
    );
    let tokens = binding(levels, Metric::Tokens);
    add_trio(headers, || trio!("tokens"), tokens);
    if settings.project_tokens {
        add_trio(headers, || trio!("project-tokens"), tokens);
    }
    add_trio(
        headers,
        || trio!("input-tokens"),
        binding(levels, Metric::InputTokens),
    );
    add_trio(
        headers,
        || trio!("output-tokens"),
        binding(levels, Metric::OutputTokens),
    );
    add_trio(headers, || trio!("images"), binding(levels, Metric::Images));
}

fn binding(levels: &[QuotaLevel], metric: Metric) -> Option<&QuotaLevel> {
    let concerned = levels.iter().filter(|level| level.quota.metric == metric);
    concerned.min_by_key(|level| level.remaining)
}

fn add_trio(headers: &mut HeaderMap, trio: impl Fn() -> Trio, level: Option<&QuotaLevel>) {
    let Some(level) = level else { return };
    let Trio {
        limit,
        remaining,
        reset,
    } = trio();
    headers.insert(limit, HeaderValue::from(level.quota.amount));
    headers.insert(remaining, HeaderValue::from(level.remaining));
    add_text(headers, reset, &go_duration_ns(level.reset_ns));
}

/// Adds the hints of a refusal.
pub(crate) fn add_retry_after(
    headers: &mut HeaderMap,
    settings: &HeaderSettings,
    error: &ApiError,
) {
    let Some(wait_ns) = error.retry_after_ns else {
        return;
    };
    if settings.retry_after {
        headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from(retry_after_seconds(wait_ns)),
        );
    }
    if settings.retry_after_ms {
        let name = HeaderName::from_static("retry-after-ms");
        headers.insert(name, HeaderValue::from(retry_after_ms(wait_ns)));
    }
}

/// Adds a header whose value may hold anything; one that cannot be sent is left out.
pub(crate) fn add_text(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
