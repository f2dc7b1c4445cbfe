//! What a provider's clock shows: bounds on it from `date` headers, for headers that name a moment
//! instead of a duration.

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, DATE};

/// `date` has whole seconds, cut off.
const DATE_STEP_NS: i128 = 1_000_000_000;

/// How far two clocks may drift apart: 200 ppm, twice what a poor quartz does.
const DRIFT_PPM: i128 = 200;

/// Machines behind one address may differ by this much; what differs by more was set anew.
const DISAGREEMENT_MAX_NS: i128 = 2_000_000_000;

/// How far the provider's clock is ahead of ours, within bounds that are certain as long as its clocks
/// run evenly.
///
/// An answer with the date D was made up while the provider's clock was in [D, D + 1 s), at some moment
/// between our sending and our receiving. So its clock is ahead by at least D - received and at most by
/// D + 1 s - sent. The bounds of many answers hold together, which is far narrower than those of one:
/// the same reasoning as in NTP's correctness interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProviderClock {
    known: Option<Bounds>,
}

/// How far the provider's clock is ahead of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    /// The middle of the bounds, in nanoseconds; negative where it is behind.
    pub ahead_ns: i64,
    /// How far the bounds are from the middle, in nanoseconds.
    pub error_ns: u64,
    /// How many answers tell so.
    pub answers: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    low_ns: i128,
    high_ns: i128,
    /// When they held, by our clock.
    at: SystemTime,
    answers: u64,
}

impl Bounds {
    /// The same at another time: clocks drift.
    fn at(self, now: SystemTime) -> Self {
        let drift = ahead_ns(now, self.at).abs() * DRIFT_PPM / 1_000_000;
        Self {
            low_ns: self.low_ns - drift,
            high_ns: self.high_ns + drift,
            at: now,
            ..self
        }
    }

    fn joined(self, fresh: Self) -> Self {
        let (low_ns, high_ns) = (
            self.low_ns.max(fresh.low_ns),
            self.high_ns.min(fresh.high_ns),
        );
        let answers = self.answers.saturating_add(1);
        if low_ns <= high_ns {
            return Self {
                low_ns,
                high_ns,
                answers,
                ..fresh
            };
        }
        if low_ns - high_ns > DISAGREEMENT_MAX_NS {
            return fresh;
        }
        // Two machines that differ: the truth about either is between the outer bounds.
        Self {
            low_ns: self.low_ns.min(fresh.low_ns),
            high_ns: self.high_ns.max(fresh.high_ns),
            answers,
            ..fresh
        }
    }
}

impl ProviderClock {
    /// Takes in the date of an answer, with the moments between which it was made up. These must be
    /// readings of one clock that is never set.
    ///
    /// Answers from a cache tell the date of the original and are left out.
    pub fn observe(&mut self, headers: &HeaderMap, sent: SystemTime, received: SystemTime) {
        let Some(date) = date(headers).filter(|_| !headers.contains_key(AGE)) else {
            return;
        };
        if received < sent {
            return;
        }
        let fresh = Bounds {
            low_ns: ahead_ns(date, received),
            high_ns: ahead_ns(date, sent) + DATE_STEP_NS,
            at: received,
            answers: 1,
        };
        self.known = Some(match self.known {
            Some(known) => known.at(received).joined(fresh),
            None => fresh,
        });
    }

    /// How far the provider's clock is ahead of ours at `now`; `None` before the first date.
    #[must_use]
    pub fn offset(&self, now: SystemTime) -> Option<ClockOffset> {
        let bounds = self.known?.at(now);
        let middle = i128::midpoint(bounds.low_ns, bounds.high_ns);
        Some(ClockOffset {
            ahead_ns: i64::try_from(middle).ok()?,
            error_ns: u64::try_from(bounds.high_ns - middle).ok()?,
            answers: bounds.answers,
        })
    }

    /// The earliest that the provider's clock can show at `now`: to wait from then on for a moment that
    /// it has named is never too short.
    #[must_use]
    pub fn earliest(&self, now: SystemTime) -> Option<SystemTime> {
        let low_ns = self.known?.at(now).low_ns;
        let distance = Duration::from_nanos(u64::try_from(low_ns.unsigned_abs()).ok()?);
        if low_ns < 0 {
            now.checked_sub(distance)
        } else {
            now.checked_add(distance)
        }
    }
}

/// The date of an answer.
pub(crate) fn date(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()
}

/// How far `a` is after `b`, in nanoseconds.
fn ahead_ns(a: SystemTime, b: SystemTime) -> i128 {
    let nanos = |distance: Duration| i128::try_from(distance.as_nanos()).unwrap_or(i128::MAX);
    match a.duration_since(b) {
        Ok(ahead) => nanos(ahead),
        Err(behind) => -nanos(behind.duration()),
    }
}
