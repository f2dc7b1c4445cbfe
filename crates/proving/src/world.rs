//! The simulation itself: one agenda of events, and what each of them does.

mod arrivals;
mod attempts;
mod flights;
mod outcome;
mod seats;

#[cfg(test)]
mod tests;

use paceline_simulator::Charge;

pub(crate) use self::outcome::{Outcome, Story};
use self::{arrivals::Stream, flights::Flights, seats::Seat};
use crate::agenda::Agenda;
use crate::random::Dice;
use crate::scenario::{FaultKind, Prompt, Scenario, Sender as Kind};
use crate::sender::{Ask, CallId, Fate, Sender, Step};
use crate::time::{NANOS_PER_MINUTE, NANOS_PER_MS, NANOS_PER_SECOND, ORIGIN_NS, seconds};
use crate::trace::{Event as Entry, Happening, Trace};
use crate::upstream::Upstream;

/// More than this many events at one moment mean that somebody turns in circles.
const EVENTS_AT_ONCE_MAX: u64 = 2_000_000;

/// How often it is asked whether a run is to go on.
const EVENTS_BETWEEN_QUESTIONS: u64 = 256;

/// A worker that got an error takes a breath before its next request; without it, a job would be
/// through with all of its requests in the moment in which its sender turns them away.
const PAUSE_AFTER_ERROR_NS: u64 = NANOS_PER_SECOND;

/// What is planned.
enum Event {
    /// The next request of a stream arrives.
    Arrival {
        stream: usize,
    },
    /// A request comes back to its sender after a pause.
    Again {
        call: CallId,
    },
    /// A request arrives at the provider.
    Arrive {
        flight: usize,
    },
    /// A request ends at the provider.
    Finish {
        flight: usize,
    },
    /// The head of an answer arrives.
    Head {
        flight: usize,
    },
    /// An attempt ends.
    End {
        flight: usize,
    },
    /// A sender wants to be polled.
    Wake {
        seat: usize,
    },
    Change {
        index: usize,
    },
    Burst {
        index: usize,
    },
    Jump {
        index: usize,
    },
    Tick,
}

/// One request.
pub(crate) struct Call {
    pub(crate) stream: usize,
    pub(crate) tenant: u32,
    pub(crate) prompt: Prompt,
    pub(crate) arrived_ns: u64,
    /// When its last attempt was sent.
    pub(crate) sent_ns: u64,
    pub(crate) attempts: u32,
    pub(crate) answers: u32,
    pub(crate) fate: Option<Fate>,
    /// What the provider charged at its last admission.
    pub(crate) charge: Charge,
    /// Whether an attempt is on its way.
    flying: bool,
}

/// A run under way.
pub(crate) struct World<'s> {
    scenario: &'s Scenario,
    now_ns: u64,
    start_ns: u64,
    agenda: Agenda<Event>,
    seats: Vec<Seat>,
    upstream: Upstream<'s>,
    streams: Vec<Stream>,
    calls: Vec<Call>,
    flights: Flights,
    way: Dice,
    trace: Trace,
    story: Story,
    steps: Vec<Step>,
    /// Requests that arrived and have no answer.
    open: u64,
    /// Requests of them that are on their way or at the provider.
    flying: u64,
    /// Calls that return by themselves after a pause.
    paused: u64,
}

/// What is wanted of a run beyond its result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Keep every event.
    pub(crate) events: bool,
    /// Check the provider's decisions by definition.
    pub(crate) judged: bool,
}

impl<'s> World<'s> {
    /// A run of one kind of sender.
    ///
    /// # Errors
    /// When the limiter refuses the gateway's settings.
    pub(crate) fn new(
        scenario: &'s Scenario,
        kind: Kind,
        seed: u64,
        wishes: Wishes,
    ) -> Result<Self, paceline_limiter::SettingsError> {
        let root = Dice::new(seed);
        // Fixed windows of the provider begin anywhere in the run's first minute.
        let start_ns = ORIGIN_NS + root.fork(1).within(0, NANOS_PER_MINUTE);
        let seats = seats::seats(scenario, kind, &root, start_ns)?;
        let mut world = Self {
            scenario,
            now_ns: start_ns,
            start_ns,
            agenda: Agenda::new(),
            seats,
            upstream: Upstream::new(scenario, root.fork(2), start_ns, wishes.judged),
            streams: arrivals::streams(scenario, &root.fork(3)),
            calls: Vec::new(),
            flights: Flights::default(),
            way: root.fork(4),
            trace: Trace::new(wishes.events),
            story: Story::default(),
            steps: Vec::new(),
            open: 0,
            flying: 0,
            paused: 0,
        };
        world.plan_all();
        Ok(world)
    }

    fn plan_all(&mut self) {
        let start_ns = self.start_ns;
        for (stream, rule) in self.scenario.workload.iter().enumerate() {
            let at_ns = start_ns + seconds(rule.start_s);
            self.agenda.plan(at_ns, Event::Arrival { stream });
        }
        let provider = &self.scenario.provider;
        for (index, change) in provider.change.iter().enumerate() {
            let at_ns = start_ns + seconds(change.at_s);
            self.agenda.plan(at_ns, Event::Change { index });
        }
        for (index, burst) in provider.foreign_burst.iter().enumerate() {
            let at_ns = start_ns + seconds(burst.start_s);
            self.agenda.plan(at_ns, Event::Burst { index });
        }
        for (index, fault) in self.scenario.fault.iter().enumerate() {
            if fault.kind == FaultKind::ClockJump {
                let at_ns = start_ns + seconds(fault.from_s);
                self.agenda.plan(at_ns, Event::Jump { index });
            }
        }
        self.agenda.plan(start_ns + NANOS_PER_SECOND, Event::Tick);
    }

    /// Lets time pass until everything is answered or the time is up.
    pub(crate) fn run(mut self) -> Outcome {
        self.pass(&mut || true);
        self.outcome()
    }

    /// The same for as long as `go_on` says so; `None` where it ended the run.
    pub(crate) fn run_while(mut self, go_on: &mut dyn FnMut() -> bool) -> Option<Outcome> {
        self.pass(go_on).then(|| self.outcome())
    }

    /// Whether time passed to the end.
    fn pass(&mut self, go_on: &mut dyn FnMut() -> bool) -> bool {
        let mut events = 0_u64;
        let end_ns = self.end_of_arrivals_ns() + seconds(self.scenario.drain_s);
        let (mut moment_ns, mut at_once) = (0, 0);
        while let Some((at_ns, event)) = self.agenda.next() {
            if at_ns > end_ns || self.is_over() {
                break;
            }
            events += 1;
            if events.is_multiple_of(EVENTS_BETWEEN_QUESTIONS) && !go_on() {
                return false;
            }
            at_once = if at_ns == moment_ns { at_once + 1 } else { 0 };
            moment_ns = at_ns;
            if at_once > EVENTS_AT_ONCE_MAX {
                self.story
                    .break_rule("time stands still: events beget events");
                break;
            }
            self.now_ns = at_ns;
            self.happen(event);
        }
        true
    }

    fn end_of_arrivals_ns(&self) -> u64 {
        self.start_ns + seconds(self.scenario.duration_s)
    }

    /// Whether nothing more can come.
    fn is_over(&self) -> bool {
        let time_is_up = self.now_ns >= self.end_of_arrivals_ns();
        let exhausted = self.streams.iter().all(|stream| stream.exhausted);
        self.open == 0 && self.flights.is_empty() && (time_is_up || exhausted)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival { stream } => self.arrival(stream),
            Event::Again { call } => {
                self.paused -= 1;
                self.submit(call);
            }
            Event::Arrive { flight } => self.arrive(flight),
            Event::Finish { flight } => self.finish(flight),
            Event::Head { flight } => self.head(flight),
            Event::End { flight } => self.end(flight),
            Event::Wake { seat } => self.wake(seat),
            Event::Change { index } => {
                self.upstream.change(index, self.now_ns);
                self.note(Happening::Changed, index as u64, 0);
            }
            Event::Burst { index } => self.burst(index),
            Event::Jump { index } => self.jump(index),
            Event::Tick => self.tick(),
        }
    }

    fn note(&mut self, happening: Happening, subject: u64, detail: u64) {
        self.trace.record(Entry {
            at_ns: self.now_ns,
            happening,
            subject,
            detail,
        });
    }

    fn arrival(&mut self, index: usize) {
        let end_ns = self.end_of_arrivals_ns();
        let now_ns = self.now_ns;
        let (count, next_ns) = match self.streams.get_mut(index) {
            Some(stream) => stream.arrive(now_ns, end_ns),
            None => return,
        };
        if let Some(at_ns) = next_ns {
            self.agenda.plan(at_ns, Event::Arrival { stream: index });
        }
        for _ in 0..count {
            self.new_call(index);
        }
    }

    fn new_call(&mut self, index: usize) {
        let (Some(stream), Some(rule)) = (
            self.streams.get_mut(index),
            self.scenario.workload.get(index),
        ) else {
            return;
        };
        let call = CallId::try_from(self.calls.len()).unwrap_or(CallId::MAX);
        let (tenant, prompt) = stream.draw(rule);
        self.calls.push(Call {
            stream: index,
            tenant,
            prompt,
            arrived_ns: self.now_ns,
            sent_ns: self.now_ns,
            attempts: 0,
            answers: 0,
            fate: None,
            charge: Charge::default(),
            flying: false,
        });
        self.open += 1;
        self.note(Happening::Arrived, u64::from(call), prompt.tokens);
        self.submit(call);
    }

    fn submit(&mut self, call: CallId) {
        if let Some(ask) = self.ask(call) {
            self.act(self.seat_of(call), |sender, now_ns, steps| {
                sender.submit(&ask, now_ns, steps);
            });
        }
    }

    fn seat_of(&self, call: CallId) -> usize {
        call as usize % self.seats.len().max(1)
    }

    fn ask(&self, call: CallId) -> Option<Ask> {
        let known = self.calls.get(call as usize)?;
        let rule = self.scenario.workload.get(known.stream)?;
        Some(Ask {
            call,
            tenant: known.tenant,
            weight: rule.weight,
            priority: rule.priority,
            prompt: known.prompt,
            arrived_ns: known.arrived_ns,
            deadline_ns: rule
                .patience_s
                .map(|patience_s| known.arrived_ns + seconds(patience_s)),
            attempts: known.attempts,
            streams: self.scenario.delay.streaming_ms.1 > 0,
        })
    }

    /// Lets a sender act, carries out what it does, and plans when to look at it again.
    fn act(&mut self, seat: usize, action: impl FnOnce(&mut dyn Sender, u64, &mut Vec<Step>)) {
        let now_ns = self.now_ns;
        let Some(place) = self.seats.get_mut(seat) else {
            return;
        };
        let mut steps = std::mem::take(&mut self.steps);
        action(place.sender.as_mut(), now_ns, &mut steps);
        if let Some(wake_ns) = place.sender.wake_ns()
            && place.wake_ns.is_none_or(|planned| wake_ns < planned)
        {
            let at_ns = wake_ns.max(now_ns);
            place.wake_ns = Some(at_ns);
            self.agenda.plan(at_ns, Event::Wake { seat });
        }
        for step in steps.drain(..) {
            self.take_step(step);
        }
        self.steps = steps;
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Send(call) => self.send(call),
            Step::Again { call, at_ns } => {
                self.paused += 1;
                self.agenda
                    .plan(at_ns.max(self.now_ns), Event::Again { call });
            }
            Step::Answer(call, fate) => self.answer(call, fate),
        }
    }

    fn answer(&mut self, call: CallId, fate: Fate) {
        self.note(Happening::Answered, u64::from(call), fate as u64);
        let Some(known) = self.calls.get_mut(call as usize) else {
            return;
        };
        known.answers += 1;
        if known.answers > 1 {
            self.story.break_rule("a request was answered twice");
            return;
        }
        known.fate = Some(fate);
        self.open -= 1;
        self.story
            .answered(known, self.now_ns, self.now_ns - self.start_ns);
        let stream = known.stream;
        if self
            .streams
            .get_mut(stream)
            .is_some_and(Stream::next_of_job)
        {
            let pause_ns = match fate {
                Fate::Served => 0,
                Fate::Failed | Fate::TurnedAway => PAUSE_AFTER_ERROR_NS,
            };
            let at_ns = self.now_ns + pause_ns;
            self.agenda.plan(at_ns, Event::Arrival { stream });
        }
    }

    fn wake(&mut self, seat: usize) {
        let now_ns = self.now_ns;
        match self.seats.get_mut(seat) {
            // A plan that was overtaken by a sooner one.
            Some(place) if place.wake_ns.is_some_and(|planned| planned > now_ns) => return,
            Some(place) => place.wake_ns = None,
            None => return,
        }
        self.act(seat, |sender, now_ns, steps| sender.poll(now_ns, steps));
    }

    fn burst(&mut self, index: usize) {
        let Some(rule) = self.scenario.provider.foreign_burst.get(index) else {
            return;
        };
        self.upstream
            .foreign_burst(rule.requests, rule.tokens, self.now_ns);
        self.note(Happening::Burst, index as u64, 0);
        let next_ns = self.now_ns + seconds(rule.every_s);
        self.agenda.plan(next_ns, Event::Burst { index });
    }

    fn jump(&mut self, index: usize) {
        let Some(rule) = self.scenario.fault.get(index) else {
            return;
        };
        self.note(Happening::Jumped, index as u64, 0);
        let by_ns = rule.by_ms.saturating_mul(NANOS_PER_MS.cast_signed());
        for seat in 0..self.seats.len() {
            if rule.gateway.is_none_or(|only| only == seat) {
                if let Some(place) = self.seats.get_mut(seat) {
                    // What was planned was planned by the clock before.
                    place.wake_ns = None;
                }
                self.act(seat, |sender, now_ns, steps| {
                    sender.jump(by_ns, now_ns, steps);
                });
            }
        }
    }

    fn tick(&mut self) {
        self.upstream.tick(self.now_ns);
        self.story.tick(self.open - self.flying.min(self.open));
        let broken = self.seats.iter().find_map(|seat| seat.sender.check(false));
        if let Some(what) = broken {
            self.story.break_rule(&what);
        }
        self.agenda
            .plan(self.now_ns + NANOS_PER_SECOND, Event::Tick);
    }
}
