//! The numbers in a message of a reached limit.
//!
//! The templates: `Rate limit reached for {model} in organization {org} on tokens per min (TPM):
//! Limit {L}, Used {U}, Requested {R}. Please try again in {d}.`; `Request too large for {model}
//! (for limit {name}) ... Limit {L}, Requested {R}.`; of 2023 `... on requests per min. Limit: {L}
//! / min. Current: {U} / min.`; Azure's `... have exceeded token rate limit of your current OpenAI
//! S0 pricing tier. Please retry after {n} seconds.`

use super::NAME_BYTES_MAX;
use super::envelope::ErrorObject;
use crate::duration::duration_at_start;
use crate::metric::LimitMetric;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// What stands before a wait, in lower case.
const WAIT_MARKS: [&str; 4] = [
    "try again in ",
    "retry after ",
    "retry in ",
    "try again after ",
];

/// What stands before a model.
const MODEL_MARKS: [&str; 2] = ["Rate limit reached for ", "Request too large for "];

/// What a message says about the limit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) metric: Option<LimitMetric>,
    pub(super) window: Option<Duration>,
    pub(super) limit: Option<u64>,
    pub(super) used: Option<u64>,
    pub(super) requested: Option<u64>,
    pub(super) limit_name: Option<String>,
    pub(super) model: Option<String>,
    pub(super) wait: Option<Duration>,
}

impl Facts {
    pub(super) fn read(error: &ErrorObject) -> Self {
        let message = error.message.as_str();
        let (metric, window) = metric_and_window(message);
        let limit = number_after(message, "Limit").or_else(|| number_after(message, "limit of"));
        let used = number_after(message, "Used").or_else(|| number_after(message, "Current"));
        Self {
            metric: metric.or_else(|| metric_of_type(error.kind.as_deref()?)),
            window,
            limit: limit.map(|number| number.whole),
            used: used.map(Number::rounded_up),
            requested: number_after(message, "Requested").map(Number::rounded_up),
            limit_name: between(message, "(for limit ", ")").map(shortened),
            model: model(message).map(shortened),
            wait: wait(message),
        }
    }
}

/// A number as printed.
#[derive(Debug, Clone, Copy)]
struct Number {
    whole: u64,
    has_fraction: bool,
}

impl Number {
    const fn rounded_up(self) -> u64 {
        self.whole.saturating_add(self.has_fraction as u64)
    }

    fn at_start(text: &str) -> Option<Self> {
        let whole_end = text
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b',')
            .count();
        let digits = text[..whole_end].trim_end_matches(',');
        let whole = digits
            .bytes()
            .filter(|byte| *byte != b',')
            .try_fold(0_u64, |number, digit| {
                number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
            })?;
        if digits.is_empty() {
            return None;
        }
        let fraction = text[digits.len()..].strip_prefix('.').unwrap_or("");
        let mut decimals = fraction.bytes().take_while(u8::is_ascii_digit);
        Some(Self {
            whole,
            has_fraction: decimals.any(|digit| digit != b'0'),
        })
    }
}

/// The number after a word, with or without a colon between them.
fn number_after(message: &str, word: &str) -> Option<Number> {
    message.match_indices(word).find_map(|(place, _)| {
        let is_whole_word = !message[..place].ends_with(|c: char| c.is_alphanumeric());
        let rest = &message[place + word.len()..];
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let number = rest.strip_prefix(' ').unwrap_or(rest);
        if is_whole_word && number.len() < rest.len() {
            Number::at_start(number)
        } else {
            None
        }
    })
}

/// Reads `tokens per min`, `input tokens per minute`, `requests per day`, `images per min`.
fn metric_and_window(message: &str) -> (Option<LimitMetric>, Option<Duration>) {
    for (place, mark) in message.match_indices(" per ") {
        let window = window_at_start(&message[place + mark.len()..]);
        let mut words = message[..place].rsplit(|c: char| !c.is_ascii_alphanumeric());
        let metric = match (words.next(), words.next()) {
            (Some("tokens"), Some("input")) => LimitMetric::InputTokens,
            (Some("tokens"), Some("output")) => LimitMetric::OutputTokens,
            (Some(word), _) => LimitMetric::from_name(word),
            (None, _) => LimitMetric::Other,
        };
        if window.is_some() && metric != LimitMetric::Other {
            return (Some(metric), window);
        }
    }
    // Azure: its token counter is known to be reset each minute, its call counter is checked over
    // one or ten seconds.
    if message.contains("exceeded token rate limit") {
        (Some(LimitMetric::Tokens), Some(MINUTE))
    } else if message.contains("exceeded call rate limit") {
        (Some(LimitMetric::Requests), None)
    } else {
        (None, None)
    }
}

fn window_at_start(text: &str) -> Option<Duration> {
    let end = text
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    match &text[..end] {
        "sec" | "second" => Some(SECOND),
        "min" | "minute" => Some(MINUTE),
        "hour" => Some(HOUR),
        "day" => Some(DAY),
        _ => None,
    }
}

/// OpenAI's `type` of a reached limit is what it counts.
fn metric_of_type(kind: &str) -> Option<LimitMetric> {
    match LimitMetric::from_name(kind) {
        LimitMetric::Other => None,
        metric => Some(metric),
    }
}

fn model(message: &str) -> Option<&str> {
    let rest = MODEL_MARKS
        .iter()
        .find_map(|mark| message.split_once(mark))
        .map(|(_, rest)| rest)?;
    let rest = rest.strip_prefix("model ").unwrap_or(rest);
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let name = rest[..end].trim_matches(['`', '\'', '"', '.', ',', ':']);
    (!name.is_empty()).then_some(name)
}

fn wait(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    WAIT_MARKS.iter().find_map(|mark| {
        let place = lower.find(mark)? + mark.len();
        duration_at_start(&lower[place..]).map(|(wait, _)| wait)
    })
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inside, _)| inside)
}

fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}
