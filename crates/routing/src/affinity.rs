//! Which lane has the prompt cache of a session.
//!
//! A session that was seen is remembered, in bounded memory, with the name of its lane: that holds when
//! lanes are added or taken away. One that was not is placed by
//! rendezvous hashing: every instance computes the same lane from the same names without talking,
//! and when a lane comes or goes only the sessions of that lane move.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::hash;
use crate::lane::{LaneId, LaneKey};
use crate::time::Timestamp;

/// A session as a number: what it is called is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(u64);

impl SessionKey {
    /// The key of what identifies a session: tenant, model as the caller names it, session.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(hash::of_parts(parts))
    }
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffinitySettings {
    /// Sessions that are remembered, about 100 bytes each (65 536); the one that was not used for
    /// longest goes first.
    pub sessions_max: usize,
    /// A session that was not used for so long is forgotten (one hour).
    pub kept_for: Duration,
}

impl Default for AffinitySettings {
    fn default() -> Self {
        Self {
            sessions_max: 65_536,
            kept_for: Duration::from_secs(3600),
        }
    }
}

/// The last lane of each session.
#[derive(Clone, Debug)]
pub struct Affinity {
    settings: AffinitySettings,
    sessions: HashMap<SessionKey, Kept>,
    /// The same sessions by their last use.
    by_use: BTreeMap<u64, SessionKey>,
    uses: u64,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    lane: LaneKey,
    at: Timestamp,
    /// Its key in `by_use`.
    used: u64,
}

impl Affinity {
    /// No session is known.
    #[must_use]
    pub fn new(settings: AffinitySettings) -> Self {
        Self {
            settings,
            sessions: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The lane that the session went to last, unless that is forgotten.
    #[must_use]
    pub fn last(&self, session: SessionKey, now: Timestamp) -> Option<LaneKey> {
        let kept = self.sessions.get(&session)?;
        (now.saturating_since(kept.at) <= self.settings.kept_for).then_some(kept.lane)
    }

    /// The session went to that lane now.
    pub fn keep(&mut self, session: SessionKey, lane: LaneKey, now: Timestamp) {
        let used = self.uses;
        self.uses += 1;
        let kept = Kept {
            lane,
            at: now,
            used,
        };
        if let Some(before) = self.sessions.insert(session, kept) {
            self.by_use.remove(&before.used);
        }
        self.by_use.insert(used, session);
        self.forget_old(now);
    }

    /// Sessions that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    fn forget_old(&mut self, now: Timestamp) {
        while let Some((used, session)) = self.by_use.first_key_value() {
            let (used, session) = (*used, *session);
            let old = self
                .sessions
                .get(&session)
                .is_none_or(|kept| now.saturating_since(kept.at) > self.settings.kept_for);
            if !old && self.sessions.len() <= self.settings.sessions_max {
                return;
            }
            self.by_use.remove(&used);
            self.sessions.remove(&session);
        }
    }
}

/// The lane where a session belongs that was never seen: the same in every instance, and each lane
/// in proportion to its weight. `None` if there are no lanes.
///
/// Weighted rendezvous hashing: the lane with the greatest `-weight / ln(h)`, where `h` is the hash
/// of session and lane as a number between 0 and 1.
#[must_use]
pub fn rendezvous(
    session: SessionKey,
    lanes: impl IntoIterator<Item = (LaneId, LaneKey, u32)>,
) -> Option<LaneId> {
    let score = |key: LaneKey, weight: u32| {
        let hash = hash::mixed(session.0 ^ hash::mixed(key.number()));
        -f64::from(weight.max(1)) / hash::unit(hash).ln()
    };
    lanes
        .into_iter()
        .map(|(id, key, weight)| (score(key, weight), key, id))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
        .map(|(_, _, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    fn session(number: usize) -> SessionKey {
        SessionKey::of(["tenant", &number.to_string()])
    }

    fn key(number: usize) -> LaneKey {
        LaneKey::of("provider", &number.to_string())
    }

    fn small(sessions_max: usize) -> Affinity {
        let kept_for = Duration::from_secs(60);
        Affinity::new(AffinitySettings {
            sessions_max,
            kept_for,
        })
    }

    #[test]
    fn the_session_that_was_not_used_for_longest_is_forgotten_first() {
        let mut affinity = small(2);
        affinity.keep(session(1), key(1), at(0));
        affinity.keep(session(2), key(2), at(1));
        affinity.keep(session(1), key(3), at(2));
        affinity.keep(session(4), key(4), at(3));
        assert_eq!(affinity.last(session(1), at(3)), Some(key(3)));
        assert_eq!(affinity.last(session(2), at(3)), None);
        assert_eq!(affinity.last(session(4), at(3)), Some(key(4)));
    }

    #[test]
    fn a_session_is_forgotten_at_its_age_and_leaves_nothing_behind() {
        let mut affinity = small(1000);
        for number in 0..500 {
            affinity.keep(session(number), key(1), at(0));
        }
        assert_eq!(affinity.last(session(7), at(60)), Some(key(1)));
        assert_eq!(affinity.last(session(7), at(61)), None);
        affinity.keep(session(1000), key(1), at(61));
        assert_eq!((affinity.len(), affinity.by_use.len()), (1, 1));
    }

    #[test]
    fn memory_is_bounded_however_many_sessions_there_are() {
        let mut affinity = small(100);
        for number in 0..10_000 {
            affinity.keep(session(number), key(1), at(0));
            affinity.keep(session(number / 2), key(2), at(0));
        }
        assert_eq!((affinity.len(), affinity.by_use.len()), (100, 100));
    }

    #[test]
    fn new_sessions_are_spread_by_weight_and_only_those_of_a_lost_lane_move() {
        let lanes: Vec<_> = [("a", 1), ("b", 2), ("c", 1)]
            .iter()
            .zip(0..)
            .map(|((name, weight), id)| (LaneId(id), LaneKey::of(name, "m"), *weight))
            .collect();
        let mut counts = [0_i32; 3];
        for number in 0..20_000 {
            let all = rendezvous(session(number), lanes.iter().copied()).unwrap();
            let mut reversed = lanes.clone();
            reversed.reverse();
            assert_eq!(rendezvous(session(number), reversed), Some(all));
            counts[all.0 as usize] += 1;
            let left = rendezvous(session(number), lanes[..2].iter().copied()).unwrap();
            assert!(all == LaneId(2) || left == all);
        }
        for (count, expected) in counts.iter().zip([5000, 10_000, 5000]) {
            assert!((count - expected).abs() < 300, "{counts:?}");
        }
        assert_eq!(rendezvous(session(1), []), None);
    }
}
