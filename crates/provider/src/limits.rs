//! What the headers of an answer say about limits, and how long they ask to wait.

mod ietf;
mod prefixed;
#[cfg(test)]
mod tests;
mod wait;

pub use wait::{retry_after, should_retry};

use crate::metric::LimitMetric;
use crate::profile::Profile;
use http::HeaderMap;
use std::time::{Duration, SystemTime};

/// Reports kept of one answer. The longest set known, of Cerebras, has six.
const REPORTS_MAX: usize = 16;

/// Bytes kept of a name that the provider chose.
const NAME_BYTES_MAX: usize = 128;

/// Whose limit a report describes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitScope {
    /// The limit of the account (`x-ratelimit-limit-tokens`).
    Default,
    /// The limit of the project (`x-ratelimit-limit-project-tokens`).
    Project,
    /// Capacity that was bought beside the account's limit (`anthropic-priority-input-tokens-limit`).
    Priority,
    /// The pool that is charged by actual use (`x-ratelimit-limit-tokens_usage_based`).
    UsageBased,
    /// A named policy of the IETF fields `RateLimit` and `RateLimit-Policy`, or a limit of a kind
    /// that is not known here, by the end of its header's name.
    Named(String),
}

/// The state of one limit, as far as the headers give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitReport {
    /// What is counted.
    pub metric: LimitMetric,
    /// Whose limit it is.
    pub scope: LimitScope,
    /// The limit itself. `None` where the header is missing or unreadable.
    pub limit: Option<u64>,
    /// What is left. Azure sends negative values once a pool is overdrawn.
    pub remaining: Option<i64>,
    /// Time until the limit is there in full again (OpenAI) or the window ends (others).
    pub reset: Option<Duration>,
    /// Length of the window, where the provider names it: in `x-ratelimit-renewalperiod-*`, in the
    /// `w` of an IETF policy, or in a suffix such as `-minute`. OpenAI does not.
    pub window: Option<Duration>,
    /// What `limit` and `remaining` are rounded to: Anthropic tells tokens in thousands, so that
    /// the cost of one request cannot be read from two answers. 1 where they are exact.
    pub rounded_to: u64,
}

/// Everything that an answer's headers say about limits and about whose pool was charged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitHeaders {
    /// One report for each limit, in the order of metric and scope; at most 16.
    pub reports: Vec<LimitReport>,
    /// `openai-organization`.
    pub organization: Option<String>,
    /// `openai-project`.
    pub project: Option<String>,
    /// `x-ratelimit-key`: the deployment whose limits these are (Azure).
    pub deployment: Option<String>,
    /// `x-ratelimit-tokens-query-cost`: what the request was charged (Mistral). Tokens.
    pub charged_tokens: Option<u64>,
}

impl LimitHeaders {
    /// Reads every known form: OpenAI's `x-ratelimit-*` and its copies (Azure, Groq, Mistral,
    /// Cerebras, xAI), Together's `x-tokenlimit-*`, Anthropic's `anthropic-ratelimit-*` and
    /// `anthropic-priority-*`, Cohere's count of trial calls, and the IETF fields since draft 07
    /// with the three separate fields before it.
    ///
    /// Values that cannot be read are left out, and a limit of `-1`, by which Azure says that it
    /// does not enforce it, gives no report.
    #[must_use]
    pub fn parse(headers: &HeaderMap) -> Self {
        Self::parse_at(headers, None)
    }

    /// The same, where `now` is what the provider's clock shows, if that is known: resets that name a
    /// moment are taken relative to it, or else to the answer's own `date`.
    #[must_use]
    pub fn parse_at(headers: &HeaderMap, now: Option<SystemTime>) -> Self {
        let mut reports = prefixed::reports(headers, now);
        reports.extend(ietf::reports(headers));
        reports.sort_by(|a, b| (a.metric, &a.scope, a.window).cmp(&(b.metric, &b.scope, b.window)));
        reports.truncate(REPORTS_MAX);
        Self {
            reports,
            organization: text(headers, "openai-organization"),
            project: text(headers, "openai-project"),
            deployment: text(headers, "x-ratelimit-key"),
            charged_tokens: prefixed::charged_tokens(headers),
        }
    }

    /// The same for a known provider: the same name is a day's limit here and a minute's there
    /// (`x-ratelimit-limit-requests` of Groq and OpenAI), which `window` then says. What a name or
    /// another header says of the window goes before. Where windows are those of the clock and no
    /// header tells their end (Mistral), `reset` is what is left by the provider's clock.
    #[must_use]
    pub fn parse_for(profile: &Profile, headers: &HeaderMap, now: Option<SystemTime>) -> Self {
        let mut parsed = Self::parse_at(headers, now);
        for report in &mut parsed.reports {
            if report.window.is_none() && report.scope == LimitScope::Default {
                report.window = profile.header_window(report.metric);
            }
            if report.reset.is_none()
                && let (Some(window), Some(now)) = (report.window, now)
                && profile.follows_the_clock(report.metric, window)
            {
                report.reset = Some(until_the_clock_ends(window, now));
            }
        }
        parsed
    }

    /// The account's own limit of a metric.
    #[must_use]
    pub fn account(&self, metric: LimitMetric) -> Option<&LimitReport> {
        let mut reports = self.reports.iter();
        reports.find(|report| report.metric == metric && report.scope == LimitScope::Default)
    }
}

/// What is left of a window that follows the clock.
fn until_the_clock_ends(window: Duration, now: SystemTime) -> Duration {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let since_ms = since.unwrap_or_default().as_millis();
    let into_ms = since_ms % window.as_millis().max(1);
    window.saturating_sub(Duration::from_millis(u64::try_from(into_ms).unwrap_or(0)))
}

/// A short text header.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then(|| shortened(value))
}

/// The beginning of a text of the provider's choice.
fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}
