//! The providers that speak OpenAI's API with limits and errors of their own.

use http::{HeaderMap, HeaderName, StatusCode};

use super::{Shown, Subject, limit_of, number, wait_of};
use crate::{
    enforcer::{QuotaLevel, Refusal},
    headers::add_text,
    json::{Json, object},
    likeness::Likeness,
    quota::{Metric, NANOS_PER_MS, NANOS_PER_SECOND, Quota},
    refusal::ApiError,
};

const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// Mistral names neither the limit nor a wait.
pub(super) fn mistral() -> ApiError {
    ApiError::new(TOO_MANY, "rate_limited", "Rate limit exceeded").code("1300")
}

/// The refusal for want of capacity.
pub(super) fn mistral_capacity() -> ApiError {
    let message = "Service tier capacity exceeded for this model.";
    ApiError::new(TOO_MANY, "service_tier_capacity_exceeded", message).code("3505")
}

/// The limits of the minute, and what the request came to cost.
pub(super) fn mistral_levels(headers: &mut HeaderMap, shown: &Shown<'_>) {
    if let Some(level) = shown.binding(Metric::Requests) {
        number(headers, "x-ratelimit-limit-req-minute", level.quota.amount);
        number(headers, "x-ratelimit-remaining-req-minute", level.remaining);
    }
    if let Some(level) = shown.binding(Metric::Tokens) {
        let (charged, used) = shown.cost.unwrap_or_default();
        let level_used = level.used.saturating_sub(charged.tokens) + used.tokens;
        let remaining = level.quota.amount.saturating_sub(level_used);
        number(
            headers,
            "x-ratelimit-limit-tokens-minute",
            level.quota.amount,
        );
        number(headers, "x-ratelimit-remaining-tokens-minute", remaining);
        number(headers, "x-ratelimit-tokens-query-cost", used.tokens);
    }
}

/// Cerebras tells a wait of about a minute, whatever is left of it.
pub(super) fn cerebras(refusal: &Refusal) -> ApiError {
    let Some((quota, _)) = limit_of(refusal) else {
        return cerebras_queue();
    };
    let window = match quota.window_ms {
        Quota::MINUTE_MS => "minute",
        3_600_000 => "hour",
        _ => "day",
    };
    let (message, code) = match quota.metric {
        Metric::Requests => (
            format!("Requests per {window} limit exceeded - too many requests sent."),
            "request_quota_exceeded",
        ),
        _ => (
            format!("Tokens per {window} limit exceeded - too many tokens processed."),
            "token_quota_exceeded",
        ),
    };
    let wait_ns = wait_of(refusal).unwrap_or_default();
    let mut error = ApiError::new(TOO_MANY, "too_many_requests_error", message).code(code);
    error.param = Some("quota");
    error.retry_after(wait_ns.max(57 * NANOS_PER_SECOND))
}

/// Cerebras's refusal for want of capacity, which clears in seconds.
pub(super) fn cerebras_queue() -> ApiError {
    let message = "We're experiencing high traffic right now! Please try again soon.";
    let mut error = ApiError::new(TOO_MANY, "too_many_requests_error", message)
        .code("queue_exceeded")
        .with_header("x-should-retry", "false");
    error.param = Some("queue");
    error
}

/// The whole set: requests and tokens of every window, with seconds until it is full again.
pub(super) fn cerebras_levels(headers: &mut HeaderMap, levels: &[QuotaLevel]) {
    for level in levels {
        let metric = match level.quota.metric {
            Metric::Requests => "requests",
            Metric::Tokens => "tokens",
            _ => continue,
        };
        let window = match level.quota.window_ms {
            Quota::MINUTE_MS => "minute",
            3_600_000 => "hour",
            Quota::DAY_MS => "day",
            _ => continue,
        };
        let reset_ms = level.reset_ns / NANOS_PER_MS;
        let reset = format!("{}.{:03}", reset_ms / 1_000, reset_ms % 1_000);
        let values = [
            ("limit", level.quota.amount.to_string()),
            ("remaining", level.remaining.to_string()),
            ("reset", reset),
        ];
        for (what, value) in values {
            let name = format!("x-ratelimit-{what}-{metric}-{window}");
            if let Ok(name) = HeaderName::try_from(name) {
                add_text(headers, name, &value);
            }
        }
    }
}

/// Together's types are documented; its texts are not known.
pub(super) fn together(refusal: &Refusal) -> ApiError {
    let kind = match limit_of(refusal) {
        Some((quota, _)) if quota.metric != Metric::Requests => "dynamic_token_limited",
        _ => "dynamic_request_limited",
    };
    let message = "You have exceeded your dynamic rate limit for this model. Send requests steadily \
                   and try again.";
    let reset_s = wait_of(refusal)
        .unwrap_or_default()
        .div_ceil(NANOS_PER_SECOND);
    ApiError::new(TOO_MANY, kind, message).with_header("x-ratelimit-reset", reset_s.to_string())
}

pub(super) fn together_levels(headers: &mut HeaderMap, levels: &[QuotaLevel]) {
    for level in levels {
        match level.quota.metric {
            Metric::Requests => {
                number(headers, "x-ratelimit-limit", level.quota.amount);
                number(headers, "x-ratelimit-remaining", level.remaining);
                let reset_s = level.reset_ns.div_ceil(NANOS_PER_SECOND);
                number(headers, "x-ratelimit-reset", reset_s);
            }
            Metric::Tokens => {
                number(headers, "x-tokenlimit-limit", level.quota.amount);
                number(headers, "x-tokenlimit-remaining", level.remaining);
            }
            _ => {}
        }
    }
}

/// `DeepSeek` tells the limit in the text only. Not known: the type and the code.
pub(super) fn deepseek(refusal: &Refusal, subject: &Subject<'_>) -> ApiError {
    let Refusal::Concurrency { limit } = refusal else {
        return crate::refusal::rate_limit_error(
            refusal,
            subject.model,
            &subject.settings.organization,
        );
    };
    let message = format!(
        "Your current concurrency is {}, which exceeds your concurrency limit of {limit} based on \
         your remaining balance. Please top up your balance to restore your concurrency.",
        limit.saturating_add(1),
    );
    ApiError::new(TOO_MANY, "rate_limit_error", message)
}

/// `OpenRouter` tells the end of the window as a moment in milliseconds, in headers and body.
pub(super) fn openrouter(refusal: &Refusal, subject: &Subject<'_>) -> ApiError {
    let (limit, message, reset_ns) = match refusal {
        Refusal::OverLimit { quota, wait_ns, .. } if quota.window_ms < Quota::DAY_MS => (
            quota.amount,
            "Rate limit exceeded: free-models-per-min. ",
            *wait_ns,
        ),
        Refusal::OverLimit { quota, wait_ns, .. } => (
            quota.amount,
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model \
             requests per day",
            *wait_ns,
        ),
        other => {
            let wait_ns = wait_of(other).unwrap_or(NANOS_PER_SECOND);
            let limit = limit_of(other).map_or(0, |(quota, _)| quota.amount);
            (limit, "Rate limit exceeded", wait_ns)
        }
    };
    let reset_ms = subject
        .now_ns
        .saturating_add(reset_ns)
        .div_ceil(NANOS_PER_MS);
    let (limit, reset) = (limit.to_string(), reset_ms.to_string());
    let told = object! {
        "X-RateLimit-Limit": limit.as_str(),
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": reset.as_str(),
    };
    ApiError::new(TOO_MANY, "", message)
        .with_details(object! { "headers": told, "provider_name": Json::Null })
        .with_header("x-ratelimit-limit", limit)
        .with_header("x-ratelimit-remaining", "0")
        .with_header("x-ratelimit-reset", reset)
}

/// xAI states what would have been used and the limit.
pub(super) fn xai(refusal: &Refusal, subject: &Subject<'_>) -> ApiError {
    let (what, unit, actual, limit) = match refusal {
        Refusal::OverLimit {
            quota,
            used,
            requested,
            ..
        } => (
            quota.metric.words(),
            unit_of(quota),
            used.saturating_add(*requested),
            quota.amount,
        ),
        Refusal::TooLarge { quota, requested } => (
            quota.metric.words(),
            unit_of(quota),
            *requested,
            quota.amount,
        ),
        Refusal::Concurrency { limit } => (
            "requests",
            "Requests in flight",
            limit.saturating_add(1),
            *limit,
        ),
        Refusal::SlowDown { .. } => ("requests", "Requests per Second", 0, 0),
    };
    let message = format!(
        "Too many {what} for team {} and model {}. Your team's rate limit is — {unit} \
         (actual/limit): {actual}/{limit}. You can view your team rate limits at \
         https://console.x.ai.",
        subject.settings.organization, subject.model,
    );
    let error = ApiError::new(TOO_MANY, "Some resource has been exhausted", message);
    match wait_of(refusal) {
        Some(wait_ns) => error.retry_after(wait_ns),
        None => error,
    }
}

const fn unit_of(quota: &Quota) -> &'static str {
    match (quota.metric, quota.window_ms) {
        (Metric::Requests, 1_000) => "Requests per Second",
        (Metric::Requests, _) => "Requests per Minute",
        _ => "Tokens per Minute",
    }
}

/// Cohere tells the limit in prose, and no wait.
pub(super) fn cohere(refusal: &Refusal) -> ApiError {
    let limit = limit_of(refusal).map_or(0, |(quota, _)| quota.amount);
    let message = format!(
        "You are using a Trial key, which is limited to {limit} API calls / minute. You can \
         continue to use the Trial key for free or upgrade to a Production key with higher rate \
         limits at 'https://dashboard.cohere.com/api-keys'."
    );
    ApiError::new(TOO_MANY, "", message)
}

pub(super) fn cohere_levels(headers: &mut HeaderMap, levels: &[QuotaLevel]) {
    let requests = levels.iter();
    let mut requests = requests.filter(|level| level.quota.metric == Metric::Requests);
    if let Some(level) = requests.next() {
        number(headers, "x-trial-endpoint-call-limit", level.quota.amount);
        number(headers, "x-trial-endpoint-call-remaining", level.remaining);
    }
}

/// The bodies of those whose envelope is not OpenAI's.
pub(super) fn envelope(likeness: Likeness, error: &ApiError, request_id: &str) -> Json {
    let status = u64::from(error.status.as_u16());
    let message = error.message.as_str();
    match likeness {
        Likeness::Groq => {
            let inner = object! { "message": message, "type": error.kind, "code": error.code };
            object! { "error": inner }
        }
        Likeness::Mistral => object! {
            "object": "error",
            "message": message,
            "type": error.kind,
            "param": error.param,
            "code": error.code,
            "raw_status_code": status,
        },
        Likeness::Cerebras => object! {
            "message": message, "type": error.kind, "param": error.param, "code": error.code,
        },
        Likeness::Together => object! { "id": request_id, "error": error.inner() },
        Likeness::OpenRouter => {
            let inner = object! { "message": message, "code": status };
            let inner = match error.details() {
                Some(details) => inner.with("metadata", details.clone()),
                None => inner,
            };
            object! { "error": inner, "user_id": "user_simulator" }
        }
        Likeness::XAi => object! { "code": error.kind, "error": message },
        Likeness::Cohere => object! { "id": request_id, "message": message },
        Likeness::Vllm => object! {
            "error": object! {
                "message": message,
                "type": vllm_kind(error.status),
                "param": error.param,
                "code": status,
            },
        },
        _ => error.envelope(),
    }
}

const fn vllm_kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "Unauthorized",
        404 => "NotFoundError",
        400..=499 => "BadRequestError",
        _ => "InternalServerError",
    }
}
