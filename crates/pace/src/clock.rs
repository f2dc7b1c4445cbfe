//! The one place of the crate that reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use paceline_limiter::Timestamp;

/// Distance of the first timestamp from zero, so that a window's phase can lie before the start.
const ORIGIN: Duration = Duration::from_secs(400 * 86_400);

/// Monotonic time as the limiter counts it, with the wall clock read once at the start.
///
/// Windows that a provider aligns to the wall clock keep their phase when the local clock is set
/// later: a step of the wall clock must not move a window. Where tokio's time is paused, as in
/// tests, this clock stands still with it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    unix_start: Duration,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: instant_now(),
            unix_start: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at(instant_now())
    }

    /// The timestamp of `instant`.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Timestamp {
        let elapsed = instant.saturating_duration_since(self.start);
        Timestamp::ZERO + (ORIGIN + elapsed)
    }

    /// The instant of `timestamp`.
    #[must_use]
    pub fn instant(&self, timestamp: Timestamp) -> Instant {
        let since_start = Duration::from_nanos(timestamp.as_nanos()).saturating_sub(ORIGIN);
        self.start + since_start
    }

    /// `timestamp` as a date, by the wall clock as it was read at the start: it is never set, so that
    /// the distance between two dates is the time that passed.
    #[must_use]
    pub fn date(&self, timestamp: Timestamp) -> SystemTime {
        let since_start = Duration::from_nanos(timestamp.as_nanos()).saturating_sub(ORIGIN);
        UNIX_EPOCH + self.unix_start + since_start
    }

    /// Seconds since the Unix epoch at `timestamp`.
    #[must_use]
    pub fn unix_seconds(&self, timestamp: Timestamp) -> f64 {
        let since_start = Duration::from_nanos(timestamp.as_nanos()).saturating_sub(ORIGIN);
        (self.unix_start + since_start).as_secs_f64()
    }

    /// A moment at which a window of this length starts when windows are multiples of their length
    /// on the wall clock.
    #[must_use]
    pub fn wall_clock_phase(&self, window: Duration) -> Timestamp {
        let window_ns = window.as_nanos().max(1);
        let into_window_ns = self.unix_start.as_nanos() % window_ns;
        let into_window = Duration::from_nanos(u64::try_from(into_window_ns).unwrap_or(u64::MAX));
        Timestamp::ZERO + ORIGIN.saturating_sub(into_window)
    }
}

fn instant_now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_the_wall_clock_start_on_its_multiples() {
        let clock = Clock::start();
        for window in [1, 60, 3_600, 86_400].map(Duration::from_secs) {
            let start = clock.unix_seconds(clock.wall_clock_phase(window) + window);
            let next = clock.unix_start.as_secs_f64() + window.as_secs_f64();
            assert!(start <= next && start > next - window.as_secs_f64() - 1e-3);
            let offset = start.rem_euclid(window.as_secs_f64());
            assert!(offset < 1e-3 || window.as_secs_f64() - offset < 1e-3);
        }
    }

    #[test]
    fn instants_and_timestamps_convert_both_ways() {
        let clock = Clock::start();
        let instant = Instant::now() + Duration::from_secs(5);
        assert_eq!(clock.instant(clock.at(instant)), instant);
    }
}
