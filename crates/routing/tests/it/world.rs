//! A model of two lanes in virtual time, one of whose providers falls ill and recovers.
//!
//! Twenty calls a second arrive. Each tries the lanes in the router's order: what fails before the
//! caller saw a byte goes on to the next lane, what is cut after that is lost. The lane with the
//! fewest calls under way is preferred, so that one that fails at once attracts calls: the hardest
//! case for a breaker.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use paceline_routing::{
    Breaker, BreakerSettings, Call, Fault, FaultKind, Health, Lane, LaneId, LaneKey, Outcome, Pass,
    Placed, Router, RouterSettings, Slow, StateView, Timestamp,
};

/// Between two calls.
const SPACING: Duration = Duration::from_millis(50);

/// The time that an attempt has for its first byte.
const TIMEOUT: Duration = Duration::from_secs(30);

/// From the first byte to the last.
const STREAM: Duration = Duration::from_secs(2);

/// When the first lane falls ill and when it is mended.
pub(crate) const ILL: (u64, u64) = (60, 120);

/// The last call arrives then, in seconds.
const END: u64 = 240;

/// What is wrong with the first lane while it is ill.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Illness {
    /// This share of calls gets a 500.
    Errors(f64),
    /// All get a 529 with this `Retry-After`, in seconds.
    Overload(u64),
    /// No connection.
    Connect,
    /// The first byte comes after this time.
    Late(Duration),
    /// Nothing comes back.
    Hang,
    /// Answers that are none.
    Garbage,
    /// This share of answers breaks off after a second.
    Cut(f64),
    /// The key is refused.
    Account,
}

/// What became of all calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Calls that arrived.
    pub(crate) calls: u32,
    /// Calls whose caller got no whole answer.
    pub(crate) lost: u32,
    /// Attempts that failed, lost or not.
    pub(crate) failed_attempts: u32,
    /// Calls whose first byte came more than three seconds after they arrived.
    pub(crate) late: u32,
    /// Attempts that the ill lane got after its first trip, until it was mended.
    pub(crate) probes: u32,
    /// From the first day of illness to the first trip.
    pub(crate) tripped_after: Option<Duration>,
    /// From mending until the lane takes every call again.
    pub(crate) recovered_after: Option<Duration>,
    /// Trips of the lane that was ill.
    pub(crate) trips: u64,
    /// Trips of the lane that was not.
    pub(crate) trips_of_the_other: u64,
}

impl Report {
    /// The share of calls that got a whole answer.
    pub(crate) fn success(&self) -> f64 {
        1.0 - f64::from(self.lost) / f64::from(self.calls)
    }
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0)) / 4_294_967_296.0
    }
}

/// One attempt under way.
struct Attempt {
    pass: Option<Pass>,
    lane: usize,
    arrived: Timestamp,
    rest: Vec<Placed>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives,
    FirstByte(usize),
    Ends(usize),
}

struct World {
    illness: Illness,
    with_breakers: bool,
    now: Timestamp,
    events: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    scheduled: u64,
    breakers: Vec<Breaker>,
    in_flight: [u32; 2],
    router: Router,
    attempts: Vec<Attempt>,
    /// How each attempt will end, and whether its caller has seen a byte then.
    fates: Vec<(Outcome, bool)>,
    random: Random,
    report: Report,
}

/// Plays one illness of the first lane; without breakers, both lanes always count as well.
pub(crate) fn play(illness: Illness, with_breakers: bool, seed: u64) -> Report {
    let settings = BreakerSettings {
        slow: matches!(illness, Illness::Late(_)).then(|| Slow::new(Duration::from_secs(3))),
        ..BreakerSettings::default()
    };
    let mut world = World {
        illness,
        with_breakers,
        now: Timestamp::ZERO,
        events: BinaryHeap::new(),
        scheduled: 0,
        breakers: vec![Breaker::new(settings.clone()), Breaker::new(settings)],
        in_flight: [0; 2],
        router: Router::new(RouterSettings::default()),
        attempts: Vec::new(),
        fates: Vec::new(),
        random: Random(seed),
        report: Report::default(),
    };
    world.schedule(Duration::ZERO, Event::Arrives);
    while let Some(Reverse((at, _, event))) = world.events.pop() {
        world.now = at;
        match event {
            Event::Arrives => world.arrives(),
            Event::FirstByte(attempt) => world.first_byte(attempt),
            Event::Ends(attempt) => world.ends(attempt),
        }
    }
    world.report.trips = world.breakers[0].view(world.now).trips;
    world.report.trips_of_the_other = world.breakers[1].view(world.now).trips;
    world.report
}

fn second(second: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_secs(second)
}

impl World {
    fn schedule(&mut self, after: Duration, event: Event) {
        self.scheduled += 1;
        let event = (self.now + after, self.scheduled, event);
        self.events.push(Reverse(event));
    }

    fn is_ill(&self, lane: usize) -> bool {
        lane == 0 && self.now >= second(ILL.0) && self.now < second(ILL.1)
    }

    fn health(&mut self, lane: usize) -> Health {
        let jitter = self.random.unit();
        let health = self.breakers[lane].health(self.now, jitter);
        if self.with_breakers {
            health
        } else {
            Health::Well
        }
    }

    fn arrives(&mut self) {
        self.report.calls += 1;
        let lanes: Vec<Lane> = (0..2)
            .map(|lane| Lane {
                health: self.health(lane),
                in_flight: self.in_flight[lane],
                ..Lane::new(
                    LaneId(u32::try_from(lane).unwrap_or(0)),
                    LaneKey::of("provider", if lane == 0 { "a" } else { "b" }),
                )
            })
            .collect();
        self.watch();
        let call = Call {
            session: None,
            may_probe: true,
            draw: self.random.unit(),
        };
        let mut rest = self.router.choose(&call, &lanes).order;
        rest.reverse();
        self.attempt(self.now, rest);
        if self.now < second(END) {
            self.schedule(SPACING, Event::Arrives);
        }
    }

    /// Notes when the ill lane tripped, and when it was back.
    fn watch(&mut self) {
        let view = self.breakers[0].view(self.now);
        if view.trips > 0 && self.report.tripped_after.is_none() {
            self.report.tripped_after = Some(self.now.saturating_since(second(ILL.0)));
        }
        if view.state == StateView::Closed
            && self.now >= second(ILL.1)
            && self.report.recovered_after.is_none()
        {
            self.report.recovered_after = Some(self.now.saturating_since(second(ILL.1)));
        }
    }

    /// Tries the last of `rest`, which are in reversed order.
    fn attempt(&mut self, arrived: Timestamp, mut rest: Vec<Placed>) {
        while let Some(placed) = rest.pop() {
            let lane = placed.lane.0 as usize;
            let pass = self.breakers[lane].begin(self.now).ok();
            if pass.is_none() && self.with_breakers {
                continue;
            }
            if self.is_ill(lane) && self.breakers[lane].view(self.now).trips > 0 {
                self.report.probes += 1;
            }
            self.in_flight[lane] += 1;
            let attempt = self.attempts.len();
            self.attempts.push(Attempt {
                pass,
                lane,
                arrived,
                rest,
            });
            self.draw_fate(attempt, lane);
            return;
        }
        self.report.lost += 1;
    }

    fn draw_fate(&mut self, attempt: usize, lane: usize) {
        let usual = Duration::from_secs_f64(0.3 + 0.4 * self.random.unit());
        let whole = (Some(usual), usual + STREAM, Outcome::Whole);
        let fails = |kind, after| (None, after, Outcome::Fault(Fault::new(kind)));
        let chance = self.random.unit();
        let soon = Duration::from_millis(50);
        let (first_byte, end, outcome) = match self.illness {
            _ if !self.is_ill(lane) => whole,
            Illness::Errors(share) if chance < share => fails(FaultKind::Status, soon),
            Illness::Cut(share) if chance < share => {
                let cut = Outcome::Fault(Fault::new(FaultKind::Cut));
                (Some(usual), usual + Duration::from_secs(1), cut)
            }
            Illness::Errors(_) | Illness::Cut(_) => whole,
            Illness::Overload(seconds) => {
                let fault = Fault::new(FaultKind::Overload).with_status(529);
                let fault = fault.with_retry_after(Duration::from_secs(seconds));
                (None, soon, Outcome::Fault(fault))
            }
            Illness::Connect => fails(FaultKind::Connect, Duration::from_millis(5)),
            Illness::Late(late) => (Some(late), late + STREAM, Outcome::Whole),
            Illness::Hang => fails(FaultKind::Timeout, TIMEOUT),
            Illness::Garbage => fails(FaultKind::Garbage, usual),
            Illness::Account => fails(FaultKind::Account, soon),
        };
        self.fates.push((outcome, first_byte.is_some()));
        if let Some(after) = first_byte {
            self.schedule(after, Event::FirstByte(attempt));
        }
        self.schedule(end, Event::Ends(attempt));
    }

    fn first_byte(&mut self, attempt: usize) {
        let jitter = self.random.unit();
        let attempt = &self.attempts[attempt];
        if let Some(pass) = &attempt.pass {
            self.breakers[attempt.lane].first_byte(pass, self.now, jitter);
        }
        let waited = self.now.saturating_since(attempt.arrived);
        self.report.late += u32::from(waited > Duration::from_secs(3));
    }

    fn ends(&mut self, number: usize) {
        let jitter = self.random.unit();
        let (outcome, seen) = self.fates[number].clone();
        let attempt = &mut self.attempts[number];
        let (lane, arrived) = (attempt.lane, attempt.arrived);
        let rest = std::mem::take(&mut attempt.rest);
        self.in_flight[lane] -= 1;
        if let Some(pass) = attempt.pass.take() {
            self.breakers[lane].end(pass, &outcome, self.now, jitter);
        }
        if outcome != Outcome::Whole {
            self.report.failed_attempts += 1;
            if seen {
                self.report.lost += 1;
            } else {
                self.attempt(arrived, rest);
            }
        }
    }
}
