//! Which formula a provider charges by.
//!
//! From one answer to the next the provider's count moves by what our requests in between were
//! charged, by what was given back for those that ended, by what has drained, and by what others
//! took, which is never less than nothing. Each formula foretells the next count, and the one that
//! does so best is the likeliest. It is forecast by forecast that they are told apart: two formulas
//! that refund charge the same in the end, and differ only in what is under way.
//!
//! A formula that is too cheap leads to refusals, and one that is too dear only to some delay, which
//! the count itself makes good. So the dearest is believed unless a cheaper one is far likelier.

mod record;
mod sums;

use crate::formula::{ActualTokens, ChargeFormula, ChargeParts};
use record::{Failures, Gain, Record, Span, Track};
use sums::{ByForm, Candidate, Ends, FORMULAS, Log, Sums, charges, float};

/// A count may be this much too low without a formula being wrong: it is rounded.
const ROUNDING: f64 = 3.0;

/// How much likelier a cheaper formula must be to be believed, as the exponent of e.
const CHEAPER: f64 = 6.0;

/// And to remain so.
const STILL_CHEAPER: f64 = 3.0;

/// A formula is clear, and others are told of it, if every other one is so much less likely.
const CLEAR: f64 = 5.0;

/// How much likelier a remembered formula is taken to be from the start.
const RECALLED: f64 = 6.0;

/// How sure a remembered formula is until answers have confirmed it.
const RECALLED_CONFIDENCE: f64 = 0.5;

/// Pairs of exact answers before another coefficient of the input is considered.
const SCALE_PAIRS_MIN: u64 = 6;

/// Another coefficient must leave less than this part of the misses of every plain formula.
const SCALE_LEFT: f64 = 0.1;

/// Pairs of answers before a formula is relied on.
const PAIRS_MIN: u64 = 6;

/// Answers before it is where hardly any can be compared: none is believed then that is cheap.
const ANSWERS_MIN: u64 = 48;

/// The same where others who share the limit make counts vague.
const SHARED_ANSWERS_MIN: u64 = 96;

/// Counts are compared whose errors are, squared, at most this many times the square of what one
/// request is charged for each request between them. Where requests overtake each other by the
/// hundred, a formula that is too cheap foretells better than the true one: it takes part of what
/// we sent for the use of others, which does not jump about as what we sent seems to.
const NOISE_MAX: f64 = 1_500.0;

/// Errors that may lie anywhere up to a bound have this part of its square.
const EVENLY: f64 = 1.0 / 12.0;

/// The provider's count at the latest answer.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    made_at: u64,
    sent_until: u64,
    sums: Sums,
    ends: Ends,
    exact: bool,
    track: Track,
    shared: f64,
}

/// The provider's count after an answered request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) used: u64,
    /// How finely it is told.
    pub(crate) grain: u64,
    /// When the request was sent.
    pub(crate) sent: u64,
    /// When the count was made up, as far as that can be told.
    pub(crate) made_at: u64,
    /// It holds the requests sent until here, give or take those `around`.
    pub(crate) sent_until: u64,
    /// It holds the ends of requests seen until here for certain ...
    pub(crate) ends_from: u64,
    /// ... and none seen after.
    pub(crate) ends_to: u64,
    /// Whether the level drains evenly, down to nothing.
    pub(crate) drains: bool,
    /// Units per second that the limit allows.
    pub(crate) pace: f64,
    /// By how much it may be off because of the time at which it was made up, in units.
    pub(crate) blur: f64,
    /// Whether it is told how long the provider worked on the request.
    pub(crate) is_timed: bool,
    /// Units of other requests that may have overtaken this one, or been overtaken by it.
    pub(crate) around: u64,
    /// All units that others who share the limit were ever let take before, by what they are charged
    /// here.
    pub(crate) shared: f64,
    /// What they may have been let take before or after.
    pub(crate) shared_around: f64,
}

/// What one answer tells, and how exactly.
struct Reading<'c> {
    count: &'c Count,
    sums: Sums,
    ends: Ends,
    /// What each way to combine charges for the request itself.
    own: ByForm,
    exact: bool,
    /// The square of the error of the count.
    noise: f64,
}

/// What is known of the charge formula.
#[derive(Clone, Debug, Default)]
pub(crate) struct Charges {
    sums: Log<Sums>,
    ends: Log<Ends>,
    anchor: Option<Anchor>,
    records: [Record; FORMULAS],
    failures: Failures,
    /// Answers that could tell of it.
    answers: u64,
    pairs: u64,
    exact_pairs: u64,
    /// Requests that were sent before belong to a window that is over: no refund of theirs counts.
    opened: u64,
    believed: Option<ChargeFormula>,
    recalled: bool,
    /// Pairs of answers it took to believe the present formula.
    pub(crate) decided_after: Option<u64>,
}

impl Charges {
    /// A formula as it was remembered: others have to be likelier than it was to be believed.
    pub(crate) fn recalled(formula: ChargeFormula) -> Self {
        let mut charges = Self {
            believed: Some(formula),
            recalled: true,
            ..Self::default()
        };
        for candidate in Candidate::all() {
            if !is_of(&candidate, &formula) {
                charges.records[candidate.index].cost = RECALLED;
            }
        }
        charges
    }

    /// Others who share the limit count by this formula, and so does this one from now on: what they
    /// took could not be compared otherwise. What spoke for another is forgotten, so that it is only
    /// given up, by all, for what is seen while everyone counts by it.
    pub(crate) fn agree(&mut self, formula: ChargeFormula) {
        if self.believed == Some(formula) {
            return;
        }
        let costs = self.records.iter().map(|record| record.cost);
        let least = costs.reduce(f64::min).unwrap_or(0.0);
        for candidate in Candidate::all() {
            let record = &mut self.records[candidate.index];
            record.cost = if is_of(&candidate, &formula) {
                least
            } else {
                record.cost.max(least + RECALLED)
            };
            record.forget_exact();
        }
        self.exact_pairs = 0;
        if self.failures.are_free() != Some(formula.failures_free) {
            self.failures = Failures::default();
        }
        self.recalled = self.pairs < PAIRS_MIN;
        self.believed = Some(formula);
    }

    /// Notes a request that is sent.
    pub(crate) fn admit(&mut self, parts: &ChargeParts, now: u64) {
        let mut sums = self.sums.latest();
        sums.admit(parts);
        self.sums.push(now, sums);
    }

    /// A request that was noted was not charged: it was refused, or never sent.
    pub(crate) fn undo(&mut self, parts: &ChargeParts, now: u64) {
        self.end(now, |ends| ends.undo(parts));
    }

    /// Notes the end of a request sent at `sent`: what it turned out to use, or `None`: it failed.
    pub(crate) fn settle(
        &mut self,
        parts: &ChargeParts,
        actual: Option<&ActualTokens>,
        sent: u64,
        now: u64,
    ) {
        if sent < self.opened {
            return;
        }
        self.end(now, |ends| match actual {
            Some(actual) => ends.settle(parts, actual),
            None => ends.fail(parts),
        });
    }

    fn end(&mut self, now: u64, note: impl FnOnce(&mut Ends)) {
        let mut ends = self.ends.latest();
        note(&mut ends);
        self.ends.push(now, ends);
    }

    /// A window has opened: counts from before cannot be compared with later ones.
    pub(crate) fn open(&mut self, opened: u64) {
        self.opened = opened;
        self.anchor = self.anchor.filter(|anchor| anchor.sent_until >= opened);
    }

    /// Whether it was counted in the present window.
    pub(crate) const fn is_current(&self, count: &Count) -> bool {
        count.sent >= self.opened
    }

    /// Takes in the provider's count after a request of this size; `true` if another formula is
    /// believed now.
    pub(crate) fn observe(&mut self, count: &Count, parts: &ChargeParts) -> bool {
        self.answers += 1;
        let single = self.observe_single(count, parts);
        let told = self.read(count, parts).is_some_and(|reading| {
            let before = self.anchor;
            match before {
                Some(anchor) if anchor.sent_until >= count.sent_until => false,
                Some(anchor) if !reading.is_clear_after(&anchor) => false,
                Some(anchor) => self.compare(&anchor, &reading),
                None => {
                    self.start(&reading);
                    false
                }
            }
        });
        (single || told) && self.decide()
    }

    /// A count holds at least the charge of the request it is about.
    fn observe_single(&mut self, count: &Count, parts: &ChargeParts) -> bool {
        let own = charges(parts);
        let most = float(count.used) + ROUNDING.max(float(count.grain));
        let mut told = false;
        for candidate in Candidate::all() {
            let too_much = own[candidate.form] > most;
            self.records[candidate.index].observe_single(too_much);
            told |= too_much;
        }
        told
    }

    fn read<'c>(&self, count: &'c Count, parts: &ChargeParts) -> Option<Reading<'c>> {
        let mut sums = self.sums.at(count.sent_until)?;
        if count.sent > count.sent_until {
            // It has overtaken others, and is in its own count at any rate.
            sums.admit(parts);
        }
        let (surely, perhaps) = (self.ends.at(count.ends_from)?, self.ends.at(count.ends_to)?);
        let unsure = perhaps.size - surely.size;
        let exact = count.around == 0 && count.shared_around <= 0.0 && unsure <= 0.0;
        if !exact && !count.is_timed {
            // When it was made up cannot be told, and requests that are answered before those that
            // were sent with them are not like the others.
            return None;
        }
        let blur = float(count.around) + count.shared_around + count.blur;
        let grain = float(count.grain);
        // Whole requests of others are on this side of the count or on the other.
        let usual = self.sums.latest().charged[0] / float(self.sums.latest().requests.max(1));
        let lumps = count.shared_around * usual;
        Some(Reading {
            count,
            sums,
            ends: Ends::between(&surely, &perhaps),
            own: charges(parts),
            exact,
            noise: ROUNDING
                + lumps.max((blur * blur) * EVENLY)
                + (unsure * unsure + grain * grain) * EVENLY,
        })
    }

    /// Begins anew with a count that cannot be compared with earlier ones.
    fn start(&mut self, reading: &Reading) {
        let track = Track::start(reading.noise, reading.count.pace);
        for record in &mut self.records {
            record.level = float(reading.count.used);
        }
        self.anchor = Some(reading.anchor(track));
    }

    /// Compares a count with what each formula foretold; `false` if nothing could be foretold.
    fn compare(&mut self, anchor: &Anchor, reading: &Reading) -> bool {
        let span = Span {
            seconds: float(reading.count.made_at.saturating_sub(anchor.made_at)) / 1e9,
            charged: reading.sums.charged[0] - anchor.sums.charged[0],
            pace: reading.count.pace,
        };
        let free = self.failures.are_free();
        let failed = |form: usize| reading.ends.failed[form] - anchor.ends.failed[form];
        // Others who share the limit send requests like ours: a formula charges theirs as much less,
        // and gives as much of it back.
        let as_counted = reading.sums.charged[self.form_of_believed()].max(1.0);
        let shared = (reading.count.shared - anchor.shared) / as_counted;
        // What the level would have been just before this request.
        let mut before = [0.0; FORMULAS];
        for candidate in Candidate::all() {
            let Candidate { index, form, .. } = candidate;
            let record = &self.records[index];
            let drained = if reading.count.drains { span.pace } else { 0.0 };
            before[index] = record.level
                + (record.others - drained) * span.seconds
                + reading.sums.charged[form]
                - anchor.sums.charged[form]
                - reading.own[form]
                + shared * (reading.sums.charged[form] - reading.ends.less(&candidate))
                - (reading.ends.less(&candidate) - anchor.ends.less(&candidate))
                - if free == Some(true) {
                    failed(form)
                } else {
                    0.0
                };
        }
        let lowest = before.into_iter().fold(f64::INFINITY, f64::min);
        let highest = before.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let nobody = reading.count.around == 0 && reading.count.shared_around <= 0.0;
        let alone = nobody && reading.sums.requests == anchor.sums.requests + 1;
        // Below nothing nothing drains, and when that was is not known where several requests came.
        if reading.count.drains && lowest < reading.noise.sqrt() && !alone {
            self.start(reading);
            return false;
        }
        let mut track = anchor.track;
        track.advance(&span);
        let mut noise = reading.noise;
        let mut around = float(reading.count.around) + reading.count.shared_around;
        if highest < 0.0 {
            // Everything had drained: the request itself is all there is.
            noise = ROUNDING + float(reading.count.grain).powi(2) * EVENLY;
            track.pin(noise);
            around = 0.0;
        }
        let gain = track.update(noise);
        let exact = reading.exact && anchor.exact && failed(0) <= 0.0;
        self.pairs += 1;
        self.exact_pairs += u64::from(exact);
        let used = float(reading.count.used);
        for candidate in Candidate::all() {
            let Candidate { index, form, .. } = candidate;
            let floor = if reading.count.drains { 0.0 } else { f64::MIN };
            let lost = failed(form);
            let if_kept = before[index].max(floor) + reading.own[form];
            // While it is not known whether failures are free, each formula has the benefit of it.
            let is_free = free.is_none() && used < if_kept - lost / 2.0;
            let expected = if is_free { if_kept - lost } else { if_kept };
            // A formula that charges less errs by less where requests overtake each other, which is
            // no merit of it.
            let part = reading.sums.charged[form] / reading.sums.charged[0].max(1.0);
            let gain = Gain {
                expected: gain.expected - (1.0 - part * part) * around * around * EVENLY,
                ..gain
            };
            let record = &mut self.records[index];
            let miss = record.observe(expected, used, &gain);
            if exact {
                let inputs = reading.sums.inputs[form] - anchor.sums.inputs[form];
                let less = reading.ends.less_inputs(&candidate);
                record.observe_exact(miss, inputs - less + anchor.ends.less_inputs(&candidate));
            }
            let believed = self
                .believed
                .is_some_and(|formula| is_of(&candidate, &formula));
            if believed && lost > 0.0 {
                let given_back = is_free || free == Some(true);
                let miss_if_kept = if given_back { miss - lost } else { miss };
                self.failures.observe(miss_if_kept, lost, gain.expected);
            }
        }
        self.anchor = Some(reading.anchor(track));
        true
    }

    fn decide(&mut self) -> bool {
        let Some(mut formula) = self.with_coefficient().or_else(|| self.likeliest()) else {
            return false;
        };
        if let Some(believed) = self.believed {
            formula.failures_free = believed.failures_free;
            let alike = (believed.combine, believed.refunds) == (formula.combine, formula.refunds);
            if alike && self.exact_pairs < SCALE_PAIRS_MIN {
                formula.input_permille = believed.input_permille;
            }
        }
        if let Some(free) = self.failures.are_free() {
            formula.failures_free = free;
        }
        let changed = self.believed != Some(formula);
        if changed {
            self.believed = Some(formula);
            self.decided_after = Some(self.pairs);
            self.recalled = false;
        } else if self.pairs >= PAIRS_MIN {
            self.recalled = false;
        }
        changed
    }

    /// The dearest formula that can be true, unless a cheaper one is far likelier: then it is
    /// others who make the count move more.
    fn likeliest(&self) -> Option<ChargeFormula> {
        let possible = || {
            Candidate::all()
                .map(|candidate| (candidate, &self.records[candidate.index]))
                .filter(|(_, record)| record.is_possible())
        };
        let best = possible().map(|(_, record)| record.cost).reduce(f64::min)?;
        let believed = self.index_of_believed().unwrap_or(0);
        let chosen = possible().find(|(candidate, record)| {
            let far = if candidate.index < believed {
                STILL_CHEAPER
            } else {
                CHEAPER
            };
            record.cost - best < far
        });
        chosen.map(|(candidate, _)| candidate.formula())
    }

    /// How requests are charged that are counted now: as is believed, or else as dear as can be.
    fn form_of_believed(&self) -> usize {
        let index = self.index_of_believed();
        let believed = Candidate::all().find(|candidate| Some(candidate.index) == index);
        believed.map_or(0, |candidate| candidate.form)
    }

    fn index_of_believed(&self) -> Option<usize> {
        let believed = self.believed?;
        Candidate::all()
            .find(|candidate| is_of(candidate, &believed))
            .map(|candidate| candidate.index)
    }

    /// The formula that fits with another coefficient of the input, if one does and none fits
    /// plainly.
    fn with_coefficient(&self) -> Option<ChargeFormula> {
        if self.exact_pairs < SCALE_PAIRS_MIN {
            return None;
        }
        let squares = self.records.iter().map(Record::squares);
        let most = squares.fold(f64::INFINITY, f64::min) * SCALE_LEFT;
        let fitted = Candidate::all().filter_map(|candidate| {
            let (more, left) = self.records[candidate.index].with_coefficient()?;
            (left <= most).then_some((left, candidate, more))
        });
        let (_, candidate, more) = fitted.min_by(|a, b| a.0.total_cmp(&b.0))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 100 and 10,000"
        )]
        let input_permille = ((1.0 + more) * 100.0).round() as u32 * 10;
        Some(ChargeFormula {
            input_permille,
            ..candidate.formula()
        })
    }

    /// Whether the formula has stood its test, or there is nothing to learn it from.
    pub(crate) fn is_settled(&self) -> bool {
        let (told, answers_min) = if self.is_alone() {
            (true, ANSWERS_MIN)
        } else {
            (self.is_clear(), SHARED_ANSWERS_MIN)
        };
        told && self.pairs >= PAIRS_MIN
            || self.answers >= answers_min
            || self.sums.latest().requests == 0
    }

    /// Whether counts have spoken for the formula that is believed, not only against none.
    pub(crate) fn is_shown(&self) -> bool {
        self.index_of_believed().is_some_and(|index| index > 0) || self.is_clear()
    }

    /// Whether nobody else was ever let take of the limit, as far as that is told.
    fn is_alone(&self) -> bool {
        self.anchor.is_none_or(|anchor| anchor.shared <= 0.0)
    }

    /// Whether the formula that is believed is far likelier than every other one. What others take makes
    /// counts vague, and once a window is used as a whole, many come at once and nothing more is seen.
    fn is_clear(&self) -> bool {
        let Some(believed) = self.index_of_believed() else {
            return false;
        };
        let own = self.records[believed].cost;
        let mut others = self.records.iter().enumerate();
        others.all(|(index, record)| {
            index == believed || !record.is_possible() || record.cost - own >= CLEAR
        })
    }

    /// The formula that is believed.
    pub(crate) const fn believed(&self) -> Option<ChargeFormula> {
        self.believed
    }

    /// How sure it is, from 0 to 1: how likely it is among all.
    pub(crate) fn confidence(&self) -> f64 {
        let Some(index) = self.index_of_believed() else {
            return 0.0;
        };
        let own = self.records[index].cost;
        let possible = self.records.iter().filter(|record| record.is_possible());
        let all: f64 = possible.map(|record| (own - record.cost).exp()).sum();
        let likely = 1.0 / all.max(1.0);
        if self.recalled {
            likely.min(RECALLED_CONFIDENCE)
        } else {
            likely
        }
    }
}

impl Reading<'_> {
    /// Whether enough was sent since `anchor` to see how it was charged.
    fn is_clear_after(&self, anchor: &Anchor) -> bool {
        let requests = self.sums.requests.saturating_sub(anchor.sums.requests);
        let charged = self.sums.charged[0] - anchor.sums.charged[0];
        self.noise * float(requests) <= NOISE_MAX * charged * charged
    }

    const fn anchor(&self, track: Track) -> Anchor {
        Anchor {
            made_at: self.count.made_at,
            sent_until: self.count.sent_until,
            sums: self.sums,
            ends: self.ends,
            exact: self.exact,
            track,
            shared: self.count.shared,
        }
    }
}

fn is_of(candidate: &Candidate, formula: &ChargeFormula) -> bool {
    (candidate.combine, candidate.refunds) == (formula.combine, formula.refunds)
}
