//! Many instances in virtual time against one provider that counts by itself.

use std::collections::VecDeque;

use paceline_coordinator::{
    Answer, Ask, Closed, CountKind, Epoch, Head, InstanceId, LimitId, Shared, Terms, TicketId,
};
use paceline_limiter::{Charge, Metric, Tier};

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const ROUND_TRIP: u64 = 500;

/// Numbers that repeat for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

/// The provider: everything that was let in, and whether a window of it holds too much.
#[derive(Debug)]
struct Provider {
    kind: CountKind,
    amount: u64,
    log: VecDeque<(u64, u64)>,
    logged: u64,
    level: f64,
    at: u64,
    window: Option<(u64, u64)>,
    refused: u64,
    total: u64,
}

impl Provider {
    fn admit(&mut self, units: u64, now: u64) {
        let fits = match self.kind {
            CountKind::Bucket | CountKind::Unknown => {
                let drained = (now - self.at) as f64 * self.amount as f64 / MINUTE as f64;
                self.level = (self.level - drained).max(0.0);
                self.at = now;
                self.level + units as f64 <= self.amount as f64 + 0.01
            }
            CountKind::Fixed => {
                let opened = now - now % MINUTE;
                if self.window.is_none_or(|(at, _)| at != opened) {
                    self.window = Some((opened, 0));
                }
                self.window.unwrap().1 + units <= self.amount
            }
            CountKind::FixedFromFirstUse => {
                if self.window.is_none_or(|(at, _)| now >= at + MINUTE) {
                    self.window = Some((now, 0));
                }
                self.window.unwrap().1 + units <= self.amount
            }
            CountKind::Sliding => {
                while self.log.front().is_some_and(|(at, _)| at + MINUTE <= now) {
                    self.logged -= self.log.pop_front().unwrap().1;
                }
                self.logged + units <= self.amount
            }
        };
        if !fits {
            self.refused += 1;
            return;
        }
        self.level += units as f64;
        if let Some((_, used)) = &mut self.window {
            *used += units;
        }
        self.log.push_back((now, units));
        self.logged += units;
        self.total += units;
    }
}

/// One instance with people who wait.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: InstanceId,
    pub(crate) queue: VecDeque<Head>,
    pub(crate) sequence: u64,
    pub(crate) wake: Option<u64>,
    open: VecDeque<(u64, TicketId)>,
    closed: Vec<Closed>,
    /// Units let in, by tenant.
    pub(crate) served: Vec<u64>,
    pub(crate) is_dead: bool,
    tenant: u64,
    tier: Tier,
    weight: u32,
    next: u64,
}

/// A run of members against a provider.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) shared: Shared,
    provider: Provider,
    pub(crate) members: Vec<Member>,
    random: Random,
    pub(crate) now: u64,
    kind: CountKind,
    amount: u64,
    pub(crate) asked: u64,
}

impl Crowd {
    pub(crate) fn new(kind: CountKind, count: u64, seed: u64) -> Self {
        let now = 1_000 * MINUTE + 17 * SECOND;
        let members = (0..count).map(|index| Member {
            id: InstanceId(index + 1),
            queue: VecDeque::new(),
            sequence: 0,
            wake: Some(now),
            open: VecDeque::new(),
            closed: Vec::new(),
            served: vec![0; 8],
            is_dead: false,
            tenant: index % 2,
            tier: Tier::Standard,
            weight: 1,
            next: 0,
        });
        Self {
            shared: Shared::new(Epoch(1), now),
            provider: Provider {
                kind,
                amount: 30_000,
                log: VecDeque::new(),
                logged: 0,
                level: 0.0,
                at: now,
                window: None,
                refused: 0,
                total: 0,
            },
            members: members.collect(),
            random: Random(seed),
            now,
            kind,
            amount: 30_000,
            asked: 0,
        }
    }

    fn fill(&mut self, index: usize) {
        let member = &mut self.members[index];
        while member.queue.len() < 400 {
            member.next += 1;
            let charge = Charge::ZERO
                .with(Metric::Tokens, 20 + self.random.below(200))
                .with(Metric::Requests, 1);
            member.queue.push_back(Head {
                id: TicketId(member.next),
                tenant: member.tenant,
                weight: member.weight,
                tier: member.tier,
                charge,
                behind: Charge::ZERO,
            });
        }
    }

    /// The first few, and what waits behind the last of them.
    fn heads(queue: &VecDeque<Head>) -> Vec<Head> {
        let mut heads: Vec<_> = queue.iter().take(8).copied().collect();
        let behind = queue.iter().skip(8).map(|head| head.charge);
        if let Some(last) = heads.last_mut() {
            last.behind = behind.fold(Charge::ZERO, Charge::saturating_add);
        }
        heads
    }

    fn ask(&mut self, index: usize) -> Answer {
        assert!(self.asked < 1_000_000, "everybody asks and nobody goes");
        let now = self.now;
        let end = now - now % MINUTE + MINUTE;
        let member = &mut self.members[index];
        member.sequence += 1;
        let terms = |metric, amount| Terms {
            id: LimitId {
                metric,
                window_ms: 60_000,
            },
            amount,
            kind: self.kind,
            since_us: 0,
            burst: if self.kind == CountKind::Unknown {
                amount / 12
            } else {
                amount
            },
            guard_us: 0,
            reserve: 0,
            ends_us: (self.kind == CountKind::Fixed).then_some((end, end)),
            used: 0,
            spent: 0,
        };
        let ask = Ask {
            instance: member.id,
            sequence: member.sequence,
            epoch: Some(Epoch(1)),
            lease_us: 5 * SECOND,
            pause_us: 0,
            spacing_us: 0,
            in_flight_max: None,
            demand: 100,
            shares_ppm: [500_000, 250_000, 50_000],
            terms: vec![
                terms(Metric::Tokens, self.amount),
                terms(Metric::Requests, 100_000),
            ],
            closed: std::mem::take(&mut member.closed),
            corrections: Vec::new(),
            heads: Self::heads(&member.queue),
            knows: 0,
            teaches: None,
            leaves: false,
        };
        self.asked += 1;
        self.shared.exchange(&ask, now)
    }

    /// The member asks, sends what may go, and passes on who is to be told.
    pub(crate) fn turn(&mut self, index: usize) {
        self.fill(index);
        let answer = self.ask(index);
        let now = self.now;
        let member = &mut self.members[index];
        for grant in &answer.grants {
            let place = member
                .queue
                .iter()
                .position(|head| head.id == grant.id)
                .unwrap();
            let head = member.queue.remove(place).unwrap();
            let units = head.charge.get(Metric::Tokens);
            member.served[usize::try_from(head.tenant).unwrap()] += units;
            self.provider.admit(units, now);
            member.open.push_back((now + 2 * SECOND, head.id));
        }
        member.wake = Some(if answer.grants.is_empty() {
            // Somebody who waits shows that it is there.
            answer
                .wake_us
                .unwrap_or(u64::MAX)
                .clamp(now + 1, now + 2 * SECOND)
        } else {
            // The way to the store and back.
            now + ROUND_TRIP
        });
        for id in answer.wakes {
            let told = self
                .members
                .iter_mut()
                .find(|member| member.id == id)
                .unwrap();
            told.wake = Some(told.wake.unwrap_or(u64::MAX).min(now));
        }
    }

    /// Runs until `end`: whoever has something to do next does it.
    pub(crate) fn run_to(&mut self, end: u64) {
        loop {
            let alive = self
                .members
                .iter()
                .enumerate()
                .filter(|(_, member)| !member.is_dead);
            let next = alive
                .filter_map(|(index, member)| Some((member.wake?, index)))
                .min();
            let Some((at, index)) = next else { return };
            if at >= end {
                self.now = end;
                return;
            }
            self.now = self.now.max(at);
            self.turn(index);
        }
    }

    fn used_part(&self, since_total: u64, minutes: u64) -> f64 {
        (self.provider.total - since_total) as f64 / (self.amount * minutes) as f64
    }
}

fn kinds() -> [CountKind; 4] {
    [
        CountKind::Bucket,
        CountKind::Fixed,
        CountKind::FixedFromFirstUse,
        CountKind::Sliding,
    ]
}

#[test]
fn a_crowd_never_passes_the_limit_and_never_idles() {
    for kind in kinds() {
        for count in [1, 4, 16] {
            let mut crowd = Crowd::new(kind, count, 7 * count);
            crowd.run_to(crowd.now + 2 * MINUTE);
            let (total, start) = (crowd.provider.total, crowd.now);
            crowd.run_to(start + 3 * MINUTE);
            assert_eq!(crowd.provider.refused, 0, "{kind:?} {count}");
            let part = crowd.used_part(total, 3);
            assert!(part >= 0.97, "{kind:?} {count}: {part}");
            assert!(
                crowd.asked < 40_000,
                "{kind:?} {count}: asked {}",
                crowd.asked
            );
        }
    }
}

#[test]
fn tenants_on_different_instances_share_by_weight() {
    for kind in kinds() {
        let mut crowd = Crowd::new(kind, 4, 3);
        for (index, member) in crowd.members.iter_mut().enumerate() {
            // Three instances are full of one tenant, the fourth of another with twice the weight.
            member.tenant = u64::from(index == 3);
            member.weight = if index == 3 { 2 } else { 1 };
        }
        crowd.run_to(crowd.now + 2 * MINUTE);
        for member in &mut crowd.members {
            member.served.fill(0);
        }
        crowd.run_to(crowd.now + 3 * MINUTE);
        let of = |tenant: usize| crowd.members.iter().map(|m| m.served[tenant]).sum::<u64>() as f64;
        let part = of(1) / (of(0) + of(1));
        assert!((part - 2.0 / 3.0).abs() < 0.033, "{kind:?}: {part}");
    }
}

#[test]
fn what_is_urgent_on_one_instance_goes_before_batches_on_another() {
    let mut crowd = Crowd::new(CountKind::Bucket, 2, 5);
    crowd.members[0].tier = Tier::Batch;
    crowd.members[1].tier = Tier::Interactive;
    // What a full bucket holds is for whoever comes first.
    crowd.run_to(crowd.now + MINUTE);
    for member in &mut crowd.members {
        member.served.fill(0);
    }
    crowd.run_to(crowd.now + 4 * MINUTE);
    let served = |index: usize| crowd.members[index].served.iter().sum::<u64>() as f64;
    let part = served(0) / (served(0) + served(1));
    // The batch keeps its guaranteed share, and no more.
    assert!((0.03..0.12).contains(&part), "{part}");
}

#[test]
fn an_instance_that_dies_holds_up_nobody_for_long() {
    for kind in kinds() {
        let mut crowd = Crowd::new(kind, 4, 11);
        crowd.run_to(crowd.now + 2 * MINUTE);
        crowd.members[2].is_dead = true;
        crowd.run_to(crowd.now + 3 * MINUTE);
        let (total, start) = (crowd.provider.total, crowd.now);
        crowd.run_to(start + 2 * MINUTE);
        assert_eq!(crowd.provider.refused, 0, "{kind:?}");
        let part = crowd.used_part(total, 2);
        assert!(part >= 0.97, "{kind:?}: {part}");
    }
}

#[test]
fn any_mix_of_tiers_tenants_and_weights_goes_on() {
    for seed in 0..32 {
        let mut random = Random(seed);
        let kind = kinds()[usize::try_from(random.below(4)).unwrap()];
        let count = 1 + random.below(8);
        let mut crowd = Crowd::new(kind, count, seed);
        for member in &mut crowd.members {
            member.tenant = random.below(5);
            member.weight = 1 + u32::try_from(random.below(4)).unwrap();
            member.tier = Tier::ALL[usize::try_from(random.below(3)).unwrap()];
        }
        crowd.run_to(crowd.now + MINUTE);
        let (total, start) = (crowd.provider.total, crowd.now);
        crowd.run_to(start + 2 * MINUTE);
        assert_eq!(crowd.provider.refused, 0, "{seed}: {kind:?} {count}");
        let part = crowd.used_part(total, 2);
        assert!(part >= 0.97, "{seed}: {kind:?} {count}: {part}");
        assert!(
            crowd.asked < 20_000,
            "{seed}: {kind:?} {count}: {}",
            crowd.asked
        );
    }
}
