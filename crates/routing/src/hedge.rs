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
    /// No other lane could take the call at once.
    NoLane,
    /// Too many second attempts lately.
    Budget,
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

    /// How long after the start of the first attempt the second one is due. `p95` is the time to the
    /// first byte that 95 % of its lane's answers keep to; `None` while it is not known what is late
    /// there.
    #[must_use]
    pub fn due_after(&self, p95: Option<Duration>) -> Option<Duration> {
        match self.settings.delay {
            HedgeDelay::Fixed(delay) => Some(delay),
            HedgeDelay::P95 { least } => p95.map(|p95| p95.max(least)),
        }
    }

    /// A second attempt that was paid for was not made after all.
    pub fn give_back(&mut self) {
        self.earned = (self.earned + 1.0).min(f64::from(self.settings.burst));
    }

    /// Where the second attempt of a call may go now that has its first one at `first`; it is paid for
    /// with this. `lanes` are all, in the order of preference.
    ///
    /// # Errors
    ///
    /// Says why there is none. Nothing is paid then.
    pub fn take(&mut self, first: LaneId, lanes: &[Lane]) -> Result<LaneId, HedgeRefusal> {
        let free = |lane: &&Lane| {
            lane.id != first
                && lane.health == Health::Well
                && lane.fit == Fit::Fits
                && lane.wait == Some(Duration::ZERO)
        };
        let lane = lanes.iter().find(free).ok_or(HedgeRefusal::NoLane)?;
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

    const FIRST: LaneId = LaneId(0);

    fn lanes() -> Vec<Lane> {
        (0..2)
            .map(|id| Lane::new(LaneId(id), LaneKey::of("p", &id.to_string())))
            .collect()
    }

    #[test]
    fn second_attempts_are_at_most_their_share_of_calls() {
        let (mut hedge, lanes) = (Hedge::new(HedgeSettings::default()), lanes());
        let mut hedged = 0;
        for call in 1..=1000 {
            hedge.earn();
            hedged += u32::from(hedge.take(FIRST, &lanes).is_ok());
            assert!(f64::from(hedged) <= 0.05 * f64::from(call) + 1e-6, "{call}");
        }
        assert_eq!(hedged, 50);
        for _ in 0..10_000 {
            hedge.earn();
        }
        let burst = (0..100).filter(|_| hedge.take(FIRST, &lanes).is_ok());
        assert_eq!(burst.count(), 10);
        hedge.give_back();
        assert!(hedge.take(FIRST, &lanes).is_ok() && hedge.take(FIRST, &lanes).is_err());
    }

    #[test]
    fn a_second_attempt_goes_only_where_it_can_go_at_once() {
        let mut hedge = Hedge::new(HedgeSettings::default());
        for _ in 0..100 {
            hedge.earn();
        }
        let lanes = lanes();
        assert_eq!(hedge.take(FIRST, &lanes[..1]), Err(HedgeRefusal::NoLane));
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
            assert_eq!(hedge.take(FIRST, &lanes), Err(HedgeRefusal::NoLane));
        }
        assert_eq!(hedge.take(FIRST, &lanes), Ok(LaneId(1)));
    }

    #[test]
    fn the_delay_follows_the_lane_or_is_as_set() {
        let hedge = Hedge::new(HedgeSettings::default());
        assert_eq!(hedge.due_after(None), None);
        let ms = Duration::from_millis;
        assert_eq!(hedge.due_after(Some(ms(20))), Some(ms(200)));
        assert_eq!(hedge.due_after(Some(ms(2000))), Some(ms(2000)));
        let hedge = Hedge::new(HedgeSettings {
            delay: HedgeDelay::Fixed(ms(1000)),
            ..HedgeSettings::default()
        });
        assert_eq!(hedge.due_after(None), Some(ms(1000)));
    }
}
