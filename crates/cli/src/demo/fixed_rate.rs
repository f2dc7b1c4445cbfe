//! A rate set by hand: what a careful engineer puts in front of an SDK.
//!
//! Two token buckets, for tokens and for requests, set to the amounts a minute that the provider
//! advertises. They start full, as the usual libraries have it, and every attempt waits for its
//! turn, retries included. It even knows exactly what the provider charges for a request. What it
//! does not know is what no header says: that a minute's amount may not go all at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_secs(60);

/// A limiter that all clients of one key share.
#[derive(Debug)]
pub(super) struct FixedRate(Mutex<Buckets>);

#[derive(Debug)]
struct Buckets {
    tokens: Bucket,
    requests: Bucket,
}

/// A bucket that holds a minute's amount and fills evenly.
#[derive(Debug)]
struct Bucket {
    /// The time in which one unit comes back.
    interval: Duration,
    /// When it is full again, all that was promised included.
    full_at: Instant,
}

impl FixedRate {
    /// Full buckets, with these amounts a minute.
    pub(super) fn new(tokens_per_minute: u64, requests_per_minute: u64, now: Instant) -> Self {
        Self(Mutex::new(Buckets {
            tokens: Bucket::full(tokens_per_minute, now),
            requests: Bucket::full(requests_per_minute, now),
        }))
    }

    /// Waits for the turn of an attempt that is charged so many tokens; first come, first served.
    pub(super) async fn turn(&self, charge_tokens: u64) {
        sleep(self.take(charge_tokens, Instant::now())).await;
    }

    /// Takes what an attempt needs, and tells how long it must wait until that is there.
    fn take(&self, charge_tokens: u64, now: Instant) -> Duration {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tokens = buckets.tokens.take(charge_tokens, now);
        tokens.max(buckets.requests.take(1, now))
    }
}

impl Bucket {
    fn full(per_minute: u64, now: Instant) -> Self {
        let nanoseconds = MINUTE.as_nanos() / u128::from(per_minute.max(1));
        Self {
            interval: Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)),
            full_at: now,
        }
    }

    fn take(&mut self, amount: u64, now: Instant) -> Duration {
        let units = u32::try_from(amount).unwrap_or(u32::MAX);
        self.full_at = self.full_at.max(now) + self.interval.saturating_mul(units);
        // Empty is a minute away from full; only what lies beyond that must be waited for.
        self.full_at.saturating_duration_since(now + MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_full_bucket_lets_a_whole_minute_go_at_once_and_then_the_rate() {
        let now = Instant::now();
        let limiter = FixedRate::new(60_000, 3_000, now);
        for _ in 0..120 {
            assert_eq!(limiter.take(500, now), Duration::ZERO);
        }
        assert_eq!(limiter.take(500, now), SECOND / 2);
        assert_eq!(limiter.take(500, now), SECOND);
        assert_eq!(
            limiter.take(500, now + SECOND),
            SECOND / 2,
            "time has passed"
        );
    }

    #[test]
    fn the_scarcer_of_the_two_decides() {
        let now = Instant::now();
        let limiter = FixedRate::new(60_000, 60, now);
        for _ in 0..60 {
            assert_eq!(limiter.take(1, now), Duration::ZERO);
        }
        assert_eq!(limiter.take(1, now), SECOND);
    }

    #[test]
    fn an_unused_bucket_holds_no_more_than_a_minute() {
        let start = Instant::now();
        let limiter = FixedRate::new(60, 6_000, start);
        let later = start + MINUTE * 10;
        assert_eq!(limiter.take(60, later), Duration::ZERO);
        assert_eq!(limiter.take(1, later), SECOND);
    }
}
