//! How much of a bucket may be spent at once.
//!
//! Headers describe a bucket that holds a whole window's amount. Providers enforce some limits in
//! pieces of one or a few seconds all the same, and say nothing about it: only a refusal tells. So
//! the level is let up step by step. Where pieces of a usual length would end, it goes up by
//! about one request at a time, as fast as answers confirm that the provider lets it; in between
//! it goes up fast. A real bucket is in full use within half a minute, and pieces cost about one
//! refusal to find.

/// Pieces in which a window's amount is usually enforced, in nanoseconds.
const PIECES_NS: [u64; 8] = [
    1_000_000_000,
    2_000_000_000,
    3_000_000_000,
    5_000_000_000,
    10_000_000_000,
    15_000_000_000,
    20_000_000_000,
    30_000_000_000,
];

/// What may go at once with nothing known: the refill of this time, which the shortest known
/// pieces hold.
pub(crate) const FIRST_NS: u64 = 500_000_000;

/// While the level rises fast, traffic is up to this many times the refill.
const FAST: f64 = 4.0;

/// No more than this part of the amount is spent ahead of its confirmation.
const UNCONFIRMED_PART: f64 = 0.1;

/// How quickly averages follow.
const ALPHA: f64 = 0.1;

/// What is known of a bucket's capacity.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Capacity {
    /// The highest level at which the provider let in a request that needed no empty bucket.
    confirmed: f64,
    /// What the bucket holds, where a refusal told it.
    known: Option<f64>,
    /// The usual charge of one request.
    charge: f64,
    /// The time from sending to the answer's headers, in nanoseconds.
    answer_ns: f64,
    /// How much lower the provider's level usually is than ours, which errs upwards.
    gap: f64,
}

/// The bucket that may be relied on for now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trust {
    /// Up to this level, which is below what is confirmed or one step above it: no guard.
    Ramp(f64),
    /// A quota enforced in pieces: this is what one holds.
    Piece(f64),
    /// All of the amount.
    Whole,
}

impl Capacity {
    /// A capacity as it was remembered.
    pub(crate) fn recalled(confirmed: f64, known: Option<f64>) -> Self {
        Self {
            confirmed,
            known,
            ..Self::default()
        }
    }

    /// Takes in that a request of `charge` was admitted and the level was `used` after it.
    /// `ours` is our count of the same level.
    pub(crate) fn admitted(&mut self, used: u64, ours: u64, charge: u64, answer_ns: u64) {
        let gap = float(ours.saturating_sub(used));
        let (used, charge, answer_ns) = (float(used), float(charge), float(answer_ns));
        let first = self.charge == 0.0;
        let alpha = if first { 1.0 } else { ALPHA };
        self.charge += alpha * (charge - self.charge);
        self.answer_ns += alpha * (answer_ns - self.answer_ns);
        self.gap += alpha * (gap - self.gap);
        // Whatever is let in into an empty bucket says nothing about what the bucket holds.
        if used - charge < 2.0 {
            return;
        }
        self.confirmed = self.confirmed.max(used);
        if self.known.is_some_and(|known| used > known * 1.02 + charge) {
            // It holds more than it did: find out anew how much.
            self.known = None;
        }
    }

    /// The provider tells what the bucket holds.
    pub(crate) fn holds(&mut self, units: u64) {
        self.known = Some(float(units));
    }

    /// Takes in a refusal that shows that the bucket holds `units`, which is less than the amount.
    pub(crate) fn refused(&mut self, units: f64) {
        self.known = Some(units);
        self.confirmed = self.confirmed.min(units);
    }

    /// The limit has changed: what was confirmed keeps its length of time.
    pub(crate) fn scale(&mut self, factor: f64) {
        self.confirmed *= factor;
        self.known = self.known.map(|known| known * factor);
    }

    /// What may be relied on, for an amount per window and a guard.
    pub(crate) fn trust(&self, amount: u64, window: u64, guard: u64) -> Trust {
        let (amount, window) = (float(amount), float(window));
        if let Some(known) = self.known {
            return Trust::Piece(known.min(amount));
        }
        let per_ns = amount / window.max(1.0);
        let pieces = PIECES_NS.map(|piece| float(piece) * per_ns);
        let above = pieces
            .into_iter()
            .find(|piece| *piece > self.confirmed && *piece < amount * 0.9);
        let Some(piece) = above else {
            return Trust::Whole;
        };
        let step = self.charge.max(1.0);
        let careful = self.confirmed + step;
        let margin = (float(guard) * per_ns).max(2.0 * step);
        let fast = ((FAST - 1.0) * per_ns * self.answer_ns).min(amount * UNCONFIRMED_PART);
        let level = (self.confirmed + fast).min(piece - margin).max(careful);
        Trust::Ramp((level + self.gap).max(per_ns * float(FIRST_NS)))
    }

    /// The highest level that was confirmed, in units.
    pub(crate) const fn confirmed(&self) -> f64 {
        self.confirmed
    }

    /// What one piece holds, where a refusal told it, in units.
    pub(crate) const fn known(&self) -> Option<f64> {
        self.known
    }

    /// The usual time from sending to the answer's headers.
    pub(crate) fn answer_seconds(&self) -> f64 {
        self.answer_ns / 1e9
    }

    /// The usual charge of one request, in units.
    pub(crate) const fn usual_charge(&self) -> f64 {
        self.charge
    }
}

/// The capacity that a refusal shows, in units; `None` where it shows none below the amount.
///
/// With a level `used`, a request of `requested` and a wait until it fits, a bucket holds
/// `used + requested - wait * amount / window`. Providers whose message states a level that is higher
/// than what their headers show state it against the amount: the difference is what the bucket
/// does not hold.
pub(crate) fn capacity_shown(
    (amount, window): (u64, u64),
    used: u64,
    (stated, requested, wait): (Option<u64>, u64, Option<u64>),
) -> Option<f64> {
    let (limit, window) = (float(amount), float(window));
    let (level, requested) = (float(used), float(requested));
    if level + requested > limit * 0.98 {
        return None;
    }
    let by_message = stated
        .map(float)
        .filter(|stated| *stated > level + 1.0)
        .map(|stated| level + limit - stated);
    let by_wait = wait.map(|wait| level + requested - float(wait) * limit / window.max(1.0));
    let shown = by_message.or(by_wait).unwrap_or(level);
    let shown = shown.clamp(1.0, limit);
    Some(usual_piece(shown, limit / window.max(1.0)))
}

/// The capacity of a usual piece, where `units` is about that.
fn usual_piece(units: f64, per_ns: f64) -> f64 {
    PIECES_NS
        .map(|piece| float(piece) * per_ns)
        .into_iter()
        .find(|piece| (units - piece).abs() <= piece * 0.02 + 2.0)
        .unwrap_or(units)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "units of quota are far below 2^52"
)]
fn float(value: u64) -> f64 {
    value as f64
}
