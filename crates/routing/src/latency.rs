//! How long a lane takes until the first byte of an answer.
//!
//! A histogram with buckets that grow by an eighth of an octave (9 %), whose counts fade with a
//! half-life, so that it follows a provider's day and forgets what is old. Its size is fixed.

use std::time::Duration;

use crate::time::Timestamp;

/// Buckets to an octave.
const STEPS: f64 = 8.0;

/// Buckets in all: from a millisecond to 35 minutes.
const BUCKETS: usize = 168;

/// The time in which a count loses half of its weight.
const HALF_LIFE: Duration = Duration::from_secs(600);

/// Answers that have to be remembered before quantiles are told.
const QUANTILE_WEIGHT_MIN: f64 = 8.0;

/// An average of which nothing is newer than this says nothing about now.
const STALE_AFTER: Duration = Duration::from_secs(300);

/// The part that a new answer has in the average.
const AVERAGE_PART: f64 = 0.1;

/// What is longer counts as this: no provider is waited for longer.
const LATENCY_MAX: Duration = Duration::from_secs(3600);

/// Weights grow with time instead of shrinking; beyond this many doublings all are scaled down.
const DOUBLINGS_MAX: f64 = 64.0;

/// Time to first byte of one lane: a moving average and quantiles, in bounded memory (1.4 KiB).
#[derive(Clone, Debug)]
pub struct Latency {
    weights: Box<[f64]>,
    total: f64,
    origin: Timestamp,
    average_ns: f64,
    recorded: u64,
    last: Timestamp,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            weights: vec![0.0; BUCKETS].into_boxed_slice(),
            total: 0.0,
            origin: Timestamp::ZERO,
            average_ns: 0.0,
            recorded: 0,
            last: Timestamp::ZERO,
        }
    }
}

impl Latency {
    /// Nothing known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An answer began at `now`, this long after its request was sent.
    pub fn record(&mut self, latency: Duration, now: Timestamp) {
        let latency = latency.min(LATENCY_MAX);
        if self.growth(now) > DOUBLINGS_MAX {
            self.rebase(now);
        }
        let weight = self.growth(now).exp2();
        self.weights[bucket(latency)] += weight;
        self.total += weight;
        self.recorded += 1;
        self.last = self.last.max(now);
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of an average")]
        let (sample, seen) = (latency.as_nanos() as f64, self.recorded as f64);
        self.average_ns += (sample - self.average_ns) * AVERAGE_PART.max(1.0 / seen);
    }

    /// The moving average (each new answer counts a tenth), unless nothing was heard for five
    /// minutes: then it is time to look again.
    #[must_use]
    pub fn expected(&self, now: Timestamp) -> Option<Duration> {
        let fresh = self.recorded > 0 && now.saturating_since(self.last) <= STALE_AFTER;
        fresh.then(|| Duration::from_secs_f64(self.average_ns / 1e9))
    }

    /// The latency that the part `quantile` (0 to 1) of answers keeps to, at most 9 % too high;
    /// `None` as long as less than eight recent answers are remembered.
    #[must_use]
    pub fn quantile(&self, quantile: f64, now: Timestamp) -> Option<Duration> {
        if self.weight(now) < QUANTILE_WEIGHT_MIN {
            return None;
        }
        let wanted = self.total * quantile.clamp(0.0, 1.0);
        let mut sum = 0.0;
        let found = self.weights.iter().position(|weight| {
            sum += weight;
            *weight > 0.0 && sum >= wanted * (1.0 - 1e-9)
        });
        found.map(upper_edge)
    }

    /// The median of the time to the first byte.
    #[must_use]
    pub fn p50(&self, now: Timestamp) -> Option<Duration> {
        self.quantile(0.5, now)
    }

    /// The time to the first byte that 95 % of answers keep to.
    #[must_use]
    pub fn p95(&self, now: Timestamp) -> Option<Duration> {
        self.quantile(0.95, now)
    }

    /// Answers that were recorded, ever.
    #[must_use]
    pub const fn recorded(&self) -> u64 {
        self.recorded
    }

    /// How many answers are remembered, each for what its age leaves of it.
    fn weight(&self, now: Timestamp) -> f64 {
        self.total / self.growth(now).exp2()
    }

    /// Half-lives since the origin of weights.
    fn growth(&self, now: Timestamp) -> f64 {
        now.saturating_since(self.origin).as_secs_f64() / HALF_LIFE.as_secs_f64()
    }

    fn rebase(&mut self, now: Timestamp) {
        let scale = (-self.growth(now)).exp2();
        for weight in &mut self.weights {
            *weight *= scale;
            // What is left of the oldest would never quite vanish.
            if *weight < 1e-9 {
                *weight = 0.0;
            }
        }
        self.total = self.weights.iter().sum();
        self.origin = now;
    }
}

fn bucket(latency: Duration) -> usize {
    let octaves = (latency.as_secs_f64() * 1e3).max(1.0).log2();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the logarithm of at least one, and a float cast saturates"
    )]
    let index = (octaves * STEPS) as usize;
    index.min(BUCKETS - 1)
}

fn upper_edge(bucket: usize) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "at most 168")]
    let octaves = (bucket + 1) as f64 / STEPS;
    Duration::from_secs_f64(octaves.exp2() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn quantiles_are_at_most_nine_percent_high_and_never_low() {
        let mut latency = Latency::new();
        for ms in 1..=10_000 {
            latency.record(Duration::from_millis(ms), at(1));
        }
        for (quantile, exact) in [(0.5, 5.0), (0.95, 9.5), (1.0, 10.0), (0.001, 0.01)] {
            let told = latency.quantile(quantile, at(1)).unwrap().as_secs_f64();
            assert!(told >= exact && told <= exact * 1.1, "{quantile}: {told}");
        }
    }

    #[test]
    fn nothing_is_told_of_too_few_answers_or_of_old_ones() {
        let mut latency = Latency::new();
        assert_eq!(latency.expected(at(0)), None);
        for _ in 0..7 {
            latency.record(Duration::from_millis(100), at(10));
        }
        assert_eq!(latency.p95(at(10)), None);
        assert!(latency.expected(at(10)).is_some());
        for _ in 0..7 {
            latency.record(Duration::from_millis(100), at(10));
        }
        assert!(latency.p95(at(10)).is_some());
        assert_eq!(
            latency.p95(at(620)),
            None,
            "half of fourteen is less than eight"
        );
        assert_eq!(latency.expected(at(311)), None);
    }

    #[test]
    fn it_follows_a_provider_that_became_slower() {
        let mut latency = Latency::new();
        for second in 0..3600 {
            latency.record(Duration::from_millis(200), at(second));
        }
        for second in 3600..5400 {
            latency.record(Duration::from_millis(3000), at(second));
        }
        assert!(latency.p50(at(5400)).unwrap() >= Duration::from_secs(3));
        assert!(latency.expected(at(5400)).unwrap() >= Duration::from_millis(2999));
    }

    #[test]
    fn years_and_extremes_do_not_break_it() {
        let mut latency = Latency::new();
        for year in 0..500_u64 {
            let now = at(year * 31_557_600);
            for _ in 0..10 {
                latency.record(Duration::MAX, now);
                latency.record(Duration::ZERO, now);
            }
            let (low, high) = (latency.quantile(0.4, now), latency.quantile(0.9, now));
            assert!(low.unwrap() <= Duration::from_millis(2), "{low:?}");
            assert!(high.unwrap() >= Duration::from_secs(1800), "{high:?}");
        }
        // A clock that steps back.
        latency.record(Duration::from_secs(1), at(5));
        assert!(latency.expected(at(5)).is_some());
    }
}
