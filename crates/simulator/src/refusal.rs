//! An error as it is reported, and OpenAI's error bodies, word for word.

use http::StatusCode;

use crate::{
    enforcer::Refusal,
    go_duration::go_duration_ns,
    json::{Json, object},
    quota::{Metric, NANOS_PER_MS, NANOS_PER_SECOND, Quota},
};

/// An error as the provider reports it: a status and the members of OpenAI's envelope
/// `{"error": {"message", "type", "param", "code"}}`, which other providers put into theirs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) kind: &'static str,
    pub(crate) param: Option<&'static str>,
    pub(crate) code: Option<&'static str>,
    /// The wait that `retry-after` states, in nanoseconds.
    pub(crate) retry_after_ns: Option<u64>,
    /// What some errors have beside these.
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Extra {
    details: Option<Json>,
    headers: Vec<(&'static str, String)>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            message,
            kind,
            param: None,
            code: None,
            retry_after_ns: None,
            extra: None,
        }
    }

    /// A 400 with the type `invalid_request_error`.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// A required member that is missing.
    pub(crate) fn missing(param: &'static str) -> Self {
        Self::invalid(format!("Missing required parameter: '{param}'."))
            .param(param)
            .code("missing_required_parameter")
    }

    pub(crate) const fn param(mut self, param: &'static str) -> Self {
        self.param = Some(param);
        self
    }

    pub(crate) const fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) const fn retry_after(mut self, wait_ns: u64) -> Self {
        self.retry_after_ns = Some(wait_ns);
        self
    }

    /// Adds what the provider's envelope has a place for beside the usual members.
    pub(crate) fn with_details(mut self, details: Json) -> Self {
        self.extra.get_or_insert_default().details = Some(details);
        self
    }

    /// Adds a header of this error alone.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let extra = self.extra.get_or_insert_default();
        extra.headers.push((name, value.into()));
        self
    }

    pub(crate) fn details(&self) -> Option<&Json> {
        self.extra.as_ref()?.details.as_ref()
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = &(&'static str, String)> {
        self.extra.iter().flat_map(|extra| &extra.headers)
    }

    /// The member `error` of the envelope.
    pub(crate) fn inner(&self) -> Json {
        object! {
            "message": self.message.as_str(),
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }
    }

    pub(crate) fn envelope(&self) -> Json {
        object! { "error": self.inner() }
    }
}

const VISIT: &str = "Visit https://platform.openai.com/account/rate-limits to learn more.";

/// The 429 for a decision of the enforcer.
pub(crate) fn rate_limit_error(refusal: &Refusal, model: &str, organization: &str) -> ApiError {
    match refusal {
        Refusal::TooLarge { quota, requested } => too_large(quota, *requested, model, organization),
        Refusal::OverLimit {
            quota,
            used,
            requested,
            stated_wait_ns,
            ..
        } => {
            let wait = go_duration_ns(*stated_wait_ns);
            let message = format!(
                "Rate limit reached for {model} in organization {organization} on {quota}: Limit \
                 {}, Used {used}, Requested {requested}. Please try again in {wait}. {VISIT}",
                quota.amount,
            );
            limited(type_of(quota.metric), message).retry_after(*stated_wait_ns)
        }
        Refusal::Concurrency { limit } => {
            let message = format!(
                "Rate limit reached for {model} in organization {organization} on concurrent \
                 requests: Limit {limit}, Used {limit}, Requested 1. Please try again in 1s. {VISIT}",
            );
            limited("requests", message).retry_after(NANOS_PER_SECOND)
        }
        Refusal::SlowDown { wait_ns } => slow_down(*wait_ns),
    }
}

/// The 429 for a request that alone exceeds a limit: it states no level and no wait.
pub(crate) fn too_large(
    quota: &Quota,
    requested: u64,
    model: &str,
    organization: &str,
) -> ApiError {
    let message = format!(
        "Request too large for {model} in organization {organization} on {quota}: Limit {}, \
         Requested {requested}. The input or output tokens must be reduced in order to run \
         successfully. {VISIT}",
        quota.amount,
    );
    limited(type_of(quota.metric), message)
}

/// The 429 for traffic that grew too fast.
pub(crate) fn slow_down(wait_ns: u64) -> ApiError {
    let message = "Request rate increased too quickly. Please slow down, keep the lower rate for \
                   a while, and then increase it gradually.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message)
        .code("slow_down")
        .retry_after(wait_ns)
}

/// The 429 that no waiting helps.
pub(crate) fn insufficient_quota() -> ApiError {
    let message = "You exceeded your current quota, please check your plan and billing details. \
                   For more information on this error, read the docs: \
                   https://platform.openai.com/docs/guides/error-codes/api-errors.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", message)
        .code("insufficient_quota")
}

/// The 500 of a failing provider.
pub(crate) fn server_error() -> ApiError {
    let message = "The server had an error while processing your request. Sorry about that!";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message).code("server_error")
}

/// The 503 of a provider out of capacity.
pub(crate) fn overloaded() -> ApiError {
    let message = "The engine is currently overloaded, please try again later";
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "service_unavailable_error",
        message,
    )
    .code("server_is_overloaded")
    .retry_after(NANOS_PER_SECOND)
}

fn limited(kind: &'static str, message: String) -> ApiError {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, kind, message).code("rate_limit_exceeded")
}

const fn type_of(metric: Metric) -> &'static str {
    match metric {
        Metric::Requests => "requests",
        Metric::Tokens => "tokens",
        Metric::InputTokens => "input_tokens",
        Metric::OutputTokens => "output_tokens",
        Metric::Images => "images",
    }
}

/// A wait in whole seconds, rounded up, at least one.
pub(crate) const fn retry_after_seconds(wait_ns: u64) -> u64 {
    let seconds = wait_ns.div_ceil(NANOS_PER_SECOND);
    if seconds == 0 { 1 } else { seconds }
}

/// A wait in whole milliseconds, rounded up, at least one.
pub(crate) const fn retry_after_ms(wait_ns: u64) -> u64 {
    let ms = wait_ns.div_ceil(NANOS_PER_MS);
    if ms == 0 { 1 } else { ms }
}
