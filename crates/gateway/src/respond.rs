//! Every answer that the gateway itself gives: the one place for status codes and error codes.
//!
//! Each code has a page in the documentation under `docs/errors`.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use paceline_limiter::Refusal;
use paceline_provider::{Dialect, RequestError, openai_error};

use crate::body::ReplyBody;
use crate::upstream::SendError;

/// `retry-after` in milliseconds, which the official SDKs prefer.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// Tells the official SDKs whether to try again, whatever the status.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// All codes of errors that originate here, for the documentation and its test.
pub const ERROR_CODES: &[&str] = &[
    "admin_path_refused",
    "BATCH_RATE_LIMITED",
    "budget_busy",
    "budget_exceeded",
    "body_timeout",
    "body_too_large",
    "browser_refused",
    "files_full",
    "gateway_overloaded",
    "internal_error",
    "invalid_caller_key",
    "invalid_header",
    "invalid_path",
    "invalid_request",
    "lanes_ill",
    "model_not_allowed",
    "no_lane_takes",
    "not_found",
    "OPENAI_RATE_LIMIT_EXHAUSTED",
    "path_not_metered",
    "price_unknown",
    "queue_full",
    "request_cancelled",
    "request_larger_than_limit",
    "shutting_down",
    "tenant_not_allowed",
    "untranslatable",
    "upstream_cut",
    "upstream_garbage",
    "upstream_timeout",
    "upstream_unreachable",
    "wait_too_long",
];

/// An error of the gateway's own, ready to be written in the caller's dialect.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// OpenAI's `error.type`.
    pub(crate) kind: &'static str,
    pub(crate) code: &'static str,
    pub(crate) param: Option<String>,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
    /// What the SDKs are told about trying again; `None` leaves it to the status.
    pub(crate) should_retry: Option<bool>,
    /// In whose words it is told.
    dialect: Dialect,
}

impl Problem {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: String) -> Self {
        Self {
            status,
            kind,
            code,
            param: None,
            message,
            retry_after: None,
            should_retry: None,
            dialect: Dialect::OpenAi,
        }
    }

    fn invalid(code: &'static str, message: String) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            code,
            message,
        )
    }

    fn wait(code: &'static str, message: String, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                code,
                message,
            )
        }
    }

    /// A path that must not be forwarded.
    pub(crate) fn invalid_path(path: &str, why: &str) -> Self {
        Self::invalid(
            "invalid_path",
            format!("the path {:?} is refused: {why}", bounded(path)),
        )
    }

    /// A path that is neither the provider's nor the gateway's.
    pub(crate) fn not_found(method: &http::Method, path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "invalid_request_error",
            "not_found",
            format!(
                "nothing is served at {method} {}; the provider's paths are below /v1, so the base \
                 URL of a client ends in /v1",
                bounded(path)
            ),
        )
    }

    /// A browser sends it for a page that may not.
    pub(crate) fn browser_refused() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "invalid_request_error",
            "browser_refused",
            "a page of another origin may not spend this gateway's key, and answers are not shown \
             as pages; call from a program, give each caller a key, or open /dashboard"
                .to_owned(),
        )
    }

    /// A path for which an inference key must not be used.
    pub(crate) fn admin_path(path: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "invalid_request_error",
            "admin_path_refused",
            format!(
                "{} is organisation administration and is not forwarded; call the provider \
                 directly with an admin key",
                bounded(path)
            ),
        )
    }

    /// A header of the gateway's own that does not parse.
    pub(crate) fn invalid_header(name: &str, expected: &str) -> Self {
        Self {
            param: Some(name.to_owned()),
            ..Self::invalid(
                "invalid_header",
                format!("the header {name} is not understood: expected {expected}"),
            )
        }
    }

    /// The caller has no valid key of this gateway.
    pub(crate) fn caller_key(why: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_request_error",
            "invalid_caller_key",
            format!(
                "this gateway asks for a key of its own as the bearer token, and {why}; ask its \
                 operator for one (paceline keys create)"
            ),
        )
    }

    /// The caller's key is not for this model.
    pub(crate) fn model_not_allowed(model: &str, key_id: &str) -> Self {
        Self {
            param: Some("model".to_owned()),
            ..Self::new(
                StatusCode::FORBIDDEN,
                "invalid_request_error",
                "model_not_allowed",
                format!("the key {key_id} is not for the model {:?}", bounded(model)),
            )
        }
    }

    /// The caller is bound to what is counted, and what this path spends is not.
    pub(crate) fn path_not_metered(path: &str, why: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "invalid_request_error",
            "path_not_metered",
            format!(
                "{} is refused: {why}, and what is spent there is not seen by this gateway; use \
                 paths that are metered, such as /v1/responses, or ask its operator for a key \
                 without models and hard budgets",
                bounded(path)
            ),
        )
    }

    /// The caller names another tenant than its key's.
    pub(crate) fn tenant_not_allowed(tenant: &str, key_id: &str) -> Self {
        Self {
            param: Some("x-paceline-tenant".to_owned()),
            ..Self::new(
                StatusCode::FORBIDDEN,
                "invalid_request_error",
                "tenant_not_allowed",
                format!(
                    "the key {key_id} calls for its own tenant, not for {:?}; leave the header \
                     x-paceline-tenant out",
                    bounded(tenant)
                ),
            )
        }
    }

    /// A budget has no room for the call.
    pub(crate) fn budget(message: String, retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            // Periods are long: whoever tries again by itself does so in vain.
            should_retry: Some(false),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "insufficient_quota",
                "budget_exceeded",
                message,
            )
        }
    }

    /// What calls under way hold of this budget leaves no room in time.
    pub(crate) fn budget_busy(budget: &str) -> Self {
        Self::wait(
            "budget_busy",
            format!(
                "calls under way hold what is left of {budget}; too few ended in the time that it \
                 may wait; allow more with x-paceline-max-wait or queue.max_wait"
            ),
            Duration::from_secs(1),
        )
    }

    /// A batch would not be through in time; `wait` is how much longer it takes.
    pub(crate) fn batch_rate_limited(message: String, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            // An answer and not a failure: whoever asked decides.
            should_retry: Some(false),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "rate_limit_error",
                "BATCH_RATE_LIMITED",
                message,
            )
        }
    }

    /// A file that is larger than files may be.
    pub(crate) fn file_too_large(limit_bytes: u64) -> Self {
        Self {
            param: Some("file".to_owned()),
            should_retry: Some(false),
            ..Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "invalid_request_error",
                "body_too_large",
                format!(
                    "the file is over the limit of {limit_bytes} bytes; batches.file_bytes_max sets \
                     the limit"
                ),
            )
        }
    }

    /// The disk space for files is used up.
    pub(crate) fn no_room_for_files() -> Self {
        Self {
            should_retry: Some(false),
            ..Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "server_error",
                "files_full",
                "the gateway keeps as many files as it may; delete some, or ask its operator for \
                 more room (batches.files_bytes_total)"
                    .to_owned(),
            )
        }
    }

    /// As many batches are under way as may be.
    pub(crate) fn too_many_batches(count: usize) -> Self {
        Self::wait(
            "queue_full",
            format!("{count} batches are under way or wait already"),
            Duration::from_secs(60),
        )
    }

    /// Something that there is not, or that is somebody else's.
    pub(crate) fn no_such(kind: &str, id: &str) -> Self {
        Self {
            param: Some("id".to_owned()),
            ..Self::new(
                StatusCode::NOT_FOUND,
                "invalid_request_error",
                "not_found",
                format!("No such {kind} object: {}", bounded(id)),
            )
        }
    }

    /// What is asked for cannot be done in the present state.
    pub(crate) fn conflict(message: String) -> Self {
        Self {
            should_retry: Some(false),
            ..Self::new(
                StatusCode::CONFLICT,
                "invalid_request_error",
                "invalid_request",
                message,
            )
        }
    }

    /// A body of a call that this gateway answers, which is not understood.
    pub(crate) fn invalid_request(message: String, param: Option<&str>) -> Self {
        Self {
            param: param.map(str::to_owned),
            ..Self::invalid("invalid_request", message)
        }
    }

    /// A budget in dollars holds for the call, and its price is not known.
    pub(crate) fn price_unknown(model: &str, provider: &str) -> Self {
        Self {
            param: Some("model".to_owned()),
            ..Self::new(
                StatusCode::FORBIDDEN,
                "invalid_request_error",
                "price_unknown",
                format!(
                    "a budget in dollars holds for this call, and the price of {:?} at {provider} \
                     is not known; give it in the price file, or set prices.unknown = \"dearest\"",
                    bounded(model)
                ),
            )
        }
    }

    /// A budget in dollars holds for the call, and part of its price is not known.
    pub(crate) fn unpriced(unpriced: &paceline_tokens::prices::Unpriced) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "invalid_request_error",
            "price_unknown",
            format!("a budget in dollars holds for this call, and {unpriced}"),
        )
    }

    /// A body that can never be valid.
    pub(crate) fn invalid_body(error: &RequestError) -> Self {
        Self {
            param: error.param().map(str::to_owned),
            ..Self::invalid("invalid_request", error.message())
        }
    }

    /// A body over the size limit.
    pub(crate) fn body_too_large(limit_bytes: u64) -> Self {
        Self {
            should_retry: Some(false),
            ..Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "invalid_request_error",
                "body_too_large",
                format!(
                    "the request body is over the limit of {limit_bytes} bytes; \
                     server.body_max sets the limit"
                ),
            )
        }
    }

    /// A caller that stopped sending its body.
    pub(crate) fn body_timeout(timeout: Duration) -> Self {
        Self {
            ..Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "invalid_request_error",
                "body_timeout",
                format!(
                    "no part of the request body came within {} s",
                    timeout.as_secs_f64()
                ),
            )
        }
    }

    /// Too many bytes of request bodies are held already.
    pub(crate) fn overloaded() -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "service_unavailable_error",
                "gateway_overloaded",
                "the gateway holds as many request bodies as its memory allows; try again shortly"
                    .to_owned(),
            )
        }
    }

    /// Something that should not happen; the details are in the log.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "internal_error",
            "the gateway failed to handle the request; its log has the details".to_owned(),
        )
    }

    /// The limiter's refusal.
    pub(crate) fn refusal(refusal: &Refusal, pool: &str) -> Self {
        match refusal {
            Refusal::TooLarge {
                metric,
                amount,
                window,
                requested,
            } => Self {
                should_retry: Some(false),
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "rate_limit_error",
                    "request_larger_than_limit",
                    format!(
                        "the request needs {requested} {name}, more than the whole limit of \
                         {amount} {name} in {seconds} s of {pool}; lower the input or max_tokens",
                        name = metric.name(),
                        seconds = window.as_secs_f64(),
                    ),
                )
            },
            Refusal::QueueFull {
                waiting,
                retry_after,
            } => Self::wait(
                "queue_full",
                format!(
                    "{waiting} requests wait for {pool} already; queue.waiting_max sets the bound"
                ),
                *retry_after,
            ),
            Refusal::TenantQueueFull {
                waiting,
                retry_after,
            } => Self::wait(
                "queue_full",
                format!(
                    "{waiting} requests of this tenant wait for {pool} already; \
                     queue.waiting_per_tenant_max sets the bound"
                ),
                *retry_after,
            ),
            Refusal::DeadlineUnmeetable {
                retry_after,
                binding,
                ..
            } => Self::wait(
                "wait_too_long",
                format!(
                    "the request cannot start in the time it may wait: {binding} of {pool} is in \
                     the way for another {:.1} s beyond that; allow more with x-paceline-max-wait \
                     or queue.max_wait",
                    retry_after.as_secs_f64()
                ),
                *retry_after,
            ),
            Refusal::Cancelled => Self {
                should_retry: Some(false),
                ..Self::new(
                    StatusCode::CONFLICT,
                    "invalid_request_error",
                    "request_cancelled",
                    "the request was cancelled while it waited; nothing was sent to the provider"
                        .to_owned(),
                )
            },
            Refusal::Draining { retry_after } => Self {
                retry_after: Some(*retry_after),
                ..Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "service_unavailable_error",
                    "shutting_down",
                    "the gateway is shutting down; nothing was sent to the provider".to_owned(),
                )
            },
        }
    }

    /// The gateway stops before the call could be sent again.
    pub(crate) fn shutting_down() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "service_unavailable_error",
            "shutting_down",
            "the gateway is shutting down".to_owned(),
        )
    }

    /// The provider kept refusing until the retries ran out.
    pub(crate) fn exhausted(attempts: u32, message: &str, retry_after: Duration) -> Self {
        Self::wait(
            "OPENAI_RATE_LIMIT_EXHAUSTED",
            format!("the provider refused {attempts} attempts; its last words: {message}"),
            retry_after,
        )
    }

    /// The provider could not be reached, or did not answer properly.
    pub(crate) fn upstream(error: &SendError) -> Self {
        let (status, code) = match error {
            SendError::Connect(_) => (StatusCode::BAD_GATEWAY, "upstream_unreachable"),
            SendError::Cut(_) => (StatusCode::BAD_GATEWAY, "upstream_cut"),
            SendError::Garbage(_) => (StatusCode::BAD_GATEWAY, "upstream_garbage"),
            SendError::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout"),
        };
        Self::new(status, "server_error", code, error.to_string())
    }

    /// Every lane that could take the call is ill.
    pub(crate) fn lanes_ill(lanes: &str, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "service_unavailable_error",
                "lanes_ill",
                format!(
                    "the provider fails and is left alone for a while: {lanes}; the next call may try \
                     in {:.1} s",
                    wait.as_secs_f64()
                ),
            )
        }
    }

    /// No lane behind the model has such a call in its provider's words.
    pub(crate) fn no_lane_takes(model: &str) -> Self {
        Self::invalid(
            "no_lane_takes",
            format!(
                "no lane of {:?} takes such a call: its provider's dialect does not have it",
                bounded(model)
            ),
        )
    }

    /// The call says what the provider's dialect cannot.
    pub(crate) fn untranslatable(message: &str, field: Option<&str>) -> Self {
        Self {
            param: field.map(str::to_owned),
            ..Self::invalid("untranslatable", message.to_owned())
        }
    }

    /// The same, in the words of another dialect.
    pub(crate) fn in_words_of(mut self, dialect: Option<Dialect>) -> Self {
        self.dialect = dialect.unwrap_or(Dialect::OpenAi);
        self
    }

    /// The error object in OpenAI's envelope.
    pub(crate) fn envelope(&self) -> bytes::Bytes {
        openai_error(
            &self.message,
            self.kind,
            self.param.as_deref(),
            Some(self.code),
        )
    }

    /// The error object in Anthropic's envelope, with the code where that has its own.
    fn anthropic_envelope(&self) -> bytes::Bytes {
        let body = serde_json::json!({
            "type": "error",
            "error": {
                "type": Dialect::Anthropic.error_name(self.status.as_u16()),
                "message": self.message,
                "details": { "error_code": self.code },
            },
        });
        bytes::Bytes::from(body.to_string())
    }

    /// The whole answer.
    pub(crate) fn into_response(self) -> Response<ReplyBody> {
        let body = match self.dialect {
            Dialect::OpenAi => self.envelope(),
            Dialect::Anthropic => self.anthropic_envelope(),
            // The code goes into the words: the others have no place for it.
            other => {
                let message = format!("{} ({})", self.message, self.code);
                other.error_body(self.status.as_u16(), &message, None)
            }
        };
        let mut response = Response::new(ReplyBody::whole(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(wait) = self.retry_after {
            insert_retry_after(headers, wait);
        }
        if let Some(retry) = self.should_retry {
            let value = if retry { "true" } else { "false" };
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static(value));
        }
        response
    }
}

/// Writes `retry-after` (whole seconds, rounded up) and `retry-after-ms` (rounded up).
fn insert_retry_after(headers: &mut http::HeaderMap, wait: Duration) {
    let milliseconds = wait.as_nanos().div_ceil(1_000_000).max(1);
    let seconds = milliseconds.div_ceil(1_000);
    if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
        headers.insert(RETRY_AFTER, value);
    }
    if let Ok(value) = HeaderValue::from_str(&milliseconds.to_string()) {
        headers.insert(RETRY_AFTER_MS, value);
    }
}

/// At most 200 characters of foreign text, for messages.
fn bounded(text: &str) -> &str {
    match text.char_indices().nth(200) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_rounded_up_in_both_headers() {
        let mut headers = http::HeaderMap::new();
        insert_retry_after(&mut headers, Duration::from_micros(1_500_001));
        assert_eq!(headers["retry-after"], "2");
        assert_eq!(headers["retry-after-ms"], "1501");
        insert_retry_after(&mut headers, Duration::ZERO);
        assert_eq!(headers["retry-after"], "1");
        assert_eq!(headers["retry-after-ms"], "1");
    }

    #[test]
    fn foreign_text_is_bounded_at_a_character() {
        let text = "ä".repeat(500);
        assert_eq!(bounded(&text).chars().count(), 200);
        assert_eq!(bounded("short"), "short");
    }

    fn page(name: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors/");
        std::fs::read_to_string(format!("{folder}{name}.md")).unwrap()
    }

    #[test]
    fn every_code_has_a_page_and_a_line_in_the_list_and_no_page_is_left_over() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        let files = std::fs::read_dir(folder).unwrap();
        let mut pages: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".md").map(str::to_owned))
            .filter(|name| name != "README")
            .collect();
        let mut codes = ERROR_CODES.to_vec();
        let index = page("README");
        let mut listed: Vec<_> = index
            .lines()
            .filter_map(|line| line.strip_prefix("| [`")?.split_once("`]"))
            .map(|(code, rest)| {
                assert!(rest.starts_with(&format!("({code}.md) |")), "{rest}");
                code
            })
            .collect();
        pages.sort_unstable();
        codes.sort_unstable();
        listed.sort_unstable();
        assert_eq!(pages, codes);
        assert_eq!(listed, codes);
        for code in codes {
            let page = page(code);
            assert!(page.starts_with(&format!("# `{code}`\n")), "{code}");
            assert!(page.contains(&format!("\"code\": \"{code}\"")), "{code}");
        }
    }
}
