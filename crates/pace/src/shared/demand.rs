//! How much of a quota is asked for.

use std::time::Duration;

use paceline_limiter::Timestamp;

/// How long it takes until a change shows for the most part.
const FADES_IN: Duration = Duration::from_secs(10);

const PPM: f64 = 1_000_000.0;

/// The rate at which a pool's requests would use the quota, averaged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    /// Time of the whole quota per time, as if nothing had been asked for before the first look.
    rate: f64,
    /// The part of the average that was looked at.
    known: f64,
    /// When it was measured last, with all that had been asked for until then.
    measured: Option<(Timestamp, Duration)>,
}

impl Demand {
    /// The demand now, in parts per million of the quota; `asked` is all that was ever asked for.
    pub(super) fn ppm(&mut self, asked: Duration, now: Timestamp) -> u64 {
        let (at, before) = self.measured.replace((now, asked)).unwrap_or((now, asked));
        let elapsed = now.saturating_since(at).as_secs_f64();
        if elapsed > 0.0 {
            let part = 1.0 - (-elapsed / FADES_IN.as_secs_f64()).exp();
            // The sum wraps; one that is smaller than before tells nothing.
            let rate = asked.saturating_sub(before).as_secs_f64() / elapsed;
            self.rate += (rate - self.rate) * part;
            self.known += (1.0 - self.known) * part;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is not negative"
        )]
        {
            (self.rate / self.known.max(f64::MIN_POSITIVE) * PPM) as u64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demand_is_known_from_the_first_look_on() {
        let mut demand = Demand::default();
        let start = Timestamp::from_nanos(1_000_000_000);
        assert_eq!(demand.ppm(Duration::ZERO, start), 0);
        for seconds in 1..60 {
            let asked = Duration::from_millis(250 * seconds);
            let ppm = demand.ppm(asked, start + Duration::from_secs(seconds));
            assert!((249_000..=251_000).contains(&ppm), "{seconds}: {ppm}");
        }
    }

    #[test]
    fn what_was_asked_for_long_ago_is_forgotten() {
        let mut demand = Demand::default();
        let start = Timestamp::from_nanos(0);
        demand.ppm(Duration::ZERO, start);
        let asked = Duration::from_secs(10);
        demand.ppm(asked, start + Duration::from_secs(10));
        assert!(demand.ppm(asked, start + Duration::from_secs(60)) < 10_000);
    }
}
