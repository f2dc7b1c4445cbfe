//! A domain whose limits are counted elsewhere, for several domains at once: what it says there, and
//! what it makes of the answer.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::time::Duration;

use super::Domain;
use super::admission::Arriving;
use crate::belief::{LimitMemory, WindowKind};
use crate::charge::{Charge, Metric};
use crate::elsewhere::{
    Admission, Bounds, Closing, Granted, Level, News, Offer, Step, Terms, Told,
};
use crate::formula::ChargeParts;
use crate::learning::charges::Count;
use crate::limits::{LimitState, Taken};
use crate::queue::Load;
use crate::request::{Event, Reservation, WaiterId};
use crate::reservation::Open;
use crate::snapshot::LimitSource;
use crate::time::{Timestamp, nanos};

/// All of a quota, in parts per million.
const WHOLE_PPM: u32 = 1_000_000;

/// Answers that wait for the next word of what others have taken.
const SHOWN_MAX: usize = 1_024;

/// A place this many times further back than all offers cannot be among the next ones.
const BEHIND: usize = 2;

/// A closing that was not told yet, with what it gives back or takes on top.
#[derive(Clone, Copy, Debug)]
struct Ended {
    closing: Closing,
    refund: Charge,
    debt: Charge,
    taken: Taken,
}

/// An answer of which it is not known yet what others had taken when its count was made up.
#[derive(Debug)]
pub(super) struct Shown {
    /// Of the limit that it is about.
    pub(super) window: Duration,
    pub(super) count: Count,
    pub(super) parts: ChargeParts,
    /// What was sent within this time of it may have overtaken it.
    pub(super) spread: u64,
}

/// What a domain has to do with where its limits are counted.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    admission: Admission,
    news: News,
    /// Who was offered last, with the charges that were told.
    offered: Vec<(u64, Charge)>,
    ended: Vec<Ended>,
    steps: Vec<Step>,
    shown: VecDeque<Shown>,
    /// The part of the quota that is for this domain; 0: not told.
    share_ppm: u32,
    /// When the first who waits may go, as was told.
    wake: Option<u64>,
    /// Until then a throttle keeps everyone from being offered.
    held_until: Option<u64>,
    /// The cost of all that was queued, in nanoseconds of quota; it wraps.
    asked: u64,
}

impl Elsewhere {
    pub(super) const fn admission(&self) -> Admission {
        self.admission
    }

    /// Whether the domain decides itself.
    pub(super) fn decides_here(&self) -> bool {
        self.admission != Admission::Elsewhere
    }

    pub(super) fn tell(&mut self, news: News) {
        self.news = self.news.max(news);
    }

    /// A request of this cost has come to wait at this place in the queue.
    pub(super) fn asked(&mut self, cost: u64, position: usize) {
        if self.decides_here() {
            return;
        }
        self.asked = self.asked.wrapping_add(cost);
        // Who is behind all that were offered goes after them.
        let is_behind = !self.offered.is_empty() && position > self.offered.len() * BEHIND;
        self.tell(if is_behind { News::Soon } else { News::Now });
    }

    pub(super) const fn held_until(&self) -> Option<u64> {
        self.held_until
    }

    /// What was held is offered again from now on.
    pub(super) fn let_go(&mut self, now: u64) {
        if self.held_until.is_some_and(|until| until <= now) {
            self.held_until = None;
            self.tell(News::Now);
        }
    }

    /// What goes before somebody, with what others who share the quota are served meanwhile.
    pub(super) fn with_others(&self, ahead: &Load) -> Load {
        let share = u128::from(self.share_ppm);
        if self.decides_here() || share == 0 || self.share_ppm >= WHOLE_PPM {
            return *ahead;
        }
        let all = |own: u64| {
            let all = u128::from(own) * u128::from(WHOLE_PPM) / share;
            u64::try_from(all).unwrap_or(u64::MAX)
        };
        Load {
            cost: all(ahead.cost),
            units: ahead.units.map(all),
            count: all(ahead.count),
        }
    }

    /// The time before which the first who waits does not go.
    pub(super) fn not_before(&self) -> u64 {
        let told = self.wake.filter(|_| !self.decides_here());
        told.unwrap_or(0)
    }

    fn offered_charge(&self, ticket: u64) -> Option<Charge> {
        let offered = self.offered.iter().find(|(number, _)| *number == ticket);
        offered.map(|(_, charge)| *charge)
    }

    /// Keeps an answer until it is known what others had taken.
    pub(super) fn remember(&mut self, shown: Shown) {
        if self.shown.len() == SHOWN_MAX {
            self.shown.pop_front();
        }
        self.shown.push_back(shown);
    }

    /// The answers of which that is known now.
    pub(super) fn shown_until(&mut self, now: u64) -> Vec<Shown> {
        let is_known = |shown: &Shown| shown.count.sent_until.saturating_add(shown.spread) <= now;
        let (known, open) = mem::take(&mut self.shown).into_iter().partition(is_known);
        self.shown = open;
        Vec::from(known)
    }

    /// The number of a waiter, if it may have been let in elsewhere.
    pub(super) fn ticket(&self, number: u64) -> Option<u64> {
        self.offered_charge(number).map(|_| number)
    }
}

impl Domain {
    /// Who decides from now on. What is used stays used: of a part of a limit as much as was of all.
    pub fn set_admission(&mut self, admission: Admission, now: Timestamp) {
        let now = self.advance(now);
        let before = std::mem::replace(&mut self.elsewhere.admission, admission);
        if admission == before {
            return;
        }
        self.elsewhere.wake = None;
        self.elsewhere.steps.clear();
        self.elsewhere.shown.clear();
        let part = match admission {
            Admission::Part { share_ppm } => share_ppm,
            Admission::Alone | Admission::Elsewhere => WHOLE_PPM,
        };
        let serial = self.reservations.next_serial();
        for state in &mut self.limits.states {
            if admission == Admission::Elsewhere {
                state.rejoin(now);
            }
            state.count_part(part, serial, now);
            if before == Admission::Elsewhere {
                state.part_ways();
            }
            state.shared = None;
        }
        // What others took meanwhile is not known.
        self.charges.open(now);
        self.plan.clear();
        self.touch();
        self.elsewhere.tell(News::Now);
    }

    /// Whether anybody waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether nobody waits and nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.reservations.len() == 0
    }

    /// How soon whoever decides elsewhere should hear of what is new here.
    #[must_use]
    pub fn news(&self) -> News {
        if self.elsewhere.decides_here() {
            return News::None;
        }
        self.elsewhere.news
    }

    /// The cost of all that ever came to wait, in time of the whole quota. It wraps: differences count.
    #[must_use]
    pub fn asked(&self) -> Duration {
        Duration::from_nanos(self.elsewhere.asked)
    }

    /// The share of service that each tier gets however much waits in the others, in parts per million,
    /// in the order of [`Tier::ALL`](crate::Tier::ALL).
    #[must_use]
    pub fn tier_shares_ppm(&self) -> [u32; 3] {
        let tiers = self.settings.queue.tiers;
        tiers.map(|tier| tier.guaranteed_share_ppm)
    }

    /// The limits as they are believed to be enforced.
    #[must_use]
    pub fn terms(&self, now: Timestamp) -> Vec<Terms> {
        let now = self.now.max(now.as_nanos());
        let terms = |state: &LimitState| {
            let own = self.outstanding(state.limit.metric).max(1);
            let all = state.shared.as_ref().map_or(0, |counted| counted.in_flight);
            // What others have in flight may be charged more in the end too.
            let debts = u128::from(state.debts) * u128::from(all.max(own)) / u128::from(own);
            let debts = u64::try_from(debts).unwrap_or(u64::MAX);
            state.terms(debts.min(state.debts_kept_max()), now)
        };
        self.limits.states.iter().map(terms).collect()
    }

    /// What was [spent](Terms::spent) is counted elsewhere by now.
    pub fn spent_is_told(&mut self) {
        for state in &mut self.limits.states {
            state.is_told();
        }
    }

    /// What holds up everyone.
    #[must_use]
    pub fn bounds(&self, now: Timestamp) -> Bounds {
        let now = self.now.max(now.as_nanos());
        Bounds {
            pause: Duration::from_nanos(self.gate.cool_down_until().saturating_sub(now)),
            spacing: self.settings.spacing,
            in_flight_max: self.gate.in_flight_max(),
        }
    }

    /// The first `max` who wait, in the order in which they should go. With this all news is told but
    /// for what [`Self::closings`] and [`Self::steps`] tell.
    pub fn offers(&mut self, max: usize, now: Timestamp) -> Vec<Offer> {
        let now = self.advance(now);
        self.elsewhere.news = News::None;
        let mut offers = Vec::new();
        let mut named: HashMap<(u32, usize), (Load, usize)> = HashMap::new();
        for (key, _) in self.queue.in_order(now, max) {
            let Some(waiter) = self.queue.get(key) else {
                continue;
            };
            if let Some(at) = self.gate.throttled_until(&waiter.charge, now) {
                self.elsewhere.held_until = Some(at);
                break;
            }
            let Some((tenant, weight)) = self.queue.owner_of(waiter) else {
                continue;
            };
            let flow = (waiter.owner(), waiter.tier.index());
            let (load, last) = named.entry(flow).or_default();
            *load = load.plus(&Load::of(&waiter.charge, waiter.cost));
            *last = offers.len();
            offers.push(Offer {
                waiter: WaiterId(key),
                tenant,
                weight,
                tier: waiter.tier,
                charge: waiter.charge,
                behind: Charge::ZERO,
            });
            // What the next launch may be follows from this one.
            if self.gate.is_throttled() {
                break;
            }
        }
        for ((owner, tier), (load, last)) in named {
            if let Some(offer) = offers.get_mut(last) {
                offer.behind = self.queue.load_of(owner, tier).minus(&load).charge();
            }
        }
        let numbers = offers.iter().map(|o| (o.waiter.number(), o.charge));
        self.elsewhere.offered = numbers.collect();
        offers
    }

    /// What has ended since this was asked last.
    pub fn closings(&mut self) -> Vec<Closing> {
        let ended = mem::take(&mut self.elsewhere.ended);
        ended.iter().map(|ended| ended.closing).collect()
    }

    /// What answers have shown of counts since this was asked last.
    pub fn steps(&mut self) -> Vec<Step> {
        mem::take(&mut self.elsewhere.steps)
    }

    /// Takes in what was decided elsewhere: levels first, then who may go.
    pub fn hear(&mut self, told: &Told<'_>, now: Timestamp, events: &mut Vec<Event>) {
        let now = self.advance(now);
        if self.elsewhere.decides_here() {
            return;
        }
        self.elsewhere.share_ppm = told.share_ppm;
        self.elsewhere.wake = told.wake.map(Timestamp::as_nanos);
        let mut changed = false;
        for level in told.levels {
            changed |= self.mirror(level, told.asked_at.as_nanos(), now);
        }
        for ended in mem::take(&mut self.elsewhere.ended) {
            let Ended { refund, debt, .. } = &ended;
            self.limits.put_right(refund, debt, ended.taken, now);
            self.elsewhere.ended.push(ended);
        }
        for grant in told.grants {
            self.let_in(grant, told.levels, now, events);
        }
        for state in &mut self.limits.states {
            let own = self.totals.reserved.get(state.limit.metric);
            if let Some(counted) = &mut state.shared {
                counted.note_others(u64::try_from(own).unwrap_or(u64::MAX), now);
            }
        }
        self.learn_shown(now);
        self.compare_answers(now);
        if changed {
            self.limits_changed();
        }
        self.bind_head(now);
    }

    /// Takes over the count of one limit, and what is believed of it by those who know it better;
    /// whether that changed what requests cost.
    fn mirror(&mut self, level: &Level, asked_at: u64, now: u64) -> bool {
        let situation = self.situation(level.metric);
        let found = self.limits.states.iter_mut().find(|s| s.is_of(level));
        if let Some(state) = found {
            let before = state.limit.amount;
            if let Some(kind) = level.kind
                && state.source == LimitSource::Learned
                && state.since <= asked_at
                && (WindowKind::of(&state.limit.model), state.limit.amount)
                    != (Some(kind), level.amount)
            {
                state.adopt_belief(level.amount, kind, &situation, now);
            }
            state.mirror(level, now);
            return before != state.limit.amount;
        }
        let configured = |state: &LimitState| {
            state.limit.metric == level.metric && state.source == LimitSource::Configured
        };
        if self.limits.states.iter().any(configured) || level.amount == 0 {
            return false;
        }
        let memory = LimitMemory {
            metric: level.metric,
            amount: level.amount,
            window: level.window,
            kind: level.kind,
            confirmed: 0,
            piece: None,
            used: level.used,
        };
        let mut state = LimitState::recalled(&memory, level.used, situation.guard, now);
        state.since = 0;
        state.mirror(level, now);
        self.limits.states.push(state);
        true
    }

    /// Somebody was let in elsewhere.
    fn let_in(
        &mut self,
        granted: &Granted<'_>,
        levels: &[Level],
        now: u64,
        events: &mut Vec<Event>,
    ) {
        let (key, ticket) = (granted.waiter.0, granted.waiter.number());
        let since = self.queue.get(key).map(|w| (w.since, w.binding));
        let (Some((since, binding)), Some((waiter, account))) = (since, self.queue.serve(key, now))
        else {
            self.tell_ended(ticket, None, (Charge::ZERO, Charge::ZERO), None);
            return;
        };
        let marks = self
            .learning
            .then(|| self.limits.marks_of(levels, granted.used));
        let arriving = Arriving {
            account: Some(account),
            ticket: Some(ticket),
            ..Arriving::new(
                self.elsewhere
                    .offered_charge(ticket)
                    .unwrap_or(waiter.charge),
                waiter.parts,
            )
        };
        let reservation: Reservation = self.open(arriving, marks.flatten(), now);
        events.push(Event::Admitted {
            waiter: granted.waiter,
            reservation,
            waited: Duration::from_nanos(now.saturating_sub(since)),
            binding,
        });
    }

    /// Compares answers with counts that are certain to hold all that went before them.
    fn compare_answers(&mut self, now: u64) {
        let at = (nanos(self.learned_guard()), now);
        for state in &mut self.limits.states {
            let Some(counted) = &mut state.shared else {
                continue;
            };
            let generation = counted.generation;
            let mut answers = mem::take(&mut counted.pending);
            // All of them first: their requests are known to be answered by now.
            answers.retain(|(answer, own)| state.note_count(answer, own.as_ref(), at));
            for (answer, own) in answers {
                let corrected = state.learner.corrected();
                state.correct(&answer, own.as_ref(), &self.flight, at);
                let units = state.learner.corrected().saturating_sub(corrected);
                if units != 0 {
                    self.elsewhere.steps.push(Step {
                        metric: state.limit.metric,
                        window: state.limit.window,
                        units,
                        corrected,
                        generation,
                    });
                    self.elsewhere.tell(News::Soon);
                }
            }
        }
    }

    /// Notes what the first who waits here waits for.
    fn bind_head(&mut self, now: u64) {
        let Some(key) = self.queue.head() else { return };
        if let Some(outlook) = self.outlook_at(key, now) {
            self.gate.holds(outlook.binding, now);
            self.queue.bind(key, outlook.binding);
        }
    }

    /// A reservation that is counted elsewhere has ended: `refunded` was not charged, `debt` was on top.
    pub(super) fn close_elsewhere(
        &mut self,
        open: &Open,
        (refunded, debt): (Charge, Charge),
        taken: Taken,
        now: u64,
    ) {
        let due = self.limits.refund_due(&refunded, now);
        self.limits.put_right(&due, &debt, taken, now);
        let charged = open.charge.saturating_sub(due).saturating_add(debt);
        if let Some(ticket) = open.ticket {
            self.tell_ended(ticket, Some(charged), (due, debt), Some(taken));
        }
        let makes_room = !due.is_zero() || !debt.is_zero() || open.debt_max > 0;
        if makes_room || self.gate.has_slots() {
            self.elsewhere.tell(News::Now);
        }
    }

    /// A reservation that may be counted elsewhere has ended here.
    pub(super) fn tell_closed(&mut self, open: &Open, charged: Option<Charge>, taken: Taken) {
        let Some(ticket) = open.ticket else { return };
        let of_none = charged.is_none();
        let refund = if of_none { open.charge } else { Charge::ZERO };
        self.tell_ended(ticket, charged, (refund, Charge::ZERO), Some(taken));
        if of_none {
            self.elsewhere.tell(News::Now);
        }
    }

    fn tell_ended(
        &mut self,
        ticket: u64,
        charged: Option<Charge>,
        (refund, debt): (Charge, Charge),
        taken: Option<Taken>,
    ) {
        self.elsewhere.ended.push(Ended {
            closing: Closing { ticket, charged },
            refund,
            debt,
            taken: taken.unwrap_or(Taken { serial: 0, at: 0 }),
        });
        self.elsewhere.tell(News::Soon);
    }

    /// A request was counted here that nobody elsewhere let in.
    pub(super) fn tell_taken(&mut self, charge: &Charge) {
        if self.elsewhere.decides_here() {
            return;
        }
        for state in &mut self.limits.states {
            let units = charge.get(state.limit.metric);
            let Some(counted) = state.shared.as_ref().filter(|_| units > 0) else {
                continue;
            };
            let corrected = state.learner.corrected();
            let units = i64::try_from(units).unwrap_or(i64::MAX);
            self.elsewhere.steps.push(Step {
                metric: state.limit.metric,
                window: state.limit.window,
                units,
                corrected,
                generation: counted.generation,
            });
            let corrected = corrected.saturating_add(units);
            state.learner.counts_corrections(corrected);
        }
        self.elsewhere.tell(News::Now);
    }
}

impl Load {
    /// The units as a charge.
    fn charge(&self) -> Charge {
        Metric::ALL.into_iter().fold(Charge::ZERO, |sum, metric| {
            sum.with(metric, self.units[metric.index()])
        })
    }
}
