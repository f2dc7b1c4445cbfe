//! Instances that say anything that instances may say, drawn at random.

use paceline_coordinator::{
    Answer, Ask, Closed, Correction, CountKind, End, Epoch, Head, InstanceId, LimitId, Terms,
    TicketId,
};
use paceline_limiter::{Charge, Metric, Tier};

const SECOND: u64 = 1_000_000;

const KINDS: [CountKind; 5] = [
    CountKind::Bucket,
    CountKind::Fixed,
    CountKind::FixedFromFirstUse,
    CountKind::Sliding,
    CountKind::Unknown,
];

/// Numbers that repeat for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    fn one_in(&mut self, odds: u64) -> bool {
        self.below(odds) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

struct Member {
    id: InstanceId,
    sequence: u64,
    epoch: Option<Epoch>,
    next: u64,
    queue: Vec<Head>,
    open: Vec<Head>,
    last: Option<Ask>,
    heard: Option<Answer>,
}

/// What is believed of one limit; some believe something else.
#[derive(Clone, Copy)]
struct Belief {
    id: LimitId,
    amount: u64,
    kind: CountKind,
    since_us: u64,
}

/// A run of messages.
pub(super) struct World {
    random: Random,
    pub(super) now: u64,
    members: Vec<Member>,
    beliefs: Vec<Belief>,
    /// Most sequences are about quotas that are full, some about quotas that are not.
    size: u64,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let now = 1_700_000_000 * SECOND + random.below(1_000_000_000);
        let count = 1 + random.below(6);
        let members = (0..count).map(|_| Member {
            id: InstanceId(random.below(u64::MAX)),
            sequence: 0,
            epoch: None,
            next: 0,
            queue: Vec::new(),
            open: Vec::new(),
            last: None,
            heard: None,
        });
        let members = members.collect();
        let windows = [1_000, 10_000, 60_000, 3_600_000];
        let mut beliefs: Vec<Belief> = Vec::new();
        for _ in 0..=random.below(4) {
            let id = LimitId {
                metric: random.of(&Metric::ALL),
                window_ms: random.of(&windows),
            };
            if beliefs.iter().all(|belief| belief.id != id) {
                beliefs.push(Belief {
                    id,
                    amount: 1 + random.below(20_000),
                    kind: random.of(&KINDS),
                    since_us: now - random.below(SECOND),
                });
            }
        }
        let size = 1 + random.below(3_000);
        Self {
            random,
            now,
            members,
            beliefs,
            size,
        }
    }

    /// A message with so many heads, which all may go.
    pub(super) fn long_message(count: u64) -> Ask {
        let mut world = Self::new(0);
        let (mut ask, _) = world.next();
        ask.terms = vec![Terms {
            id: LimitId {
                metric: Metric::Tokens,
                window_ms: 60_000,
            },
            amount: 1 << 40,
            kind: CountKind::Unknown,
            since_us: 1,
            burst: 1 << 40,
            guard_us: 0,
            reserve: 0,
            ends_us: None,
            used: 0,
            spent: 0,
        }];
        let head = |id| Head {
            id: TicketId(id),
            tenant: id % 3,
            weight: 1,
            tier: Tier::ALL[usize::try_from(id % 2).unwrap()],
            charge: Charge::ZERO.with(Metric::Tokens, 1_000),
            behind: Charge::ZERO,
        };
        ask.heads = (1..=count).map(head).collect();
        (ask.lease_us, ask.in_flight_max) = (60 * SECOND, None);
        (ask.spacing_us, ask.pause_us, ask.leaves) = (0, 0, false);
        (ask.closed, ask.corrections) = (Vec::new(), Vec::new());
        ask
    }

    pub(super) fn loses(&mut self) -> bool {
        self.random.one_in(150)
    }

    fn pass_time(&mut self) {
        let step = match self.random.below(20) {
            0 => 0,
            1..8 => self.random.below(2_000),
            8..15 => self.random.below(300_000),
            15..19 => self.random.below(6 * SECOND),
            _ => self.random.below(90 * SECOND),
        };
        self.now += step;
    }

    fn charge(&mut self, size: u64) -> Charge {
        let mut charge = Charge::ZERO.with(Metric::Requests, 1);
        for metric in [
            Metric::Tokens,
            Metric::InputTokens,
            Metric::OutputTokens,
            Metric::Images,
        ] {
            if !self.random.one_in(3) {
                charge = charge.with(metric, self.random.below(size));
            }
        }
        charge
    }

    fn arrive(&mut self, index: usize) {
        for _ in 0..self.random.below(4) {
            let charge = self.charge(self.size);
            let behind = if self.random.one_in(3) {
                self.charge(self.size * 4)
            } else {
                Charge::ZERO
            };
            let random = &mut self.random;
            let member = &mut self.members[index];
            if member.queue.len() >= 20 {
                return;
            }
            member.next += 1;
            member.queue.push(Head {
                id: TicketId(member.next),
                tenant: random.of(&[1, 2, 3, u64::MAX - 5]),
                weight: u32::try_from(random.below(4)).unwrap(),
                tier: random.of(&Tier::ALL),
                charge,
                behind,
            });
        }
    }

    fn terms(&mut self) -> Vec<Terms> {
        let now = self.now;
        let beliefs = self.beliefs.clone();
        let mut terms = Vec::new();
        for belief in beliefs {
            let random = &mut self.random;
            if random.one_in(12) {
                continue;
            }
            let ends = now + random.below(belief.id.window_ms * 1_000);
            terms.push(Terms {
                id: belief.id,
                amount: belief.amount,
                kind: belief.kind,
                since_us: belief.since_us,
                burst: belief.amount / (1 + random.below(12)),
                guard_us: random.below(50_000),
                reserve: random.below(1 + belief.amount / 20),
                ends_us: random
                    .one_in(3)
                    .then_some((ends.saturating_sub(20_000), ends)),
                used: random.below(belief.amount),
                spent: if random.below(8) == 0 {
                    random.below(belief.amount)
                } else {
                    0
                },
            });
        }
        terms
    }

    fn change_beliefs(&mut self) {
        if !self.random.one_in(25) {
            return;
        }
        let index = usize::try_from(self.random.below(self.beliefs.len() as u64)).unwrap();
        let belief = &mut self.beliefs[index];
        belief.amount = 1 + self.random.below(20_000);
        belief.since_us = self.now - self.random.below(2) * SECOND;
        if self.random.one_in(2) {
            belief.kind = self.random.of(&KINDS);
        }
    }

    fn closed(&mut self, index: usize) -> Vec<Closed> {
        let mut closed = Vec::new();
        for _ in 0..self.random.below(4) {
            let open = &mut self.members[index].open;
            if open.is_empty() {
                break;
            }
            let place = usize::try_from(self.random.below(open.len() as u64)).unwrap();
            let head = open.swap_remove(place);
            let end = match self.random.below(4) {
                0 => End::NotSent,
                1 => End::Charged(head.charge),
                _ => End::Charged(self.charge(self.size)),
            };
            closed.push(Closed { id: head.id, end });
        }
        if self.random.one_in(30) {
            closed.push(Closed {
                id: TicketId(self.random.below(50)),
                end: End::NotSent,
            });
        }
        closed
    }

    fn corrections(&mut self, index: usize) -> Vec<Correction> {
        let Some(heard) = &self.members[index].heard else {
            return Vec::new();
        };
        let mut corrections = Vec::new();
        for level in &heard.levels {
            if self.random.one_in(5) {
                let bound = 1 + level.amount / 2;
                let step = i64::try_from(self.random.below(2 * bound)).unwrap();
                corrections.push(Correction {
                    id: level.id,
                    step: step - i64::try_from(bound).unwrap(),
                    corrected: level.corrected,
                    generation: level.generation,
                });
            }
        }
        corrections
    }

    /// The next message and when it comes.
    pub(super) fn next(&mut self) -> (Ask, u64) {
        self.pass_time();
        self.change_beliefs();
        let count = self.members.len() as u64;
        let index = usize::try_from(self.random.below(count)).unwrap();
        if let Some(last) = &self.members[index].last {
            match self.random.below(25) {
                0 => return (last.clone(), self.now),
                1 => {
                    let sequence = last.sequence.saturating_sub(1);
                    return (
                        Ask {
                            sequence,
                            ..last.clone()
                        },
                        self.now,
                    );
                }
                _ => {}
            }
        }
        self.arrive(index);
        let terms = self.terms();
        let closed = self.closed(index);
        let corrections = self.corrections(index);
        let random = &mut self.random;
        let member = &mut self.members[index];
        member.sequence += 1;
        let ask = Ask {
            instance: member.id,
            sequence: member.sequence,
            epoch: member.epoch,
            lease_us: 1 + random.below(20 * SECOND),
            pause_us: if random.one_in(40) {
                random.below(SECOND)
            } else {
                0
            },
            spacing_us: if random.one_in(10) {
                random.below(50_000)
            } else {
                0
            },
            in_flight_max: random
                .one_in(3)
                .then(|| u32::try_from(random.below(30)).unwrap()),
            demand: random.below(1_000),
            shares_ppm: [500_000, 250_000, 50_000],
            terms,
            closed,
            corrections,
            heads: member.queue.clone(),
            knows: member.heard.as_ref().map_or(0, |answer| {
                answer.knowledge.as_ref().map_or(0, |known| known.version)
            }),
            teaches: random.one_in(30).then(|| format!("knowledge {}", random.0)),
            leaves: random.one_in(60),
        };
        member.last = Some(ask.clone());
        (ask, self.now)
    }

    /// The sender hears the answer, most of the time.
    pub(super) fn hear(&mut self, ask: &Ask, answer: &Answer) {
        if self.random.one_in(10) {
            return;
        }
        let members = self.members.iter_mut();
        for member in members.filter(|member| member.id == ask.instance) {
            member.epoch = Some(answer.epoch);
            member.heard = Some(answer.clone());
            for grant in &answer.grants {
                let place = member.queue.iter().position(|head| head.id == grant.id);
                if let Some(place) = place {
                    let head = member.queue.remove(place);
                    member.open.push(head);
                }
            }
        }
    }
}
