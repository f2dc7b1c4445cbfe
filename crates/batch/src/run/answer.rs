//! What follows from an answer: a result, or another try.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use paceline_provider::{
    Answered, EndpointKind, Refusal, RefusalKind, RetryAdvice, Usage, should_retry,
};

use super::client::{Answer, NoAnswer};

/// Longest pause before another try that nobody asked for.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// First pause before another try; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_millis(500);

/// What the data plane said of the way a request took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) request_id: Option<String>,
    pub(crate) waited: Duration,
    pub(crate) attempts: u32,
    pub(crate) limited_by: Option<String>,
}

impl Told {
    fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let number = |name: &str| text(name)?.parse::<u64>().ok();
        let attempts = number("x-paceline-attempts").unwrap_or(1);
        Self {
            request_id: text("x-request-id")
                .or_else(|| text("x-paceline-request-id"))
                .map(str::to_owned),
            waited: Duration::from_millis(number("x-paceline-wait-ms").unwrap_or(0)),
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            limited_by: text("x-paceline-limited-by").map(str::to_owned),
        }
    }
}

/// A result that goes into the files.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    /// Code and message, where the line failed.
    pub(crate) error: Option<(String, String)>,
    /// Whether it may be billed although it failed.
    pub(crate) may_be_billed: bool,
    pub(crate) answered: Answered,
    pub(crate) told: Told,
}

impl Kept {
    /// What the answer says that it used.
    pub(crate) fn usage(&self) -> Usage {
        self.answered.usage.unwrap_or_default()
    }
}

/// What follows.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The line is done.
    Keep(Box<Kept>),
    /// Another try may go better.
    Again {
        /// Not before this.
        after: Duration,
        /// Why it came to nothing.
        cause: Cause,
        /// What becomes of the line when it is not tried again.
        otherwise: Box<Kept>,
    },
    /// No line can go well until somebody does something: the reason.
    Hopeless(String),
}

/// Why a try came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Something went wrong with this request: there are only so many tries.
    Failed,
    /// It went wrong after the provider may have seen the request: it may be billed.
    Broken,
    /// There was no room to wait in.
    Crowded,
    /// Nobody could be reached. That says nothing of this request.
    Unreachable,
}

impl Cause {
    /// Whether a try counts as one.
    pub(crate) fn is_of_the_request(self) -> bool {
        matches!(self, Self::Failed | Self::Broken)
    }

    /// Whether it is sure that nothing is billed for it.
    pub(crate) fn is_free(self) -> bool {
        self != Self::Broken
    }
}

/// Judges an answer to the `attempt`th try, counted from 1.
pub(crate) fn judge(kind: EndpointKind, answer: Answer, attempt: u32) -> Verdict {
    let told = Told::read(&answer.headers);
    let status = answer.status;
    if status.as_u16() < 400 {
        return Verdict::Keep(Box::new(Kept {
            status: status.as_u16(),
            answered: Answered::from_body(kind, &answer.body),
            body: answer.body,
            error: None,
            may_be_billed: true,
            told,
        }));
    }
    let refusal = Refusal::from_response(status.as_u16(), &answer.headers, &answer.body);
    let code = code(status, refusal.as_ref());
    let message = refusal.as_ref().map(|refusal| refusal.message.clone());
    let message = message.unwrap_or_default();
    if status == StatusCode::UNAUTHORIZED {
        return Verdict::Hopeless(format!("the key is refused: {message}"));
    }
    if refusal.as_ref().is_some_and(is_out_of_money) {
        return Verdict::Hopeless(format!(
            "the provider serves this account no more: {message}"
        ));
    }
    let again = is_passing(status, &answer.headers, refusal.as_ref());
    let cause = cause(status, &code);
    let asked = refusal.as_ref().and_then(|refusal| refusal.retry_after);
    let kept = Box::new(Kept {
        status: status.as_u16(),
        answered: Answered::from_body(kind, &answer.body),
        body: answer.body,
        error: Some((code, message)),
        may_be_billed: !cause.is_free(),
        told,
    });
    if !again {
        return Verdict::Keep(kept);
    }
    Verdict::Again {
        after: asked.unwrap_or_else(|| pause(attempt)),
        cause,
        otherwise: kept,
    }
}

/// Judges that no answer came.
pub(crate) fn no_answer(error: &NoAnswer, attempt: u32) -> Verdict {
    let code = match error {
        NoAnswer::Unreachable(_) => "unreachable",
        NoAnswer::Broken(_) => "connection_broken",
        NoAnswer::Path(_) => "invalid_path",
    };
    let may_be_billed = matches!(error, NoAnswer::Broken(_));
    let kept = Box::new(without_answer(code, &error.to_string(), may_be_billed));
    match error {
        NoAnswer::Path(_) => Verdict::Keep(kept),
        NoAnswer::Unreachable(_) => Verdict::Again {
            after: pause(attempt),
            cause: Cause::Unreachable,
            otherwise: kept,
        },
        NoAnswer::Broken(_) => Verdict::Again {
            after: pause(attempt),
            cause: Cause::Broken,
            otherwise: kept,
        },
    }
}

/// A result where there is no answer.
pub(crate) fn without_answer(code: &str, message: &str, may_be_billed: bool) -> Kept {
    Kept {
        status: 0,
        body: Bytes::new(),
        error: Some((code.to_owned(), message.to_owned())),
        may_be_billed,
        answered: Answered::default(),
        told: Told::default(),
    }
}

/// Money is a matter for people: trying again would only add to the refusals.
fn is_out_of_money(refusal: &Refusal) -> bool {
    refusal.kind == RefusalKind::QuotaExhausted
}

fn is_passing(status: StatusCode, headers: &HeaderMap, refusal: Option<&Refusal>) -> bool {
    if should_retry(headers) == Some(false) {
        return false;
    }
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT => true,
        StatusCode::TOO_MANY_REQUESTS => {
            refusal.is_none_or(|refusal| refusal.retry() != RetryAdvice::Never)
        }
        _ => status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED,
    }
}

/// The codes are those of a gateway of ours.
fn cause(status: StatusCode, code: &str) -> Cause {
    match code {
        "upstream_unreachable" | "shutting_down" => Cause::Unreachable,
        "upstream_cut" | "upstream_timeout" => Cause::Broken,
        _ if status == StatusCode::TOO_MANY_REQUESTS => Cause::Crowded,
        _ => Cause::Failed,
    }
}

fn code(status: StatusCode, refusal: Option<&Refusal>) -> String {
    let named =
        refusal.and_then(|refusal| refusal.code.clone().or_else(|| refusal.error_type.clone()));
    named.unwrap_or_else(|| format!("http_{}", status.as_u16()))
}

fn pause(attempt: u32) -> Duration {
    PAUSE_FIRST
        .saturating_mul(1 << attempt.saturating_sub(1).min(16))
        .min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect();
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn judged(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Verdict {
        judge(
            EndpointKind::ChatCompletions,
            answer(status, headers, body),
            1,
        )
    }

    #[test]
    fn a_good_answer_is_kept_with_what_it_tells() {
        let headers = [("x-paceline-wait-ms", "1500"), ("x-paceline-attempts", "2")];
        let body = r#"{"model":"gpt-4o","usage":{"prompt_tokens":7,"completion_tokens":3}}"#;
        let Verdict::Keep(kept) = judged(200, &headers, body) else {
            panic!("not kept");
        };
        assert_eq!(kept.usage().input_tokens, 7);
        assert_eq!(kept.answered.model.as_deref(), Some("gpt-4o"));
        assert_eq!(kept.told.waited, Duration::from_millis(1500));
        assert_eq!(kept.told.attempts, 2);
    }

    #[test]
    fn what_may_pass_is_tried_again_when_it_was_asked_to_be() {
        let Verdict::Again { after, cause, .. } = judged(429, &[("retry-after-ms", "2500")], "{}")
        else {
            panic!("not again");
        };
        assert_eq!(after, Duration::from_millis(2500));
        assert_eq!(cause, Cause::Crowded);
        assert!(matches!(
            judged(503, &[], ""),
            Verdict::Again {
                cause: Cause::Failed,
                ..
            }
        ));
    }

    #[test]
    fn what_says_nothing_of_the_request_is_told_from_what_may_be_billed() {
        for (code, cause) in [
            ("upstream_unreachable", Cause::Unreachable),
            ("upstream_cut", Cause::Broken),
            ("upstream_timeout", Cause::Broken),
            ("server_error", Cause::Failed),
        ] {
            let body = format!(r#"{{"error":{{"message":"no","code":"{code}"}}}}"#);
            let verdict = judged(502, &[], &body);
            assert!(
                matches!(verdict, Verdict::Again { cause: found, .. } if found == cause),
                "{code}: {verdict:?}"
            );
        }
    }

    #[test]
    fn what_cannot_pass_is_a_result() {
        for (status, headers) in [
            (400, &[][..]),
            (404, &[]),
            (413, &[]),
            (429, &[("x-should-retry", "false")]),
            (501, &[]),
        ] {
            let verdict = judged(
                status,
                headers,
                r#"{"error":{"message":"no","code":"why"}}"#,
            );
            let Verdict::Keep(kept) = verdict else {
                panic!("{status}: {verdict:?}");
            };
            assert_eq!(kept.error, Some(("why".to_owned(), "no".to_owned())));
        }
    }

    #[test]
    fn a_refused_key_and_an_empty_account_end_the_run() {
        assert!(matches!(judged(401, &[], "{}"), Verdict::Hopeless(_)));
        let body = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        assert!(matches!(judged(429, &[], body), Verdict::Hopeless(_)));
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        assert_eq!(pause(1), Duration::from_millis(500));
        assert_eq!(pause(3), Duration::from_secs(2));
        assert_eq!(pause(60), PAUSE_MAX);
    }
}
