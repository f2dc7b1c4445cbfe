//! A second attempt beside a first one that is late.
//!
//! It buys a shorter tail with calls that are paid twice, so it is for people who wait, goes to
//! another lane that could take it at once, and keeps to a budget: each call earns a share of a
//! second attempt. When a provider is ill and all of its calls are late, the budget is what keeps
//! the load from doubling.

use std::time::Duration;

use crate::SettingsError;
use crate::breaker::Health;
use crate::lane::{Fit, Lane, LaneId};
use crate::latency::Latency;
use crate::time::Timestamp;

/// When a first attempt counts as late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeDelay {
    /// Later than 95 % of the lane's answers begin, but never before this.
    P95 {
        /// The least delay (200 ms).
        least: Duration,
    },
    /// After this time.
    Fixed(Duration),
}

/// How second attempts are made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HedgeSettings {
    /// When.
    pub delay: HedgeDelay,
    /// At most this share of calls (0.05).
    pub share: f64,
    /// Second attempts that may be saved up for a bad moment (10).
    pub burst: u32,
}

impl Default for HedgeSettings {
    fn default() -> Self {
        Self {
            delay: HedgeDelay::P95 {
                least: Duration::from_millis(200),
            },
            share: 0.05,
            burst: 10,
        }
    }
}

impl HedgeSettings {
    /// Whether the settings make sense.
    ///
    /// # Errors
    ///
    /// Names the first one that does not.
    pub fn check(&self) -> Result<(), SettingsError> {
        if !(self.share > 0.0 && self.share <= 1.0) {
            return Err(SettingsError {
                setting: "share",
                problem: "is no share",
                remedy: "write more than 0 and at most 1",
            });
        }
        if self.burst == 0 {
            return Err(SettingsError {
                setting: "burst",
                problem: "is zero, so that nothing is ever earned",
                remedy: "write at least 1",
            });
        }
        Ok(())
    }
}

/// Why there is no second attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeRefusal {
    /// Nobody waits for the answer.
    NotInteractive,
    /// The call has had its second attempt.
    Already,
    /// The first attempt has begun to answer.
    Answered,
    /// No other lane could take the call at once.
    NoLane,
    /// Too many second attempts lately.
    Budget,
}

/// A call that might get a second attempt.
#[derive(Clone, Copy, Debug)]
pub struct Second<'a> {
    /// Whether a person waits for it.
    pub interactive: bool,
    /// Attempts under way or done, besides the first.
    pub others: u32,
    /// Whether its first byte is there.
    pub answered: bool,
    /// Where the first attempt is.
    pub first: LaneId,
    /// All lanes, in the order of preference.
    pub lanes: &'a [Lane],
}

/// The budget of second attempts, for one model or for all.
#[derive(Clone, Debug)]
pub struct Hedge {
    settings: HedgeSettings,
    earned: f64,
}

impl Hedge {
    /// Nothing is earned yet.
    #[must_use]
    pub const fn new(settings: HedgeSettings) -> Self {
        Self {
            settings,
            earned: 0.0,
        }
    }

    /// A call that could get a second attempt begins.
    pub fn earn(&mut self) {
        self.earned = (self.earned + self.settings.share).min(f64::from(self.settings.burst));
    }

    /// How long after the start of the first attempt the second one is due; `None` while it is
    /// not known what is late on that lane.
    #[must_use]
    pub fn due_after(&self, first: &Latency, now: Timestamp) -> Option<Duration> {
        match self.settings.delay {
            HedgeDelay::Fixed(delay) => Some(delay),
            HedgeDelay::P95 { least } => first.p95(now).map(|p95| p95.max(least)),
        }
    }

    /// Where the second attempt may go now; it is paid for with this call.
    ///
    /// # Errors
    ///
    /// Says why there is none. Nothing is paid then.
    pub fn take(&mut self, second: &Second<'_>) -> Result<LaneId, HedgeRefusal> {
        if !second.interactive {
            return Err(HedgeRefusal::NotInteractive);
        }
        if second.answered {
            return Err(HedgeRefusal::Answered);
        }
        if second.others > 0 {
            return Err(HedgeRefusal::Already);
        }
        let free = |lane: &&Lane| {
            lane.id != second.first
                && lane.health == Health::Well
                && lane.fit == Fit::Fits
                && lane.wait == Some(Duration::ZERO)
        };
        let lane = second.lanes.iter().find(free).ok_or(HedgeRefusal::NoLane)?;
        // Twenty twentieths have to be one.
        if self.earned < 1.0 - 1e-9 {
            return Err(HedgeRefusal::Budget);
        }
        self.earned = (self.earned - 1.0).max(0.0);
        Ok(lane.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::LaneKey;

    fn lanes() -> Vec<Lane> {
        (0..2)
            .map(|id| Lane::new(LaneId(id), LaneKey::of("p", &id.to_string())))
            .collect()
    }

    fn second(lanes: &[Lane]) -> Second<'_> {
        Second {
            interactive: true,
            others: 0,
            answered: false,
            first: LaneId(0),
            lanes,
        }
    }

    #[test]
    fn second_attempts_are_at_most_their_share_of_calls() {
        let (mut hedge, lanes) = (Hedge::new(HedgeSettings::default()), lanes());
        let mut hedged = 0;
        for call in 1..=1000 {
            hedge.earn();
            hedged += u32::from(hedge.take(&second(&lanes)).is_ok());
            assert!(f64::from(hedged) <= 0.05 * f64::from(call) + 1e-6, "{call}");
        }
        assert_eq!(hedged, 50);
        for _ in 0..10_000 {
            hedge.earn();
        }
        let burst = (0..100).filter(|_| hedge.take(&second(&lanes)).is_ok());
        assert_eq!(burst.count(), 10);
    }

    #[test]
    fn only_people_who_wait_get_one_and_only_where_it_can_go_at_once() {
        let mut hedge = Hedge::new(HedgeSettings::default());
        for _ in 0..100 {
            hedge.earn();
        }
        let lanes = lanes();
        let asked = second(&lanes);
        let refused = [
            (
                Second {
                    interactive: false,
                    ..asked
                },
                HedgeRefusal::NotInteractive,
            ),
            (Second { others: 1, ..asked }, HedgeRefusal::Already),
            (
                Second {
                    answered: true,
                    ..asked
                },
                HedgeRefusal::Answered,
            ),
            (second(&lanes[..1]), HedgeRefusal::NoLane),
        ];
        for (call, why) in refused {
            assert_eq!(hedge.take(&call), Err(why));
        }
        for change in [
            |lane: &mut Lane| lane.wait = Some(Duration::from_millis(1)),
            |lane: &mut Lane| lane.fit = Fit::ContextTooLong,
            |lane: &mut Lane| {
                let kind = crate::FaultKind::Cut;
                lane.health = Health::Returning { share: 0.9, kind };
            },
        ] {
            let mut lanes = lanes.clone();
            change(&mut lanes[1]);
            assert_eq!(hedge.take(&second(&lanes)), Err(HedgeRefusal::NoLane));
        }
        assert_eq!(hedge.take(&asked), Ok(LaneId(1)));
    }

    #[test]
    fn the_delay_follows_the_lane_or_is_as_set() {
        let (mut latency, now) = (Latency::new(), Timestamp::ZERO);
        let hedge = Hedge::new(HedgeSettings::default());
        assert_eq!(hedge.due_after(&latency, now), None);
        for _ in 0..100 {
            latency.record(Duration::from_millis(20), now);
        }
        assert_eq!(
            hedge.due_after(&latency, now),
            Some(Duration::from_millis(200))
        );
        for _ in 0..100 {
            latency.record(Duration::from_secs(2), now);
        }
        let due = hedge.due_after(&latency, now).unwrap();
        assert!((2.0..2.2).contains(&due.as_secs_f64()), "{due:?}");
        let fixed = HedgeDelay::Fixed(Duration::from_secs(1));
        let hedge = Hedge::new(HedgeSettings {
            delay: fixed,
            ..HedgeSettings::default()
        });
        assert_eq!(
            hedge.due_after(&Latency::new(), now),
            Some(Duration::from_secs(1))
        );
    }
}
