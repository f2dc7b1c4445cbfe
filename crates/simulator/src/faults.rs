//! Faults on demand: what can go wrong on a provider's side, and when it does.

mod book;
mod parse;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub(crate) use book::FaultBook;
pub use parse::{FaultOrder, InvalidFault};

/// Something that goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A 429 on tokens that no limit called for, with the full message.
    RateLimited,
    /// A 429 that says the request alone exceeds the limit.
    TooLarge,
    /// A 429 that no waiting helps: the account has no money left.
    InsufficientQuota,
    /// A 429 because traffic grew too fast.
    SlowDown,
    /// A 401 whose words show the key as it came, as servers do that hide nothing.
    WrongKey,
    /// A 403 about what this one request asks for.
    Forbidden,
    /// A 500 with the provider's envelope.
    ServerError,
    /// A 502 with a web page as its body, as a proxy before the provider sends.
    BadGateway,
    /// A 503 that says the model is overloaded.
    Overloaded,
    /// A 504 with a web page as its body.
    GatewayTimeout,
    /// The answer comes as it should, but later.
    Delay {
        /// The time in milliseconds.
        ms: u32,
    },
    /// A web page of status 200 instead of an answer, as a misled proxy sends.
    WebPage,
    /// The request is taken and never answered.
    Hang,
    /// The head of the answer is sent and nothing after it.
    HangAfterHeaders,
    /// A stream ends without its end after some events; the connection is closed.
    CutStream {
        /// The events that are sent before the cut.
        after_events: u32,
    },
    /// Half of the announced body is sent, then the connection is closed.
    CutBody,
    /// A complete answer whose JSON stops in the middle.
    TruncatedJson,
    /// The announced length is wrong by this many bytes. With more announced than sent, the
    /// connection stays open and the caller waits; with less, the rest lies between two answers.
    WrongContentLength {
        /// Announced length less true length.
        off_by: i32,
    },
    /// The answer comes one byte at a time.
    SlowDrip {
        /// The time between two bytes in milliseconds.
        every_ms: u32,
    },
    /// Bytes that are not HTTP.
    Garbage,
    /// The connection is reset.
    Reset,
    /// A stream of status 200 reports an error after some events.
    ErrorInStream {
        /// The events that are sent before the error.
        after_events: u32,
    },
    /// A stream of status 200 reports that a rate limit was reached, as its first content.
    RefusedInStream,
}

/// When a fault happens to requests that do not order one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultRule {
    /// What goes wrong, in the words of the fault header, such as `500` or `slow_drip;ms=5`.
    pub fault: String,
    /// The share of matching requests that it happens to, drawn from the seed.
    pub share: f64,
    /// Matching requests that pass before the rule begins.
    pub skip: u64,
    /// How often it happens at most.
    pub times: Option<u64>,
    /// The start of the paths that it concerns; all where absent.
    pub path: Option<String>,
    /// The model that it concerns; all where absent.
    pub model: Option<String>,
}

impl Default for FaultRule {
    fn default() -> Self {
        Self {
            fault: "500".to_owned(),
            share: 1.0,
            skip: 0,
            times: None,
            path: None,
            model: None,
        }
    }
}
