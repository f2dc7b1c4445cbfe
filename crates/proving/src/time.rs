//! Virtual time: nanoseconds of the provider's clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One millisecond.
pub(crate) const NANOS_PER_MS: u64 = 1_000_000;
/// One second.
pub(crate) const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// One minute.
pub(crate) const NANOS_PER_MINUTE: u64 = 60 * NANOS_PER_SECOND;

/// Where virtual time begins: on a boundary of every window of up to a day on the Unix clock.
pub(crate) const ORIGIN_NS: u64 = 20_000 * 86_400 * NANOS_PER_SECOND;

/// From the shortest to the longest time, in milliseconds; each is as likely as any between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span(pub u64, pub u64);

/// Seconds in nanoseconds.
pub(crate) const fn seconds(count: u64) -> u64 {
    count.saturating_mul(NANOS_PER_SECOND)
}

/// A duration in nanoseconds.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds as seconds, for people.
pub(crate) fn in_seconds(nanos: u64) -> f64 {
    nanos as f64 / NANOS_PER_SECOND as f64
}
