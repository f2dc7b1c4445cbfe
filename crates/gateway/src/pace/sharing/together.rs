//! Two models whose remainders move together: what the provider counts beside our own use of the
//! one is our use of the other.
//!
//! Each pool tells how much others take from its token limit. Where that is, for as long as it takes to
//! be no chance, what goes through the other pool, and the other way round, one limit is behind both.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use paceline_limiter::Timestamp;

use crate::pace::PoolKey;

/// Own use is measured over this time, as the use of others is.
const SPAN: Duration = Duration::from_secs(32);

/// Readings have to agree for this long, without a break.
const AGREEMENT: Duration = Duration::from_secs(30);

/// One quarter: how far the use of others may be from the other pool's own.
const TOLERANCE_PART: u64 = 4;

/// A pool that uses less than this part of its limit tells nothing.
const TRAFFIC_PART: u64 = 20;

/// What a pool tells of its token limit.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) key: PoolKey,
    /// Tokens in each window.
    pub(crate) amount: u64,
    pub(crate) window: Duration,
    /// Tokens that went through the pool since it was made.
    pub(crate) own: u64,
    /// What others take, in tokens per minute.
    pub(crate) foreign_per_minute: u64,
}

/// Pools under watch.
#[derive(Debug, Default)]
pub(crate) struct Together {
    /// Own use over the last [`SPAN`].
    seen: HashMap<PoolKey, VecDeque<(Timestamp, u64)>>,
    /// Since when each pair has agreed.
    agreed: HashMap<(PoolKey, PoolKey), Timestamp>,
}

impl Together {
    /// Takes in what the pools of one account tell now; the pairs of which it is certain that one
    /// limit is behind both.
    pub(crate) fn sample(
        &mut self,
        readings: &[Reading],
        now: Timestamp,
    ) -> Vec<(PoolKey, PoolKey)> {
        let own: Vec<_> = readings
            .iter()
            .map(|reading| self.own_per_minute(reading, now))
            .collect();
        let mut certain = Vec::new();
        for (index, (one, one_own)) in readings.iter().zip(&own).enumerate() {
            for (other, other_own) in readings.iter().zip(&own).take(index) {
                let pair = (one.key.clone(), other.key.clone());
                if !agree((one, *one_own), (other, *other_own)) {
                    self.agreed.remove(&pair);
                    continue;
                }
                let since = *self.agreed.entry(pair.clone()).or_insert(now);
                if now.saturating_since(since) >= AGREEMENT {
                    self.agreed.remove(&pair);
                    certain.push(pair);
                }
            }
        }
        certain
    }

    /// Forgets pools that `lives` does not know.
    pub(crate) fn retain(&mut self, lives: impl Fn(&PoolKey) -> bool) {
        self.seen.retain(|key, _| lives(key));
        self.agreed
            .retain(|(one, other), _| lives(one) && lives(other));
    }

    /// Own use in tokens per minute; `None` before it was watched for long enough.
    fn own_per_minute(&mut self, reading: &Reading, now: Timestamp) -> Option<u64> {
        let seen = self.seen.entry(reading.key.clone()).or_default();
        seen.push_back((now, reading.own));
        while let Some((next, _)) = seen.get(1)
            && now.saturating_since(*next) >= SPAN
        {
            seen.pop_front();
        }
        let (since, before) = *seen.front()?;
        let elapsed = now.saturating_since(since);
        if elapsed < SPAN {
            return None;
        }
        let used = u128::from(reading.own.saturating_sub(before));
        let per_minute = used * 60_000 / elapsed.as_millis().max(1);
        u64::try_from(per_minute).ok()
    }
}

/// Whether each of two pools sees the other one's use as that of others.
fn agree(one: (&Reading, Option<u64>), other: (&Reading, Option<u64>)) -> bool {
    let ((one, Some(one_own)), (other, Some(other_own))) = (one, other) else {
        return false;
    };
    let same_limit = one.amount == other.amount && one.window == other.window;
    let window_ms = one.window.as_millis().max(1);
    let rate = u128::from(one.amount) * 60_000 / window_ms;
    let least = u64::try_from(rate / u128::from(TRAFFIC_PART)).unwrap_or(u64::MAX);
    let is_traffic = |own: u64| own > 0 && own >= least;
    let matches = |foreign: u64, own: u64| foreign.abs_diff(own) <= own / TOLERANCE_PART;
    same_limit
        && is_traffic(one_own)
        && is_traffic(other_own)
        && matches(one.foreign_per_minute, other_own)
        && matches(other.foreign_per_minute, one_own)
}
