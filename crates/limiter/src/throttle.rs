//! A bound on the pace of launches, beside what the windows allow.
//!
//! Each launch costs the time that the full rate takes for it, on a [`Course`]: a clock that runs
//! slower than real time where only a share of the rate may be used. The next may go when that
//! clock has caught up. What is not used is kept up to a tolerance; the rest is gone.
//!
//! The pace is bounded rather than the number in flight, because the answers of a language model
//! take tens of seconds: a bound on concurrency counts what was launched long before the refusal,
//! and learns from an answer whether the pace was right a minute too late. A refusal comes back at
//! once, so the pace itself can be tried, and raised, within seconds.

use std::time::Duration;

use crate::charge::{Charge, Metric};
use crate::course::{Course, FULL_PPM};
use crate::limits::Limits;
use crate::meter::Rate;
use crate::request::Binding;
use crate::snapshot::{ThrottleKind, ThrottleView};
use crate::time::{Timestamp, nanos};

/// Limits over longer windows are left to their own pace, which is slower than any throttle.
const WINDOW_MAX: Duration = Duration::from_secs(3_600);

/// What the full rate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// That of the limit on this metric over this window, whatever its amount is by then.
    Limit { metric: Metric, window: Duration },
    /// That of every limit, whichever takes longest.
    Every,
    /// One that was measured.
    Rate { metric: Metric, rate: Rate },
}

impl Basis {
    /// The basis in the limits that a refusal is about; `None` if there is none, or if it is over
    /// so long a window that it needs no throttle.
    pub(crate) fn refused(
        limits: &Limits,
        metric: Option<Metric>,
        amount: Option<u64>,
    ) -> Option<Self> {
        let Some(metric) = metric else {
            let short = |window: Duration| window <= WINDOW_MAX;
            let mut states = limits.states.iter();
            return states
                .any(|state| short(state.limit.window))
                .then_some(Self::Every);
        };
        let of_metric = || {
            let states = limits.states.iter().map(|state| state.limit);
            states.filter(|limit| limit.metric == metric)
        };
        let shortest = of_metric().min_by_key(|limit| limit.window)?;
        let named = of_metric().find(|limit| Some(limit.amount) == amount);
        let window = named.unwrap_or(shortest).window;
        (window <= WINDOW_MAX).then_some(Self::Limit { metric, window })
    }

    pub(crate) fn metric(&self) -> Option<Metric> {
        match self {
            Self::Limit { metric, .. } | Self::Rate { metric, .. } => Some(*metric),
            Self::Every => None,
        }
    }

    /// The time that `charge` takes at the full rate, in nanoseconds.
    fn cost(&self, charge: &Charge, limits: &Limits) -> u64 {
        let counts = |of: Metric, over: Duration| match self {
            Self::Limit { metric, window } => of == *metric && over == *window,
            Self::Every => over <= WINDOW_MAX,
            Self::Rate { .. } => false,
        };
        let limits = limits.states.iter().map(|state| state.limit);
        let costs = limits.filter(|limit| counts(limit.metric, limit.window));
        let cost = match self {
            Self::Rate { metric, rate } => rate.time_of(charge.get(*metric)),
            Self::Limit { .. } | Self::Every => costs
                .map(|limit| {
                    let units = u128::from(charge.get(limit.metric));
                    units * u128::from(nanos(limit.window)) / u128::from(limit.amount.max(1))
                })
                .max()
                .unwrap_or(0),
        };
        u64::try_from(cost).unwrap_or(u64::MAX)
    }
}

/// One bound on the pace.
#[derive(Debug)]
pub(crate) struct Throttle {
    kind: ThrottleKind,
    basis: Basis,
    course: Course,
    start: u64,
    /// The work that may be made up for when less was used than allowed.
    tolerance: u128,
    /// The work at which the next launch may go.
    next: u128,
    /// It is over once it has held nobody up for so long; `None`: at the end of its course.
    idle_max: Option<u64>,
    held_at: u64,
}

impl Throttle {
    pub(crate) fn new(kind: ThrottleKind, basis: Basis, course: Course, start: u64) -> Self {
        Self {
            kind,
            basis,
            course,
            start,
            tolerance: 0,
            next: 0,
            idle_max: None,
            held_at: start,
        }
    }

    pub(crate) fn tolerating(mut self, time: Duration) -> Self {
        self.tolerance = work(nanos(time));
        self
    }

    pub(crate) fn until_idle_for(mut self, time: Duration) -> Self {
        self.idle_max = Some(nanos(time));
        self
    }

    pub(crate) fn kind(&self) -> ThrottleKind {
        self.kind
    }

    pub(crate) fn basis(&self) -> &Basis {
        &self.basis
    }

    /// The pause that was to end at `before` ends at `start`; what began earlier goes on.
    pub(crate) fn postpone(&mut self, before: u64, start: u64) {
        if self.start >= before {
            (self.start, self.next) = (start, 0);
            self.held_at = self.held_at.max(start);
        }
    }

    /// Whether `other` takes its place: each limit is stabilised by one throttle, and for the rest
    /// the latest refusal says what is to be done.
    pub(crate) fn yields_to(&self, other: &Self) -> bool {
        let same = self.basis.metric() == other.basis.metric();
        self.kind == other.kind && (same || self.kind != ThrottleKind::Stabilisation)
    }

    pub(crate) fn binding(&self) -> Binding {
        match self.kind {
            ThrottleKind::SlowStart => Binding::SlowStart,
            ThrottleKind::Stabilisation => Binding::Stabilisation,
            ThrottleKind::Growth => Binding::Growth,
        }
    }

    /// Notes that it is what holds somebody up.
    pub(crate) fn holds(&mut self, now: u64) {
        self.held_at = self.held_at.max(now);
    }

    /// When it is over, as far as is known now.
    pub(crate) fn end(&self) -> u64 {
        match self.idle_max {
            Some(idle) => self.held_at.saturating_add(idle),
            None => self.start.saturating_add(self.course.length()),
        }
    }

    fn elapsed(&self, now: u64) -> u64 {
        now.saturating_sub(self.start)
    }

    /// Whether it is about requests of `charge` at all.
    pub(crate) fn counts(&self, charge: &Charge) -> bool {
        let metric = self.basis.metric();
        metric.is_none_or(|metric| charge.get(metric) > 0)
    }

    /// When the next launch may go; `None`: now.
    pub(crate) fn opens_at(&self, now: u64) -> Option<u64> {
        let closed = self.next > self.course.work_at(self.elapsed(now));
        closed.then(|| self.opens(self.next)).filter(|at| *at > now)
    }

    /// When the next launch may go after one of `charge` at `now`.
    pub(crate) fn opens_after(&self, charge: &Charge, limits: &Limits, now: u64) -> u64 {
        self.opens(self.next_after(charge, limits, now)).max(now)
    }

    fn opens(&self, next: u128) -> u64 {
        let at = self.start.saturating_add(self.course.time_of(next));
        match self.idle_max {
            Some(_) => at,
            None => at.min(self.end()),
        }
    }

    fn next_after(&self, charge: &Charge, limits: &Limits, now: u64) -> u128 {
        let done = self.course.work_at(self.elapsed(now));
        let earliest = self.next.max(done.saturating_sub(self.tolerance));
        earliest.saturating_add(work(self.basis.cost(charge, limits)))
    }

    pub(crate) fn launch(&mut self, charge: &Charge, limits: &Limits, now: u64) {
        self.next = self.next_after(charge, limits, now);
    }

    fn share(&self, now: u64) -> u64 {
        self.course.share_at(self.elapsed(now))
    }

    /// The rate that is measured by, as it may be now.
    pub(crate) fn rate(&self, now: u64) -> Option<Rate> {
        match self.basis {
            Basis::Rate { rate, .. } => Some(rate.scaled(self.share(now), FULL_PPM)),
            Basis::Limit { .. } | Basis::Every => None,
        }
    }

    pub(crate) fn view(&self, limits: &Limits, now: Timestamp) -> ThrottleView {
        let at = now.as_nanos();
        let share = self.share(at);
        let limit_rate = match self.basis {
            Basis::Limit { metric, window } => {
                let mut limits = limits.states.iter().map(|state| state.limit);
                let limit = limits.find(|limit| limit.metric == metric && limit.window == window);
                limit.map(|limit| Rate {
                    units: limit.amount,
                    over: nanos(limit.window).max(1),
                })
            }
            Basis::Every | Basis::Rate { .. } => None,
        };
        let rate = self
            .rate(at)
            .or(limit_rate.map(|rate| rate.scaled(share, FULL_PPM)));
        ThrottleView {
            kind: self.kind,
            metric: self.basis.metric(),
            share_ppm: share,
            units_per_minute: rate.map(Rate::per_minute),
            remaining: Timestamp::from_nanos(self.end()).saturating_since(now),
        }
    }
}

fn work(time: u64) -> u128 {
    u128::from(time) * u128::from(FULL_PPM)
}
