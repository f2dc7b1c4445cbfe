//! What the more urgent tiers are expected to ask for, so that the others leave room for it.
//!
//! How much a tier asks for, and how unevenly, follows from its latest requests. They are taken to
//! come independently of each other, as the requests of many people do: what is asked for within a
//! time then has a mean of rate times time, and a variance that grows with the time as well.
//!
//! What a limit keeps free for that depends on how its window gives back what was used; see
//! [`crate::window`].

use crate::charge::{Charge, METRICS, Metric};
use crate::request::Tier;

/// The time over which requests are remembered, each the less the longer ago it was.
const MEMORY_NS: f64 = 60e9;

/// Requests within this part of the memory are as old as each other.
const TICK_NS: u64 = 30_000_000;

/// A tier that has just begun is not taken to go on at the pace of its first moment.
const SPAN_MIN_NS: f64 = MEMORY_NS / 8.0;

/// How far ahead is looked.
pub(crate) const HORIZON_NS: u64 = 60_000_000_000;

/// After so long without a request a tier is expected to ask for less, and then less in each step.
const CALM_NS: u64 = 10_000_000_000;
const FADE_STEP_NS: u64 = 5_000_000_000;

/// Steps until nothing is expected any more.
const FADE_STEPS: u64 = 4;

/// The square of how many standard deviations above the mean are allowed for. In an even refill this
/// leaves one surge in fifty uncovered.
const SPREAD_SQUARED: f64 = 8.0;

/// The tiers that others are below of.
const TIERS: usize = Tier::ALL.len() - 1;

/// What each tier but the last has asked for lately.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    streams: [Stream; TIERS],
}

/// What one tier has asked for lately.
#[derive(Debug, Default)]
struct Stream {
    /// Units, and their squares, weighed by age.
    units: [f64; METRICS],
    squares: [f64; METRICS],
    /// The time in which that was, weighed alike.
    span_ns: f64,
    /// When it was weighed.
    at: u64,
    /// The latest request.
    latest: Option<u64>,
}

/// What is expected of one metric.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Claim {
    /// Units per nanosecond.
    rate: f64,
    /// Units squared per nanosecond.
    variance: f64,
    /// The units of one request.
    size: f64,
    /// How far the rate may be off.
    doubt: f64,
    /// The share of a refill that is there for it.
    part: f64,
}

/// What is expected of the tiers above one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claims {
    by_metric: [Claim; METRICS],
    /// From then on it is less.
    pub(crate) until: u64,
}

impl Expected {
    /// A tier asks for something.
    pub(crate) fn note(&mut self, tier: Tier, charge: &Charge, now: u64) {
        if let Some(stream) = self.streams.get_mut(tier.index()) {
            stream.note(charge, now);
        }
    }

    /// What is expected at `now` of the tiers above `tier`, which have `part_ppm` of the quota
    /// whatever waits; `None`: nothing.
    pub(crate) fn above(&self, tier: Tier, part_ppm: u64, now: u64) -> Option<Claims> {
        let mut claims: Option<Claims> = None;
        for stream in self.streams.iter().take(tier.index()) {
            if let Some((share, until)) = stream.fading(now) {
                let claims = claims.get_or_insert(Claims {
                    by_metric: [Claim::of(part_ppm as f64 / 1e6); METRICS],
                    until: u64::MAX,
                });
                stream.add_to(&mut claims.by_metric, share);
                claims.until = claims.until.min(until);
            }
        }
        claims
    }
}

impl Stream {
    fn note(&mut self, charge: &Charge, now: u64) {
        if self.fading(now).is_none() {
            *self = Self::default();
            self.at = now;
        }
        let passed = now.saturating_sub(self.at);
        if passed >= TICK_NS {
            let left = (-(passed as f64) / MEMORY_NS).exp();
            for sum in self.units.iter_mut().chain(&mut self.squares) {
                *sum *= left;
            }
            self.span_ns = self.span_ns * left + MEMORY_NS * (1.0 - left);
            self.at = now;
        }
        for metric in Metric::ALL {
            let units = charge.get(metric);
            if units > 0 {
                self.units[metric.index()] += units as f64;
                self.squares[metric.index()] += units as f64 * units as f64;
            }
        }
        self.latest = Some(now);
    }

    /// The share of what it asked for that it is expected to go on asking for, and until when;
    /// `None`: it has been silent for too long.
    fn fading(&self, now: u64) -> Option<(f64, u64)> {
        let calm = self.latest?.saturating_add(CALM_NS);
        let step = match now.checked_sub(calm) {
            Some(over) => over / FADE_STEP_NS + 1,
            None => 0,
        };
        let left = FADE_STEPS.checked_sub(step).filter(|left| *left > 0)?;
        let until = calm.saturating_add(step * FADE_STEP_NS);
        Some((left as f64 / FADE_STEPS as f64, until))
    }

    fn add_to(&self, claims: &mut [Claim; METRICS], share: f64) {
        let span = self.span_ns.max(SPAN_MIN_NS);
        for (claim, (units, squares)) in claims.iter_mut().zip(self.units.iter().zip(&self.squares))
        {
            if *units > 0.0 {
                claim.rate += share * units / span;
                claim.variance += share * share * squares / span;
                claim.doubt += share * (squares * 2.0).sqrt() / span;
                // The mean size by units: one large request among many small ones counts.
                claim.size = claim.size.max(share * squares / units);
            }
        }
    }
}

impl Claims {
    /// What is expected of a metric; `None`: nothing.
    pub(crate) fn get(&self, metric: Metric) -> Option<&Claim> {
        Some(&self.by_metric[metric.index()]).filter(|claim| claim.size > 0.0)
    }
}

/// To whole units.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, as it should"
)]
pub(crate) const fn whole(units: f64) -> u64 {
    units as u64
}

impl Claim {
    fn of(part: f64) -> Self {
        Self {
            part,
            ..Self::default()
        }
    }

    /// As far as a refill of so many units per nanosecond can serve it: what is asked for beyond that waits,
    /// with room or without.
    pub(crate) fn served_by(&self, refill: f64) -> Self {
        Self {
            rate: self.rate.min(refill * self.part),
            ..*self
        }
    }

    /// What may be asked for within a time, of which no more than `spread_max` is added to the mean.
    pub(crate) fn within(&self, time_ns: u64, spread_max: f64) -> u64 {
        let time = time_ns.min(HORIZON_NS) as f64;
        let spread = (SPREAD_SQUARED * self.variance * time).sqrt();
        whole(self.rate * time + spread.min(spread_max))
    }

    /// The longest time for which `units` are enough, where no more than `spread_max` is added to the
    /// mean, and no more than the horizon counts.
    pub(crate) fn lasts(&self, units: u64, spread_max: f64) -> u64 {
        let (units, variance) = (units as f64, SPREAD_SQUARED * self.variance);
        // Of rate x time + root(variance x time) = units.
        let root = (variance + 4.0 * self.rate * units).sqrt() - variance.sqrt();
        let with_spread = (root / (2.0 * self.rate)).powi(2);
        let with_most = (units - spread_max) / self.rate;
        whole(with_spread.max(with_most))
    }

    /// How far what is asked for may get ahead of a refill of so many units per nanosecond within a
    /// time.
    pub(crate) fn surge(&self, refill: f64, horizon_ns: u64) -> f64 {
        let horizon = horizon_ns as f64;
        let gain = refill * self.part - self.rate - self.doubt;
        let worst = if gain > 0.0 {
            (SPREAD_SQUARED * self.variance / (4.0 * gain * gain)).min(horizon)
        } else {
            horizon
        };
        (SPREAD_SQUARED * self.variance * worst).sqrt() - gain * worst
    }

    /// The units of one request.
    pub(crate) const fn size(&self) -> f64 {
        self.size
    }
}

#[cfg(test)]
mod tests;
