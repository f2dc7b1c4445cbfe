//! Anthropic: an envelope with the request's id, moments instead of durations, thousands of tokens.

use http::{HeaderMap, HeaderName, StatusCode};

use super::{Shown, Subject, limit_of, moment::rfc3339, wait_of, with_commas};
use crate::{
    enforcer::{QuotaLevel, Refusal},
    headers::add_text,
    json::{Json, object},
    quota::{Metric, Quota},
    refusal::ApiError,
};

const DOCS: &str = "For details, refer to: https://docs.claude.com/en/api/rate-limits.";
const CONTACT: &str = "You may also contact sales at https://claude.com/contact-sales to discuss \
                       your options for a rate limit increase.";

pub(super) fn refusal(subject: &Subject<'_>, refusal: &Refusal) -> ApiError {
    let organization = &subject.settings.organization;
    let model = subject.model;
    let message = match limit_of(refusal) {
        Some((quota, _)) => format!(
            "This request would exceed your organization's rate limit of {} {} (org: \
             {organization}, model: {model}). {DOCS} You can see the response headers for current \
             usage. Please reduce the prompt length or the maximum tokens requested, or try again \
             later. {CONTACT}",
            with_commas(quota.amount),
            per_window(quota),
        ),
        None if matches!(refusal, Refusal::SlowDown { .. }) => format!(
            "This request would exceed your organization's ({organization}) maximum usage increase \
             rate for input tokens per minute. Please scale up your input tokens usage more \
             gradually to stay within the acceleration limit. {DOCS}"
        ),
        None => format!(
            "Number of concurrent connections has exceeded your rate limit. Please try again later \
             or contact sales at https://claude.com/contact-sales to discuss your options for a \
             rate limit increase. (org: {organization}, model: {model})"
        ),
    };
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
    match wait_of(refusal) {
        Some(wait_ns) => error.retry_after(wait_ns),
        None => error,
    }
    .with_header("x-should-retry", "true")
}

fn per_window(quota: &Quota) -> String {
    let window = match quota.window_ms {
        1_000 => "second".to_owned(),
        Quota::MINUTE_MS => "minute".to_owned(),
        3_600_000 => "hour".to_owned(),
        Quota::DAY_MS => "day".to_owned(),
        other => format!("{other} ms"),
    };
    format!("{} per {window}", quota.metric.words())
}

/// The 529 of a provider that is out of capacity for everybody.
pub(super) fn overloaded() -> ApiError {
    let status = StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    ApiError::new(status, "overloaded_error", "Overloaded").with_header("x-should-retry", "true")
}

/// The 429 at the cap on what may be spent in a month. It tells no wait.
pub(super) fn spend_limit() -> ApiError {
    let message = "This organization has reached its monthly spend limit.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message)
        .with_details(object! { "error_code": "enforced_spend_limit_reached" })
}

pub(super) fn envelope(error: &ApiError, request_id: &str) -> Json {
    let inner = object! { "type": error_kind(error), "message": error.message.as_str() };
    let inner = match error.details() {
        Some(details) => inner.with("details", details.clone()),
        None => inner,
    };
    object! { "type": "error", "error": inner, "request_id": request_id }
}

/// The documented type for a status; errors that were made here carry theirs.
pub(crate) fn error_kind(error: &ApiError) -> &'static str {
    match error.status.as_u16() {
        400 => "invalid_request_error",
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 | 405 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

/// One limit, or several as one, as headers tell it.
#[derive(Clone, Copy)]
struct Told {
    limit: u64,
    remaining: u64,
    reset_ns: u64,
}

impl Told {
    fn of(level: &QuotaLevel) -> Self {
        Self {
            limit: level.quota.amount,
            remaining: level.remaining,
            reset_ns: level.reset_ns,
        }
    }

    /// What is left in thousands, as tokens are told.
    const fn rounded(self) -> Self {
        let remaining = (self.remaining + 500) / 1_000 * 1_000;
        Self { remaining, ..self }
    }
}

pub(super) fn levels(headers: &mut HeaderMap, shown: &Shown<'_>) {
    let now_ns = shown.subject.now_ns;
    let told = |metric| shown.binding(metric).map(Told::of);
    let requests = told(Metric::Requests);
    let input = told(Metric::InputTokens);
    let output = told(Metric::OutputTokens);
    // Without a limit of a workspace, tokens are input and output together.
    let both = match (input, output) {
        (Some(input), Some(output)) => Some(Told {
            limit: input.limit.saturating_add(output.limit),
            remaining: input.remaining.saturating_add(output.remaining),
            reset_ns: input.reset_ns.max(output.reset_ns),
        }),
        (one, other) => one.or(other),
    };
    let groups = [
        (REQUESTS, requests),
        (TOKENS, both.map(Told::rounded)),
        (INPUT_TOKENS, input.map(Told::rounded)),
        (OUTPUT_TOKENS, output.map(Told::rounded)),
    ];
    for ([limit, remaining, reset], told) in groups {
        let Some(told) = told else { continue };
        super::number(headers, limit, told.limit);
        super::number(headers, remaining, told.remaining);
        let moment = rfc3339(now_ns.saturating_add(told.reset_ns));
        add_text(headers, HeaderName::from_static(reset), &moment);
    }
}

const REQUESTS: [&str; 3] = [
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
];
const TOKENS: [&str; 3] = [
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
];
const INPUT_TOKENS: [&str; 3] = [
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
];
const OUTPUT_TOKENS: [&str; 3] = [
    "anthropic-ratelimit-output-tokens-limit",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
];
