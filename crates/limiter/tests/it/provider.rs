//! Naive providers: each keeps a log of what it let in and replays it for every decision.

use std::collections::HashMap;

use paceline_limiter::{Limit, Timestamp, WindowModel};

/// What a provider enforces.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// Scaled capacity: units times nanoseconds of window.
    Bucket {
        capacity: u128,
    },
    Fixed {
        phase: u64,
    },
    FirstUse,
    Sliding,
}

#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) amount: u64,
    pub(crate) window: u64,
    pub(crate) rule: Rule,
    log: Vec<(u64, u64)>,
}

impl Provider {
    pub(crate) fn new(amount: u64, window: u64, rule: Rule) -> Self {
        Self {
            amount,
            window,
            rule,
            log: Vec::new(),
        }
    }

    /// The provider that a limit describes.
    pub(crate) fn of(limit: &Limit) -> Self {
        let window = u64::try_from(limit.window.as_nanos()).unwrap();
        let full = u128::from(limit.amount) * u128::from(window);
        let rule = match limit.model {
            WindowModel::Bucket { burst } => Rule::Bucket {
                capacity: u128::from(burst) * u128::from(window),
            },
            WindowModel::Quantised { quantum } => Rule::Bucket {
                capacity: u128::from(limit.amount) * quantum.as_nanos(),
            },
            WindowModel::Fixed { phase } => Rule::Fixed {
                phase: phase.as_nanos(),
            },
            WindowModel::FixedFromFirstUse => Rule::FirstUse,
            WindowModel::Sliding => Rule::Sliding,
            WindowModel::Unknown { .. } => Rule::Bucket { capacity: full },
        };
        Self::new(limit.amount, window, rule)
    }

    /// Lets a request in or refuses it. Arrivals come in the order of time.
    pub(crate) fn arrive(&mut self, at: u64, units: u64) -> bool {
        let fits = self.fits(at, units);
        if fits {
            self.log.push((at, units));
        }
        fits
    }

    fn fits(&self, at: u64, units: u64) -> bool {
        match self.rule {
            Rule::Bucket { capacity } => {
                let level = self.level(at);
                let need = u128::from(units) * u128::from(self.window);
                level + need <= capacity || (need > capacity && level == 0)
            }
            Rule::Fixed { phase } => {
                let index = |time: u64| {
                    (i128::from(time) - i128::from(phase)).div_euclid(i128::from(self.window))
                };
                self.sum(|time| index(time) == index(at)) + units <= self.amount
            }
            Rule::FirstUse => {
                let mut opened = None::<u64>;
                let mut used = 0;
                for &(time, taken) in &self.log {
                    if opened.is_none_or(|opened| time >= opened + self.window) {
                        (opened, used) = (Some(time), 0);
                    }
                    used += taken;
                }
                if opened.is_none_or(|opened| at >= opened + self.window) {
                    used = 0;
                }
                used + units <= self.amount
            }
            Rule::Sliding => self.sum(|time| time + self.window > at) + units <= self.amount,
        }
    }

    fn level(&self, at: u64) -> u128 {
        let leak = |level: u128, nanos: u64| {
            level.saturating_sub(u128::from(nanos) * u128::from(self.amount))
        };
        let (mut level, mut last) = (0, 0);
        for &(time, taken) in &self.log {
            level = leak(level, time - last) + u128::from(taken) * u128::from(self.window);
            last = time;
        }
        leak(level, at - last)
    }

    fn sum(&self, counts: impl Fn(u64) -> bool) -> u64 {
        self.log
            .iter()
            .filter(|(time, _)| counts(*time))
            .map(|(_, units)| units)
            .sum()
    }

    /// When the last of `requests`, all at hand at `start`, is let in by a sender who knows
    /// everything and is next door.
    pub(crate) fn best_finish(&mut self, start: u64, requests: &[u64]) -> u64 {
        let mut now = start;
        for &units in requests {
            while !self.arrive(now, units) {
                now = self.next_change(now, units);
            }
        }
        now
    }

    fn next_change(&self, now: u64, units: u64) -> u64 {
        let next = match self.rule {
            Rule::Bucket { capacity } => {
                let need = u128::from(units) * u128::from(self.window);
                let excess = self.level(now) - capacity.saturating_sub(need);
                now + u64::try_from(excess.div_ceil(u128::from(self.amount))).unwrap()
            }
            Rule::Fixed { phase } => {
                let into =
                    (i128::from(now) - i128::from(phase)).rem_euclid(i128::from(self.window));
                now + self.window - u64::try_from(into).unwrap()
            }
            Rule::FirstUse => {
                let mut opened = self.log[0].0;
                for &(time, _) in &self.log {
                    if time >= opened + self.window {
                        opened = time;
                    }
                }
                opened + self.window
            }
            Rule::Sliding => {
                let expiries = self.log.iter().map(|(time, _)| time + self.window);
                expiries.filter(|time| *time > now).min().unwrap()
            }
        };
        next.max(now + 1)
    }
}

/// A naive provider that refuses the growth of traffic: a step holds at most the floor, or so many
/// percent more than the busiest step of the period before, and what comes first in any case.
#[derive(Clone, Debug)]
pub(crate) struct RampProvider {
    pub(crate) floor: u64,
    pub(crate) growth_percent: u64,
    pub(crate) step: u64,
    pub(crate) period: u64,
    /// What each step held.
    steps: HashMap<u64, u64>,
}

impl RampProvider {
    pub(crate) fn new(floor: u64, growth_percent: u64, step: u64, period: u64) -> Self {
        Self {
            floor,
            growth_percent,
            step,
            period,
            steps: HashMap::new(),
        }
    }

    /// Lets a request in, or says how long its step goes on.
    pub(crate) fn arrive(&mut self, at: u64, units: u64) -> Result<(), u64> {
        let ceiling = self.ceiling(at);
        let used = self.steps.entry(at / self.step).or_default();
        if *used > 0 && *used + units > ceiling {
            return Err(self.step - at % self.step);
        }
        *used += units;
        Ok(())
    }

    fn ceiling(&self, at: u64) -> u64 {
        let Some(before) = (at / self.period).checked_sub(1) else {
            return self.floor;
        };
        let first = before * self.period / self.step;
        let steps =
            (first..first + self.period / self.step).filter_map(|step| self.steps.get(&step));
        let grown = steps.max().copied().unwrap_or(0) * (100 + self.growth_percent) / 100;
        self.floor.max(grown)
    }
}

/// Whether a provider lets in everything that was launched, each after its own delay.
pub(crate) fn refusals(
    provider: &mut Provider,
    launches: &[(u64, u64)],
    delay: impl FnMut() -> u64,
) -> usize {
    let mut delay = delay;
    let mut arrivals: Vec<_> = launches
        .iter()
        .map(|(at, units)| (at + delay(), *units))
        .collect();
    arrivals.sort_by_key(|(at, _)| *at);
    arrivals
        .iter()
        .filter(|(at, units)| !provider.arrive(*at, *units))
        .count()
}

pub(crate) fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}
