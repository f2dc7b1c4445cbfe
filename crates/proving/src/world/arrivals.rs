//! When requests arrive, and how large they are.

use crate::random::Dice;
use crate::scenario::{Arrivals, Prompt, Provider, Scenario, Workload};
use crate::time::{NANOS_PER_MINUTE, NANOS_PER_SECOND, seconds};
use paceline_simulator::Metric;

/// Prompts that are drawn to find the mean charge.
const SAMPLES: u32 = 4_000;

/// A stream of requests under way.
pub(super) struct Stream {
    pattern: Pattern,
    sizes: Dice,
    times: Dice,
    first_tenant: u32,
    tenants: u32,
    drawn: u64,
    begun: bool,
    /// No more requests come of it.
    pub(super) exhausted: bool,
}

enum Pattern {
    Job { left: u64, at_once: u64 },
    Steady { gap_ns: f64 },
    Bursts { requests: u64, every_ns: u64 },
}

/// The streams of a scenario.
pub(super) fn streams(scenario: &Scenario, root: &Dice) -> Vec<Stream> {
    let mut first_tenant = 0;
    let stream = |(index, rule): (u64, &Workload)| {
        let own = root.fork(index);
        let stream = Stream {
            pattern: pattern(rule, &scenario.provider, own.fork(1)),
            sizes: own.fork(2),
            times: own.fork(3),
            first_tenant,
            tenants: rule.tenants.max(1),
            drawn: 0,
            begun: false,
            exhausted: false,
        };
        first_tenant += stream.tenants;
        stream
    };
    (0..).zip(&scenario.workload).map(stream).collect()
}

fn pattern(rule: &Workload, provider: &Provider, dice: Dice) -> Pattern {
    match rule.arrivals {
        Arrivals::Job {
            requests,
            concurrency,
        } => Pattern::Job {
            left: requests,
            at_once: concurrency.unwrap_or(requests),
        },
        Arrivals::Steady { percent_of_quota } => Pattern::Steady {
            gap_ns: gap_ns(rule, provider, percent_of_quota, dice),
        },
        Arrivals::PerMinute { requests } => Pattern::Steady {
            gap_ns: NANOS_PER_MINUTE as f64 / requests,
        },
        Arrivals::Bursts { requests, every_s } => Pattern::Bursts {
            requests,
            every_ns: seconds(every_s),
        },
    }
}

/// The mean time between requests that use this share of the quota.
fn gap_ns(rule: &Workload, provider: &Provider, percent: f64, mut dice: Dice) -> f64 {
    let of_tokens = provider
        .quota
        .iter()
        .find(|quota| quota.metric == Metric::Tokens);
    let Some(quota) = of_tokens.or(provider.quota.first()) else {
        return f64::MAX;
    };
    let charges = (0..SAMPLES).map(|_| {
        let prompt = rule.draw(&mut dice);
        crate::upstream::charge(provider, &prompt).of(quota.metric) as f64
    });
    let mean = (charges.sum::<f64>() / f64::from(SAMPLES)).max(1e-3);
    mean * NANOS_PER_SECOND as f64 / (quota.rate() * percent / 100.0).max(1e-9)
}

impl Stream {
    /// How many requests come now, and when the stream is to be asked again by itself.
    pub(super) fn arrive(&mut self, now_ns: u64, end_ns: u64) -> (u64, Option<u64>) {
        if now_ns >= end_ns {
            self.exhausted = true;
            return (0, None);
        }
        let first = !std::mem::replace(&mut self.begun, true);
        let (count, next_ns) = match &mut self.pattern {
            Pattern::Job { left, at_once } => {
                let count = if first { *at_once } else { 1 }.min(*left);
                *left -= count;
                self.exhausted = *left == 0;
                return (count, None);
            }
            Pattern::Steady { gap_ns } => {
                let gap_ns = self.times.gap_ns(*gap_ns);
                (u64::from(!first), now_ns.saturating_add(gap_ns))
            }
            Pattern::Bursts { requests, every_ns } => (*requests, now_ns.saturating_add(*every_ns)),
        };
        self.exhausted = next_ns >= end_ns;
        (count, (!self.exhausted).then_some(next_ns))
    }

    /// Whether an answer makes room for the next request of a job.
    pub(super) fn next_of_job(&mut self) -> bool {
        matches!(self.pattern, Pattern::Job { left, .. } if left > 0)
    }

    /// The next request: whose it is, and its sizes.
    pub(super) fn draw(&mut self, rule: &Workload) -> (u32, Prompt) {
        let turn = u32::try_from(self.drawn % u64::from(self.tenants)).unwrap_or(0);
        self.drawn += 1;
        (self.first_tenant + turn, rule.draw(&mut self.sizes))
    }
}
