//! How much of a quota is asked for.

use std::time::Duration;

use paceline_limiter::Timestamp;

/// How long it takes until a change shows for the most part.
const FADES_IN: Duration = Duration::from_secs(10);

const PPM: f64 = 1_000_000.0;

/// The rate at which a pool's requests would use the quota, averaged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demand {
    /// Time of the whole quota per time.
    rate: f64,
    /// When it was measured last, with all that had been asked for until then.
    measured: Option<(Timestamp, Duration)>,
}

impl Demand {
    /// The demand now, in parts per million of the quota; `asked` is all that was ever asked for.
    pub(super) fn ppm(&mut self, asked: Duration, now: Timestamp) -> u64 {
        let (at, before) = self.measured.replace((now, asked)).unwrap_or((now, asked));
        let elapsed = now.saturating_since(at).as_secs_f64();
        if elapsed > 0.0 {
            let part = 1.0 - (-elapsed / FADES_IN.as_secs_f64()).exp();
            // The sum wraps; one that is smaller than before tells nothing.
            let rate = asked.saturating_sub(before).as_secs_f64() / elapsed;
            self.rate += (rate - self.rate) * part;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates, and is not negative"
        )]
        {
            (self.rate * PPM) as u64
        }
    }
}
