//! Azure OpenAI: seconds instead of durations, and the wait in the text.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Shown, Subject, number, wait_of, whole_seconds};
use crate::{
    enforcer::{QuotaLevel, Refusal},
    headers::add_text,
    json::{Json, object},
    quota::{Metric, NANOS_PER_SECOND},
    refusal::ApiError,
};

/// The version of the API that a request without one is taken to ask for.
const API_VERSION: &str = "2024-10-21";

pub(super) fn refusal(subject: &Subject<'_>, refusal: &Refusal) -> ApiError {
    let what = match refusal {
        Refusal::TooLarge { quota, .. } | Refusal::OverLimit { quota, .. }
            if quota.metric != Metric::Requests =>
        {
            "token"
        }
        _ => "call",
    };
    // A request that is larger than the limit is refused for ever, and told to come again all the same.
    let wait_ns = wait_of(refusal).unwrap_or(NANOS_PER_SECOND);
    let message = format!(
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version {} have \
         exceeded {what} rate limit of your current OpenAI S0 pricing tier. Please retry after {} \
         seconds. Please go here: https://aka.ms/oai/quotaincrease if you would like to further \
         increase the default rate limit.",
        api_version(subject.query),
        whole_seconds(wait_ns),
    );
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "", message)
        .code("429")
        .retry_after(wait_ns)
}

fn api_version(query: Option<&str>) -> String {
    let query = query.unwrap_or_default().as_bytes();
    let mut pairs = url::form_urlencoded::parse(query);
    let version = pairs.find(|(name, _)| name == "api-version");
    version.map_or_else(
        || API_VERSION.to_owned(),
        |(_, version)| version.into_owned(),
    )
}

/// A 429 that no limit of the caller's called for.
pub(super) fn high_demand() -> ApiError {
    let message = "The system is currently experiencing high demand and cannot process your request. \
                   Your request exceeds the maximum usage size allowed during peak load. Please \
                   retry after 6 seconds.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "", message)
        .code("429")
        .retry_after(6 * NANOS_PER_SECOND)
}

/// Errors of the front have a code and a message, those of the model OpenAI's envelope.
pub(super) fn envelope(error: &ApiError) -> Json {
    if error.kind.is_empty() {
        let inner = object! { "code": error.code, "message": error.message.as_str() };
        return object! { "error": inner };
    }
    error.envelope()
}

pub(super) fn levels(headers: &mut HeaderMap, shown: &Shown<'_>) {
    if let Some(level) = shown.binding(Metric::Requests) {
        number(headers, "x-ratelimit-limit-requests", level.quota.amount);
        number(headers, "x-ratelimit-remaining-requests", level.remaining);
        number(headers, "x-ratelimit-reset-requests", reset_s(level));
        number(headers, "x-ratelimit-renewalperiod-requests", 60);
    }
    if let Some(level) = shown.binding(Metric::Tokens) {
        number(headers, "x-ratelimit-limit-tokens", level.quota.amount);
        let remaining = signed_remaining(level);
        headers.insert(
            HeaderName::from_static("x-ratelimit-remaining-tokens"),
            HeaderValue::from(remaining),
        );
        number(headers, "x-ratelimit-reset-tokens", reset_s(level));
        number(headers, "x-ratelimit-renewalperiod-tokens", 60);
        let model = shown.subject.model;
        add_text(headers, HeaderName::from_static("x-ratelimit-key"), model);
        let kind = HeaderName::from_static("x-ratelimit-type");
        headers.insert(kind, HeaderValue::from_static("Tokens"));
    }
}

/// What is left, below zero where more was taken than there was.
fn signed_remaining(level: &QuotaLevel) -> i64 {
    let signed = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    signed(level.quota.amount).saturating_sub(signed(level.used))
}

const fn reset_s(level: &QuotaLevel) -> u64 {
    level.reset_ns.div_ceil(NANOS_PER_SECOND)
}
