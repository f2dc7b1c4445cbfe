//! Refusals that belong together.
//!
//! When a provider refuses, many requests are on their way already. Their refusals say nothing
//! new: all that were sent before the pause was over belong to one episode, which pauses once,
//! cuts the pace once and pays one penalty, however many there are. Only the wait that the
//! provider itself asks for counts each time.

use std::time::Duration;

use crate::charge::Charge;
use crate::settlement::{ProviderRefusal, RefusalKind};
use crate::snapshot::Episode;
use crate::time::{Timestamp, nanos};

/// The pause after a refusal that names none.
const COOL_DOWN_MIN: Duration = Duration::from_secs(1);

/// An episode so soon after the pace was back counts as a relapse.
const RELAPSE: Duration = Duration::from_secs(30);

/// Relapses in a row that make a difference.
const RELAPSES_MAX: u32 = 4;

/// The present or last episode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    pub(crate) seen: Episode,
    /// Drawn once: with one draw for each refusal, many would always make the longest pause.
    jitter: Duration,
    /// Episodes before this one without calm in between.
    pub(crate) relapses: u32,
    /// When the slow start is over.
    steady_at: u64,
}

impl Running {
    /// The episode that `refusal` begins.
    pub(crate) fn begin(refusal: &ProviderRefusal, before: Option<&Self>, now: u64) -> Self {
        let pause = refusal.retry_after.unwrap_or(COOL_DOWN_MIN);
        let began = Timestamp::from_nanos(now);
        let relapses = before
            .filter(|before| now < before.steady_at.saturating_add(nanos(RELAPSE)))
            .map_or(0, |before| (before.relapses + 1).min(RELAPSES_MAX));
        let cool_down_until = began + pause + refusal.jitter;
        Self {
            seen: Episode {
                number: before.map_or(1, |before| before.seen.number + 1),
                began,
                kind: refusal.kind,
                metric: refusal.metric,
                limit: refusal.limit,
                used: refusal.used,
                requested: refusal.requested,
                penalty: match refusal.kind {
                    RefusalKind::Quota => refusal.penalty,
                    RefusalKind::Overload
                    | RefusalKind::Concurrency
                    | RefusalKind::Acceleration => Charge::ZERO,
                },
                refusals: 1,
                cool_down_until,
                ended: None,
            },
            jitter: refusal.jitter,
            relapses,
            steady_at: cool_down_until.as_nanos(),
        }
    }

    /// Whether a request that was sent then belongs to it. Nothing is launched during the pause.
    pub(crate) fn includes(&self, sent_at: Timestamp) -> bool {
        sent_at < self.seen.cool_down_until
    }

    /// Counts another of its refusals; `true` if the pause has become longer.
    pub(crate) fn refused_again(&mut self, refusal: &ProviderRefusal, now: u64) -> bool {
        self.seen.refusals += 1;
        let Some(asked) = refusal.retry_after.filter(|_| refusal.wait_named) else {
            return false;
        };
        let until = Timestamp::from_nanos(now) + asked + self.jitter;
        if until <= self.seen.cool_down_until {
            return false;
        }
        self.seen.cool_down_until = until;
        self.seen.ended = None;
        true
    }

    pub(crate) fn steady_at(&mut self, time: u64) {
        self.steady_at = time;
    }
}
