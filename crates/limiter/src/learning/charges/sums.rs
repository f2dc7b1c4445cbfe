//! What requests would have been charged by each formula, added up.

use std::collections::VecDeque;

use crate::formula::{ActualTokens, ChargeFormula, ChargeParts, Combine};

/// The formulas: how they combine, and whether they refund. The dearest comes first.
pub(super) const FORMULAS: usize = FORMS * 2;

/// Ways to combine.
const FORMS: usize = Combine::ALL.len();

/// Requests that are remembered, and ends of requests.
const REMEMBERED_MAX: usize = 4_096;

/// One formula among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) index: usize,
    /// The place of `combine` among [`Combine::ALL`].
    pub(super) form: usize,
    pub(super) combine: Combine,
    pub(super) refunds: bool,
}

impl Candidate {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Combine::ALL
            .into_iter()
            .enumerate()
            .flat_map(|(form, combine)| {
                [false, true].map(|refunds| Self {
                    index: form * 2 + usize::from(refunds),
                    form,
                    combine,
                    refunds,
                })
            })
    }

    pub(super) const fn formula(&self) -> ChargeFormula {
        ChargeFormula {
            combine: self.combine,
            refunds: self.refunds,
            ..ChargeFormula::CAUTIOUS
        }
    }
}

/// One figure for each way to combine.
pub(super) type ByForm = [f64; FORMS];

/// What each way to combine charges for a request.
pub(super) fn charges(parts: &ChargeParts) -> ByForm {
    Combine::ALL.map(|combine| {
        let formula = ChargeFormula {
            combine,
            ..ChargeFormula::CAUTIOUS
        };
        float(formula.tokens(parts))
    })
}

/// How much more each would charge with a coefficient of the input larger by 1.
fn per_coefficient(parts: &ChargeParts) -> ByForm {
    Combine::ALL.map(|combine| match combine {
        Combine::Max if parts.input < parts.output_max => 0.0,
        _ => float(parts.input),
    })
}

fn add(sums: &mut ByForm, more: &ByForm, sign: f64) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more * sign;
    }
}

/// Sums since the start over all requests sent, in tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// What each way to combine would have charged.
    pub(super) charged: ByForm,
    /// How much more with a coefficient of the input larger by 1.
    pub(super) inputs: ByForm,
    pub(super) requests: u64,
}

impl Sums {
    pub(super) fn admit(&mut self, parts: &ChargeParts) {
        add(&mut self.charged, &charges(parts), 1.0);
        add(&mut self.inputs, &per_coefficient(parts), 1.0);
        self.requests += 1;
    }
}

/// Sums since the start over all requests that have ended, in tokens.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    /// What was charged less than at admission whatever the formula: refused, or never sent.
    undone: ByForm,
    /// What was charged less than at admission if there are refunds.
    refunded: ByForm,
    /// How much of it depends on the coefficient of the input.
    inputs: ByForm,
    /// Charges of requests that failed.
    pub(super) failed: ByForm,
    /// All of this without its sign.
    pub(super) size: f64,
}

impl Ends {
    /// Notes that a request was refused or never sent.
    pub(super) fn undo(&mut self, parts: &ChargeParts) {
        let charged = charges(parts);
        add(&mut self.undone, &charged, 1.0);
        self.size += charged[0];
    }

    /// Notes what a request turned out to use.
    pub(super) fn settle(&mut self, parts: &ChargeParts, actual: &ActualTokens) {
        let charged = charges(parts);
        let used = Combine::ALL.map(|combine| float(actual.charged(combine)));
        add(&mut self.refunded, &charged, 1.0);
        add(&mut self.refunded, &used, -1.0);
        add(&mut self.inputs, &per_coefficient(parts), 1.0);
        self.size += (charged[0] - used[0]).abs();
    }

    /// Notes that a request failed after it was sent.
    pub(super) fn fail(&mut self, parts: &ChargeParts) {
        let charged = charges(parts);
        add(&mut self.failed, &charged, 1.0);
        self.size += charged[0];
    }

    /// What was charged less than at admission by this formula.
    pub(super) const fn less(&self, candidate: &Candidate) -> f64 {
        let undone = self.undone[candidate.form];
        if candidate.refunds {
            undone + self.refunded[candidate.form]
        } else {
            undone
        }
    }

    /// How much of that depends on the coefficient of the input.
    pub(super) const fn less_inputs(&self, candidate: &Candidate) -> f64 {
        if candidate.refunds {
            self.inputs[candidate.form]
        } else {
            0.0
        }
    }

    /// What lies in the middle of two sums.
    pub(super) fn between(a: &Self, b: &Self) -> Self {
        let middle = |a: &ByForm, b: &ByForm| std::array::from_fn(|i| f64::midpoint(a[i], b[i]));
        Self {
            undone: middle(&a.undone, &b.undone),
            refunded: middle(&a.refunded, &b.refunded),
            inputs: middle(&a.inputs, &b.inputs),
            failed: middle(&a.failed, &b.failed),
            size: f64::midpoint(a.size, b.size),
        }
    }
}

/// Sums as they were at recent times.
///
/// Which requests a count holds, and which refunds, depends on when it was made up: a provider
/// refunds when an answer ends, which is seen here one delay later.
#[derive(Clone, Debug, Default)]
pub(super) struct Log<S> {
    /// The sums before the first of `recent`.
    forgotten: (u64, S),
    recent: VecDeque<(u64, S)>,
}

impl<S: Copy + Default> Log<S> {
    pub(super) fn latest(&self) -> S {
        self.recent
            .back()
            .map_or(self.forgotten.1, |(_, sums)| *sums)
    }

    /// Notes the sums from `now` on.
    pub(super) fn push(&mut self, now: u64, sums: S) {
        self.recent.push_back((now, sums));
        if self.recent.len() > REMEMBERED_MAX
            && let Some(first) = self.recent.pop_front()
        {
            self.forgotten = first;
        }
    }

    /// The sums at `time`; `None`: too long ago to tell.
    pub(super) fn at(&self, time: u64) -> Option<S> {
        let count = self.recent.partition_point(|(at, _)| *at <= time);
        match count.checked_sub(1) {
            Some(last) => self.recent.get(last).map(|(_, sums)| *sums),
            None => (time >= self.forgotten.0).then_some(self.forgotten.1),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "tokens are far below 2^53")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}
