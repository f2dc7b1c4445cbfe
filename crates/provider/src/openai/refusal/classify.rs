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
    "servicequotaexceededexception",
];

/// Parts of messages, in lower case, by which providers say that credit is used up, whatever the
/// status: Anthropic, xAI, DeepSeek, OpenRouter.
const NO_CREDIT_WORDS: &[&str] = &[
    "credit balance is too low",
    "reached your specified",
    "doesn't have any credits",
    "used all available credits",
    "monthly spending limit",
    "insufficient balance",
    "insufficient credits",
    "key limit exceeded",
];

/// Parts of messages, in lower case, that say that a key is wrong, or out of use with its account,
/// where the status does not: Gemini and xAI answer 400, and 403 is also said to single requests.
const WRONG_KEY_WORDS: &[&str] = &[
    "incorrect api key provided",
    "api key not valid",
    "api key expired",
    "api key was reported as leaked",
    "account has been deactivated",
    "account is deactivated",
    "account has been disabled",
    "organization has been disabled",
];

/// Parts of messages, in lower case, about a request that does not fit into the context: OpenAI and
/// its copies, Anthropic, Gemini, Bedrock, Together, xAI.
const TOO_LONG_WORDS: &[&str] = &[
    "maximum context length",
    "context window",
    "maximum prompt length",
    "prompt is too long",
    "exceed context limit",
    "exceeds the maximum number of tokens",
    "input is too long for requested model",
    "reduce the length of the messages",
    "`inputs` tokens + `max_new_tokens`",
];

const CONTENT_FILTERED: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "moderation_blocked",
    "responsibleaipolicyviolation",
];

const CONTENT_WORDS: &[&str] = &[
    "content management policy",
    "prompt was flagged",
    "input was flagged",
    "blocked by content filtering policy",
];

const CONCURRENCY_WORDS: &[&str] = &["concurrent request", "concurrent connection", "concurrency"];

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
    // Mistral's number of the same.
    "3505",
    "unavailable",
    "serviceunavailableexception",
    "modelnotreadyexception",
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
    "resource_exhausted",
    "throttlingexception",
];

const SERVER_ERROR: &[&str] = &[
    "server_error",
    "api_error",
    "internal_error",
    "internal_server_error",
    "timeout_error",
    "internal",
    "deadline_exceeded",
    "internalserverexception",
    "modelstreamerrorexception",
    "modelerrorexception",
    "modeltimeoutexception",
];

/// A wrong key, or an account that is out of use, whatever the status is.
const AUTHENTICATION: &[&str] = &[
    "invalid_api_key",
    "authentication_error",
    "api_key_invalid",
    "unauthenticated",
    "account_deactivated",
    "deactivated_workspace",
    "unsupported_country_region_territory",
    // Google's reasons.
    "api_key_service_blocked",
    "billing_disabled",
    "consumer_suspended",
    "service_disabled",
    // Amazon answers 403 to every wrong key.
    "expiredtokenexception",
    "invalidsignatureexception",
    "missingauthenticationtokenexception",
    "unrecognizedclientexception",
];

const PERMISSION_DENIED: &[&str] = &[
    "permission_error",
    "insufficient_permissions",
    "permission_denied",
    "accessdeniedexception",
];

const NOT_FOUND: &[&str] = &[
    "model_not_found",
    "not_found_error",
    "not_found",
    "resourcenotfoundexception",
];

const INVALID: &[&str] = &[
    "invalid_request_error",
    "invalid_prompt",
    "invalid_request",
    "invalid_argument",
    "failed_precondition",
    "validationexception",
];

pub(super) fn kind(status: Option<u16>, error: &ErrorObject, facts: &Facts) -> RefusalKind {
    let words = Words::new(error);
    if let Some(kind) = by_text(status, &words, error) {
        return kind;
    }
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

/// What providers say in words, or in codes that mean the same whatever the status is.
fn by_text(status: Option<u16>, words: &Words, error: &ErrorObject) -> Option<RefusalKind> {
    let may_be_wrong = matches!(status, None | Some(400 | 403 | 404 | 413 | 422));
    if words.says_itself(NO_CREDIT_WORDS) && (may_be_wrong || status == Some(429)) {
        return Some(RefusalKind::QuotaExhausted);
    }
    if !may_be_wrong {
        return None;
    }
    let is_too_long = words.is_one_of(&["context_length_exceeded"])
        || words.has_one_of(TOO_LONG_WORDS)
        || words.message.starts_with("too many tokens: ");
    // A limit on tokens can also tell to reduce the length.
    if is_too_long && !words.is_one_of(RATE_LIMITED) {
        return Some(RefusalKind::ContextLengthExceeded);
    }
    if words.is_one_of(CONTENT_FILTERED)
        || words.has_one_of(CONTENT_WORDS)
        || error.details.is_moderated
    {
        return Some(RefusalKind::ContentFiltered);
    }
    let is_wrong_key = words.says_itself(WRONG_KEY_WORDS)
        || words.is_one_of(&["api_key_invalid"])
        || status == Some(403) && words.is_one_of(AUTHENTICATION);
    is_wrong_key.then_some(RefusalKind::Authentication)
}

/// What the provider ran out of, if it says so.
fn capacity(status: Option<u16>, words: &Words, facts: &Facts) -> Option<RefusalKind> {
    // Gemini uses this sentence for limits that pass, and then prints a wait.
    let quota_sentence = words.message.contains("exceeded your current quota")
        && facts.wait.is_none()
        && facts.window.is_none();
    // By a limit of nothing Google says that billing is not set up.
    let nothing_allowed = facts.limit == Some(0) && words.is_one_of(&["resource_exhausted"]);
    // A trial's calls of a month.
    let monthly = words.message.contains("api calls / month");
    if words.is_one_of(QUOTA_EXHAUSTED)
        || status == Some(402)
        || quota_sentence
        || nothing_allowed
        || monthly
    {
        return Some(RefusalKind::QuotaExhausted);
    }
    let too_fast = words.message.contains("maximum usage increase rate");
    if words.is_one_of(&["slow_down"]) || too_fast {
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
    if matches!(status, None | Some(429)) && words.has_one_of(CONCURRENCY_WORDS) {
        return Some(RefusalKind::Concurrency);
    }
    let limited = matches!(status, None | Some(413)) && words.is_one_of(RATE_LIMITED);
    (limited || status == Some(429)).then_some(RefusalKind::RateLimited)
}

const fn by_status(status: u16) -> RefusalKind {
    match status {
        401 => RefusalKind::Authentication,
        403 => RefusalKind::PermissionDenied,
        404 | 410 => RefusalKind::NotFound,
        408 | 409 | 425 => RefusalKind::Other,
        // Bedrock: the model failed, not the request.
        424 => RefusalKind::ServerError,
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
    } else if words.is_one_of(PERMISSION_DENIED) {
        RefusalKind::PermissionDenied
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
    status: String,
    reason: String,
    message: String,
}

impl Words {
    fn new(error: &ErrorObject) -> Self {
        let lower = |text: &Option<String>| text.as_deref().unwrap_or("").to_ascii_lowercase();
        Self {
            code: lower(&error.code),
            kind: lower(&error.kind),
            status: lower(&error.details.status),
            reason: lower(&error.details.reason),
            message: error.message.to_ascii_lowercase(),
        }
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        [&self.code, &self.kind, &self.status, &self.reason]
            .into_iter()
            .any(|word| names.contains(&word.as_str()))
    }

    fn has_one_of(&self, parts: &[&str]) -> bool {
        parts.iter().any(|part| self.message.contains(part))
    }

    /// The same in the provider's own words alone, where what it says counts against the account: what
    /// follows a quotation mark may be the caller's.
    fn says_itself(&self, parts: &[&str]) -> bool {
        let own = before_quotation(&self.message);
        parts.iter().any(|part| own.contains(part))
    }
}

/// A message up to its first quotation mark; an apostrophe within a word is none.
fn before_quotation(message: &str) -> &str {
    let mut before = ' ';
    let opens = message.char_indices().find(|(_, mark)| {
        let is_within_word = std::mem::replace(&mut before, *mark).is_alphanumeric();
        matches!(mark, '"' | '`' | '\'') && !is_within_word
    });
    opens.map_or(message, |(place, _)| &message[..place])
}
