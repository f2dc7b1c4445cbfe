//! `x-ratelimit-<what>-<metric>`, as OpenAI sends it and many copy it.

use super::{LimitReport, LimitScope, REPORTS_MAX, shortened};
use crate::clock::date;
use crate::duration::parse_duration;
use crate::instant::parse_instant;
use crate::metric::LimitMetric;
use http::HeaderMap;
use std::time::{Duration, SystemTime};

/// A reset later than this is not a duration but an instant, which some providers send as seconds
/// or milliseconds since 1970.
const RESET_MAX: Duration = Duration::from_secs(400 * 86_400);

/// The value by which Azure says that a limit is not enforced.
const NOT_ENFORCED: i64 = -1;

pub(super) fn reports(headers: &HeaderMap, now: Option<SystemTime>) -> Vec<LimitReport> {
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    for (name, value) in headers {
        let Some((what, family, subject)) = parts(name.as_str()) else {
            continue;
        };
        let Ok(value) = value.to_str() else {
            continue;
        };
        let place = drafts
            .iter()
            .position(|draft| (draft.family, draft.subject) == (family, subject));
        let place = match place {
            Some(place) => place,
            None if drafts.len() < REPORTS_MAX => {
                drafts.push(Draft {
                    family,
                    subject,
                    ..Draft::default()
                });
                drafts.len() - 1
            }
            None => continue,
        };
        let reset = || reset(value.trim(), now.or_else(|| date(headers)));
        drafts[place].put(what, value.trim(), reset);
    }
    drafts.into_iter().filter_map(Draft::report).collect()
}

/// What one header tells of a limit.
#[derive(Clone, Copy)]
enum What {
    Limit,
    Remaining,
    Reset,
    RenewalPeriod,
}

impl What {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "limit" => Self::Limit,
            "remaining" => Self::Remaining,
            "reset" => Self::Reset,
            "renewalperiod" => Self::RenewalPeriod,
            _ => return None,
        })
    }
}

/// Whose way of naming a header follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Family {
    #[default]
    OpenAi,
    Anthropic,
    AnthropicPriority,
    /// `x-tokenlimit-*`.
    Together,
    /// `x-trial-endpoint-call-*`.
    CohereTrial,
}

/// Splits a name such as `x-ratelimit-remaining-tokens`. Before draft 07 the IETF fields were named
/// the same way, without a metric.
///
/// Anthropic puts the metric first, as in `anthropic-ratelimit-input-tokens-remaining`.
fn parts(name: &str) -> Option<(What, Family, &str)> {
    let metric_first = [
        ("anthropic-ratelimit-", Family::Anthropic),
        ("anthropic-priority-", Family::AnthropicPriority),
    ];
    for (start, family) in metric_first {
        if let Some(rest) = name.strip_prefix(start) {
            let (subject, what) = rest.rsplit_once('-')?;
            return Some((What::named(what)?, family, subject));
        }
    }
    if let Some(what) = name.strip_prefix("x-tokenlimit-") {
        return Some((What::named(what)?, Family::Together, "tokens"));
    }
    if let Some(what) = name.strip_prefix("x-trial-endpoint-call-") {
        return Some((What::named(what)?, Family::CohereTrial, "requests"));
    }
    let rest = name
        .strip_prefix("x-")
        .unwrap_or(name)
        .strip_prefix("ratelimit-")?;
    let (what, subject) = rest.split_once('-').unwrap_or((rest, ""));
    Some((What::named(what)?, Family::OpenAi, subject))
}

/// What the request was charged, where a header tells.
pub(super) fn charged_tokens(headers: &HeaderMap) -> Option<u64> {
    let value = headers
        .get("x-ratelimit-tokens-query-cost")?
        .to_str()
        .ok()?;
    u64::try_from(count(value.trim())?).ok()
}

/// The headers of one limit.
#[derive(Default)]
struct Draft<'a> {
    family: Family,
    subject: &'a str,
    limit: Option<i64>,
    remaining: Option<i64>,
    reset: Option<Duration>,
    renewal_period: Option<Duration>,
}

/// The time until a reset, which may be named as a moment; one in the past is zero.
fn reset(value: &str, now: Option<SystemTime>) -> Option<Duration> {
    let duration = parse_duration(value).filter(|reset| *reset < RESET_MAX);
    duration.or_else(|| {
        let left = parse_instant(value)?
            .duration_since(now?)
            .unwrap_or_default();
        (left < RESET_MAX).then_some(left)
    })
}

impl Draft<'_> {
    fn put(&mut self, what: What, value: &str, reset: impl FnOnce() -> Option<Duration>) {
        match what {
            What::Limit => self.limit = count(value),
            What::Remaining => self.remaining = count(value),
            What::Reset => self.reset = reset(),
            What::RenewalPeriod => self.renewal_period = parse_duration(value),
        }
    }

    fn report(self) -> Option<LimitReport> {
        let limit = self.limit.and_then(|limit| u64::try_from(limit).ok());
        let says_something = limit.is_some() || self.remaining.is_some() || self.reset.is_some();
        if !says_something || self.limit == Some(NOT_ENFORCED) {
            return None;
        }
        let subject = Subject::named(self.subject);
        let scope = match self.family {
            Family::AnthropicPriority => LimitScope::Priority,
            _ => subject.scope,
        };
        let counts_tokens = matches!(
            subject.metric,
            LimitMetric::Tokens | LimitMetric::InputTokens | LimitMetric::OutputTokens
        );
        Some(LimitReport {
            metric: subject.metric,
            scope,
            limit,
            remaining: self.remaining,
            reset: self.reset,
            window: subject.window.or(self.renewal_period),
            rounded_to: match self.family {
                Family::Anthropic | Family::AnthropicPriority if counts_tokens => 1_000,
                _ => 1,
            },
        })
    }
}

/// What the end of a header's name says.
struct Subject {
    metric: LimitMetric,
    scope: LimitScope,
    window: Option<Duration>,
}

impl Subject {
    fn named(name: &str) -> Self {
        let (rest, window) = without_window(name);
        let (rest, scope) = if let Some(rest) = rest.strip_prefix("project-") {
            (rest, LimitScope::Project)
        } else if let Some(rest) = rest.strip_suffix("_usage_based") {
            (rest, LimitScope::UsageBased)
        } else {
            (rest, LimitScope::Default)
        };
        // Without a metric it is requests that are counted.
        let metric = if rest.is_empty() {
            LimitMetric::Requests
        } else {
            LimitMetric::from_name(rest)
        };
        let scope = match metric {
            LimitMetric::Other => LimitScope::Named(shortened(name)),
            _ => scope,
        };
        Self {
            metric,
            scope,
            window,
        }
    }
}

/// Takes off a suffix that names the window, as Mistral and Cerebras write it.
fn without_window(name: &str) -> (&str, Option<Duration>) {
    for (suffix, seconds) in [
        ("-second", 1),
        ("-minute", 60),
        ("-hour", 3_600),
        ("-day", 86_400),
    ] {
        if let Some(rest) = name.strip_suffix(suffix) {
            return (rest, Some(Duration::from_secs(seconds)));
        }
    }
    (name, None)
}

/// A whole number: `30000`, `30,000`, `-27689`. Decimals are cut off downwards.
fn count(value: &str) -> Option<i64> {
    let (negative, digits) = match value.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = ungrouped(whole)?;
    let has_fraction = fraction.bytes().any(|byte| byte != b'0');
    if negative {
        (-number).checked_sub(i64::from(has_fraction))
    } else {
        Some(number)
    }
}

/// Digits, all together or in groups of three.
fn ungrouped(digits: &str) -> Option<i64> {
    let mut number: i64 = 0;
    for (place, group) in digits.split(',').enumerate() {
        let right_length = match place {
            0 => !group.is_empty() && (group.len() <= 3 || group.len() == digits.len()),
            _ => group.len() == 3,
        };
        if !right_length || !group.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let scale = if place == 0 { 0 } else { 1_000 };
        number = number
            .checked_mul(scale)?
            .checked_add(group.parse().ok()?)?;
    }
    Some(number)
}
