//! What the provider says about its limits, and its refusals.

use std::time::Duration;

use super::Domain;
use super::elsewhere::Shown;
use crate::belief::{ChargeBelief, Memory};
use crate::charge::{Charge, Metric};
use crate::elsewhere::{Admission, News};
use crate::formula::{ChargeFormula, ChargeParts, Combine};
use crate::learning::answer::Answer;
use crate::learning::charges::{Charges, Count};
use crate::learning::kind::Kind;
use crate::learning::{
    Own, Situation, first_seen, first_window, permille, tells_window, window_that_fits,
};
use crate::limits::LimitState;
use crate::reservation::Open;
use crate::settlement::{Observation, ProviderRefusal, RefusalKind};
use crate::snapshot::LimitSource;
use crate::time::{Timestamp, nanos};

/// Measured guards move in steps of this, so that windows are not rebuilt for nothing.
const GUARD_STEP_NS: u64 = 25_000_000;

/// A measured guard is at least this part of the one that was set: what was not seen yet can come.
const GUARD_PART: u32 = 2;

/// Levels that were remembered longer ago than this tell nothing.
const MEMORY_MAX: Duration = Duration::from_secs(7 * 86_400);

impl Domain {
    /// Takes in the limit headers of an answer. A configured limit stands, unless the provider
    /// enforces less over the same window; other limits are learned.
    ///
    /// `now` is when the headers arrived. Answers may come late, out of order, or not at all.
    pub fn observe(&mut self, observation: Observation, now: Timestamp) {
        let now = self.advance(now);
        if observation.limit == 0 {
            return;
        }
        self.gate.end_probe();
        self.learning = true;
        let mut answer = Answer::new(&observation, now);
        let answer_ns = now.saturating_sub(answer.sent);
        self.delay.observe(answer_ns, observation.processing);
        let metric = observation.metric;
        let key = observation.reservation.map(|id| id.0);
        let own = key
            .and_then(|key| self.reservations.get(key))
            .and_then(|open| own_of(open, metric));
        if let Some(key) = key {
            self.flight.answered(key.serial);
        }
        let Some((index, is_new)) = self.limit_of(&observation, &answer) else {
            return;
        };
        let situation = self.situation(metric);
        let Some(state) = self.limits.states.get_mut(index) else {
            return;
        };
        state.read(&mut answer, own.is_some());
        let learned = state.learn(&answer, own.as_ref(), &situation, &self.flight);
        let formula_changed = metric == Metric::Tokens && self.learn_charge(&answer, key, index);
        if learned.costs || is_new || formula_changed {
            self.limits_changed();
        } else if learned.room {
            self.plan.clear();
        }
        self.touch();
        self.elsewhere.tell(News::Soon);
    }

    /// Which limit an answer is about; it is made if it was not known.
    /// Where limits of a metric are configured and it is none of these, it is not kept: `None`.
    fn limit_of(&mut self, observation: &Observation, answer: &Answer) -> Option<(usize, bool)> {
        let metric = observation.metric;
        let told = first_seen(answer, metric, self.learned_guard());
        let fits = window_that_fits(answer);
        let states = &self.limits.states;
        // The same amount over another window is another limit.
        let possible = |state: &LimitState| {
            let told = observation
                .window
                .filter(|told| *told != state.limit.window);
            told.is_none_or(|told| {
                state.source == LimitSource::Learned && state.learner.may_be_of_window(told)
            })
        };
        let of_metric = |state: &LimitState| state.limit.metric == metric && possible(state);
        let same_amount = |state: &LimitState| {
            of_metric(state)
                && (state.limit.amount == answer.limit
                    || state.configured_amount == Some(answer.limit))
        };
        let same_window = |state: &LimitState| {
            let window = state.limit.window;
            match state.source {
                LimitSource::Configured => of_metric(state) && fits == Some(window),
                LimitSource::Learned => of_metric(state) && told.window == window,
            }
        };
        let found = states
            .iter()
            .position(|state| same_amount(state) && same_window(state))
            .or_else(|| states.iter().position(same_amount))
            .or_else(|| states.iter().position(same_window))
            .or_else(|| {
                // An amount that is new, with a window that no answer has told for certain.
                let learned = |state: &LimitState| state.source == LimitSource::Learned;
                let unsure = !tells_window(answer);
                states
                    .iter()
                    .position(|state| of_metric(state) && unsure && learned(state))
            });
        if let Some(index) = found {
            return Some((index, false));
        }
        let configured = |state: &LimitState| state.source == LimitSource::Configured;
        if states
            .iter()
            .any(|state| state.limit.metric == metric && configured(state))
        {
            return None;
        }
        let serial = self.reservations.next_serial();
        let first = first_window(answer, told);
        let mut state = LimitState::new(first, LimitSource::Learned, serial, self.now);
        let in_flight = self.outstanding(metric);
        state
            .window
            .raise_to(answer.used.saturating_add(in_flight), self.now);
        self.limits.states.push(state);
        Some((self.limits.states.len() - 1, true))
    }

    pub(super) fn situation(&self, metric: Metric) -> Situation {
        Situation {
            outstanding: self.outstanding(metric),
            next_serial: self.reservations.next_serial(),
            guard: self.learned_guard(),
            debt: self.debt_expected(metric),
            charges_known: metric != Metric::Tokens || self.charges.is_settled(),
            sibling: self.kind_of_siblings(metric),
            admission: self.elsewhere.admission(),
        }
    }

    /// The most that one more settlement may add to what is used.
    fn debt_expected(&self, metric: Metric) -> u64 {
        let refunds = |formula: ChargeFormula| formula.refunds;
        if self.charges.believed().is_some_and(refunds) {
            self.debts.get(metric)
        } else {
            0
        }
    }

    /// The kind that every other limit of the pool whose kind is known is of.
    fn kind_of_siblings(&self, metric: Metric) -> Option<Kind> {
        let mut kinds = self
            .limits
            .states
            .iter()
            .filter(|state| state.limit.metric != metric)
            .filter_map(|state| state.learner.kind());
        let first = kinds.next()?;
        kinds.all(|kind| kind == first).then_some(first)
    }

    /// The guard of learned limits: measured where answers tell, else as set.
    pub(super) fn learned_guard(&self) -> Duration {
        let set = self.settings.learned_guard;
        let Some(measured) = self.delay.guard() else {
            return set;
        };
        let stepped = nanos(measured).next_multiple_of(GUARD_STEP_NS);
        Duration::from_nanos(stepped).max(set / GUARD_PART)
    }

    /// Compares what the provider counted with what each formula would have charged.
    fn learn_charge(
        &mut self,
        answer: &Answer,
        key: Option<crate::slab::Key>,
        index: usize,
    ) -> bool {
        // Out of touch with those who share the limit nothing is known of their part of the count.
        if matches!(self.elsewhere.admission(), Admission::Part { .. }) {
            return false;
        }
        let open = key.and_then(|key| self.reservations.get(key));
        let (Some(open), Some(state)) = (open, self.limits.states.get(index)) else {
            return false;
        };
        let (Some(parts), Some(kind)) = (&open.parts, state.learner.kind()) else {
            return false;
        };
        match kind {
            Kind::Bucket => {}
            Kind::Fixed if open.taken_at < state.opened(answer.now) => return false,
            Kind::Fixed => {}
            // What expires of a sliding window would have to be known by formula.
            Kind::Sliding
                if answer.now.saturating_sub(self.started) >= nanos(state.limit.window) =>
            {
                return false;
            }
            Kind::Sliding => {}
        }
        self.charges.open(state.opened(answer.now));
        let tokens = open.charge.get(Metric::Tokens);
        let (count, spread) = self.count(answer, state, open.taken_at, tokens);
        if self.elsewhere.decides_here() {
            return self.charges.observe(&count, parts);
        }
        let shown = Shown {
            window: state.limit.window,
            count,
            parts: *parts,
            spread,
        };
        self.elsewhere.remember(shown);
        false
    }

    /// Learns from the answers of which it is known by now what others had taken.
    pub(super) fn learn_shown(&mut self, now: u64) {
        let mut changed = false;
        for shown in self.elsewhere.shown_until(now) {
            if !self.charges.is_current(&shown.count) {
                continue;
            }
            let mut states = self.limits.states.iter();
            let state = states.find(|state| {
                state.limit.metric == Metric::Tokens && state.limit.window == shown.window
            });
            if let Some(state) = state {
                let taken = state.taken_by_others(shown.count.sent_until, shown.spread);
                let count = Count {
                    shared: float(taken.0),
                    shared_around: float(taken.1),
                    ..shown.count
                };
                changed |= self.charges.observe(&count, &shown.parts);
            }
        }
        if changed {
            self.limits_changed();
        }
    }

    /// What the provider counted of tokens when it admitted the request that was sent at `sent`, and by
    /// how much the times may differ that requests take to get there.
    fn count(&self, answer: &Answer, state: &LimitState, sent: u64, tokens: u64) -> (Count, u64) {
        let window = state.limit.window.as_secs_f64().max(1e-9);
        let pace = float(state.limit.amount) / window;
        // With the time that the provider worked taken off, what is left of the time to an answer
        // is the way there and back; without it, the figure can be as old as the request.
        let told = answer.latest < answer.now;
        let measured = self.delay.guard().filter(|_| told).map(nanos);
        let spread = measured.unwrap_or_else(|| answer.now.saturating_sub(sent));
        let (ends_from, ends_to) = if told {
            let from = answer.latest.saturating_sub(spread).max(sent);
            (from, answer.latest.saturating_add(spread))
        } else {
            (sent, answer.now)
        };
        let made_at = if told {
            sent.midpoint(answer.latest)
        } else {
            sent
        };
        // Others took the usual time to get there: one that was slow is counted after some that
        // were sent later.
        let usual = self.delay.usual().filter(|_| told);
        let sent_until = usual.map_or(sent, |usual| made_at.saturating_sub(usual / 2));
        let drains = state.learner.kind() == Some(Kind::Bucket);
        let around = self.flight.sent_around(Metric::Tokens, sent_until, spread);
        let count = Count {
            used: answer.used,
            grain: answer.grain,
            sent,
            made_at,
            sent_until,
            is_timed: told,
            ends_from,
            ends_to,
            drains,
            pace,
            blur: if drains {
                pace * float(spread) / 1e9
            } else {
                0.0
            },
            around: if sent.abs_diff(sent_until) <= spread {
                around.saturating_sub(tokens)
            } else {
                around
            },
            shared: 0.0,
            shared_around: 0.0,
        };
        (count, spread)
    }

    /// What the provider charges for a request of this size, as far as that is known. The charge
    /// is dear where it is not, but never so dear that the request could not go at all.
    pub(super) fn charge_of(&self, charge: &Charge, parts: Option<&ChargeParts>) -> Charge {
        let Some(parts) = parts else {
            return *charge;
        };
        let formula = self.charges.believed();
        let tokens = formula
            .unwrap_or(self.settings.assumed_charge)
            .tokens(parts);
        let least = ChargeFormula {
            combine: Combine::Max,
            ..ChargeFormula::CAUTIOUS
        };
        let most = self.limits.least_amount(Metric::Tokens);
        let tokens = tokens.min(most.max(least.tokens(parts)));
        charge.with(Metric::Tokens, tokens)
    }

    /// What a request may be charged on top when it ends, by the formula that is believed: a provider
    /// that corrects the larger of two parts to both together charges more in the end.
    pub(super) fn debt_max(&self, charge: &Charge, parts: Option<&ChargeParts>) -> u64 {
        let (Some(formula), Some(parts)) = (self.charges.believed(), parts) else {
            return 0;
        };
        if !formula.refunds || formula.combine != Combine::Max {
            return 0;
        }
        let both = ChargeFormula {
            combine: Combine::Sum,
            ..formula
        };
        both.tokens(parts)
            .saturating_sub(charge.get(Metric::Tokens))
    }

    /// All requests in flight together may be charged so many tokens on top.
    pub(super) fn expect_debts(&mut self, debts_max: u64) {
        if debts_max != self.debts_max {
            self.debts_max = debts_max;
            self.limits.expect_debts(debts_max);
        }
    }

    /// Takes in a refusal by the provider: the whole domain pauses once per episode, and starts
    /// slowly again after it. Only a refusal for quota touches levels.
    pub fn refused(&mut self, refusal: ProviderRefusal, now: Timestamp) {
        let at = self.advance(now);
        let first = self.gate.begins_episode(&refusal);
        let mut explained = false;
        match refusal.kind {
            RefusalKind::Quota => {
                self.totals.quota_refusals += 1;
                // What others were refused says nothing new unless it tells what is used.
                if first || refusal.used.is_some() {
                    explained = self.raise_levels(&refusal, at);
                }
                if first {
                    explained |= self.guess_amount(&refusal, at);
                } else {
                    self.correct_guess(&refusal, at);
                }
                if first {
                    self.limits.take(&refusal.penalty, at);
                }
            }
            RefusalKind::Overload => self.totals.overload_refusals += 1,
            RefusalKind::Concurrency => {
                self.totals.concurrency_refusals += 1;
                let in_flight = self.reservations.len();
                self.gate.crowded(refusal.limit, in_flight, first);
            }
            RefusalKind::Acceleration => self.totals.acceleration_refusals += 1,
        }
        self.gate.refused(&refusal, explained, &self.limits, at);
        self.touch();
        self.elsewhere.tell(News::Now);
    }

    /// Takes in what a refusal tells of levels; whether it is explained by what it taught, so that
    /// pacing by that is all that has to follow.
    fn raise_levels(&mut self, refusal: &ProviderRefusal, now: u64) -> bool {
        let Some(metric) = refusal.metric else {
            return false;
        };
        if let Some(limit) = refusal.limit
            && !self.limits.states.iter().any(|state| {
                let window = state.limit.window;
                state.limit.metric == metric
                    && refusal.window.is_none_or(|told| told == window)
                    && (state.limit.amount == limit || state.configured_amount == Some(limit))
            })
        {
            // A limit named in a refusal is as good as one in a header.
            let remaining = i64::try_from(limit).unwrap_or(i64::MAX);
            let observation = Observation {
                metric,
                limit,
                remaining,
                reset: None,
                as_of: Timestamp::from_nanos(now),
                reservation: None,
                window: refusal.window,
                processing: None,
            };
            self.observe(observation, Timestamp::from_nanos(now));
        }
        if self.is_about_pieces(refusal, metric, now) {
            self.limits_changed();
            return true;
        }
        // Where a provider says when it has room again, the pause until then is all there is to
        // know; a log of what was taken would hold the level for a whole window instead.
        let told = refusal.retry_after.is_some();
        let refused = |state: &&mut LimitState| {
            state.limit.metric == metric && !(told && state.window.is_log())
        };
        let of_window = |state: &LimitState| {
            refusal
                .window
                .is_none_or(|window| window == state.limit.window)
        };
        let states = self.limits.states.iter_mut().filter(refused);
        match (refusal.limit, refusal.used) {
            (Some(limit), used) => {
                for state in states.filter(|state| state.limit.amount == limit) {
                    state.window.raise_to(used.unwrap_or(limit), now);
                }
            }
            // What one window has seen, all longer ones have seen too.
            (None, Some(used)) => {
                for state in states.filter(|state| state.limit.amount >= used) {
                    state.window.raise_to(used, now);
                }
            }
            (None, None) => {
                let states = states.filter(|state| of_window(state));
                if let Some(state) = states.min_by_key(|state| state.limit.window) {
                    state.window.raise_to(state.limit.amount, now);
                }
            }
        }
        false
    }

    /// Whether a refusal shows that a limit is enforced in pieces, which is then believed.
    fn is_about_pieces(&mut self, refusal: &ProviderRefusal, metric: Metric, now: u64) -> bool {
        let situation = self.situation(metric);
        let mut states = self.limits.states.iter_mut();
        let refused = states.find(|state| {
            state.limit.metric == metric
                && refusal
                    .limit
                    .is_none_or(|limit| state.limit.amount == limit)
        });
        refused.is_some_and(|state| state.learn_refusal(refusal, &situation, now))
    }

    /// With both calls and tokens limited by configuration there is nothing to probe.
    pub(super) fn end_probe_if_known(&mut self) {
        let tokens = [Metric::Tokens, Metric::InputTokens, Metric::OutputTokens];
        // What is only remembered is still to be confirmed.
        let configured = |metric: Metric| {
            let mut states = self.limits.states.iter();
            states.any(|state| {
                state.limit.metric == metric && state.source == LimitSource::Configured
            })
        };
        if configured(Metric::Requests) && tokens.into_iter().any(configured) {
            self.gate.end_probe();
        }
    }

    /// What is believed of the token charge.
    pub(super) fn charge_belief(&self) -> ChargeBelief {
        ChargeBelief {
            formula: self
                .charges
                .believed()
                .unwrap_or(self.settings.assumed_charge),
            confidence_permille: permille(self.charges.confidence()),
            decided_after: self.charges.decided_after,
        }
    }

    /// What is worth remembering until the next start.
    #[must_use]
    pub fn memory(&self, now: Timestamp) -> Memory {
        let now = self.now.max(now.as_nanos());
        let states = self.limits.states.iter();
        Memory {
            limits: states.filter_map(|state| state.memory(now)).collect(),
            charge: self.charges.believed(),
        }
    }

    /// Takes up what was remembered `age` ago, where nothing newer is known. It is not relied on
    /// before an answer has confirmed it: the probe bound stays until then.
    pub fn recall(&mut self, memory: &Memory, age: Duration, now: Timestamp) {
        let now = self.advance(now);
        if age > MEMORY_MAX {
            return;
        }
        let guard = self.learned_guard();
        // Told before the first is added: a metric can have limits over several windows.
        let known = Metric::ALL.map(|metric| self.limits.covers(metric));
        for limit in &memory.limits {
            let is_known = known.get(limit.metric.index()).copied().unwrap_or(true);
            if is_known || limit.amount == 0 || limit.window.is_zero() {
                continue;
            }
            let drained = limit.window.as_secs_f64().max(1e-9).recip() * age.as_secs_f64();
            let left = limit.used.saturating_sub(part(limit.amount, drained));
            let state = LimitState::recalled(limit, left, guard, now);
            self.limits.states.push(state);
        }
        if let (Some(formula), None) = (memory.charge, self.charges.believed()) {
            self.charges = Charges::recalled(formula);
        }
        self.limits_changed();
    }

    /// Whether answers have shown the charge formula that is believed, so that others can count by it:
    /// the dearest is believed as long as nothing speaks against it.
    #[must_use]
    pub fn charge_is_shown(&self) -> bool {
        self.charges.is_shown()
    }

    /// Takes up what others believe who share the limits now: limits that are not known here, and the
    /// charge formula whatever was believed, for all have to count by the same.
    pub fn agree(&mut self, memory: &Memory, now: Timestamp) {
        if let Some(formula) = memory.charge {
            self.charges.agree(formula);
        }
        self.recall(memory, Duration::ZERO, now);
    }
}

/// What the reservation left in the limit on `metric`.
fn own_of(open: &Open, metric: Metric) -> Option<Own> {
    let mark = open.marks.as_deref()?.get(metric.index())?;
    Some(Own {
        mark: *mark,
        charge: open.charge.get(metric),
    })
}

#[expect(clippy::cast_precision_loss, reason = "units and times for estimates")]
fn float(value: u64) -> f64 {
    value as f64
}

/// `part` of `amount`, saturated.
fn part(amount: u64, part: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and the part is not negative"
    )]
    {
        (amount as f64 * part).round() as u64
    }
}
