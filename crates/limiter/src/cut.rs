//! How the pace is cut after a refusal, and how it comes back.
//!
//! - **Slow start**: a quarter of the rate at first, doubled in steps until it is whole again. A
//!   step is as long as it takes to hear of refusals, with some to spare, so that a pace that is
//!   still too high is noticed before it doubles. Each relapse starts at half the share.
//! - **Stabilisation**: the refused limit's rate is a share for a while, and returns to the whole in
//!   a straight line.
//! - **Growth**: a provider that refuses the rise of traffic gets the rate from before the rise, for
//!   one period; then it grows by so many percent in each. OpenAI's guidance is to go back to the
//!   old rate, to hold it for 15 minutes, and above a million input tokens a minute to grow by at
//!   most half every 15 minutes. Anthropic's messages tell of 10,000 tokens a minute more in each
//!   minute. Where the ceiling of a period follows from the busiest time of the period before,
//!   rates held for a period and then compounded like this stay below it.

use std::time::Duration;

use crate::charge::Metric;
use crate::course::{Course, FULL_PPM, Stretch};
use crate::limits::Limits;
use crate::meter::{Meter, Rate};
use crate::settings::CalmSettings;
use crate::settlement::ProviderRefusal;
use crate::snapshot::ThrottleKind;
use crate::throttle::{Basis, Throttle};
use crate::time::{Timestamp, nanos};

/// A step of the slow start, within these bounds.
const STEP_MIN: u64 = 250_000_000;
const STEP_MAX: u64 = 5_000_000_000;

/// The share that a slow start begins with.
const SLOW_START_PPM: u64 = FULL_PPM / 4;

/// What a slow start may make up for when a launch comes late.
const SLOW_START_TOLERANCE: Duration = Duration::from_millis(50);

/// What a stabilised limit may let go at once is what its window holds, but no more than this.
const STABILISATION_TOLERANCE_MAX: Duration = Duration::from_secs(60);

/// What a held rate may make up for when a launch comes late.
const GROWTH_TOLERANCE: Duration = Duration::from_millis(50);

/// The rate from before is taken down to this part of the refused one: a quiet minute does not mean
/// that a provider allows next to nothing.
const FALL_BACK_MAX: u64 = 8;

/// What is left of a held rate that turns out to be too high, in percent.
const HELD_BACK_PERCENT: u64 = 70;

/// Periods of growth that are planned ahead.
const GROWTH_PERIODS: u32 = 16;

/// No rate is planned to grow to more than this share of what it was.
const GROWTH_PPM_MAX: u64 = 1_000 * FULL_PPM;

/// What is known when a cut is made.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) refusal: &'a ProviderRefusal,
    pub(crate) limits: &'a Limits,
    pub(crate) now: u64,
    /// When the pause is over.
    pub(crate) resumes: u64,
}

/// The rate of everything that was launched lately, and one request a second at least.
fn measured(meter: &mut Meter, metric: Option<Metric>, now: u64) -> Basis {
    let used = |meter: &mut Meter, metric: &Metric| meter.recent(*metric, now).units > 0;
    let metric = metric.filter(|metric| used(meter, metric));
    let metric = metric.unwrap_or(Metric::Requests);
    let least = Rate {
        units: 1,
        over: nanos(Duration::from_secs(1)),
    };
    let recent = meter.recent(metric, now);
    let rate = match metric {
        Metric::Requests => recent.higher(least),
        _ => recent,
    };
    Basis::Rate { metric, rate }
}

impl Scene<'_> {
    /// The limits that the refusal is about, or the present rate where they are not known; `None`
    /// where a throttle would change nothing.
    pub(crate) fn refused_rate(&self, meter: &mut Meter) -> Option<Basis> {
        let ProviderRefusal { metric, limit, .. } = *self.refusal;
        let known = match metric {
            Some(metric) => self.limits.covers(metric),
            None => !self.limits.states.is_empty(),
        };
        if known {
            Basis::refused(self.limits, metric, limit)
        } else {
            Some(measured(meter, metric, self.now))
        }
    }

    pub(crate) fn present_rate(&self, meter: &mut Meter) -> Basis {
        measured(meter, None, self.now)
    }

    pub(crate) fn slow_start(&self, basis: Basis, relapses: u32) -> Throttle {
        let heard_after = Timestamp::from_nanos(self.now).saturating_since(self.refusal.sent_at);
        let step = nanos(heard_after)
            .saturating_mul(2)
            .clamp(STEP_MIN, STEP_MAX);
        let mut share = SLOW_START_PPM >> relapses;
        let mut stretches = Vec::new();
        while share < FULL_PPM {
            stretches.push(Stretch {
                length: step,
                from_ppm: share,
                to_ppm: share,
            });
            share *= 2;
        }
        let course = Course::of(stretches);
        Throttle::new(ThrottleKind::SlowStart, basis, course, self.resumes)
            .tolerating(SLOW_START_TOLERANCE)
    }

    /// `None` where it is turned off; where answers tell the level of the refused limit, since a lower
    /// rate makes nothing safer then; where the amount itself follows from refusals; and where no limit is known: a rate that was measured tells what
    /// was asked for, which may be far below what the provider allows.
    pub(crate) fn stabilisation(&self, basis: Basis, settings: &CalmSettings) -> Option<Throttle> {
        let length = nanos(settings.stabilisation);
        let from_ppm = u64::from(settings.stabilisation_share_ppm);
        let metric = self.refusal.metric;
        let is_told = metric.is_some_and(|metric| self.limits.is_observed(metric))
            || self.limits.is_guessed(metric);
        if length == 0 || from_ppm >= FULL_PPM || is_told {
            return None;
        }
        let tolerance = match basis {
            Basis::Limit { window, .. } => window.min(STABILISATION_TOLERANCE_MAX),
            Basis::Every => STABILISATION_TOLERANCE_MAX,
            Basis::Rate { .. } => return None,
        };
        let course = Course::of(vec![Stretch {
            length,
            from_ppm,
            to_ppm: FULL_PPM,
        }]);
        let throttle = Throttle::new(ThrottleKind::Stabilisation, basis, course, self.resumes);
        Some(throttle.tolerating(tolerance))
    }

    /// Holds the growth. `held` is the throttle that held it until now.
    pub(crate) fn growth(
        &self,
        held: Option<&Throttle>,
        meter: &mut Meter,
        settings: &CalmSettings,
    ) -> Throttle {
        let metric = self.growing_metric(meter);
        let recent = meter.recent(metric, self.now);
        let earlier = meter.earlier(metric, self.now);
        let before = earlier
            .lower(recent)
            .higher(recent.scaled(1, FALL_BACK_MAX));
        let held = held
            .filter(|held| held.basis().metric() == Some(metric))
            .and_then(|held| held.rate(self.now))
            .map(|rate| rate.scaled(HELD_BACK_PERCENT, 100));
        let basis = match held {
            Some(rate) => Basis::Rate { metric, rate },
            None if before.units == 0 => self.present_rate(meter),
            None => Basis::Rate {
                metric,
                rate: before,
            },
        };
        let course = growth_course(settings);
        Throttle::new(ThrottleKind::Growth, basis, course, self.resumes)
            .tolerating(GROWTH_TOLERANCE)
            .until_idle_for(settings.growth_period)
    }

    /// What the provider watches, if it does not say: providers count input tokens.
    fn growing_metric(&self, meter: &mut Meter) -> Metric {
        let mut used = |metric: Metric| meter.recent(metric, self.now).units > 0;
        let candidates = [Metric::InputTokens, Metric::Tokens];
        let likely = candidates.into_iter().find(|metric| used(*metric));
        self.refusal.metric.or(likely).unwrap_or(Metric::Requests)
    }
}

fn growth_course(settings: &CalmSettings) -> Course {
    let length = nanos(settings.growth_period);
    let mut share = FULL_PPM;
    let mut stretches = vec![Stretch {
        length,
        from_ppm: share,
        to_ppm: share,
    }];
    for _ in 0..GROWTH_PERIODS {
        let growth = share / 100 * u64::from(settings.growth_percent);
        let grown = share.saturating_add(growth).min(GROWTH_PPM_MAX);
        stretches.push(Stretch {
            length,
            from_ppm: share,
            to_ppm: grown,
        });
        share = grown;
    }
    Course::of(stretches)
}
