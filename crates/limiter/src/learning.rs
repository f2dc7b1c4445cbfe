//! What a provider enforces, found out from what it says.
//!
//! Every limit that answers speak of has a [`Learner`]: which kind of window it is, where fixed
//! windows end, how much of a bucket may be spent at once, and how far the provider's count is from
//! ours. Behaviour is cautious as long as little is known, and uses the whole quota once it is.

pub(crate) mod answer;
mod brim;
mod capacity;
pub(crate) mod charges;
pub(crate) mod delay;
pub(crate) mod drift;
pub(crate) mod flight;
pub(crate) mod guess;
pub(crate) mod kind;
mod phase;
pub(crate) mod spent;

use std::time::Duration;

use crate::belief::{Change, ChangeReason, LimitBelief, LimitMemory, WindowKind};
use crate::elsewhere::Admission;
use crate::limits::LimitState;
use crate::settings::{Limit, WindowModel};
use crate::settlement::ProviderRefusal;
use crate::snapshot::LimitSource;
use crate::time::{Timestamp, nanos};
use crate::window::Window;
use answer::{Answer, Mark};
use brim::Brim;
use capacity::{Capacity, FIRST_NS, Trust, capacity_shown};
use drift::{Drift, Pace, blur_ns};
use flight::Flight;
use guess::Guess;
use kind::{Kind, KindEvidence};

/// A log is only lowered where it is too high by more than this part of it: it holds entries for
/// longer than the provider does, and has to.
const OVERCOUNT_PART: u64 = 16;

/// The time at which a provider made up its figures is unsure by this part of the spread of delays:
/// a busy provider looks at its limits some time after it began to work.
const SLACK_GUARDS: u64 = 2;

/// An answer tells a window when it would seldom fit one by chance.
const TELLING: f64 = 2.0;

/// Others take part in a limit when they use more than this part of it.
const FOREIGN_PART: f64 = 0.02;

/// Room that is left for the steps in which others take is at most this part of a limit.
const RESERVE_PART: u64 = 20;

/// Room that is kept for debts of what is in flight is at most this part of a window's amount.
const DEBTS_PART: u64 = 2;

/// And at most this part of what goes at once.
const RESERVE_AT_ONCE_PART: u64 = 4;

/// What is at hand when an answer arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    /// Units in flight; the provider may or may not count them yet.
    pub(crate) outstanding: u64,
    pub(crate) next_serial: u64,
    /// The spread of delays that learned limits allow for.
    pub(crate) guard: Duration,
    /// The largest recent charge on top of a reservation, which requests under way may bring too.
    pub(crate) debt: u64,
    /// Whether what requests are charged is known well enough to spend a whole window at once.
    pub(crate) charges_known: bool,
    /// A kind that another limit of the same pool is known to be of.
    pub(crate) sibling: Option<Kind>,
    /// Who counts.
    pub(crate) admission: Admission,
}

/// The request that an answer is about, where the answer counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    pub(crate) mark: Mark,
    pub(crate) charge: u64,
}

/// What an answer has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learned {
    /// What requests cost in time.
    pub(crate) costs: bool,
    /// When requests may go.
    pub(crate) room: bool,
}

/// What is known of one limit beside its figures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learner {
    evidence: KindEvidence,
    kind: Option<Kind>,
    brim: Brim,
    capacity: Capacity,
    drift: Drift,
    /// Answers that spoke of this limit.
    answers: u64,
    /// Answers that were sent before this are about an earlier amount.
    amount_since: u64,
    change: Option<Change>,
    /// Told by memory and not confirmed by an answer yet.
    recalled: bool,
    /// The window, where an answer has named it.
    told_window: Option<u64>,
    /// Where nobody names the amount.
    pub(crate) guess: Option<Guess>,
}

impl Learner {
    /// Whether answers speak of this limit, so that requests leave marks.
    pub(crate) const fn is_observed(&self) -> bool {
        self.answers > 0
    }

    /// The sum of corrections so far.
    pub(crate) const fn corrected(&self) -> i64 {
        self.drift.corrected()
    }

    /// The sum of corrections is kept elsewhere, and is this.
    pub(crate) const fn counts_corrections(&mut self, corrected: i64) {
        self.drift.set_corrected(corrected);
    }

    /// Whether no answer has named another window.
    pub(crate) fn may_be_of_window(&self, window: Duration) -> bool {
        self.told_window.is_none_or(|told| told == nanos(window))
    }

    /// The earliest and the latest end of the present window, where windows are fixed.
    pub(crate) fn window_end(&self, now: u64) -> Option<(u64, u64)> {
        let fixed = self.kind == Some(Kind::Fixed);
        self.evidence.phase().end(now).filter(|_| fixed)
    }

    /// The kind of window that is believed.
    pub(crate) const fn kind(&self) -> Option<Kind> {
        self.kind
    }

    fn changed(&mut self, at: u64, reason: ChangeReason) {
        self.change = Some(Change {
            at: Timestamp::from_nanos(at),
            reason,
        });
    }

    /// The kind that is acted on: one that was believed stays until something speaks against it.
    fn settle_kind(&mut self, sibling: Option<Kind>, now: u64) {
        let believed = self.evidence.kind();
        let by_sibling = sibling.filter(|kind| self.evidence.allows(*kind));
        let kept = self.kind.filter(|kind| self.evidence.allows(*kind));
        let next = believed.or(kept).or(by_sibling);
        if next != self.kind {
            self.kind = next;
            self.drift.restart();
            self.changed(now, ChangeReason::Kind);
        }
    }
}

/// A limit that answers speak of for the first time.
pub(crate) fn first_seen(answer: &Answer, metric: crate::Metric, guard: Duration) -> Limit {
    let fitting = || {
        answer
            .reset
            .filter(|reset| *reset > 0 && answer.used > 0)
            .and_then(|reset| kind::bucket_window(answer, reset))
            .filter(|(_, weight)| *weight >= TELLING)
            .map(|(window, _)| window)
    };
    let window = answer.window.or_else(fitting);
    let window = window.unwrap_or(kind::WINDOW_DEFAULT_NS);
    unknown_limit(metric, answer.limit, window, guard)
}

/// The window to begin with: the usual one, as one answer can fit another by chance, unless more time
/// than that is left of it.
pub(crate) fn first_window(answer: &Answer, told: Limit) -> Limit {
    let usual = Duration::from_nanos(kind::WINDOW_DEFAULT_NS);
    let is_longer = answer.reset.is_some_and(|reset| reset > nanos(usual));
    if is_longer || told.window == usual || answer.window.is_some() {
        return told;
    }
    unknown_limit(told.metric, told.amount, nanos(usual), told.guard)
}

/// The usual window that fits an answer best, even if that may be by chance.
pub(crate) fn window_that_fits(answer: &Answer) -> Option<Duration> {
    if let Some(told) = answer.window {
        return Some(Duration::from_nanos(told));
    }
    let reset = answer.reset.filter(|reset| *reset > 0 && answer.used > 0)?;
    let (window, _) = kind::bucket_window(answer, reset)?;
    Some(Duration::from_nanos(window))
}

/// Whether an answer tells the window of the limit it is about.
pub(crate) fn tells_window(answer: &Answer) -> bool {
    answer.window.is_some()
        || answer
            .reset
            .filter(|reset| *reset > 0 && answer.used > 0)
            .and_then(|reset| kind::bucket_window(answer, reset))
            .is_some_and(|(_, weight)| weight >= TELLING)
}

pub(crate) fn unknown_limit(
    metric: crate::Metric,
    amount: u64,
    window: u64,
    guard: Duration,
) -> Limit {
    let at_once = FIRST_NS.saturating_add(nanos(guard));
    let burst = u128::from(amount) * u128::from(at_once) / u128::from(window.max(1));
    let burst = u64::try_from(burst)
        .unwrap_or(u64::MAX)
        .clamp(1, amount.max(1));
    Limit {
        metric,
        amount,
        window: Duration::from_nanos(window),
        model: WindowModel::Unknown { burst },
        guard,
    }
}

impl LimitState {
    /// Reads what an answer says by what this limit is known to hold.
    pub(crate) fn read(&mut self, answer: &mut Answer, counted: bool) {
        if counted && self.source == LimitSource::Learned {
            let window = nanos(self.limit.window);
            self.learner.brim.read(answer, window);
            if let Some(held) = self.learner.brim.held() {
                self.learner.capacity.holds(held);
            }
        }
    }

    /// Takes in an answer about this limit.
    pub(crate) fn learn(
        &mut self,
        answer: &Answer,
        own: Option<&Own>,
        situation: &Situation,
        flight: &Flight,
    ) -> Learned {
        let now = answer.now;
        self.learner.answers += 1;
        self.learner.recalled = false;
        self.learner.guess = None;
        self.learner.told_window = answer.window.or(self.learner.told_window);
        let before = self.limit;
        if let Some(own) = own {
            let slack = nanos(situation.guard) / SLACK_GUARDS;
            self.learner.evidence.observe(answer, slack);
            let answer_ns = now.saturating_sub(answer.sent);
            let since = self.learner.corrected().saturating_sub(own.mark.corrected);
            let ours = own.mark.used.saturating_add_signed(since);
            let capacity = &mut self.learner.capacity;
            capacity.admitted(answer.used, ours, own.charge, answer_ns);
        }
        let amount = self.amount_after(answer);
        let kept = if self.learns_kind() {
            self.learner.settle_kind(situation.sibling, now);
            let limit = self.believed_limit(amount, situation.guard, situation.charges_known);
            let in_flight = situation
                .outstanding
                .saturating_sub(own.map_or(0, |own| own.charge));
            self.adopt(limit, answer.used.saturating_add(in_flight), situation, now)
        } else {
            if amount != self.limit.amount {
                self.resize(self.limit.with_amount(amount), situation.next_serial, now);
            }
            true
        };
        if let Some((earliest, latest)) = self.learner.window_end(now) {
            self.window.anchor(earliest, latest, now);
        }
        let spread = nanos(situation.guard);
        let own = own.filter(|_| kept);
        let corrected = match situation.admission {
            Admission::Alone => self.reconcile(answer, own, flight, (spread, now)),
            // What others took since the last count was told is not known before the next.
            Admission::Elsewhere => {
                let counted = self.shared.get_or_insert_default();
                counted.remember(answer, own);
                false
            }
            // The answer counts what others take, and their parts are not counted here.
            Admission::Part { .. } => false,
        };
        self.note_belief(&before, now);
        self.reserve = self
            .reserve_for_others(situation.debt, now)
            .min(self.reserve_max());
        Learned {
            costs: (before.amount, before.window) != (self.limit.amount, self.limit.window),
            room: corrected || before != self.limit,
        }
    }

    /// Amount and kind are believed from now on, unless they were before.
    pub(crate) fn note_belief(&mut self, before: &Limit, now: u64) {
        let kind = |limit: &Limit| WindowKind::of(&limit.model);
        if before.amount != self.limit.amount || kind(before) != kind(&self.limit) {
            self.since = now;
        }
    }

    /// Takes up what others who share the limit have come to believe of it.
    pub(crate) fn adopt_belief(
        &mut self,
        amount: u64,
        kind: WindowKind,
        situation: &Situation,
        now: u64,
    ) {
        let kind = Kind::from(kind);
        if self.learner.kind != Some(kind) {
            let window = nanos(self.limit.window);
            self.learner.kind = Some(kind);
            self.learner.evidence = KindEvidence::recalled(kind, window);
            self.learner.drift.restart();
        }
        let limit = self.believed_limit(amount, situation.guard, situation.charges_known);
        self.adopt(limit, self.window.used(now), situation, now);
        // It was found elsewhere: whatever is younger than that counts.
        self.since = 0;
    }

    /// Whether the kind of window is to be found out.
    fn learns_kind(&self) -> bool {
        self.source == LimitSource::Learned
    }

    /// The amount after this answer.
    fn amount_after(&mut self, answer: &Answer) -> u64 {
        let configured = self
            .configured_amount
            .or_else(|| (self.source == LimitSource::Configured).then_some(self.limit.amount));
        let amount = configured.map_or(answer.limit, |most| answer.limit.min(most));
        if amount == self.limit.amount || answer.sent < self.learner.amount_since {
            return self.limit.amount;
        }
        self.learner.amount_since = answer.sent;
        self.learner
            .capacity
            .scale(ratio(amount, self.limit.amount));
        let reason = ChangeReason::Amount {
            before: self.limit.amount,
        };
        self.learner.changed(answer.now, reason);
        self.configured_amount = configured.filter(|configured| *configured != amount);
        amount
    }

    /// The limit as it is believed to be counted.
    fn believed_limit(&self, amount: u64, guard: Duration, charges_known: bool) -> Limit {
        let metric = self.limit.metric;
        let learner = &self.learner;
        let known = match learner.kind {
            Some(kind) => learner.evidence.window(kind),
            None => learner.evidence.likeliest_window(),
        };
        let window = learner.told_window.or(known);
        let window = window.unwrap_or_else(|| nanos(self.limit.window));
        let limit = unknown_limit(metric, amount, window, guard);
        let (model, guard) = match learner.kind {
            None => (limit.model, guard),
            // All of it may go at once, so that what requests cost has to be known before.
            Some(Kind::Sliding | Kind::Fixed) if !charges_known => (limit.model, guard),
            Some(Kind::Sliding) => (WindowModel::Sliding, guard),
            Some(Kind::Fixed) => (WindowModel::FixedFromFirstUse, guard.min(limit.window / 4)),
            Some(Kind::Bucket) => match learner.capacity.trust(amount, window, nanos(guard)) {
                Trust::Ramp(level) => (
                    WindowModel::Bucket {
                        burst: whole(level).clamp(1, amount),
                    },
                    Duration::ZERO,
                ),
                Trust::Piece(units) => {
                    let quantum = limit
                        .window
                        .mul_f64((units / float(amount)).clamp(0.0, 1.0));
                    let quantum = quantum.max(Duration::from_nanos(1));
                    (WindowModel::Quantised { quantum }, guard)
                }
                Trust::Whole => (WindowModel::Bucket { burst: amount }, guard),
            },
        };
        Limit {
            model,
            guard,
            ..limit
        }
    }

    /// Puts `limit` in force, with `level` used where it counts in another way than before; whether
    /// what was counted is still the same count.
    fn adopt(&mut self, limit: Limit, level: u64, situation: &Situation, now: u64) -> bool {
        if limit == self.limit {
            return true;
        }
        let alike = std::mem::discriminant(&limit.model)
            == std::mem::discriminant(&self.limit.model)
            || matches!(
                (&self.limit.model, &limit.model),
                (WindowModel::Bucket { .. }, WindowModel::Quantised { .. })
                    | (WindowModel::Quantised { .. }, WindowModel::Bucket { .. })
            );
        if alike {
            self.resize(limit, situation.next_serial, now);
        } else {
            self.recast(limit, level, situation.next_serial, now);
        }
        alike
    }

    /// When the present window opened at the provider, where windows are fixed: what was sent before
    /// is not counted in it.
    pub(crate) fn opened(&self, now: u64) -> u64 {
        match &self.window {
            Window::Fixed(fixed) if self.learner.kind.is_none() => return fixed.opened(now),
            _ if self.learner.kind != Some(Kind::Fixed) => return 0,
            _ => {}
        }
        let window = nanos(self.limit.window);
        let end = self.learner.window_end(now);
        // Nothing is sent shortly before a window ends, so that the earliest that it can have opened
        // parts what is counted in it from what is not.
        end.map_or(now, |(earliest, _)| earliest.saturating_sub(window))
    }

    /// Brings the level in line with what the provider counted; whether that made a difference.
    fn reconcile(
        &mut self,
        answer: &Answer,
        own: Option<&Own>,
        flight: &Flight,
        at: (u64, u64),
    ) -> bool {
        self.note_count(answer, own, at) && self.correct(answer, own, flight, at)
    }

    /// Notes what the provider counted; whether that is about the present window.
    pub(crate) fn note_count(
        &mut self,
        answer: &Answer,
        own: Option<&Own>,
        (guard, now): (u64, u64),
    ) -> bool {
        let opened = self.opened(now);
        if answer.sent < opened {
            return false;
        }
        self.learner.drift.retain(|sent| sent >= opened);
        let mark = self.comparable(own);
        let pace = self.pace(answer, guard);
        self.learner.drift.observe(answer, mark.as_ref(), pace);
        true
    }

    /// What was counted when a request went, if that is still the same count.
    fn comparable(&self, own: Option<&Own>) -> Option<Mark> {
        let mark = own.map(|own| own.mark);
        mark.filter(|mark| mark.generation == self.generation)
    }

    fn pace(&self, answer: &Answer, spread: u64) -> Pace {
        let drains = matches!(self.window, Window::Bucket(_));
        let per_ns = float(answer.limit) / float(nanos(self.limit.window).max(1));
        Pace {
            per_ns: if drains { per_ns } else { 0.0 },
            spread,
        }
    }

    /// Brings the level in line with all counts that were noted, this one among them.
    pub(crate) fn correct(
        &mut self,
        answer: &Answer,
        own: Option<&Own>,
        flight: &Flight,
        (guard, now): (u64, u64),
    ) -> bool {
        let pace = self.pace(answer, guard);
        let mark = self.comparable(own);
        let step = mark.map_or(0, |_| self.learner.drift.step());
        let (peak, newest) = (
            self.learner.drift.peak(pace.per_ns, now),
            self.learner.drift.newest(pace.per_ns, now),
        );
        let (Some(peak), Some(newest)) = (peak, newest) else {
            return false;
        };
        let metric = self.limit.metric;
        let since = peak.sent.saturating_sub(blur_ns(guard));
        let others = self.others_since(flight, since);
        let most = match others {
            Some(others) if own.is_some() && flight.knows_since(since) => {
                let open = flight.open_since(metric, since);
                peak.used.saturating_add(open).saturating_add(others)
            }
            _ => u64::MAX,
        };
        if self.window.is_log() {
            // What the provider has forgotten by then is kept here for one guard longer.
            let window = nanos(self.limit.window);
            let forgotten = peak.latest.saturating_add(guard).saturating_sub(window);
            let kept = self.window.taken_before(forgotten);
            return self.reconcile_log(answer, most.saturating_add(kept), now);
        }
        let sent = flight.sent_after(metric, newest.latest);
        let least = newest.used.saturating_add(sent);
        let most = most.max(least);
        let before = self.window.used(now);
        // Where nothing bounds it, how far the provider is ahead may be blurred by any amount.
        let step = if most == u64::MAX { 0 } else { step };
        let wanted = before.saturating_add_signed(step).clamp(least, most);
        let step = difference(wanted, before);
        let changed = match u64::try_from(step) {
            Ok(0) => false,
            Ok(up) => {
                self.window.raise_by(up, now);
                true
            }
            // A limit that is kept below the provider's drains more slowly than it does.
            Err(_) if self.limit.amount != answer.limit => false,
            Err(_) => {
                self.window.lower_by(step.unsigned_abs(), now);
                self.shows_refunds(step.unsigned_abs(), guard, now);
                true
            }
        };
        if changed {
            self.learner.drift.apply(step, mark.is_some(), now);
        }
        if flight.is_quiet() {
            self.learner.drift.settle(now);
        }
        changed
    }

    /// Units that others who share the limit took since; `None`: that is not known.
    fn others_since(&self, flight: &Flight, since: u64) -> Option<u64> {
        let Some(counted) = &self.shared else {
            return Some(0);
        };
        let taken = counted.taken_since(since)?;
        Some(taken.saturating_sub(flight.sent_after(self.limit.metric, since)))
    }

    /// The provider counts less than was thought: requests may have ended there of which it is not
    /// known here. Their refunds must not count twice.
    fn shows_refunds(&mut self, units: u64, spread: u64, now: u64) {
        let (early, until) = self.early;
        let before = if now <= until { early } else { 0 };
        let until = now.saturating_add(spread.saturating_mul(2));
        self.early = (before.saturating_add(units), until);
    }

    /// The same where everything counts for one window: what expires of it is not told, so that only
    /// what must be true, and what is far from being true, can be relied on.
    fn reconcile_log(&mut self, answer: &Answer, most: u64, now: u64) -> bool {
        let before = self.window.used(now);
        self.window.reconcile(answer.used, answer.sent, now);
        let raised = self.window.used(now);
        let most = most.saturating_add(raised / OVERCOUNT_PART);
        if raised > most.saturating_add(most / OVERCOUNT_PART) {
            self.window.lower_by(raised - most, now);
        }
        let step = difference(self.window.used(now), before);
        self.learner.drift.apply(step, step > 0, now);
        step != 0
    }

    /// The most room that is kept for what cannot be foreseen.
    fn reserve_max(&self) -> u64 {
        let at_once = match self.limit.model {
            // Where the level is let up step by step, each step is as small as it should be.
            WindowModel::Bucket { burst } if burst < self.limit.amount => 0,
            WindowModel::Quantised { quantum } => {
                let part = quantum.as_secs_f64() / self.limit.window.as_secs_f64().max(1e-9);
                whole(float(self.limit.amount) * part)
            }
            _ => self.limit.amount,
        };
        (self.limit.amount / RESERVE_PART).min(at_once / RESERVE_AT_ONCE_PART)
    }

    /// The most room that is kept for what is in flight: with more, little could go at once.
    pub(crate) fn debts_kept_max(&self) -> u64 {
        match self.limit.model {
            WindowModel::Bucket { .. } | WindowModel::Quantised { .. } => self.reserve_max(),
            _ => self.limit.amount / DEBTS_PART,
        }
    }

    /// Room that is kept for what others take between two answers.
    ///
    /// A bucket loses nothing by it but what goes at once. Elsewhere it is quota unused, so that it
    /// is kept only where others are known of.
    fn reserve_for_others(&self, debt: u64, now: u64) -> u64 {
        let drift = &self.learner.drift;
        let others = drift.foreign_per_second(now);
        let per_second = float(self.limit.amount) / self.limit.window.as_secs_f64().max(1e-9);
        // What they have taken since the provider made up the latest answers is still to be told.
        let untold = if others < per_second * FOREIGN_PART {
            0
        } else {
            whole(others * self.learner.capacity.answer_seconds())
        };
        if matches!(self.window, Window::Bucket(_)) || untold > 0 {
            drift.largest_surprise(now).saturating_add(untold).max(debt)
        } else {
            debt
        }
    }

    /// Takes in a refusal that names this limit: what the provider counted, what the request asked
    /// for, and how long until it would fit. `true`: it shows that less may go at once than was
    /// believed, so that the level is not the amount.
    pub(crate) fn learn_refusal(
        &mut self,
        refusal: &ProviderRefusal,
        situation: &Situation,
        now: u64,
    ) -> bool {
        let ends_at_once = matches!(self.learner.kind, Some(Kind::Fixed | Kind::Sliding));
        if self.source == LimitSource::Configured || ends_at_once {
            return false;
        }
        let Some(requested) = refusal.requested else {
            return false;
        };
        let ours = self.window.used(now);
        let stated = refusal.used;
        let used = refusal
            .level
            .unwrap_or_else(|| stated.map_or(ours, |used| used.min(ours)));
        let size = (self.limit.amount, nanos(self.limit.window));
        let wait = refusal.retry_after.map(nanos);
        let Some(units) = capacity_shown(size, used, (stated, requested, wait)) else {
            return false;
        };
        self.learner.capacity.refused(units);
        self.learner.changed(now, ChangeReason::Piece);
        let limit =
            self.believed_limit(self.limit.amount, situation.guard, situation.charges_known);
        self.adopt(limit, used, situation, now);
        if self.learner.kind == Some(Kind::Bucket) {
            self.window.raise_to(used, now);
        }
        true
    }

    /// What is believed of this limit, for people.
    pub(crate) fn belief(&self, now: u64) -> Option<LimitBelief> {
        let learner = &self.learner;
        if learner.answers == 0 && !learner.recalled {
            return None;
        }
        let evidence = &learner.evidence;
        let fixed = learner.kind == Some(Kind::Fixed);
        let ends = learner.window_end(now);
        let window = nanos(self.limit.window);
        let per_minute = learner.drift.foreign_per_second(now) * 60.0;
        Some(LimitBelief {
            kind: learner.kind.map(WindowKind::from),
            kind_confidence_permille: permille(evidence.confidence()),
            decided_after: evidence.decided_after,
            answers: learner.answers,
            ends_in: ends.map(|(_, latest)| Duration::from_nanos(latest.saturating_sub(now))),
            end_spread: evidence
                .phase()
                .spread()
                .filter(|_| fixed)
                .map(Duration::from_nanos),
            aligned: evidence.phase().aligned(window).filter(|_| fixed),
            confirmed: whole(learner.capacity.confirmed()),
            piece: learner.capacity.known().map(whole),
            usual_charge: whole(learner.capacity.usual_charge()),
            foreign_per_minute: whole(per_minute),
            reserve: self.reserve,
            verified: !learner.recalled,
            change: learner.change,
        })
    }

    /// What is worth remembering of this limit.
    pub(crate) fn memory(&self, now: u64) -> Option<LimitMemory> {
        if self.source != LimitSource::Learned {
            return None;
        }
        Some(LimitMemory {
            metric: self.limit.metric,
            amount: self.limit.amount,
            window: self.limit.window,
            kind: self.learner.kind.map(WindowKind::from),
            confirmed: whole(self.learner.capacity.confirmed()),
            piece: self.learner.capacity.known().map(whole),
            used: self.window.used(now),
        })
    }

    /// A limit as it was remembered, with `used` units used now.
    pub(crate) fn recalled(memory: &LimitMemory, used: u64, guard: Duration, now: u64) -> Self {
        let window = nanos(memory.window);
        let limit = unknown_limit(memory.metric, memory.amount, window, guard);
        let mut state = Self::new(limit, LimitSource::Learned, 0, now);
        if let Some(kind) = memory.kind {
            state.learner.kind = Some(kind.into());
            state.learner.evidence = KindEvidence::recalled(kind.into(), window);
        }
        let confirmed = float(memory.confirmed);
        state.learner.capacity = Capacity::recalled(confirmed, memory.piece.map(float));
        state.learner.recalled = true;
        let limit = state.believed_limit(memory.amount, guard, true);
        state.recast(limit, used, 0, now);
        state
    }
}

impl From<Kind> for WindowKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Bucket => Self::Bucket,
            Kind::Fixed => Self::Fixed,
            Kind::Sliding => Self::Sliding,
        }
    }
}

impl From<WindowKind> for Kind {
    fn from(kind: WindowKind) -> Self {
        match kind {
            WindowKind::Bucket => Self::Bucket,
            WindowKind::Fixed => Self::Fixed,
            WindowKind::Sliding => Self::Sliding,
        }
    }
}

fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(i64::MAX)
}

pub(crate) fn permille(part: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1000"
    )]
    {
        (part.clamp(0.0, 1.0) * 1_000.0).round() as u32
    }
}

fn whole(units: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and no negative figure is passed"
    )]
    {
        units.max(0.0).round() as u64
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "units of quota are far below 2^52"
)]
fn float(units: u64) -> f64 {
    units as f64
}

fn ratio(a: u64, b: u64) -> f64 {
    float(a) / float(b.max(1))
}
