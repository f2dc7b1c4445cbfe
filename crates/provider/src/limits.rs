//! What the headers of an answer say about limits, and how long they ask to wait.

mod ietf;
mod prefixed;
#[cfg(test)]
mod tests;
mod wait;

pub use wait::{retry_after, should_retry};

use crate::metric::LimitMetric;
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
}

impl LimitHeaders {
    /// Reads every known form: OpenAI's `x-ratelimit-*` and its copies (Azure, Groq, Mistral,
    /// Cerebras), and the IETF fields since draft 07 with the three separate fields before it.
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
        }
    }

    /// The account's own limit of a metric.
    #[must_use]
    pub fn account(&self, metric: LimitMetric) -> Option<&LimitReport> {
        let mut reports = self.reports.iter();
        reports.find(|report| report.metric == metric && report.scope == LimitScope::Default)
    }
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
