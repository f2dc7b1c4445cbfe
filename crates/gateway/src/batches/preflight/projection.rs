//! How long a pool takes for so much work: plain arithmetic on a picture of the pool.

use std::time::Duration;

use paceline_limiter::{Charge, DomainSnapshot, LimitView, Metric, WindowModel};

/// What is to be done, in the units of one metric.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    /// Of what waits already.
    ahead: f64,
    /// Of the batch.
    batch: f64,
}

/// What takes longest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Binds {
    /// A limit.
    Limit {
        metric: Metric,
        amount: u64,
        window: Duration,
        used: u64,
    },
    /// The least time between two launches.
    Spacing,
    /// The pool pauses after a refusal.
    CoolDown,
}

/// When the last request of a batch can go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Projection {
    /// From now, behind all that waits.
    pub(super) takes: Duration,
    /// In a pool that nobody else uses and that has just begun.
    pub(super) takes_alone: Duration,
    pub(super) binds: Option<Binds>,
}

/// Nothing is projected beyond this.
const FAR: f64 = 1e9;

/// Projects a batch that takes `batch` in all onto a pool in which `ahead` waits. `None`: no limit is
/// known.
pub(super) fn project(
    pool: &DomainSnapshot,
    cool_down: Duration,
    ahead: Charge,
    batch: Charge,
) -> Option<Projection> {
    if pool.limits.is_empty() && pool.spacing.is_zero() {
        return None;
    }
    let of = |metric| Work {
        ahead: units(ahead.get(metric)),
        batch: units(batch.get(metric)),
    };
    let limits = pool.limits.iter().filter(|limit| {
        // A limit on what the batch does not take does not hold it.
        batch.get(limit.metric) > 0
    });
    let each = limits.map(|limit| {
        let work = of(limit.metric);
        let rate = rate(limit);
        let now = seconds(limit, rate, free(limit), work.ahead + work.batch);
        let alone = seconds(limit, rate, units(whole(limit)), work.batch);
        let binds = Binds::Limit {
            metric: limit.metric,
            amount: limit.amount,
            window: limit.window,
            used: limit.used,
        };
        (slowed(pool, limit.metric, now), alone, binds)
    });
    let requests = of(Metric::Requests);
    let spacing = pool.spacing.as_secs_f64();
    let spaced = (
        spacing * (requests.ahead + requests.batch - 1.0).max(0.0),
        spacing * (requests.batch - 1.0).max(0.0),
        Binds::Spacing,
    );
    let (mut takes, mut alone, mut binds) = (0.0_f64, 0.0_f64, None);
    for (each_takes, each_alone, what) in each.chain([spaced]) {
        alone = alone.max(each_alone);
        if each_takes > takes {
            (takes, binds) = (each_takes, Some(what));
        }
    }
    let cool_down = cool_down.as_secs_f64();
    if cool_down > 0.0 && takes < cool_down {
        binds = Some(Binds::CoolDown);
    }
    Some(Projection {
        takes: duration(takes + cool_down),
        takes_alone: duration(alone),
        binds,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a projection")]
fn units(count: u64) -> f64 {
    count as f64
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.clamp(0.0, FAR)).unwrap_or_default()
}

/// Units a second that come free for us: what others were seen to take is theirs.
fn rate(limit: &LimitView) -> f64 {
    let all = units(limit.amount) / limit.window.as_secs_f64().max(1e-3);
    let foreign = limit
        .belief
        .as_ref()
        .map_or(0, |belief| belief.foreign_per_minute);
    let own = all - units(foreign) / 60.0;
    // Somebody who takes everything now will not do so for ever.
    own.max(all / 100.0).max(f64::MIN_POSITIVE)
}

/// What may go at once when nothing is used.
fn whole(limit: &LimitView) -> u64 {
    match limit.model {
        WindowModel::Bucket { burst } | WindowModel::Unknown { burst } => burst.min(limit.amount),
        WindowModel::Quantised { .. } => 0,
        _ => limit.amount,
    }
}

fn free(limit: &LimitView) -> f64 {
    units(whole(limit).min(limit.amount.saturating_sub(limit.used)))
}

/// Seconds until the last of `work` units can go, `free` of which can go at once.
fn seconds(limit: &LimitView, rate: f64, free: f64, work: f64) -> f64 {
    let left = work - free;
    if left <= 0.0 {
        return 0.0;
    }
    match limit.model {
        WindowModel::Fixed { .. } | WindowModel::FixedFromFirstUse => {
            let window = limit.window.as_secs_f64();
            let first = if limit.used > 0 {
                limit.clear_in.as_secs_f64()
            } else {
                window
            };
            let each = (rate * window).max(f64::MIN_POSITIVE);
            let windows = (left / each).ceil();
            first + (windows - 1.0).max(0.0) * window
        }
        _ => left / rate,
    }
}

/// The same where the pace is bounded for a while after a refusal.
fn slowed(pool: &DomainSnapshot, metric: Metric, seconds: f64) -> f64 {
    let throttles = pool.throttles.iter().filter(|throttle| {
        throttle.metric.is_none_or(|throttled| throttled == metric)
            && throttle.share_ppm < 1_000_000
    });
    throttles.fold(seconds, |longest, throttle| {
        let share = units(throttle.share_ppm.max(1)) / 1e6;
        let remaining = throttle.remaining.as_secs_f64();
        let done = share * remaining;
        let slow = if seconds <= done {
            seconds / share
        } else {
            remaining + seconds - done
        };
        longest.max(slow)
    })
}

#[cfg(test)]
mod tests;
