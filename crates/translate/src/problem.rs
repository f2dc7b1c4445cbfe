//! Errors of one API in the envelope of the other.

use crate::dialect::{Dialect, Pair};
use crate::json::build::{Fields, object, typed};
use crate::json::{Object, Place, as_text, is_text};
use bytes::Bytes;
use serde_json::value::RawValue;

/// A longer message of the provider's is cut off here, in bytes.
const LONGEST_MESSAGE: usize = 8 << 10;

/// An error in the caller's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslatedError {
    /// The status to answer with. It is the provider's, but for overload: Anthropic's 529 is OpenAI's 503.
    pub status: u16,
    /// The envelope.
    pub body: Bytes,
}

/// What went wrong, in nobody's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    InvalidRequest,
    /// The input is longer than the model takes.
    ContextLength,
    Authentication,
    Billing,
    Permission,
    NotFound,
    NoSuchModel,
    TooLarge,
    /// The quota of tokens, of requests, or one that is not named.
    TokenLimit,
    RequestLimit,
    RateLimit,
    Server,
    Overloaded,
    Timeout,
}

impl Problem {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// What a provider says in an envelope, by status and by words.
    fn read(provider: Dialect, status: u16, body: &[u8]) -> Option<(Self, Option<String>)> {
        let body = crate::request::json(body).ok()?;
        let mut body = envelope(body)?;
        let request_id = body.request_id.take();
        let problem = match provider {
            Dialect::Messages => of_messages(status, &body),
            _ => of_openai(status, &body),
        };
        Some((problem, request_id))
    }

    /// The error of a stream, whose status was 200.
    pub(crate) fn in_stream(provider: Dialect, error: &RawValue) -> Self {
        let words = envelope_of(error, None);
        match provider {
            Dialect::Messages => of_messages(0, &words),
            _ => of_openai(0, &words),
        }
    }

    /// The object `error` of OpenAI's envelope.
    pub(crate) fn openai(&self) -> Fields<'_> {
        let (kind, code) = self.kind.openai();
        object()
            .with("message", self.message.as_str())
            .with("type", kind)
            .or_null("param", None::<&str>)
            .or_null("code", code)
    }

    /// OpenAI's code, which is all that some events carry.
    pub(crate) fn openai_code(&self) -> &'static str {
        let (kind, code) = self.kind.openai();
        code.unwrap_or(kind)
    }

    /// Anthropic's envelope.
    pub(crate) fn messages(&self) -> Fields<'_> {
        let error = typed(self.kind.messages()).with("message", self.message.as_str());
        typed("error").with("error", error)
    }
}

/// What an envelope says, as far as it is used.
#[derive(Debug, Default)]
struct Words {
    kind: String,
    code: String,
    message: String,
    request_id: Option<String>,
}

/// The words of an envelope: OpenAI's and Anthropic's have `error`, Gemini's compatible endpoint puts
/// it into an array, and Mistral's and others' put `message` or `detail` at the top.
fn envelope(body: &RawValue) -> Option<Words> {
    let listed = crate::json::as_list(body).unwrap_or_default();
    let body = listed.first().copied().unwrap_or(body);
    let mut object = Object::read(body, &Place::Root).ok()?;
    let request_id = object.text("request_id").ok().flatten();
    let request_id = request_id.map(std::borrow::Cow::into_owned);
    let words = match object.take("error") {
        Some(error) => envelope_of(error, request_id),
        None => envelope_of(body, request_id),
    };
    (!words.message.is_empty()).then_some(words)
}

fn envelope_of(error: &RawValue, request_id: Option<String>) -> Words {
    if let Some(message) = as_text(error) {
        return Words {
            message: shortened(&message),
            request_id,
            ..Words::default()
        };
    }
    let Ok(mut object) = Object::read(error, &Place::Root) else {
        return Words::default();
    };
    let mut text = |name: &str| {
        let raw = object.take(name)?;
        // Some servers put the status into `code`, as a number.
        as_text(raw)
            .or_else(|| {
                serde_json::from_str::<u16>(raw.get())
                    .ok()
                    .map(|it| it.to_string().into())
            })
            .map(|text| shortened(&text))
    };
    let message = text("message").or_else(|| text("detail"));
    let mut words = Words {
        kind: text("type").unwrap_or_default(),
        code: text("code").unwrap_or_default(),
        message: message.unwrap_or_default(),
        request_id,
    };
    if let Some(details) = object.take("details")
        && let Ok(mut details) = Object::read(details, &Place::Root)
        && let Ok(Some(code)) = details.text("error_code")
    {
        words.code = shortened(&code);
    }
    words
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(LONGEST_MESSAGE)].to_owned()
}

/// Anthropic's types (API errors, "HTTP errors").
fn of_messages(status: u16, words: &Words) -> Problem {
    let message = words.message.as_str();
    let about = |part: &str| message.contains(part);
    let kind = match words.kind.as_str() {
        "invalid_request_error" if about("prompt is too long") => Kind::ContextLength,
        "invalid_request_error" if about("credit balance") || about("API usage limits") => {
            Kind::Billing
        }
        "invalid_request_error" => Kind::InvalidRequest,
        "authentication_error" => Kind::Authentication,
        "billing_error" => Kind::Billing,
        "permission_error" => Kind::Permission,
        "not_found_error" if about("model") => Kind::NoSuchModel,
        "not_found_error" => Kind::NotFound,
        "request_too_large" => Kind::TooLarge,
        "rate_limit_error" if words.code == "enforced_spend_limit_reached" => Kind::Billing,
        "rate_limit_error" if about("tokens per") || about("request tokens") => Kind::TokenLimit,
        "rate_limit_error" if about("requests per") => Kind::RequestLimit,
        "rate_limit_error" => Kind::RateLimit,
        "overloaded_error" => Kind::Overloaded,
        "timeout_error" => Kind::Timeout,
        "api_error" => Kind::Server,
        _ => Kind::of_status(status),
    };
    Problem::new(kind, message)
}

/// OpenAI's types and codes, of which the codes are the more precise.
fn of_openai(status: u16, words: &Words) -> Problem {
    let in_code = words
        .code
        .parse()
        .ok()
        .filter(|code| (400..600).contains(code));
    let status = in_code.filter(|_| status == 0).unwrap_or(status);
    let kind = match (words.code.as_str(), words.kind.as_str()) {
        ("context_length_exceeded", _) => Kind::ContextLength,
        ("model_not_found", _) => Kind::NoSuchModel,
        ("invalid_api_key", _) => Kind::Authentication,
        ("server_is_overloaded" | "slow_down", _) if status == 503 || status == 0 => {
            Kind::Overloaded
        }
        (
            "insufficient_quota"
            | "credit_balance_exhausted"
            | "organization_spend_limit_exceeded"
            | "project_spend_limit_exceeded"
            | "organization_usage_limit_exceeded",
            _,
        )
        | (_, "insufficient_quota") => Kind::Billing,
        (_, "tokens") => Kind::TokenLimit,
        (_, "requests") => Kind::RequestLimit,
        ("rate_limit_exceeded", _) | (_, "rate_limit_error") => Kind::RateLimit,
        (_, "invalid_request_error") if status == 0 => Kind::InvalidRequest,
        _ => Kind::of_status(status),
    };
    Problem::new(kind, words.message.as_str())
}

impl Kind {
    const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::Billing,
            403 => Self::Permission,
            404 => Self::NotFound,
            408 | 504 => Self::Timeout,
            413 => Self::TooLarge,
            429 => Self::RateLimit,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            _ => Self::Server,
        }
    }

    /// OpenAI's type and code.
    const fn openai(self) -> (&'static str, Option<&'static str>) {
        const INVALID: &str = "invalid_request_error";
        match self {
            Self::InvalidRequest => (INVALID, None),
            Self::ContextLength => (INVALID, Some("context_length_exceeded")),
            Self::Authentication => (INVALID, Some("invalid_api_key")),
            Self::Billing => ("insufficient_quota", Some("insufficient_quota")),
            Self::Permission => (INVALID, Some("permission_denied")),
            Self::NotFound => (INVALID, Some("not_found")),
            Self::NoSuchModel => (INVALID, Some("model_not_found")),
            Self::TooLarge => (INVALID, Some("request_too_large")),
            Self::TokenLimit => ("tokens", Some("rate_limit_exceeded")),
            Self::RequestLimit => ("requests", Some("rate_limit_exceeded")),
            Self::RateLimit => ("rate_limit_error", Some("rate_limit_exceeded")),
            Self::Server => ("server_error", Some("server_error")),
            Self::Overloaded => ("service_unavailable_error", Some("server_is_overloaded")),
            Self::Timeout => ("server_error", Some("timeout")),
        }
    }

    /// Anthropic's type.
    const fn messages(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::ContextLength => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::Billing => "billing_error",
            Self::Permission => "permission_error",
            Self::NotFound | Self::NoSuchModel => "not_found_error",
            Self::TooLarge => "request_too_large",
            Self::TokenLimit | Self::RequestLimit | Self::RateLimit => "rate_limit_error",
            Self::Server => "api_error",
            Self::Overloaded => "overloaded_error",
            Self::Timeout => "timeout_error",
        }
    }
}

/// Translates an error that a provider answered with. Bytes that are no envelope are wrapped in one.
///
/// `request_id` is the provider's id of the request from its headers, which Anthropic's envelope
/// repeats. The status is the provider's and is kept, but for 503 and 529, which are each other's
/// word for an overload.
pub fn translate_error(
    pair: Pair,
    status: u16,
    request_id: Option<&str>,
    body: &[u8],
) -> TranslatedError {
    let read = Problem::read(pair.provider(), status, body);
    let (problem, told_id) = read.unwrap_or_else(|| (foreign(status, body), None));
    let for_messages = pair.caller() == Dialect::Messages;
    if !for_messages && pair.provider() == Dialect::Chat && is_openai(body) {
        // Both use one envelope, and the provider's own says the most.
        let body = Bytes::copy_from_slice(body);
        return TranslatedError { status, body };
    }
    if !for_messages {
        let body = object().with("error", problem.openai()).to_bytes();
        let status = if status == 529 { 503 } else { status };
        return TranslatedError { status, body };
    }
    let status = match problem.kind {
        Kind::Overloaded => 529,
        _ => status,
    };
    let problem = recognisable(problem);
    let envelope = problem.messages();
    let request_id = told_id.as_deref().or(request_id);
    TranslatedError {
        status,
        body: envelope.or_null("request_id", request_id).to_bytes(),
    }
}

/// Clients of Anthropic's tell an overlong prompt by how the message begins, since its type does not
/// say it.
pub(crate) fn recognisable(problem: Problem) -> Problem {
    let begins = problem.message.starts_with("prompt is too long");
    if problem.kind != Kind::ContextLength || begins {
        return problem;
    }
    Problem {
        message: format!("prompt is too long: {}", problem.message),
        ..problem
    }
}

/// Whether the body is OpenAI's envelope as it is.
fn is_openai(body: &[u8]) -> bool {
    let object = crate::request::json(body)
        .ok()
        .and_then(|body| Object::read(body, &Place::Root).ok());
    object.is_some_and(|mut object| object.take("error").is_some_and(|error| !is_text(error)))
}

/// The problem behind bytes that are no envelope, such as the page of a proxy on the way.
fn foreign(status: u16, body: &[u8]) -> Problem {
    let excerpt = &body[..body.len().min(300)];
    let excerpt = String::from_utf8_lossy(excerpt);
    let excerpt = excerpt.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = if excerpt.is_empty() {
        "an empty body".to_owned()
    } else {
        format!("what is no error of its API: {excerpt}")
    };
    Problem::new(
        Kind::of_status(status),
        format!("the provider answered with status {status} and {said}"),
    )
}
