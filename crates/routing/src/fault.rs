//! How a call on a lane ended, as far as it says something about the lane.

use std::time::Duration;

use crate::time::Timestamp;

/// The longest message that is kept of a fault, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// What is wrong with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// No connection: refused, no route, no such name.
    Connect,
    /// A connection, but no TLS session.
    Tls,
    /// No byte of an answer in the time that the call had.
    Timeout,
    /// The answer broke off.
    Cut,
    /// A status of the provider's own trouble: 500, 502, 504 and the like.
    Status,
    /// The provider has more to do than it can: 503, 529, `slow_down`.
    Overload,
    /// An answer that is not what its kind should be.
    Garbage,
    /// The account that the gateway uses: its key is refused, or it has no credit.
    Account,
    /// Answers come, but later than [`Slow`](crate::Slow) allows. Found by the breaker itself.
    Slow,
    /// Calls wait and nothing at all comes back. Found by the breaker itself.
    Hang,
}

impl FaultKind {
    /// The name in logs, metrics and views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Cut => "cut",
            Self::Status => "status",
            Self::Overload => "overload",
            Self::Garbage => "garbage",
            Self::Account => "account",
            Self::Slow => "slow",
            Self::Hang => "hang",
        }
    }

    /// Whether something came back from the provider at all.
    pub(crate) const fn shows_life(self) -> bool {
        !matches!(
            self,
            Self::Connect | Self::Tls | Self::Timeout | Self::Hang | Self::Slow
        )
    }
}

/// One fault of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The status of the answer, where there was one.
    pub status: Option<u16>,
    /// How long the provider asks to be left alone (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// The provider's words or the error's, for people: the caller of the crate sees to it that no
    /// secret is in it; it is clipped here.
    pub message: String,
    /// Whether an earlier attempt of the same call has failed on this lane already. Such a fault trips
    /// no lane that is in use: one request that a provider cannot answer says little about others.
    pub is_repeated: bool,
}

impl Fault {
    /// A fault of which only the kind is known.
    #[must_use]
    pub const fn new(kind: FaultKind) -> Self {
        Self {
            kind,
            status: None,
            retry_after: None,
            message: String::new(),
            is_repeated: false,
        }
    }

    /// What an answer's status alone says about the provider: `None` for success, redirects and
    /// whatever is the request's own fault (4xx) or its quota's (429).
    ///
    /// `own_key` says that the call went out with the gateway's key and not the caller's: only
    /// then 401 and 402 are about an account that others use as well. A 403 may concern this one
    /// request. A caller of the crate that read the answer knows more than this (429 for overload,
    /// 400 for lack of credit, 403 for a key that is out of use) and tells so with [`Fault::new`].
    #[must_use]
    pub fn of_status(status: u16, own_key: bool) -> Option<Self> {
        let kind = match status {
            401 | 402 if own_key => FaultKind::Account,
            503 | 529 => FaultKind::Overload,
            500..=599 => FaultKind::Status,
            _ => return None,
        };
        Some(Self {
            status: Some(status),
            ..Self::new(kind)
        })
    }

    /// The same fault with the status of its answer.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }

    /// The same fault with the wait that the provider asks for.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..self
        }
    }

    /// The same fault with words for people.
    #[must_use]
    pub fn with_message(self, message: &str) -> Self {
        Self {
            message: clipped(message),
            ..self
        }
    }
}

/// How a call on a lane ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer came.
    Whole,
    /// The provider refused this one request (4xx) for what it is. Says that the provider is
    /// there, and not that it can do its work.
    Refused,
    /// A quota refused it (429). Quota is not ill health.
    Quota,
    /// Its caller went away before the end.
    Left,
    /// It had not begun to answer when a second attempt elsewhere did.
    Overtaken,
    /// The gateway's own trouble ended it.
    Ours,
    /// The provider failed.
    Fault(Fault),
}

/// Why a breaker is open, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What is wrong with the provider.
    pub kind: FaultKind,
    /// The status of the answer that tripped the breaker, where there was one.
    pub status: Option<u16>,
    /// Words of the provider, the error or the breaker, clipped to 200 characters.
    pub message: String,
    /// When it tripped.
    pub at: Timestamp,
}

impl Cause {
    pub(crate) fn of(fault: &Fault, at: Timestamp) -> Self {
        Self {
            kind: fault.kind,
            status: fault.status,
            message: clipped(&fault.message),
            at,
        }
    }
}

/// Foreign words as one line of bounded length that acts on no terminal.
fn clipped(message: &str) -> String {
    let mut characters = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c });
    let mut kept: String = characters.by_ref().take(MESSAGE_CHARS_MAX).collect();
    if characters.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_the_providers_fault_only_where_the_request_could_not_help_it() {
        let kind = |status, own_key| Fault::of_status(status, own_key).map(|fault| fault.kind);
        for status in [200, 302, 400, 403, 404, 409, 413, 422, 429] {
            assert_eq!(kind(status, true), None, "{status}");
        }
        for status in [500, 502, 504, 520] {
            assert_eq!(kind(status, true), Some(FaultKind::Status), "{status}");
        }
        assert_eq!(kind(503, false), Some(FaultKind::Overload));
        assert_eq!(kind(529, false), Some(FaultKind::Overload));
        for status in [401, 402] {
            assert_eq!(kind(status, true), Some(FaultKind::Account), "{status}");
            assert_eq!(kind(status, false), None, "a caller's own key: {status}");
        }
    }

    #[test]
    fn messages_are_one_bounded_line() {
        let long = "é\n".repeat(400);
        let message = Fault::new(FaultKind::Status).with_message(&long).message;
        assert_eq!(message.chars().count(), MESSAGE_CHARS_MAX);
        assert!(message.ends_with('…') && !message.contains('\n'));
        assert_eq!(
            Fault::new(FaultKind::Cut).with_message("reset").message,
            "reset"
        );
    }
}
