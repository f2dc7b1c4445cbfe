//! The state of one domain that instances share, and what follows from each message.
//!
//! Pure: the time is an argument, and the same messages at the same times give the same answers.
//! Stores that keep the state elsewhere follow these rules operation by operation.

use std::collections::BTreeMap;

use paceline_limiter::{Charge, Metric};

use crate::count::{Count, float, whole};
use crate::message::{
    Answer, Ask, Closed, End, Epoch, Grant, Head, InstanceId, Knowledge, LimitId, Terms, TicketId,
};
use crate::precedence::{Precedence, place};

/// Heads that one instance can have waiting here: no more are kept.
pub const HEADS_MAX: usize = 16;

/// How long after the time it was told somebody who waits may be silent before others stop leaving
/// room for it.
const GRACE_US: f64 = 500_000.0;

/// Somebody is told of room that comes this much sooner than was said.
const SOONER_US: f64 = 10_000.0;

/// After the state was lost, nobody is let in for so long: all who are there tell what they used.
const LEARNING_US: f64 = 3_000_000.0;

/// After everybody was out of touch, nobody is let in for so long: they come back one by one, each with
/// what it has used.
const GATHERING_US: f64 = 2_000_000.0;

/// Room is left for this long for an instance that is out of touch.
const AWAY_US: f64 = 60_000_000.0;

/// The part of its share that an instance uses while it is out of touch.
const AWAY_PART: f64 = 0.9;

/// Every instance counts for at least this part of the mean demand.
const DEMAND_FLOOR: f64 = 0.05;

/// An open reservation.
#[derive(Clone, Debug, PartialEq)]
struct Open {
    head: Head,
    at: f64,
}

/// One instance.
#[derive(Clone, Debug, PartialEq)]
struct Instance {
    sequence: u64,
    seen: f64,
    lease: f64,
    demand: f64,
    /// Who waits there.
    heads: Vec<Head>,
    /// Heads with more behind them, let in or not.
    fronts: Vec<Head>,
    /// When it was told to ask again; infinite: when somebody tells.
    wake: f64,
    /// When somebody there was let in last.
    granted: f64,
    /// The time that it was told of last; infinite: not since somebody there was let in. Terms differ:
    /// who came and was not let in is not told of the same again.
    said: f64,
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            sequence: 0,
            seen: 0.0,
            lease: 0.0,
            demand: 0.0,
            heads: Vec::new(),
            fronts: Vec::new(),
            wake: 0.0,
            granted: 0.0,
            said: f64::INFINITY,
        }
    }
}

/// An instance that is out of touch, and may be using its share.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Away {
    share: f64,
    until: f64,
    since: f64,
}

impl Away {
    /// The part of the quota, and for how long it was left.
    fn left(away: Option<Self>, now: f64) -> (f64, f64) {
        away.map_or((0.0, 0.0), |away| {
            (away.share, now.min(away.until) - away.since)
        })
    }
}

/// Somebody who waits, seen from the instance that asks.
struct Candidate {
    head: Head,
    instance: InstanceId,
    tier: usize,
    start: f64,
    /// When somebody of its instance was let in last.
    granted: f64,
}

/// What waits elsewhere behind a head, in its tenant's turn.
struct Tail {
    tier: usize,
    /// Where it starts in the tier's virtual time, and how much of that time it takes.
    start: f64,
    length: f64,
    charge: Charge,
}

impl Tail {
    /// What of it goes before `candidate`, whose tier may be owed service.
    fn before(&self, candidate: &Candidate, is_owed: bool) -> Charge {
        let part = match self.tier.cmp(&candidate.tier) {
            std::cmp::Ordering::Equal => {
                ((candidate.start - self.start) / self.length).clamp(0.0, 1.0)
            }
            std::cmp::Ordering::Less if !is_owed => 1.0,
            _ => return Charge::ZERO,
        };
        Metric::ALL
            .into_iter()
            .fold(Charge::ZERO, |charge, metric| {
                let units = float(self.charge.get(metric)) * part;
                charge.with(metric, whole(units.floor()))
            })
    }
}

/// The shared state of one domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Shared {
    epoch: Epoch,
    created: f64,
    now: f64,
    learning_until: f64,
    counts: BTreeMap<LimitId, Count>,
    open: BTreeMap<(InstanceId, TicketId), Open>,
    in_flight: Charge,
    instances: BTreeMap<InstanceId, Instance>,
    away: BTreeMap<InstanceId, Away>,
    precedence: Precedence,
    pause_until: f64,
    last_launch: f64,
    knowledge: Knowledge,
}

/// How a message relates to those that were heard from its sender before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Newer,
    Repeated,
    Older,
}

/// Those who still wait when somebody goes.
struct Rest {
    /// The tiers where somebody does.
    tiers: [bool; 3],
    /// Where the first of the same tier starts.
    least: f64,
}

impl Rest {
    fn of(tier: usize, waiting: impl Iterator<Item = (usize, f64)>) -> Self {
        let mut rest = Self {
            tiers: [false; 3],
            least: f64::INFINITY,
        };
        for (other, start) in waiting {
            rest.tiers[other] = true;
            if other == tier {
                rest.least = rest.least.min(start);
            }
        }
        rest
    }
}

/// What one pass over all who wait leads to.
struct Pass {
    grants: Vec<Grant>,
    wake: f64,
    wakes: Vec<InstanceId>,
}

impl Shared {
    /// A state of which nothing is known.
    #[must_use]
    pub fn new(epoch: Epoch, now_us: u64) -> Self {
        Self {
            epoch,
            created: float(now_us),
            now: float(now_us),
            learning_until: 0.0,
            counts: BTreeMap::new(),
            open: BTreeMap::new(),
            in_flight: Charge::ZERO,
            instances: BTreeMap::new(),
            away: BTreeMap::new(),
            precedence: Precedence::default(),
            pause_until: 0.0,
            last_launch: f64::NEG_INFINITY,
            knowledge: Knowledge::default(),
        }
    }

    /// Takes in what an instance says, and decides who of it may go.
    pub fn exchange(&mut self, ask: &Ask, now_us: u64) -> Answer {
        let now = self.now.max(float(now_us));
        let elapsed = now - self.now;
        self.now = now;
        self.part_with_silent(elapsed, now);
        if self.instances.is_empty() && self.away.len() > 1 {
            self.learning_until = self.learning_until.max(now + GATHERING_US);
        }
        self.allow_for_away(elapsed, now);
        let left = Away::left(self.away.remove(&ask.instance), now);
        let order = self.hear(ask, now);
        if order == Order::Older {
            return self.answer(ask, Pass::nothing(), now);
        }
        self.agree(ask, (order == Order::Newer).then_some(left), now);
        for closed in &ask.closed {
            self.close(ask, closed, now);
        }
        if order == Order::Newer {
            self.learn(ask, now);
        }
        let pass = self.admit(ask, now);
        if ask.leaves {
            self.forget(ask.instance);
            self.away.remove(&ask.instance);
        }
        self.precedence.forget();
        self.answer(ask, pass, now)
    }

    /// Instances that have been silent too long are gone: what they had open is spent, and they may have
    /// been using their shares since they were heard last.
    fn part_with_silent(&mut self, elapsed: f64, now: f64) {
        let silent: Vec<_> = self
            .instances
            .iter()
            .filter(|(_, instance)| now > instance.seen + instance.lease)
            // Each with its share as it was told, of all who were there.
            .map(|(id, instance)| (*id, instance.seen, self.share(*id) * AWAY_PART))
            .collect();
        for (id, seen, share) in silent {
            let until = now + AWAY_US;
            let before = (now - elapsed - seen).max(0.0);
            for count in self.counts.values_mut().filter(|_| before > 0.0) {
                count.allow_for(share, before, now);
            }
            let since = seen;
            self.away.insert(
                id,
                Away {
                    share,
                    until,
                    since,
                },
            );
            self.forget(id);
        }
    }

    fn forget(&mut self, id: InstanceId) {
        self.instances.remove(&id);
        let (first, last) = ((id, TicketId(0)), (id, TicketId(u64::MAX)));
        let open: Vec<_> = self.open.range(first..=last).map(|(key, _)| *key).collect();
        for key in open {
            if let Some(open) = self.open.remove(&key) {
                self.in_flight = self.in_flight.saturating_sub(open.head.charge);
            }
        }
    }

    fn allow_for_away(&mut self, elapsed: f64, now: f64) {
        let share: f64 = self.away.values().map(|away| away.share).sum();
        if share > 0.0 && elapsed > 0.0 {
            for count in self.counts.values_mut() {
                count.allow_for(share.min(1.0), elapsed.min(AWAY_US), now);
            }
        }
        self.away.retain(|_, away| away.until > now);
    }

    fn hear(&mut self, ask: &Ask, now: f64) -> Order {
        let instance = self.instances.entry(ask.instance).or_default();
        let order = match ask.sequence.cmp(&instance.sequence) {
            std::cmp::Ordering::Greater => Order::Newer,
            std::cmp::Ordering::Equal => Order::Repeated,
            std::cmp::Ordering::Less => return Order::Older,
        };
        instance.sequence = ask.sequence;
        instance.seen = now;
        instance.lease = float(ask.lease_us);
        instance.demand = float(ask.demand);
        order
    }

    /// `left`: what of the quota was left to the sender while it was out of touch, and for how long;
    /// `None`: what it spent then was told before.
    fn agree(&mut self, ask: &Ask, left: Option<(f64, f64)>, now: f64) {
        let restates = ask.epoch.is_some_and(|epoch| epoch != self.epoch);
        if restates && now < self.created + LEARNING_US * 4.0 {
            self.learning_until = self.created + LEARNING_US;
        }
        for terms in &ask.terms {
            let is_known = self.counts.contains_key(&terms.id);
            let count = self
                .counts
                .entry(terms.id)
                .or_insert_with(|| Count::new(terms, now));
            count.advance(now);
            count.agree(terms, now);
            if restates {
                count.restate(terms.used, now);
            } else if let Some(left) = left.filter(|_| is_known && terms.spent > 0) {
                count.spend(terms.spent, left, now);
            }
        }
        let named = |id: &LimitId| ask.terms.iter().any(|terms| terms.id == *id);
        // A limit that nobody names any more is not a limit any more; who has just come names none.
        let names_some = !ask.terms.is_empty() && ask.terms.len() < self.counts.len();
        if names_some && self.instances.len() == 1 {
            self.counts.retain(|id, _| named(id));
        }
    }

    /// Closes a reservation. One that is not open was closed before, or never let in.
    fn close(&mut self, ask: &Ask, closed: &Closed, now: f64) {
        let Some(open) = self.open.remove(&(ask.instance, closed.id)) else {
            return;
        };
        let Open { head, at } = open;
        self.in_flight = self.in_flight.saturating_sub(head.charge);
        let charged = match closed.end {
            End::Charged(charge) => charge,
            End::NotSent => Charge::ZERO,
        };
        let before = self.cost(&head.charge);
        for count in self.counts.values_mut() {
            let (held, used) = (head.charge.get(count.metric()), charged.get(count.metric()));
            if used < held {
                count.refund(float(held - used), at, now);
            } else if used > held {
                count.take(float(used - held), now);
            }
        }
        if charged != head.charge {
            let more = self.cost(&charged) - before;
            let who = (place(head.tier), head.tenant, head.weight);
            self.precedence.correct(who, more);
        }
    }

    fn learn(&mut self, ask: &Ask, now: f64) {
        for correction in &ask.corrections {
            if let Some(count) = self.counts.get_mut(&correction.id)
                && count.is_generation(correction.generation)
            {
                count.correct(signed(correction.step), signed(correction.corrected), now);
            }
        }
        self.pause_until = self.pause_until.max(now + float(ask.pause_us));
        if let Some(text) = &ask.teaches {
            self.knowledge.version += 1;
            self.knowledge.text.clone_from(text);
        }
    }

    /// Lets in all who may go of those who wait at the sender.
    fn admit(&mut self, ask: &Ask, now: f64) -> Pass {
        let mut pass = Pass::nothing();
        let mut kept = Vec::new();
        let mut waiting = self.candidates(ask, now, &mut pass);
        let (mut ahead, mut ahead_count) = (Charge::ZERO, 0_u32);
        let of = |candidate: &Candidate| (candidate.tier, candidate.start);
        let tails = self.tails(ask.instance, now);
        let (mut told, mut passed) = (Vec::new(), Vec::new());
        while let Some(next) = self.next(&mut waiting) {
            let is_owed = self.precedence.is_owed(next.tier);
            let before = |tail: &Tail| tail.before(&next, is_owed);
            let before = tails.iter().map(before);
            let before = before.fold(ahead, Charge::saturating_add);
            let at = self.earliest(ask, &next.head, (&before, ahead_count), now);
            if next.instance == ask.instance && at <= now {
                let passed = passed.iter().copied();
                let unnamed = tails.iter().map(|tail| (tail.tier, tail.start));
                let rest = waiting.iter().map(of).chain(passed).chain(unnamed);
                let rest = Rest::of(next.tier, rest);
                pass.grants.push(self.take(ask, &next.head, &rest, now));
                continue;
            }
            if next.instance == ask.instance {
                pass.wake = pass.wake.min(at);
                kept.push(next.head);
            } else if !told.contains(&next.instance) {
                told.push(next.instance);
                self.tell(next.instance, at, &mut pass);
            }
            passed.push(of(&next));
            if self.can_ever_go(ask, &next.head) {
                ahead = ahead.saturating_add(next.head.charge);
                ahead_count += 1;
            }
        }
        if let Some(instance) = self.instances.get_mut(&ask.instance) {
            kept.truncate(HEADS_MAX);
            let fronts = ask.heads.iter().filter(|head| !head.behind.is_zero());
            instance.fronts = fronts.take(HEADS_MAX).copied().collect();
            (instance.heads, instance.wake) = (kept, pass.wake);
            if instance.heads.is_empty() && instance.fronts.is_empty() {
                instance.said = f64::INFINITY;
            }
        }
        pass
    }

    /// All who wait anywhere. Heads of the sender that were let in before are granted again.
    fn candidates(&self, ask: &Ask, now: f64, pass: &mut Pass) -> Vec<Candidate> {
        let mut waiting = Vec::new();
        for (id, instance) in self.others(ask.instance, now) {
            self.line_up(id, &instance.heads, &mut waiting);
        }
        let (open, heads): (Vec<Head>, Vec<Head>) = ask
            .heads
            .iter()
            .partition(|head| self.open.contains_key(&(ask.instance, head.id)));
        // What was used right after them is not known any more.
        pass.grants.extend(open.iter().map(|head| Grant {
            id: head.id,
            used: Vec::new(),
        }));
        self.line_up(ask.instance, &heads, &mut waiting);
        waiting
    }

    /// The other instances, but for those that do not come although there is room for them.
    fn others(&self, id: InstanceId, now: f64) -> impl Iterator<Item = (InstanceId, &Instance)> {
        let others = self
            .instances
            .iter()
            .filter(move |(other, instance)| **other != id && now <= instance.wake + GRACE_US);
        others.map(|(id, instance)| (*id, instance))
    }

    /// What waits at other instances and is not named.
    fn tails(&self, id: InstanceId, now: f64) -> Vec<Tail> {
        let mut tails = Vec::new();
        for (_, instance) in self.others(id, now) {
            for front in &instance.fronts {
                let (tier, weight) = (place(front.tier), f64::from(front.weight.max(1)));
                let same = |head: &&Head| (head.tier, head.tenant) == (front.tier, front.tenant);
                let named = instance.heads.iter().filter(same);
                let named: f64 = named.map(|head| self.cost(&head.charge)).sum();
                tails.push(Tail {
                    tier,
                    start: self.precedence.start(tier, front.tenant) + named / weight,
                    length: self.cost(&front.behind) / weight,
                    charge: front.behind,
                });
            }
        }
        tails
    }

    /// Adds heads of one instance, each where it starts if those before it go first.
    fn line_up(&self, instance: InstanceId, heads: &[Head], waiting: &mut Vec<Candidate>) {
        let mut starts: BTreeMap<(usize, u64), f64> = BTreeMap::new();
        let granted = self.instances.get(&instance);
        let granted = granted.map_or(0.0, |instance| instance.granted);
        for head in heads {
            let tier = place(head.tier);
            let start = starts
                .entry((tier, head.tenant))
                .or_insert_with(|| self.precedence.start(tier, head.tenant));
            waiting.push(Candidate {
                head: *head,
                instance,
                tier,
                start: *start,
                granted,
            });
            *start += self.cost(&head.charge) / f64::from(head.weight.max(1));
        }
    }

    /// Takes out who goes next.
    fn next(&self, waiting: &mut Vec<Candidate>) -> Option<Candidate> {
        let tier = self.precedence.next_tier(waiting_tiers(waiting));
        // A tenant's turn goes round its instances.
        let key = |candidate: &Candidate| {
            let Candidate { start, granted, .. } = *candidate;
            (start, granted, candidate.instance)
        };
        let mut best: Option<usize> = None;
        for (index, candidate) in waiting.iter().enumerate() {
            let is_before = best
                .and_then(|best| waiting.get(best))
                .is_none_or(|best| key(candidate) < key(best));
            if candidate.tier == tier && is_before {
                best = Some(index);
            }
        }
        best.map(|index| waiting.remove(index))
    }

    /// When a head can go by the sender's terms, with others in front of it; infinite: not by itself.
    fn earliest(&self, ask: &Ask, head: &Head, ahead: (&Charge, u32), now: f64) -> f64 {
        let in_flight = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        let in_flight = in_flight.saturating_add(ahead.1);
        if ask.in_flight_max.is_some_and(|most| in_flight >= most) {
            return f64::INFINITY;
        }
        let spaced = self.last_launch + float(ask.spacing_us);
        let mut at = now
            .max(self.pause_until)
            .max(self.learning_until)
            .max(spaced);
        for terms in &ask.terms {
            let units = head.charge.get(terms.id.metric);
            let Some(count) = self.counts.get(&terms.id) else {
                continue;
            };
            if units > 0 {
                let before = float(ahead.0.get(terms.id.metric));
                at = at.max(count.earliest(terms, before, float(units), now));
            }
        }
        at
    }

    fn can_ever_go(&self, ask: &Ask, head: &Head) -> bool {
        let fits = |terms: &Terms| {
            let count = self.counts.get(&terms.id);
            count.is_none_or(|count| count.holds(float(head.charge.get(terms.id.metric))))
        };
        ask.terms.iter().all(fits)
    }

    fn take(&mut self, ask: &Ask, head: &Head, rest: &Rest, now: f64) -> Grant {
        let cost = self.cost(&head.charge);
        let mut used = Vec::with_capacity(self.counts.len());
        for count in self.counts.values_mut() {
            let units = head.charge.get(count.metric());
            if units > 0 {
                count.take(float(units), now);
            }
            used.push(whole(count.used(now).ceil()));
        }
        self.in_flight = self.in_flight.saturating_add(head.charge);
        let who = (place(head.tier), head.tenant, head.weight);
        let cost = (cost, rest.least);
        self.precedence.serve(who, cost, rest.tiers, ask.shares_ppm);
        self.last_launch = now;
        if let Some(instance) = self.instances.get_mut(&ask.instance) {
            (instance.granted, instance.said) = (now, f64::INFINITY);
        }
        let key = (ask.instance, head.id);
        self.open.insert(
            key,
            Open {
                head: *head,
                at: now,
            },
        );
        Grant { id: head.id, used }
    }

    /// Notes that an instance is to be told that its first head can go sooner than was said.
    fn tell(&mut self, id: InstanceId, at: f64, pass: &mut Pass) {
        if let Some(instance) = self.instances.get_mut(&id)
            && at + SOONER_US < instance.wake
            && at + SOONER_US < instance.said
        {
            (instance.wake, instance.said) = (at, at);
            pass.wakes.push(id);
        }
    }

    /// The longest time that any limit takes to make up for a charge.
    fn cost(&self, charge: &Charge) -> f64 {
        let costs = self.counts.values().map(|count| {
            let units = charge.get(count.metric());
            count.cost(float(units))
        });
        costs.fold(1.0, f64::max)
    }

    /// The part of the quota that is an instance's by demand.
    fn share(&self, id: InstanceId) -> f64 {
        let total: f64 = self
            .instances
            .values()
            .map(|instance| instance.demand)
            .sum();
        let count = float(self.instances.len() as u64);
        let floor = DEMAND_FLOOR * total / count.max(1.0);
        let Some(instance) = self.instances.get(&id) else {
            return 0.0;
        };
        if total <= 0.0 {
            return 1.0 / count.max(1.0);
        }
        (instance.demand + floor) / (total + floor * count)
    }

    fn answer(&self, ask: &Ask, pass: Pass, now: f64) -> Answer {
        let level = |count: &Count| count.view(self.in_flight.get(count.metric()), now);
        Answer {
            epoch: self.epoch,
            now_us: whole(now),
            learning_us: whole((self.learning_until - now).max(0.0)),
            grants: pass.grants,
            wake_us: pass.wake.is_finite().then(|| whole(pass.wake.ceil())),
            levels: self.counts.values().map(level).collect(),
            in_flight: u32::try_from(self.open.len()).unwrap_or(u32::MAX),
            share_ppm: u32::try_from(whole(self.share(ask.instance) * 1e6)).unwrap_or(0),
            instances: u32::try_from(self.instances.len()).unwrap_or(u32::MAX),
            wakes: pass.wakes,
            knowledge: (self.knowledge.version > ask.knows).then(|| self.knowledge.clone()),
        }
    }
}

impl Pass {
    const fn nothing() -> Self {
        Self {
            grants: Vec::new(),
            wake: f64::INFINITY,
            wakes: Vec::new(),
        }
    }
}

fn waiting_tiers(waiting: &[Candidate]) -> [bool; 3] {
    [0, 1, 2].map(|tier| waiting.iter().any(|candidate| candidate.tier == tier))
}

#[expect(clippy::cast_precision_loss, reason = "units are below 2^53")]
const fn signed(value: i64) -> f64 {
    value as f64
}
