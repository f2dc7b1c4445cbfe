//! Google: the status in words, and details that name the quota and the wait.

use http::StatusCode;

use super::{Subject, wait_of};
use crate::{
    enforcer::Refusal,
    json::{Json, object},
    quota::{Metric, NANOS_PER_SECOND, Quota},
    refusal::ApiError,
};

const METRICS: &str = "generativelanguage.googleapis.com/generate_content_free_tier_";

pub(super) fn refusal(subject: &Subject<'_>, refusal: &Refusal) -> ApiError {
    let (Refusal::OverLimit { quota, .. } | Refusal::TooLarge { quota, .. }) = refusal else {
        return exhausted();
    };
    let metric = metric_of(quota);
    let mut message = format!(
        "You exceeded your current quota, please check your plan and billing details. For more \
         information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To \
         monitor your current usage, head to: https://ai.dev/rate-limit. \n* Quota exceeded for \
         metric: {metric}, limit: {}, model: {}",
        quota.amount, subject.model,
    );
    let violation = object! {
        "quotaMetric": metric,
        "quotaId": quota_id(quota),
        "quotaDimensions": object! { "location": "global", "model": subject.model },
        "quotaValue": quota.amount.to_string(),
    };
    let mut details = vec![
        object! {
            "@type": "type.googleapis.com/google.rpc.Help",
            "links": vec![object! {
                "description": "Learn more about Gemini API quotas",
                "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
            }],
        },
        object! {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": vec![violation],
        },
    ];
    if let Some(wait_ns) = wait_of(refusal) {
        let (seconds, nanos) = (wait_ns / NANOS_PER_SECOND, wait_ns % NANOS_PER_SECOND);
        message.push_str(&format!("\nPlease retry in {seconds}.{nanos:09}s."));
        details.push(object! {
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{seconds}s"),
        });
    }
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", message)
        .with_details(Json::List(details))
}

fn metric_of(quota: &Quota) -> String {
    let name = match quota.metric {
        Metric::Requests => "requests",
        _ => "input_token_count",
    };
    format!("{METRICS}{name}")
}

/// The name that alone tells a day's quota from a minute's.
fn quota_id(quota: &Quota) -> String {
    let window = if quota.window_ms >= Quota::DAY_MS {
        "Day"
    } else {
        "Minute"
    };
    match quota.metric {
        Metric::Requests => format!("GenerateRequestsPer{window}PerProjectPerModel-FreeTier"),
        _ => format!("GenerateContentInputTokensPerModelPer{window}-FreeTier"),
    }
}

/// The refusal where there is no quota of one's own. It names neither a limit nor a wait.
pub(super) fn exhausted() -> ApiError {
    let message = "Resource exhausted. Please try again later. Please refer to \
                   https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more \
                   details.";
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", message)
        .code("rateLimitExceeded")
}

pub(super) fn envelope(error: &ApiError) -> Json {
    let inner = object! {
        "code": u64::from(error.status.as_u16()),
        "message": error.message.as_str(),
    };
    let inner = match error.code {
        Some(reason @ "rateLimitExceeded") => inner.with(
            "errors",
            vec![object! {
                "message": error.message.as_str(), "domain": "global", "reason": reason,
            }],
        ),
        _ => inner,
    };
    let inner = inner.with("status", status_of(error));
    let inner = match error.details() {
        Some(details) => inner.with("details", details.clone()),
        None => inner,
    };
    object! { "error": inner }
}

/// The canonical name of a status; errors that were made for this provider carry theirs.
fn status_of(error: &ApiError) -> &'static str {
    if error
        .kind
        .chars()
        .all(|c| c.is_ascii_uppercase() || c == '_')
        && !error.kind.is_empty()
    {
        return error.kind;
    }
    match error.status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 | 405 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INVALID_ARGUMENT",
    }
}
