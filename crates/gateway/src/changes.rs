//! What happened to pools and to what is believed of them, with reasons: the latest, in memory.
//!
//! Refusals, stores, resets and what is recalled are noted where they happen. What answers teach shows
//! when a pool is looked at and compared with how it was seen last.

mod beliefs;
mod words;

use std::collections::VecDeque;
use std::time::Duration;

use paceline_admin_api::{Change, ChangeKind};
use paceline_limiter::{DomainSnapshot, Episode};
use paceline_pace::SharingChange;
use parking_lot::Mutex;

pub(crate) use beliefs::Seen;

use crate::clock::{Clock, unix_ms};
use crate::exchange::milliseconds;
use crate::pace::Pool;

/// The most that are kept.
const CHANGES_MAX: usize = 2_000;

/// The latest changes of all pools.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// In the order in which they were noted.
    changes: Mutex<VecDeque<Change>>,
}

impl Recent {
    fn note(&self, change: Change) {
        let mut changes = self.changes.lock();
        if changes.len() == CHANGES_MAX {
            changes.pop_front();
        }
        changes.push_back(change);
    }

    /// Up to `limit` changes of one pool or all, the latest first.
    pub(crate) fn latest(&self, pool: Option<&str>, limit: usize) -> Vec<Change> {
        let changes = self.changes.lock();
        let asked = |change: &&Change| pool.is_none_or(|pool| change.pool == pool);
        let mut found: Vec<&Change> = changes.iter().rev().filter(asked).collect();
        // What is found out by comparing is noted a little late.
        found.sort_by_key(|change| std::cmp::Reverse(change.at_ms));
        found.into_iter().take(limit).cloned().collect()
    }

    /// The provider began to refuse.
    pub(crate) fn episode_began(&self, pool: &str, episode: &Episode, clock: &Clock) {
        let pause = episode.cool_down_until.saturating_since(episode.began);
        let mut change = about(pool, ChangeKind::EpisodeBegan, words::refusal(episode));
        change.at_ms = unix_ms(clock.date(episode.began));
        change.metric = episode.metric.map(|metric| metric.name().to_owned());
        change.before = Some("sending".to_owned());
        change.after = Some(format!("a pause of {}", words::time(pause)));
        self.note(change);
    }

    /// The pace is whole again.
    pub(crate) fn episode_over(&self, pool: &str, episode: &Episode, clock: &Clock) {
        let ended = episode.ended.unwrap_or(episode.cool_down_until);
        let lasted = ended.saturating_since(episode.began);
        let mut change = about(pool, ChangeKind::EpisodeOver, words::end(episode, lasted));
        change.at_ms = unix_ms(clock.date(ended));
        change.metric = episode.metric.map(|metric| metric.name().to_owned());
        change.before = Some("a reduced pace".to_owned());
        change.after = Some("the whole pace".to_owned());
        self.note(change);
    }

    /// Somebody else decides on a pool's requests.
    pub(crate) fn store_mode(&self, pool: &str, shared: &SharingChange, clock: &Clock) {
        let mut change = about(pool, ChangeKind::StoreMode, words::store(&shared.after));
        change.at_ms = unix_ms(clock.date(shared.after.since));
        change.before = Some(shared.before.name().to_owned());
        change.after = Some(shared.after.mode.name().to_owned());
        self.note(change);
    }

    /// A pool has forgotten what it learned.
    pub(crate) fn reset(&self, pool: &Pool) {
        let reason = "an operator with the admin token asked for it; the pool starts over slowly";
        let mut change = about(pool.watch().name(), ChangeKind::Reset, reason);
        change.at_ms = unix_ms(pool.clock().date(pool.clock().now()));
        self.note(change);
        // What is learned from now on is news again.
        *pool.watch().seen() = Seen::default();
    }

    /// A pool has taken up what an earlier run had learned, so long ago.
    pub(crate) fn recalled(&self, pool: &Pool, age: Duration) {
        let snapshot = pool.snapshot();
        let limits = snapshot.limits.iter().map(words::limit);
        let limits: Vec<String> = limits.collect();
        let reason = format!(
            "an earlier run wrote it down {} ago; the next answer has to confirm it",
            words::time(age)
        );
        let mut change = about(pool.watch().name(), ChangeKind::Recalled, reason);
        change.at_ms = unix_ms(pool.clock().date(pool.clock().now()));
        change.after = (!limits.is_empty()).then(|| limits.join(", "));
        self.note(change);
    }

    /// Notes what a pool has learned since it was seen last.
    pub(crate) fn compare(&self, pool: &Pool, snapshot: &DomainSnapshot) {
        let clock = pool.clock();
        let now = clock.now();
        let found = pool.watch().seen().update(snapshot, now);
        for learned in found {
            let mut change = about(pool.watch().name(), learned.kind, learned.reason);
            change.at_ms = unix_ms(clock.date(learned.at));
            change.metric = Some(learned.metric.name().to_owned());
            change.window_ms = learned.window.map(milliseconds);
            change.before = learned.before;
            change.after = Some(learned.after);
            self.note(change);
        }
    }
}

/// Something that happened to a pool; when, and from what to what, is for the caller to say.
fn about(pool: &str, kind: ChangeKind, reason: impl Into<String>) -> Change {
    Change {
        at_ms: 0,
        pool: pool.to_owned(),
        kind,
        metric: None,
        window_ms: None,
        before: None,
        after: None,
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests;
