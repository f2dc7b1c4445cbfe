//! What one pool and the store say to each other, in order. Pure: the time is an argument.

use std::time::Duration;

use paceline_coordinator::{Answer, Ask, Epoch, InstanceId};
use paceline_limiter::{Closing, Domain, Event, Granted, Memory, Offer, Timestamp, Told};

use super::demand::Demand;
use super::translate::{self, StoreClock, microseconds, moment};
use crate::Remembered;

/// Who is offered at once.
pub(crate) const OFFERS_MAX: usize = 16;

/// What was learned is told at most so often.
const LESSON_GAP: Duration = Duration::from_secs(1);

/// What was asked last, until it is answered.
#[derive(Debug)]
struct Asked {
    at: Timestamp,
    offers: Vec<Offer>,
    closings: Vec<Closing>,
}

/// What an answer means to the pool, beside what the domain was told.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Somebody may go.
    pub(crate) granted: bool,
    /// Of all who waited when the store was asked it is known whether they may go: they were named, or
    /// somebody before them was and has to wait.
    pub(crate) decided: bool,
    /// Those who wait were not looked at, or there are more than were named: ask again.
    pub(crate) again: bool,
    /// When to ask again at the latest.
    pub(crate) wake: Option<Timestamp>,
    /// The store has lost what it knew, and lets nobody in for so long.
    pub(crate) lost_for: Option<Duration>,
    /// The part of the quota that is this instance's.
    pub(crate) share_ppm: u32,
    /// Instances that share the quota.
    pub(crate) instances: u32,
}

/// One side of the conversation about one domain.
#[derive(Debug)]
pub(crate) struct Conversation {
    instance: InstanceId,
    lease: Duration,
    shares_ppm: [u32; 3],
    sequence: u64,
    epoch: Option<Epoch>,
    clock: Option<StoreClock>,
    /// The store has told its levels since the pool came into touch with it.
    joined: bool,
    asked: Option<Asked>,
    /// Closings of which it is not known whether they were heard.
    unheard: Vec<Closing>,
    demand: Demand,
    /// The version of the common knowledge that is known.
    knows: u64,
    /// What was told or heard last of what there is to know, and when it was looked at.
    lesson: Option<Remembered>,
    lesson_at: Option<Timestamp>,
}

impl Conversation {
    pub(crate) fn new(instance: InstanceId, lease: Duration, shares_ppm: [u32; 3]) -> Self {
        Self {
            instance,
            lease,
            shares_ppm,
            // Numbers go on where a conversation of the same instance about the domain ended.
            sequence: 0,
            epoch: None,
            clock: None,
            joined: false,
            asked: None,
            unheard: Vec::new(),
            demand: Demand::default(),
            knows: 0,
            lesson: None,
            lesson_at: None,
        }
    }

    /// The next message. Before the store has told its levels nobody is offered.
    pub(crate) fn ask(&mut self, domain: &mut Domain, now: Timestamp) -> Ask {
        self.sequence += 1;
        let mut closings = std::mem::take(&mut self.unheard);
        closings.extend(domain.closings());
        let steps = domain.steps();
        let offers = if self.joined {
            domain.offers(OFFERS_MAX, now)
        } else {
            Vec::new()
        };
        let bounds = domain.bounds(now);
        let terms = self.clock.map(|clock| {
            let terms = domain.terms(now).into_iter();
            terms.map(|terms| translate::terms(&terms, clock)).collect()
        });
        let ask = Ask {
            instance: self.instance,
            sequence: self.sequence,
            epoch: self.epoch,
            lease_us: microseconds(self.lease),
            pause_us: microseconds(bounds.pause),
            spacing_us: microseconds(bounds.spacing),
            in_flight_max: bounds.in_flight_max,
            demand: self.demand.ppm(domain.asked(), now),
            shares_ppm: self.shares_ppm,
            terms: terms.unwrap_or_default(),
            closed: closings.iter().map(translate::closed).collect(),
            corrections: if self.joined {
                steps.iter().map(translate::correction).collect()
            } else {
                Vec::new()
            },
            heads: offers.iter().map(translate::head).collect(),
            knows: self.knows,
            teaches: self.lesson(domain, now),
            leaves: false,
        };
        self.asked = Some(Asked {
            at: now,
            offers,
            closings,
        });
        ask
    }

    /// The last message: the pool needs no room any more.
    pub(crate) fn farewell(&mut self, domain: &mut Domain, now: Timestamp) -> Ask {
        let ask = self.ask(domain, now);
        self.joined = false;
        Ask {
            heads: Vec::new(),
            leaves: true,
            ..ask
        }
    }

    /// The last message about a pool that is no more, of which `closings` are still to be told.
    pub(crate) fn parting(&mut self, closings: Vec<Closing>) -> Ask {
        self.sequence += 1;
        let mut closed = std::mem::take(&mut self.unheard);
        closed.extend(closings);
        Ask {
            instance: self.instance,
            sequence: self.sequence,
            epoch: self.epoch,
            lease_us: microseconds(self.lease),
            pause_us: 0,
            spacing_us: 0,
            in_flight_max: None,
            demand: 0,
            shares_ppm: self.shares_ppm,
            terms: Vec::new(),
            closed: closed.iter().map(translate::closed).collect(),
            corrections: Vec::new(),
            heads: Vec::new(),
            knows: self.knows,
            teaches: None,
            leaves: true,
        }
    }

    /// What there is to know of the limits, if that is more than was told last.
    fn lesson(&mut self, domain: &Domain, now: Timestamp) -> Option<String> {
        let early = |at: Timestamp| now.saturating_since(at) < LESSON_GAP;
        if !self.joined || self.lesson_at.is_some_and(early) {
            return None;
        }
        self.lesson_at = Some(now);
        let mut lesson = lesson_of(domain.memory(now));
        if !domain.charge_is_shown() {
            // Whoever hears of a formula counts by it, whatever it has seen itself.
            lesson.keep_charge(self.lesson.as_ref());
        }
        if lesson.is_empty()
            || self
                .lesson
                .as_ref()
                .is_some_and(|old| !lesson.tells_more_than(old))
        {
            return None;
        }
        let text = serde_json::to_string(&lesson).ok()?;
        self.lesson = Some(lesson);
        Some(text)
    }

    /// Takes in the answer to the last message.
    pub(crate) fn hear(
        &mut self,
        domain: &mut Domain,
        answer: &Answer,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> Heard {
        let Some(asked) = self.asked.take() else {
            return Heard::default();
        };
        let before = self.epoch.replace(answer.epoch);
        if self.clock.is_some() {
            domain.spent_is_told();
        }
        self.clock = Some(StoreClock::read(answer.now_us, asked.at, now));
        if let Some(knowledge) = &answer.knowledge {
            self.knows = knowledge.version;
            self.learn(&knowledge.text, domain, now);
        }
        let levels: Vec<_> = answer.levels.iter().map(translate::level).collect();
        let offered = |id| asked.offers.iter().find(|o| o.waiter.number() == id);
        let grants: Vec<_> = answer
            .grants
            .iter()
            .filter_map(|grant| {
                Some(Granted {
                    waiter: offered(grant.id.0)?.waiter,
                    used: &grant.used,
                })
            })
            .collect();
        let wake = answer.wake_us.map(|at| moment(at, answer.now_us, now));
        let told = Told {
            asked_at: asked.at,
            levels: &levels,
            grants: &grants,
            share_ppm: answer.share_ppm.max(even_ppm(answer.instances)),
            wake,
        };
        domain.hear(&told, now, events);
        let was_joined = std::mem::replace(&mut self.joined, true);
        let waits = domain.is_waiting();
        Heard {
            granted: !grants.is_empty(),
            decided: was_joined && (asked.offers.is_empty() || grants.len() < asked.offers.len()),
            again: waits && (!was_joined || !grants.is_empty()),
            wake: wake.filter(|_| waits),
            lost_for: (answer.learning_us > 0 || before.is_some_and(|b| b != answer.epoch))
                .then(|| Duration::from_micros(answer.learning_us)),
            share_ppm: answer.share_ppm,
            instances: answer.instances,
        }
    }

    /// The store did not answer: whether it heard the last message is not known.
    pub(crate) fn lose_touch(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.unheard = asked.closings;
        }
        self.joined = false;
    }

    fn learn(&mut self, text: &str, domain: &mut Domain, now: Timestamp) {
        // What another version wrote, or nobody of us, is left alone.
        let Ok(remembered) = serde_json::from_str::<Remembered>(text) else {
            return;
        };
        if let Ok(memory) = Memory::try_from(&remembered) {
            domain.agree(&memory, now);
            self.lesson = Some(remembered);
        }
    }
}

/// The part that everyone has where all ask for the same: what somebody who waits can count on.
fn even_ppm(instances: u32) -> u32 {
    1_000_000 / instances.max(1)
}

/// What others can use: levels are counted by the store.
fn lesson_of(mut memory: Memory) -> Remembered {
    for limit in &mut memory.limits {
        limit.used = 0;
    }
    Remembered::from(&memory)
}
