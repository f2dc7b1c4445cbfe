//! What a provider's error means: which limit, by how much, and whether to try again.

mod classify;
mod details;
mod envelope;
mod fault;
mod message;
mod profile;
#[cfg(test)]
mod tests;

pub use fault::Fault;

use crate::clock::date;
use crate::limits::{retry_after, should_retry};
use crate::metric::LimitMetric;
use envelope::ErrorObject;
use http::HeaderMap;
use message::Facts;
use std::time::{Duration, SystemTime};

/// Bytes kept of a provider's message. The longest one documented has about 400.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// Bytes kept of codes and names.
const NAME_BYTES_MAX: usize = 128;

/// A `retry-after` is whole seconds: it may be the printed wait rounded up, by less than this.
const ROUNDING: Duration = Duration::from_secs(1);

/// Why a provider refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// A limit is reached: the same request passes after a while.
    RateLimited,
    /// Too many requests are under way at once: one passes as soon as another ends.
    Concurrency,
    /// The request is larger than a whole limit: it never passes.
    RequestTooLarge,
    /// Traffic rose too fast: wait, and lower the rate.
    SlowDown,
    /// Credit, quota or a spend cap is used up: only a person can help.
    QuotaExhausted,
    /// The provider or the model is short of capacity. Not the caller's quota.
    Overloaded,
    /// The provider failed.
    ServerError,
    /// No capacity is left in the flex tier. Not charged.
    FlexUnavailable,
    /// The request itself is wrong.
    InvalidRequest,
    /// The request does not fit into the model's context.
    ContextLengthExceeded,
    /// The provider's rules on content forbid to answer it.
    ContentFiltered,
    /// The key is missing, wrong, or out of use with its account.
    Authentication,
    /// The key is not allowed to do what this one request asks, as far as one can know.
    PermissionDenied,
    /// The path, the model or the object does not exist.
    NotFound,
    /// Anything else.
    Other,
}

/// Whether and when the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAdvice {
    /// It will fail again.
    Never,
    /// After this long, or after a wait of the caller's choice where the provider named none.
    After(Option<Duration>),
    /// With growing pauses: something failed, and nobody knows for how long.
    Backoff,
}

/// A refusal, with every number that the provider gave.
///
/// One message of a reached limit tells the limit, what was used of it and what the request would
/// have cost; the wait that it prints is `(used + requested - limit) * window / limit`, cut off to
/// milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why it refused.
    pub kind: RefusalKind,
    /// The HTTP status, or `None` for an error inside a stream.
    pub status: Option<u16>,
    /// What the limit counts.
    pub metric: Option<LimitMetric>,
    /// The limit's window: a minute, an hour, a day.
    pub window: Option<Duration>,
    /// The limit.
    pub limit: Option<u64>,
    /// What was used of it when the request came, rounded up.
    pub used: Option<u64>,
    /// What the request would have cost, rounded up.
    pub requested: Option<u64>,
    /// The limit's own name, where it is not that of the model (`gpt-5.4-long-context`).
    pub limit_name: Option<String>,
    /// Google's id of the quota. Unlike a limit's name it is the same for every model.
    pub quota_id: Option<String>,
    /// The model that the message names.
    pub model: Option<String>,
    /// How long to wait: what the message prints, unless a header asks for more than that rounded
    /// up to whole seconds.
    pub retry_after: Option<Duration>,
    /// `x-should-retry`, where given.
    pub should_retry: Option<bool>,
    /// The provider's message, or the beginning of a body that is no JSON; at most 1,024 bytes.
    pub message: String,
    /// The provider's `type`.
    pub error_type: Option<String>,
    /// The provider's `code`.
    pub code: Option<String>,
}

impl Refusal {
    /// Reads a refusal from a whole answer; `None` where the status is below 400.
    ///
    /// A `retry-after` that is a date is taken relative to the answer's own `date`, so that the
    /// provider's clock is compared with itself; without one it is ignored.
    #[must_use]
    pub fn from_response(status: u16, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        Self::from_response_at(status, headers, body, None)
    }

    /// The same, where `now` is what the provider's clock shows, if that is known: it goes before the
    /// answer's own `date`, which has whole seconds only.
    #[must_use]
    pub fn from_response_at(
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        now: Option<SystemTime>,
    ) -> Option<Self> {
        if status < 400 {
            return None;
        }
        let mut error = ErrorObject::from_body(body);
        if error.kind.is_none() {
            error.kind = amazon_error_type(headers);
        }
        let reset_at = error.details.reset_at;
        let mut refusal = Self::new(Some(status), error);
        refusal.heed(headers);
        let asked = asked_wait(headers, now).or_else(|| {
            let left = reset_at?.duration_since(now.or_else(|| date(headers))?);
            left.ok()
        });
        refusal.retry_after = longer_wait(refusal.retry_after, asked);
        refusal.should_retry = should_retry(headers);
        Some(refusal)
    }

    /// Takes in the headers that say what kind of limit it was.
    fn heed(&mut self, headers: &HeaderMap) {
        let value = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        if self.kind != RefusalKind::RateLimited {
            return;
        }
        // Azure's penalty for sending on and on while refused.
        let is_penalty = value("x-ratelimit-abusepenalty-active")
            .is_some_and(|active| active.eq_ignore_ascii_case("true"));
        if is_penalty {
            self.kind = RefusalKind::SlowDown;
        }
        // GitHub's names of its limits.
        match value("x-ratelimit-type") {
            Some("UserConcurrentRequests") => self.kind = RefusalKind::Concurrency,
            Some("UserByMinute") => {
                self.metric = self.metric.or(Some(LimitMetric::Requests));
                self.window = self.window.or(Some(message::MINUTE));
            }
            _ => {}
        }
    }

    /// Reads a refusal from an error inside a stream: the error object, or the event around it.
    #[must_use]
    pub fn from_error_object(error: &[u8]) -> Self {
        Self::new(None, ErrorObject::from_body(error))
    }

    /// Reads a refusal from an exception of Amazon's inside a stream, which is named apart from it.
    pub(super) fn from_exception(name: &str, payload: &[u8]) -> Self {
        let mut error = ErrorObject::from_body(payload);
        let name = &name[..name.floor_char_boundary(NAME_BYTES_MAX)];
        error.kind = Some(name.to_owned());
        Self::new(None, error)
    }

    fn new(status: Option<u16>, error: ErrorObject) -> Self {
        let facts = Facts::read(&error);
        Self {
            kind: classify::kind(status, &error, &facts),
            status,
            metric: facts.metric,
            window: facts.window,
            limit: facts.limit,
            used: facts.used,
            requested: facts.requested,
            limit_name: facts.limit_name,
            quota_id: facts.quota_id,
            model: facts.model,
            retry_after: facts.wait,
            should_retry: None,
            message: error.message,
            error_type: error.kind,
            code: error.code,
        }
    }

    /// Whether and when the same request may be sent again.
    ///
    /// `x-should-retry: false` is obeyed for failures, but not for limits: it is meant for clients
    /// that would repeat at once, and a limit is known to pass.
    #[must_use]
    pub const fn retry(&self) -> RetryAdvice {
        match self.kind {
            RefusalKind::RateLimited | RefusalKind::SlowDown | RefusalKind::Concurrency => {
                RetryAdvice::After(self.retry_after)
            }
            RefusalKind::Overloaded | RefusalKind::ServerError | RefusalKind::FlexUnavailable => {
                self.retry_failure()
            }
            RefusalKind::Other => match self.status {
                // A timeout, a conflict and too early data pass by themselves.
                None | Some(408 | 409 | 425) => self.retry_failure(),
                Some(_) if matches!(self.should_retry, Some(true)) => self.retry_failure(),
                Some(_) => RetryAdvice::Never,
            },
            RefusalKind::RequestTooLarge
            | RefusalKind::QuotaExhausted
            | RefusalKind::InvalidRequest
            | RefusalKind::ContextLengthExceeded
            | RefusalKind::ContentFiltered
            | RefusalKind::Authentication
            | RefusalKind::PermissionDenied
            | RefusalKind::NotFound => RetryAdvice::Never,
        }
    }

    const fn retry_failure(&self) -> RetryAdvice {
        match (self.should_retry, self.retry_after) {
            (Some(false), _) => RetryAdvice::Never,
            (_, Some(wait)) => RetryAdvice::After(Some(wait)),
            (_, None) => RetryAdvice::Backoff,
        }
    }
}

/// Amazon names the error in a header: `ThrottlingException:http://...`.
fn amazon_error_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("x-amzn-errortype")?.to_str().ok()?;
    let name = value.split(':').next()?.trim();
    (!name.is_empty()).then(|| name[..name.floor_char_boundary(NAME_BYTES_MAX)].to_owned())
}

/// The wait that the headers ask for.
fn asked_wait(headers: &HeaderMap, now: Option<SystemTime>) -> Option<Duration> {
    match now.or_else(|| date(headers)) {
        Some(now) => retry_after(headers, now),
        // Relative to this, a date would be decades away.
        None => retry_after(headers, SystemTime::UNIX_EPOCH)
            .filter(|wait| *wait < Duration::from_secs(400 * 86_400)),
    }
}

fn longer_wait(printed: Option<Duration>, asked: Option<Duration>) -> Option<Duration> {
    match (printed, asked) {
        (Some(printed), Some(asked)) if asked < printed.saturating_add(ROUNDING) => Some(printed),
        (_, Some(asked)) => Some(asked),
        (printed, None) => printed,
    }
}
