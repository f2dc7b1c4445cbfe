//! The words that order a fault: `500`, `cut_stream;after=3`, `429;times=2;key=abc`.

use std::str::FromStr;

use super::Fault;

/// A fault that a request orders for itself through the header `x-simulator-fault`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultOrder {
    /// What goes wrong.
    pub fault: Fault,
    /// How many requests with the same key it happens to; all where absent.
    pub times: Option<u64>,
    /// What the requests are counted by; the words of the order where absent.
    pub key: Option<String>,
}

/// Words that order no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFault {
    /// The name is none of the known ones.
    #[error("unknown fault `{0}`; known are {known}", known = known())]
    UnknownName(String),
    /// A parameter is unknown, or does not belong to this fault.
    #[error("unknown parameter `{0}`; known are times, key, after, ms and by")]
    UnknownParameter(String),
    /// A parameter's value is not a whole number of the right size.
    #[error("parameter `{0}` needs a whole number")]
    NotANumber(String),
}

impl FromStr for FaultOrder {
    type Err = InvalidFault;

    fn from_str(words: &str) -> Result<Self, InvalidFault> {
        let mut parts = words.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let mut order = Self {
            fault: named(name)?,
            times: None,
            key: None,
        };
        for parameter in parts.filter(|part| !part.is_empty()) {
            order.set(parameter)?;
        }
        Ok(order)
    }
}

impl FaultOrder {
    fn set(&mut self, parameter: &str) -> Result<(), InvalidFault> {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match (name, &mut self.fault) {
            ("times", _) => self.times = Some(number(name, value)?),
            ("key", _) => self.key = Some(value.to_owned()),
            (
                "after",
                Fault::CutStream { after_events } | Fault::ErrorInStream { after_events },
            ) => {
                *after_events = number(name, value)?;
            }
            ("ms", Fault::SlowDrip { every_ms: ms } | Fault::Delay { ms }) => {
                *ms = number(name, value)?;
            }
            ("by", Fault::WrongContentLength { off_by }) => *off_by = number(name, value)?,
            _ => return Err(InvalidFault::UnknownParameter(name.to_owned())),
        }
        Ok(())
    }
}

impl Fault {
    /// The name that orders the fault.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RateLimited => "429",
            Self::TooLarge => "429_too_large",
            Self::InsufficientQuota => "insufficient_quota",
            Self::SlowDown => "slow_down",
            Self::WrongKey => "401",
            Self::Forbidden => "403",
            Self::ServerError => "500",
            Self::BadGateway => "502",
            Self::Overloaded => "503",
            Self::GatewayTimeout => "504",
            Self::Delay { .. } => "delay",
            Self::WebPage => "web_page",
            Self::Hang => "hang",
            Self::HangAfterHeaders => "hang_after_headers",
            Self::CutStream { .. } => "cut_stream",
            Self::CutBody => "cut_body",
            Self::TruncatedJson => "truncated_json",
            Self::WrongContentLength { .. } => "wrong_content_length",
            Self::SlowDrip { .. } => "slow_drip",
            Self::Garbage => "garbage",
            Self::Reset => "reset",
            Self::ErrorInStream { .. } => "error_in_stream",
            Self::RefusedInStream => "refused_in_stream",
        }
    }

    /// Every fault, with its parameters at their defaults.
    pub const ALL: [Self; 23] = [
        Self::RateLimited,
        Self::TooLarge,
        Self::InsufficientQuota,
        Self::SlowDown,
        Self::WrongKey,
        Self::Forbidden,
        Self::ServerError,
        Self::BadGateway,
        Self::Overloaded,
        Self::GatewayTimeout,
        Self::Delay { ms: 1_000 },
        Self::WebPage,
        Self::Hang,
        Self::HangAfterHeaders,
        Self::CutStream { after_events: 2 },
        Self::CutBody,
        Self::TruncatedJson,
        Self::WrongContentLength { off_by: 16 },
        Self::SlowDrip { every_ms: 1 },
        Self::Garbage,
        Self::Reset,
        Self::ErrorInStream { after_events: 2 },
        Self::RefusedInStream,
    ];
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, InvalidFault> {
    value
        .parse()
        .map_err(|_| InvalidFault::NotANumber(name.to_owned()))
}

fn named(name: &str) -> Result<Fault, InvalidFault> {
    let found = Fault::ALL.into_iter().find(|fault| fault.name() == name);
    found.ok_or_else(|| InvalidFault::UnknownName(name.to_owned()))
}

fn known() -> String {
    Fault::ALL.map(|fault| fault.name()).join(", ")
}
