//! The limiter's words and those of the store, each in the terms of the other.

use std::time::Duration;

use paceline_coordinator::{
    Closed, Correction, CountKind, End, Head, Level, LimitId, Terms, TicketId,
};
use paceline_limiter::{self as limiter, Closing, Offer, Step, Timestamp, WindowKind, WindowModel};

/// The store's clock, as it was read last.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoreClock {
    /// Its microseconds ahead of the pool's clock.
    ahead_us: i128,
}

impl StoreClock {
    /// It showed `now_us` at some time between the two.
    pub(super) fn read(now_us: u64, asked_at: Timestamp, heard_at: Timestamp) -> Self {
        let middle = asked_at.as_nanos().midpoint(heard_at.as_nanos()) / 1_000;
        Self {
            ahead_us: i128::from(now_us) - i128::from(middle),
        }
    }

    fn at(self, time: Timestamp) -> u64 {
        let time_us = i128::from(time.as_nanos() / 1_000) + self.ahead_us;
        u64::try_from(time_us.max(0)).unwrap_or(u64::MAX)
    }
}

/// The moment that is told as `time_us` by a store that shows `now_us` now; late rather than early.
pub(super) fn moment(time_us: u64, now_us: u64, now: Timestamp) -> Timestamp {
    now + Duration::from_micros(time_us.saturating_sub(now_us))
}

pub(super) fn terms(terms: &limiter::Terms, clock: StoreClock) -> Terms {
    let limit = &terms.limit;
    Terms {
        id: LimitId {
            metric: limit.metric,
            window_ms: milliseconds(limit.window),
        },
        amount: limit.amount,
        kind: count_kind(&limit.model),
        since_us: terms.since.map_or(0, |since| clock.at(since)),
        burst: limit.at_once(),
        guard_us: microseconds(limit.guard),
        reserve: terms.kept,
        ends_us: terms.ends.map(|(from, to)| (clock.at(from), clock.at(to))),
        used: terms.used,
        spent: terms.spent,
    }
}

const fn count_kind(model: &WindowModel) -> CountKind {
    match model {
        WindowModel::Bucket { .. } | WindowModel::Quantised { .. } => CountKind::Bucket,
        WindowModel::Fixed { .. } => CountKind::Fixed,
        WindowModel::FixedFromFirstUse => CountKind::FixedFromFirstUse,
        WindowModel::Sliding => CountKind::Sliding,
        WindowModel::Unknown { .. } => CountKind::Unknown,
    }
}

pub(super) fn head(offer: &Offer) -> Head {
    Head {
        id: TicketId(offer.waiter.number()),
        tenant: offer.tenant.0,
        weight: offer.weight,
        tier: offer.tier,
        charge: offer.charge,
        behind: offer.behind,
    }
}

pub(super) fn closed(closing: &Closing) -> Closed {
    Closed {
        id: TicketId(closing.ticket),
        end: closing.charged.map_or(End::NotSent, End::Charged),
    }
}

pub(super) fn correction(step: &Step) -> Correction {
    Correction {
        id: LimitId {
            metric: step.metric,
            window_ms: milliseconds(step.window),
        },
        step: step.units,
        corrected: step.corrected,
        generation: step.generation,
    }
}

pub(super) fn level(level: &Level) -> limiter::Level {
    let kind = match level.kind {
        CountKind::Bucket => Some(WindowKind::Bucket),
        CountKind::Fixed | CountKind::FixedFromFirstUse => Some(WindowKind::Fixed),
        CountKind::Sliding => Some(WindowKind::Sliding),
        CountKind::Unknown => None,
    };
    limiter::Level {
        metric: level.id.metric,
        window: Duration::from_millis(level.id.window_ms),
        amount: level.amount,
        kind,
        used: level.used,
        corrected: level.corrected,
        generation: level.generation,
        taken: level.taken,
        in_flight: level.in_flight,
    }
}

pub(super) fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Windows are whole milliseconds.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
