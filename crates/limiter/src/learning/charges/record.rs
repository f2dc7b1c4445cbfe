//! How well each formula foretells the provider's count.
//!
//! Every formula follows the count with the same filter: it carries the level and what others use
//! per second, and foretells the next count from what requests and their ends would have done by
//! that formula. How uncertain a forecast is does not depend on the formula, only on how far
//! requests can have overtaken each other, so that it is worked out once for all.

/// How quickly old evidence fades, per answer: formulas hardly ever change, and at high rates each
/// answer tells little.
const FADE: f64 = 0.999;

/// The same for exact pairs.
const EXACT_FADE: f64 = 0.98;

/// Answers whose count is less than a formula charges for their request alone make it impossible.
const SINGLES: f64 = 1.5;

/// How fast the evidence of single answers fades.
const SINGLES_FADE: f64 = 0.98;

/// Another coefficient of the input is one that differs by at least this.
const COEFFICIENT_STEP: f64 = 0.02;

/// And by no more than this.
const COEFFICIENT_MORE: std::ops::RangeInclusive<f64> = -0.9..=9.0;

/// What others use per second is first taken to be about this part of the limit per second ...
const OTHERS_PART: f64 = 0.1;

/// ... and to change within a second by about this part of it.
const OTHERS_CHANGE: f64 = 0.02;

/// A count moves by about this part less or more than what was charged, whatever the formula.
const BLUR: f64 = 0.03;

/// What lies between two counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) seconds: f64,
    /// What the dearest formula charged in between, as a measure.
    pub(super) charged: f64,
    /// Units per second that the limit allows.
    pub(super) pace: f64,
}

/// How uncertain the forecasts of the next count are: the covariance of the level and of what
/// others use per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    level: f64,
    both: f64,
    others: f64,
}

/// How much of a miss is taken for real.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gain {
    pub(super) level: f64,
    pub(super) others: f64,
    /// The square of the misses that are to be expected.
    pub(super) expected: f64,
}

impl Track {
    /// After a first count whose error has this square.
    pub(super) fn start(noise: f64, pace: f64) -> Self {
        let others = OTHERS_PART * pace;
        Self {
            level: noise,
            both: 0.0,
            others: others * others,
        }
    }

    /// The level is known again, to an error with this square.
    pub(super) const fn pin(&mut self, noise: f64) {
        (self.level, self.both) = (noise, 0.0);
    }

    pub(super) fn advance(&mut self, span: &Span) {
        let t = span.seconds;
        let blur = BLUR * span.charged;
        let change = OTHERS_CHANGE * span.pace;
        self.level += t * (2.0 * self.both + t * self.others) + blur * blur;
        self.both += t * self.others;
        self.others += change * change * t;
    }

    /// Takes in a count whose error has this square.
    pub(super) fn update(&mut self, noise: f64) -> Gain {
        let expected = self.level + noise;
        let gain = Gain {
            level: self.level / expected,
            others: self.both / expected,
            expected,
        };
        self.others -= gain.others * self.both;
        self.both -= gain.level * self.both;
        self.level -= gain.level * self.level;
        gain
    }
}

/// One formula's record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    /// What the provider counted at the latest answer, as far as this formula can tell.
    pub(super) level: f64,
    /// What others use per second; never less than nothing.
    pub(super) others: f64,
    /// How badly it foretold, fading: a difference of 1 between two formulas makes the one less
    /// likely than the other by a factor of e.
    pub(super) cost: f64,
    /// Answers whose whole count was less than it charges for their request alone, fading.
    singles: f64,
    /// Fading sums over pairs of exact answers.
    squares: f64,
    by_input: f64,
    input_squares: f64,
}

impl Record {
    /// What is foretold is `expected`, and `used` was counted.
    pub(super) fn observe(&mut self, expected: f64, used: f64, gain: &Gain) -> f64 {
        let miss = used - expected;
        // Others use what they use in lumps: a large miss tells hardly more than one half as large.
        let cost = (miss * miss / gain.expected).ln_1p();
        self.cost = self.cost * FADE + cost;
        self.level = expected + gain.level * miss;
        self.others = (self.others + gain.others * miss).max(0.0);
        miss
    }

    /// Takes in a miss between two exact counts, and how much a coefficient of the input larger by
    /// 1 would have charged more.
    pub(super) fn observe_exact(&mut self, miss: f64, input: f64) {
        self.squares = self.squares * EXACT_FADE + miss * miss;
        self.by_input = self.by_input * EXACT_FADE + miss * input;
        self.input_squares = self.input_squares * EXACT_FADE + input * input;
    }

    /// Another formula was believed while the sums over exact answers were made.
    pub(super) const fn forget_exact(&mut self) {
        (self.squares, self.by_input, self.input_squares) = (0.0, 0.0, 0.0);
    }

    /// Takes in whether it charges more for a request than was counted right after it.
    pub(super) fn observe_single(&mut self, too_much: bool) {
        self.singles = self.singles * SINGLES_FADE + f64::from(u8::from(too_much));
    }

    /// Whether no count was less than what it charges for one request.
    pub(super) fn is_possible(&self) -> bool {
        self.singles < SINGLES
    }

    /// The squares of its misses between exact counts.
    pub(super) const fn squares(&self) -> f64 {
        self.squares
    }

    /// By how much larger a coefficient fits best, and the squares of the misses that are left
    /// with it.
    pub(super) fn with_coefficient(&self) -> Option<(f64, f64)> {
        if self.input_squares <= 0.0 {
            return None;
        }
        let more = self.by_input / self.input_squares;
        let left = self.squares - self.by_input * more;
        let differs = COEFFICIENT_MORE.contains(&more) && more.abs() > COEFFICIENT_STEP;
        differs.then_some((more, left))
    }
}

/// Whether failed requests get their charge back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    /// Counts between which requests failed.
    counts: u32,
    /// How much better counts are foretold if failures are free, fading.
    free: f64,
}

/// Counts before anything is believed of failures.
const FAILURES_MIN: u32 = 5;

/// And how much likelier it has to be, as the exponent of e.
const FAILURES_SURE: f64 = 8.0;

impl Failures {
    /// Takes in a miss of the formula that is believed, if failures are not free, between two
    /// counts; and what failed between them.
    pub(super) fn observe(&mut self, miss: f64, failed: f64, expected: f64) {
        let cost = |miss: f64| (miss * miss / expected).ln_1p();
        self.counts = self.counts.saturating_add(1);
        self.free = self.free * FADE + cost(miss) - cost(miss + failed);
    }

    /// Whether they are free, once that is known.
    pub(super) fn are_free(&self) -> Option<bool> {
        let known = self.counts >= FAILURES_MIN && self.free.abs() >= FAILURES_SURE;
        known.then_some(self.free > 0.0)
    }
}
