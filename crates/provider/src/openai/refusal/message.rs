//! The numbers in a message of a reached limit.
//!
//! The templates: `Rate limit reached for {model} in organization {org} on tokens per min (TPM):
//! Limit {L}, Used {U}, Requested {R}. Please try again in {d}.`; `Request too large for {model}
//! (for limit {name}) ... Limit {L}, Requested {R}.`; of 2023 `... on requests per min. Limit: {L}
//! / min. Current: {U} / min.`; Azure's `... have exceeded token rate limit of your current OpenAI
//! S0 pricing tier. Please retry after {n} seconds.`; Anthropic's `... rate limit of {L} input tokens
//! per minute (org: {org}, model: {model})` and `Your current limit is {L} input tokens per minute`;
//! Gemini's `Quota exceeded for metric: {metric}, limit: {L}, model: {model}`; Cohere's `... limited
//! to {L} API calls / minute`.

use super::NAME_BYTES_MAX;
use super::envelope::ErrorObject;
use crate::duration::duration_at_start;
use crate::metric::LimitMetric;
use std::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// What stands before a wait, in lower case.
const WAIT_MARKS: [&str; 4] = [
    "try again in ",
    "retry after ",
    "retry in ",
    "try again after ",
];

/// What stands before a model.
const MODEL_MARKS: [&str; 4] = [
    "Rate limit reached for ",
    "Request too large for ",
    "base model: ",
    ", model: ",
];

/// What stands before a limit, in the order in which they are looked for.
const LIMIT_MARKS: [&str; 5] = [
    "Limit",
    "rate limit of",
    "limit of",
    "current limit is",
    "limited to",
];

/// What a message says about the limit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) metric: Option<LimitMetric>,
    pub(super) window: Option<Duration>,
    pub(super) limit: Option<u64>,
    pub(super) used: Option<u64>,
    pub(super) requested: Option<u64>,
    pub(super) limit_name: Option<String>,
    pub(super) quota_id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) wait: Option<Duration>,
}

impl Facts {
    pub(super) fn read(error: &ErrorObject) -> Self {
        let message = error.message.as_str();
        let (metric, window) = metric_and_window(message);
        let mut marks = LIMIT_MARKS.iter();
        let limit = marks
            .find_map(|mark| number_after(message, mark))
            .or_else(|| number_after(message, "limit:"));
        let used = number_after(message, "Used").or_else(|| number_after(message, "Current"));
        let facts = Self {
            metric: metric.or_else(|| metric_of_names(error)),
            window,
            limit: limit.map(|number| number.whole).or(error.details.limit),
            used: used.map(Number::rounded_up),
            requested: number_after(message, "Requested").map(Number::rounded_up),
            limit_name: between(message, "(for limit ", ")").map(shortened),
            quota_id: None,
            model: model(message).map(shortened),
            wait: error.details.retry_delay.or_else(|| wait(message)),
        };
        facts.with_quota(error)
    }

    /// What Google tells of the violated quota goes before what its message says.
    fn with_quota(mut self, error: &ErrorObject) -> Self {
        let Some(quota) = &error.details.quota else {
            return self;
        };
        self.metric = quota.metric.or(self.metric);
        self.window = quota.window.or(self.window);
        self.limit = quota.limit.or(self.limit);
        self.model = quota.model.clone().or(self.model);
        if !quota.id.is_empty() {
            self.quota_id = Some(quota.id.clone());
        }
        self
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

/// Reads `tokens per min`, `input tokens per minute`, `requests per day`, `API calls / minute`, and
/// names such as `generate_content_requests_per_minute`.
fn metric_and_window(message: &str) -> (Option<LimitMetric>, Option<Duration>) {
    let message = message.to_ascii_lowercase().replace('_', " ");
    for mark in [" per ", " / "] {
        for (place, _) in message.match_indices(mark) {
            let window = window_at_start(&message[place + mark.len()..]);
            let metric = metric_at_end(&message[..place]);
            if window.is_some() && metric != LimitMetric::Other {
                return (Some(metric), window);
            }
        }
    }
    let mut sentences = SENTENCES.iter();
    sentences
        .find(|(text, ..)| message.contains(text))
        .map_or((None, None), |(_, metric, window)| (Some(*metric), *window))
}

/// Sentences that name metric and window in other ways, in lower case. Azure's token counter is
/// known to be reset each minute, its call counter is checked over one or ten seconds.
const SENTENCES: [(&str, LimitMetric, Option<Duration>); 10] = [
    (
        "exceeded token rate limit",
        LimitMetric::Tokens,
        Some(MINUTE),
    ),
    ("exceeded call rate limit", LimitMetric::Requests, None),
    (
        "tokens has exceeded your per-minute",
        LimitMetric::Tokens,
        Some(MINUTE),
    ),
    (
        "tokens has exceeded your daily",
        LimitMetric::Tokens,
        Some(DAY),
    ),
    (
        "requests has exceeded your per-minute",
        LimitMetric::Requests,
        Some(MINUTE),
    ),
    ("free-models-per-min", LimitMetric::Requests, Some(MINUTE)),
    ("free-models-per-day", LimitMetric::Requests, Some(DAY)),
    ("too many tokens,", LimitMetric::Tokens, None),
    ("too many requests,", LimitMetric::Requests, None),
    ("requests rate limit exceeded", LimitMetric::Requests, None),
];

fn metric_at_end(text: &str) -> LimitMetric {
    let mut words = text.rsplit(|c: char| !c.is_ascii_alphanumeric());
    match (words.next(), words.next()) {
        (Some("tokens"), Some("input")) => LimitMetric::InputTokens,
        (Some("tokens"), Some("output")) => LimitMetric::OutputTokens,
        (Some(word), _) => LimitMetric::from_name(word),
        (None, _) => LimitMetric::Other,
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

/// OpenAI's `type` of a reached limit is what it counts, and Cerebras says it in the code.
fn metric_of_names(error: &ErrorObject) -> Option<LimitMetric> {
    match error.code.as_deref() {
        Some("request_quota_exceeded") => return Some(LimitMetric::Requests),
        Some("token_quota_exceeded") => return Some(LimitMetric::Tokens),
        _ => {}
    }
    match LimitMetric::from_name(error.kind.as_deref()?) {
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
    let name = rest[..end].trim_matches(['`', '\'', '"', '.', ',', ':', ')']);
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
