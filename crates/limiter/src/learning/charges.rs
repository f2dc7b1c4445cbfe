//! Which formula a provider charges by.
//!
//! Between two answers the provider's count moves by what our requests in between were charged,
//! by what has drained, and by what others took, which is never less than nothing. The sums that
//! each formula would have charged are kept side by side. A formula that would have charged more
//! than the count moved cannot be true. Of those that can, the one that charges most is believed:
//! it errs on the side of less room, and the count itself makes good what it errs by.

use crate::formula::{ActualTokens, ChargeFormula, ChargeParts, Combine};

/// How quickly old evidence fades, per answer.
const FADE: f64 = 0.98;

/// A count may be this much too low without a formula being wrong: it is rounded.
const ROUNDING: f64 = 3.0;

/// And by this part of what was charged: what is compared is not all there is.
const BLUR: f64 = 0.03;

/// Answers whose count is less than a formula charges for their request alone make it impossible.
const SINGLES: f64 = 1.5;

/// Pairs of answers before a formula that refunds is believed.
const REFUND_PAIRS_MIN: u64 = 2;

/// Pairs of answers before a cheaper formula is preferred to one that is possible too.
const BETTER_PAIRS_MIN: u64 = 16;

/// And it must leave less than this part of the other's misses.
const BETTER_LEFT: f64 = 0.2;

/// Pairs of exact answers before another coefficient of the input is considered.
const SCALE_PAIRS_MIN: u64 = 6;

/// Another coefficient must leave less than this part of the misses of every plain formula.
const SCALE_LEFT: f64 = 0.1;

/// Pairs of answers before a formula is relied on.
const PAIRS_MIN: u64 = 6;

/// Answers are compared whose figures may be off by at most this part of what lies between them.
const BLUR_MAX: f64 = 0.1;

/// Failed requests before it is decided whether they are charged.
const FAILURES_MIN: u32 = 3;

/// The formulas: how they combine, and whether they refund.
const FORMULAS: usize = 6;

/// Sums since the start over all requests sent, in tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// What each formula would have charged by now, refunds taken off.
    charged: [f64; FORMULAS],
    /// How much each would have charged more with a coefficient of the input larger by 1.
    per_coefficient: [f64; 3],
    /// Charges of requests that failed.
    failed: f64,
    requests: u64,
}

fn formulas() -> impl Iterator<Item = (usize, usize, Combine, bool)> {
    Combine::ALL
        .into_iter()
        .enumerate()
        .flat_map(|(form, combine)| {
            [false, true].map(|refunds| (form * 2 + usize::from(refunds), form, combine, refunds))
        })
}

impl Sums {
    fn admit(&mut self, parts: &ChargeParts) {
        for (index, form, combine, _) in formulas() {
            self.charged[index] += float(plain(combine).tokens(parts));
            if index % 2 == 0 {
                self.per_coefficient[form] += float(match combine {
                    Combine::Max if parts.input < parts.output_max => 0,
                    _ => parts.input,
                });
            }
        }
        self.requests += 1;
    }

    fn undo(&mut self, parts: &ChargeParts) {
        for (index, _, combine, _) in formulas() {
            self.charged[index] -= float(plain(combine).tokens(parts));
        }
    }

    fn settle(&mut self, parts: &ChargeParts, actual: &ActualTokens) {
        for (index, _, combine, refunds) in formulas() {
            if refunds {
                let charged = float(plain(combine).tokens(parts));
                self.charged[index] += float(actual.charged(combine)) - charged;
            }
        }
    }

    fn fail(&mut self, charged: u64) {
        self.failed += float(charged);
    }
}

/// One formula's record.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    /// What it would have charged and by how much the count moved less than that, fading.
    charged: f64,
    excess: f64,
    /// Squares of its misses, and misses times seconds, fading.
    missed: f64,
    by_time: f64,
    /// Answers whose whole count was less than it charges for their request alone, fading.
    singles: f64,
    /// Fading sums over pairs of exact answers.
    squares: f64,
    by_input: f64,
    input_squares: f64,
}

impl Record {
    /// What is left of its misses when others are taken to use a constant rate.
    fn left(&self, time_squares: f64) -> f64 {
        if self.by_time <= 0.0 || time_squares <= 0.0 {
            return self.missed;
        }
        (self.missed - self.by_time * self.by_time / time_squares).max(0.0)
    }

    /// Whether the count has not moved less than the formula charges.
    fn is_possible(&self, blur: f64) -> bool {
        let slack = ROUNDING + blur + BLUR * self.charged;
        self.singles < SINGLES && self.excess <= slack
    }
}

/// The provider's count at one answer.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    used: f64,
    at: u64,
    sums: Sums,
    blur: f64,
    exact: bool,
}

/// How two answers can be compared.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// Nothing was under way at either.
    exact: bool,
    /// By how much their counts may be off.
    blur: f64,
    /// The time between them, as far as others can have used it.
    seconds: f64,
}

/// What is known of the charge formula.
#[derive(Clone, Debug, Default)]
pub(crate) struct Charges {
    sums: Sums,
    anchor: Option<Anchor>,
    records: [Record; FORMULAS],
    time_squares: f64,
    /// How much the ends of chains of pairs are blurred.
    blur: f64,
    moved: f64,
    explained: f64,
    pairs: u64,
    exact_pairs: u64,
    failed_misses: f64,
    failed_squares: f64,
    failures: u32,
    believed: Option<ChargeFormula>,
    /// Pairs of answers it took to believe the present formula.
    pub(crate) decided_after: Option<u64>,
}

/// The provider's count after an answered request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) used: u64,
    /// When it was that.
    pub(crate) at: u64,
    /// Units that drain per nanosecond; 0 for windows that do not drain.
    pub(crate) drain_per_ns: f64,
    /// By how much the count may be off because requests overtook each other.
    pub(crate) blur: f64,
    /// Whether nothing was under way, so that nothing can have overtaken anything.
    pub(crate) exact: bool,
}

impl Charges {
    /// A formula as it was remembered.
    pub(crate) fn recalled(formula: ChargeFormula) -> Self {
        Self {
            believed: Some(formula),
            ..Self::default()
        }
    }

    /// Notes a request that is sent; its sums, to be given back with its answer.
    pub(crate) fn admit(&mut self, parts: &ChargeParts) -> Sums {
        self.sums.admit(parts);
        self.sums
    }

    /// A request that was noted was never sent.
    pub(crate) fn undo(&mut self, parts: &ChargeParts) {
        self.sums.undo(parts);
    }

    /// Notes the end of a request.
    pub(crate) fn settle(&mut self, parts: &ChargeParts, actual: &ActualTokens) {
        self.sums.settle(parts, actual);
    }

    /// Notes a request that failed after it was sent.
    pub(crate) fn fail(&mut self, charged: u64) {
        self.sums.fail(charged);
        self.failures += 1;
    }

    /// Forgets a count that later ones cannot be compared with.
    pub(crate) fn retain(&mut self, is_comparable: impl Fn(u64) -> bool) {
        self.anchor = self.anchor.filter(|anchor| is_comparable(anchor.at));
    }

    /// Takes in the provider's count after a request whose sums were `sums`; `true` if another
    /// formula is believed now.
    pub(crate) fn observe(&mut self, count: &Count, sums: &Sums) -> bool {
        let used = float(count.used);
        let next = Anchor {
            used,
            at: count.at,
            sums: *sums,
            blur: count.blur,
            exact: count.exact,
        };
        let Some(anchor) = self.anchor else {
            self.anchor = Some(next);
            return false;
        };
        let apart = count.at.saturating_sub(anchor.at);
        let exact = count.exact && anchor.exact;
        let blur = count.blur.max(anchor.blur);
        let charged = sums.charged[0] - anchor.sums.charged[0];
        // Over a longer time those that overtook each other at either end matter less.
        if sums.requests <= anchor.sums.requests || !(exact || blur <= charged * BLUR_MAX) {
            return false;
        }
        self.anchor = Some(next);
        let elapsed = float(apart);
        let left = anchor.used - elapsed * count.drain_per_ns;
        // Near empty, what is left depends on the very error that is to be measured.
        if left > blur {
            let pair = Pair {
                exact,
                blur,
                seconds: elapsed / 1e9,
            };
            self.compare(used - left, &anchor.sums, sums, &pair);
        } else if sums.requests == anchor.sums.requests + 1 {
            // Everything had drained: this one request is all there is.
            let pair = Pair {
                exact: true,
                blur: 0.0,
                seconds: 0.0,
            };
            self.compare(used, &anchor.sums, sums, &pair);
        } else {
            return false;
        }
        self.decide()
    }

    /// Takes in the count right after a request of this size, which holds at least its charge.
    pub(crate) fn observe_single(&mut self, parts: &ChargeParts, used: u64) -> bool {
        let mut told = false;
        for (index, _, combine, _) in formulas() {
            let record = &mut self.records[index];
            let charged = float(plain(combine).tokens(parts));
            let too_much = charged > float(used) + ROUNDING;
            record.singles = record.singles * FADE + f64::from(u8::from(too_much));
            told |= too_much;
        }
        told && self.decide()
    }

    fn compare(&mut self, moved: f64, before: &Sums, after: &Sums, pair: &Pair) {
        let Pair {
            exact,
            blur,
            seconds,
        } = *pair;
        self.time_squares = self.time_squares * FADE + seconds * seconds;
        self.pairs += 1;
        self.exact_pairs += u64::from(exact);
        // Of a chain of pairs only the two ends are blurred.
        self.blur = (self.blur * FADE).max(blur);
        for (index, form, ..) in formulas() {
            let charged = after.charged[index] - before.charged[index];
            let record = &mut self.records[index];
            record.charged = record.charged * FADE + charged;
            record.excess = record.excess * FADE + charged - moved;
            record.missed = record.missed * FADE + (moved - charged) * (moved - charged);
            record.by_time = record.by_time * FADE + (moved - charged) * seconds;
            if exact {
                let miss = moved - charged;
                let input = after.per_coefficient[form] - before.per_coefficient[form];
                record.squares = record.squares * FADE + miss * miss;
                record.by_input = record.by_input * FADE + miss * input;
                record.input_squares = record.input_squares * FADE + input * input;
            }
        }
        let Some(index) = self.index_of_believed() else {
            return;
        };
        let charged = after.charged[index] - before.charged[index];
        self.moved = self.moved * FADE + moved;
        self.explained = self.explained * FADE + charged.min(moved) - (charged - moved).max(0.0);
        let failed = after.failed - before.failed;
        if failed > 0.0 {
            self.failed_misses += (moved - charged) * failed;
            self.failed_squares += failed * failed;
        }
    }

    fn index_of_believed(&self) -> Option<usize> {
        let believed = self.believed?;
        formulas()
            .find(|(_, _, combine, refunds)| {
                (*combine, *refunds) == (believed.combine, believed.refunds)
            })
            .map(|(index, ..)| index)
    }

    fn decide(&mut self) -> bool {
        let plain = self
            .plain_formula()
            .map(|(combine, refunds)| ChargeFormula {
                refunds,
                ..plain(combine)
            });
        let Some(mut formula) = self.with_coefficient().or(plain) else {
            return false;
        };
        if self.failures >= FAILURES_MIN && self.failed_squares > 0.0 {
            formula.failures_free = self.failed_misses / self.failed_squares < -0.5;
        }
        let changed = self.believed != Some(formula);
        if changed {
            self.believed = Some(formula);
            self.decided_after = Some(self.pairs);
            (self.moved, self.explained) = (0.0, 0.0);
        }
        changed
    }

    /// The dearest formula that can be true, unless a cheaper one fits far better: then it is others
    /// who make the count move more. One that refunds later still charges at admission: what a
    /// request holds until then is never taken for less than it can be.
    fn plain_formula(&self) -> Option<(Combine, bool)> {
        let candidates = || {
            formulas()
                .filter(|(_, _, _, refunds)| !refunds)
                .filter_map(|(index, _, combine, _)| self.candidate(index, combine))
        };
        let dearest = candidates().next()?;
        let better = candidates().find(|candidate| {
            self.pairs >= BETTER_PAIRS_MIN && candidate.2 < dearest.2 * BETTER_LEFT
        });
        let (combine, refunds, _) = better.unwrap_or(dearest);
        Some((combine, refunds))
    }

    /// A way to combine that can be true, whether it refunds, and its misses.
    fn candidate(&self, index: usize, combine: Combine) -> Option<(Combine, bool, f64)> {
        let possible = |index: usize| self.records[index].is_possible(self.blur);
        let left = |index: usize| self.records[index].left(self.time_squares);
        if possible(index) {
            return Some((combine, false, left(index)));
        }
        let refunds = self.pairs >= REFUND_PAIRS_MIN && possible(index + 1);
        refunds.then(|| (combine, true, left(index + 1)))
    }

    /// The formula that fits with another coefficient of the input, if one does and none fits plainly.
    fn with_coefficient(&self) -> Option<ChargeFormula> {
        if self.exact_pairs < SCALE_PAIRS_MIN {
            return None;
        }
        let squares = self.records.iter().map(|record| record.squares);
        let most = squares.fold(f64::INFINITY, f64::min) * SCALE_LEFT;
        let fitted = formulas().filter_map(|(index, _, combine, refunds)| {
            let record = &self.records[index];
            if record.input_squares <= 0.0 {
                return None;
            }
            let more = record.by_input / record.input_squares;
            let left = record.squares - record.by_input * more;
            let fits = left <= most && (-0.9..=9.0).contains(&more) && more.abs() > 0.02;
            fits.then_some((left, combine, refunds, more))
        });
        let (_, combine, refunds, more) = fitted.min_by(|a, b| a.0.total_cmp(&b.0))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 100 and 10,000"
        )]
        let input_permille = ((1.0 + more) * 100.0).round() as u32 * 10;
        Some(ChargeFormula {
            input_permille,
            refunds,
            ..plain(combine)
        })
    }

    /// Whether the formula has stood its test, or there is nothing to learn it from.
    pub(crate) const fn is_settled(&self) -> bool {
        self.pairs >= PAIRS_MIN || self.sums.requests == 0
    }

    /// The sums up to now.
    pub(crate) const fn sums(&self) -> &Sums {
        &self.sums
    }

    /// The formula that is believed.
    pub(crate) const fn believed(&self) -> Option<ChargeFormula> {
        self.believed
    }

    /// How sure it is, from 0 to 1: the part of the count that it explains, once there is enough.
    pub(crate) fn confidence(&self) -> f64 {
        if self.believed.is_none() || self.moved <= 0.0 {
            return 0.0;
        }
        let enough = 1.0 - (-float(self.pairs) / 4.0).exp();
        (self.explained / self.moved).clamp(0.0, 1.0) * enough
    }
}

const fn plain(combine: Combine) -> ChargeFormula {
    ChargeFormula {
        combine,
        input_permille: 1_000,
        refunds: false,
        failures_free: false,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "tokens and nanoseconds are far below 2^53 apart"
)]
fn float(value: u64) -> f64 {
    value as f64
}
