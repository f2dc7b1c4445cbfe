//! Which kind of refusal an error is.
//!
//! For billing the provider says to branch on the code; the type is what older bodies have. The
//! status alone decides only where nothing else is known, since the same limit can arrive as a
//! status and, once the answer has begun, as an event inside it.

use super::RefusalKind;
use super::envelope::ErrorObject;
use super::message::Facts;

const QUOTA_EXHAUSTED: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "enforced_spend_limit_reached",
];

const FLEX_UNAVAILABLE: &[&str] = &["resource_unavailable", "capacity_exceeded"];

const OVERLOADED: &[&str] = &[
    "server_is_overloaded",
    "engine_overloaded",
    "overloaded",
    "overloaded_error",
    "service_unavailable",
    "service_unavailable_error",
    "service_tier_capacity_exceeded",
    "queue_exceeded",
];

const OVERLOADED_WORDS: &[&str] = &["overloaded", "at capacity", "high demand", "peak load"];

const RATE_LIMITED: &[&str] = &[
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limited",
    "ratelimitreached",
    "too_many_requests",
    "request_quota_exceeded",
    "token_quota_exceeded",
    "429",
    "tokens",
    "requests",
    "images",
];

const SERVER_ERROR: &[&str] = &[
    "server_error",
    "api_error",
    "internal_error",
    "internal_server_error",
    "timeout_error",
];

const AUTHENTICATION: &[&str] = &[
    "invalid_api_key",
    "authentication_error",
    "permission_error",
    "insufficient_permissions",
];

const NOT_FOUND: &[&str] = &["model_not_found", "not_found_error", "not_found"];

const INVALID: &[&str] = &[
    "invalid_request_error",
    "invalid_prompt",
    "context_length_exceeded",
    "invalid_request",
];

pub(super) fn kind(status: Option<u16>, error: &ErrorObject, facts: &Facts) -> RefusalKind {
    let words = Words::new(error);
    // A wrong request stays wrong, whatever its text mentions.
    let may_be_capacity = matches!(status, None | Some(429 | 498 | 500..));
    let by_meaning = if may_be_capacity || matches!(status, Some(402 | 413)) {
        capacity(status, &words, facts)
    } else {
        words
            .is_one_of(QUOTA_EXHAUSTED)
            .then_some(RefusalKind::QuotaExhausted)
    };
    by_meaning.unwrap_or_else(|| match status {
        Some(status) => by_status(status),
        None => by_name(&words),
    })
}

/// What the provider ran out of, if it says so.
fn capacity(status: Option<u16>, words: &Words, facts: &Facts) -> Option<RefusalKind> {
    // Gemini uses this sentence for limits that pass, and then prints a wait.
    let quota_sentence =
        words.message.contains("exceeded your current quota") && facts.wait.is_none();
    if words.is_one_of(QUOTA_EXHAUSTED) || status == Some(402) || quota_sentence {
        return Some(RefusalKind::QuotaExhausted);
    }
    if words.is_one_of(&["slow_down"]) {
        return Some(RefusalKind::SlowDown);
    }
    let no_resources = words.message.contains("resource unavailable");
    if words.is_one_of(FLEX_UNAVAILABLE) || status == Some(498) || no_resources {
        return Some(RefusalKind::FlexUnavailable);
    }
    let larger_than_limit = matches!((facts.requested, facts.limit), (Some(r), Some(l)) if r > l);
    if words.message.starts_with("request too large") || larger_than_limit {
        return Some(RefusalKind::RequestTooLarge);
    }
    // In 2023 this came with status 429 as well.
    if words.message.contains("server had an error") {
        return Some(RefusalKind::ServerError);
    }
    let short_of_capacity = OVERLOADED_WORDS
        .iter()
        .any(|word| words.message.contains(word));
    if words.is_one_of(OVERLOADED) || short_of_capacity {
        return Some(RefusalKind::Overloaded);
    }
    let limited = matches!(status, None | Some(413)) && words.is_one_of(RATE_LIMITED);
    (limited || status == Some(429)).then_some(RefusalKind::RateLimited)
}

const fn by_status(status: u16) -> RefusalKind {
    match status {
        401 | 403 => RefusalKind::Authentication,
        404 | 410 => RefusalKind::NotFound,
        408 | 409 | 425 => RefusalKind::Other,
        429 => RefusalKind::RateLimited,
        503 | 529 => RefusalKind::Overloaded,
        400..500 => RefusalKind::InvalidRequest,
        500..600 => RefusalKind::ServerError,
        _ => RefusalKind::Other,
    }
}

/// For an error inside a stream. The code comes first: a wrong key has the type of a wrong request.
fn by_name(words: &Words) -> RefusalKind {
    if words.is_one_of(AUTHENTICATION) {
        RefusalKind::Authentication
    } else if words.is_one_of(NOT_FOUND) {
        RefusalKind::NotFound
    } else if words.is_one_of(SERVER_ERROR) {
        RefusalKind::ServerError
    } else if words.is_one_of(INVALID) {
        RefusalKind::InvalidRequest
    } else {
        RefusalKind::Other
    }
}

/// The words of an error in lower case.
struct Words {
    code: String,
    kind: String,
    message: String,
}

impl Words {
    fn new(error: &ErrorObject) -> Self {
        let lower = |text: &Option<String>| text.as_deref().unwrap_or("").to_ascii_lowercase();
        Self {
            code: lower(&error.code),
            kind: lower(&error.kind),
            message: error.message.to_ascii_lowercase(),
        }
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        names.contains(&self.code.as_str()) || names.contains(&self.kind.as_str())
    }
}
