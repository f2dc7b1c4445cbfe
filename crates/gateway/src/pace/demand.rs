//! How much is asked of a pool: units submitted a second, of the last moments and of the last minutes.

use std::time::Duration;

use paceline_limiter::{Charge, Metric, Timestamp};

/// How many metrics there are.
const METRICS: usize = Metric::ALL.len();

/// The span over which the quick average forgets.
pub(crate) const SHORT: Duration = Duration::from_secs(10);
/// The span over which the slow average forgets.
pub(crate) const LONG: Duration = Duration::from_secs(300);
/// A rate over less than this says more about the moment of asking than about the demand.
const LEAST_SPAN: Duration = Duration::from_secs(5);

/// Running averages of the demand on one pool, over everything that was submitted: what was sent at
/// once, what waits and what was refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demand {
    /// When the first request came.
    since: Option<Timestamp>,
    at: Timestamp,
    short: Decaying,
    long: Decaying,
}

/// Units per metric, each weighed by its age.
#[derive(Clone, Debug, Default)]
struct Decaying([f64; METRICS]);

/// Units submitted a second, by [`Metric::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) short: [f64; METRICS],
    pub(crate) long: [f64; METRICS],
}

impl Demand {
    /// Counts what one request asks for.
    pub(crate) fn record(&mut self, charge: Charge, now: Timestamp) {
        self.since.get_or_insert(now);
        let passed = now.saturating_since(self.at);
        self.at = self.at.max(now);
        for (sums, span) in [(&mut self.short, SHORT), (&mut self.long, LONG)] {
            sums.decay(passed, span);
            sums.add(charge);
        }
    }

    /// When the latest request came.
    pub(crate) fn latest(&self) -> Timestamp {
        self.at
    }

    /// The demand as it is at `now`.
    pub(crate) fn rates(&self, now: Timestamp) -> Rates {
        let Some(since) = self.since else {
            return Rates::default();
        };
        let observed = now.saturating_since(since).max(LEAST_SPAN);
        let passed = now.saturating_since(self.at);
        let rates = |sums: &Decaying, span: Duration| {
            let mut sums = sums.clone();
            sums.decay(passed, span);
            // The weights of all moments that were watched; the whole span after a long while.
            let weight = span.as_secs_f64() * (1.0 - share_left(observed, span));
            sums.0.map(|units| units / weight)
        };
        Rates {
            short: rates(&self.short, SHORT),
            long: rates(&self.long, LONG),
        }
    }
}

impl Decaying {
    fn decay(&mut self, passed: Duration, span: Duration) {
        let left = share_left(passed, span);
        self.0.iter_mut().for_each(|units| *units *= left);
    }

    fn add(&mut self, charge: Charge) {
        for (units, metric) in self.0.iter_mut().zip(Metric::ALL) {
            #[expect(clippy::cast_precision_loss, reason = "an average")]
            let more = charge.get(metric) as f64;
            *units += more;
        }
    }
}

/// What is left of the weight of something that is `age` old.
fn share_left(age: Duration, span: Duration) -> f64 {
    (-age.as_secs_f64() / span.as_secs_f64()).exp()
}

impl Rates {
    /// The quick and the slow rate of one metric.
    pub(crate) fn of(&self, metric: Metric) -> (f64, f64) {
        let both = self.short.iter().zip(&self.long).zip(Metric::ALL);
        let mut found = both.filter(|(_, other)| *other == metric);
        found
            .next()
            .map_or((0.0, 0.0), |((short, long), _)| (*short, *long))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_hours(1) + Duration::from_millis(milliseconds)
    }

    fn tokens(count: u64) -> Charge {
        Charge::ZERO
            .with(Metric::Requests, 1)
            .with(Metric::Tokens, count)
    }

    /// Five requests of 200 tokens a second.
    fn steady(seconds: u64) -> Demand {
        let mut demand = Demand::default();
        (0..seconds * 5).for_each(|index| demand.record(tokens(200), at(index * 200)));
        demand
    }

    fn assert_close(rate: f64, expected: f64) {
        assert!(
            (rate / expected - 1.0).abs() < 0.06,
            "{rate} for {expected}"
        );
    }

    #[test]
    fn a_steady_demand_is_known_from_the_first_seconds_on() {
        for seconds in [5, 10, 60, 3_600] {
            let rates = steady(seconds).rates(at(seconds * 1_000));
            for rate in [rates.of(Metric::Tokens).0, rates.of(Metric::Tokens).1] {
                assert_close(rate, 1_000.0);
            }
            assert_close(rates.of(Metric::Requests).0, 5.0);
            assert_eq!(rates.of(Metric::Images), (0.0, 0.0));
        }
    }

    #[test]
    fn a_pause_is_seen_at_once_by_the_quick_rate_and_late_by_the_slow_one() {
        let (short, long) = steady(1_200).rates(at(1_230_000)).of(Metric::Tokens);
        assert!(short < 60.0, "{short}");
        assert!((850.0..=950.0).contains(&long), "{long}");
    }

    #[test]
    fn a_single_request_is_no_endless_demand() {
        let mut demand = Demand::default();
        assert_eq!(demand.rates(at(0)), Rates::default());
        demand.record(tokens(1_000), at(0));
        let (short, long) = demand.rates(at(0)).of(Metric::Tokens);
        assert!(short < 300.0 && long < 300.0, "{short} and {long}");
        let (_, later) = demand.rates(at(100_000)).of(Metric::Tokens);
        assert!(later < 11.0, "{later}");
    }

    #[test]
    fn moments_out_of_order_do_no_harm() {
        let mut demand = Demand::default();
        demand.record(tokens(100), at(1_000));
        demand.record(tokens(100), at(500));
        let rates = demand.rates(at(0));
        assert!(
            rates
                .short
                .iter()
                .chain(&rates.long)
                .all(|rate| rate.is_finite())
        );
    }
}
