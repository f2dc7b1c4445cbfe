//! Where the same answer means something else with a certain provider.

use super::message::{DAY, MINUTE};
use super::{Refusal, RefusalKind};
use crate::clock::date;
use crate::limits::LimitHeaders;
use crate::pacific;
use crate::profile::Profile;
use http::HeaderMap;
use std::time::{Duration, SystemTime};

impl Refusal {
    /// Reads a refusal from a whole answer of a known provider; `None` where the status is below
    /// 400. See [`from_response_at`](Self::from_response_at).
    #[must_use]
    pub fn from_response_for(
        profile: &Profile,
        status: u16,
        headers: &HeaderMap,
        body: &[u8],
        now: Option<SystemTime>,
    ) -> Option<Self> {
        let now = now.or_else(|| date(headers));
        let refusal = Self::from_response_at(status, headers, body, now)?;
        let mut refusal = refusal.as_told_by(profile, now);
        if profile.is("mistral") && refusal.kind == RefusalKind::RateLimited {
            let limits = LimitHeaders::parse(headers);
            if limits.reports.iter().any(|report| report.limit == Some(0)) {
                // By a limit of nothing it says that the model is not open to this account.
                refusal.kind = RefusalKind::QuotaExhausted;
            }
        }
        Some(refusal)
    }

    /// The same refusal, where it is known which provider it came from: for an error inside a
    /// stream. `now` is what the provider's clock shows.
    #[must_use]
    pub fn as_told_by(mut self, profile: &Profile, now: Option<SystemTime>) -> Self {
        let is_limited = self.kind == RefusalKind::RateLimited;
        match profile.name {
            // The status of a request that is larger than the whole limit; it comes with a wait,
            // which does not help.
            "groq" if self.status == Some(413) && self.code_is("rate_limit_exceeded") => {
                self.kind = RefusalKind::RequestTooLarge;
            }
            "mistral" if is_limited => {
                self.window = self.window.or(Some(MINUTE));
                self.retry_after = self.retry_after.or_else(|| now.map(until_next_minute));
            }
            // The advice not to retry is for clients that would at once: a full queue is gone in
            // seconds.
            "cerebras" if self.code_is("queue_exceeded") => self.should_retry = None,
            // The wait that comes with a day's limit is that of a minute's, and leads nowhere.
            "gemini" | "gemini-compatible" if is_limited && self.window == Some(DAY) => {
                let midnight = now.and_then(pacific::until_midnight);
                self.retry_after = self.retry_after.max(midnight);
            }
            "deepseek" if is_limited => self.kind = RefusalKind::Concurrency,
            // Capacity is shared with everybody: a refusal that names no quota is about that.
            "vertex" if is_limited && self.names_no_limit() => {
                self.kind = RefusalKind::Overloaded;
            }
            "openrouter" if is_limited && self.message == "Provider returned error" => {
                self.kind = RefusalKind::Overloaded;
            }
            _ => {}
        }
        let is_overload_here = |status| profile.overload_statuses.contains(&status);
        if self.kind == RefusalKind::ServerError && self.status.is_some_and(is_overload_here) {
            self.kind = RefusalKind::Overloaded;
        }
        self
    }

    fn code_is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    const fn names_no_limit(&self) -> bool {
        self.quota_id.is_none() && self.window.is_none() && self.limit.is_none()
    }
}

/// The limit is full again when the clock begins a minute.
fn until_next_minute(now: SystemTime) -> Duration {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let into_minute = since.unwrap_or_default().as_millis() % MINUTE.as_millis();
    let into_minute = Duration::from_millis(u64::try_from(into_minute).unwrap_or(0));
    MINUTE.saturating_sub(into_minute)
}
