//! A batch in virtual time: the course through the limiter that would pace it.

mod agenda;
mod queue;
mod reasons;

use std::collections::HashMap;
use std::time::Duration;

use paceline_limiter::{
    Charge, Domain, DomainSettings, Event, Limit, Metric, Outcome, QueueSettings, Refusal, Request,
    Reservation, ReservationId, SettingsError, Settlement, Submission, TenantId, Tier, Timestamp,
    WaiterId,
};

use crate::Concurrency;
use crate::run::Windows;

use super::Latency;
use super::course::Entry;
use super::pool::{Pool, Settle, at_once, times};

use agenda::Agenda;
use queue::Queue;
use reasons::Reasons;

pub use reasons::{Bind, Share};

/// The most requests that go as one.
const TOGETHER_MAX: u32 = 16;

/// Requests go as one only where many such fit into what goes at once.
const PARTS: f64 = 20.0;

/// How a batch goes.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Course {
    /// From its beginning to its last answer, in milliseconds.
    pub wall_ms: u64,
    /// What the time went by waiting for, the longest first.
    pub binds: Vec<Share>,
}

/// What is played.
#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) pools: Vec<Pool>,
    pub(super) concurrency: Concurrency,
    pub(super) latency: Latency,
    pub(super) start: Timestamp,
    /// Whether answers are as long as the high estimate.
    pub(super) high: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Played {
    pub(super) wall: Duration,
    pub(super) binds: Vec<Share>,
    /// What was charged in the end, by pool.
    pub(super) charged: Vec<Charge>,
}

impl Played {
    pub(super) fn course(&self) -> Course {
        Course {
            wall_ms: u64::try_from(self.wall.as_millis()).unwrap_or(u64::MAX),
            binds: self.binds.clone(),
        }
    }
}

impl Play {
    /// Plays it.
    ///
    /// # Errors
    /// What is wrong with the limits of a pool.
    pub(super) fn play(&self, entries: &[Entry]) -> Result<Played, SettingsError> {
        let player = Player::new(self, entries)?;
        Ok(player.play())
    }
}

/// Requests on their way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    entry: Entry,
    reservation: ReservationId,
    reserved: Charge,
    waited: Duration,
    took: Duration,
}

struct Player<'a> {
    play: &'a Play,
    domains: Vec<Domain>,
    /// How many requests go as one, by pool.
    together: Vec<u32>,
    queue: Queue<'a>,
    waiting: HashMap<(u32, WaiterId), Entry>,
    agenda: Agenda<Flight>,
    windows: Windows,
    now: Timestamp,
    last_end: Timestamp,
    reasons: Reasons,
    charged: Vec<Charge>,
    events: Vec<Event>,
}

impl<'a> Player<'a> {
    fn new(play: &'a Play, entries: &'a [Entry]) -> Result<Self, SettingsError> {
        let together: Vec<u32> = (0..)
            .zip(&play.pools)
            .map(|(index, pool)| together(pool, index, play.concurrency, entries))
            .collect();
        let mut domains = Vec::with_capacity(play.pools.len());
        for (pool, together) in play.pools.iter().zip(&together) {
            let mut domain = Domain::new(settings(pool, *together), play.start)?;
            begin_used(&mut domain, pool.used, play.start);
            domains.push(domain);
        }
        let queue = Queue::of(entries);
        Ok(Self {
            charged: vec![Charge::ZERO; domains.len()],
            domains,
            together,
            windows: Windows::new(play.concurrency, queue.groups()),
            queue,
            waiting: HashMap::new(),
            agenda: Agenda::default(),
            now: play.start,
            last_end: play.start,
            reasons: Reasons::new(play.start),
            events: Vec::new(),
            play,
        })
    }

    fn play(mut self) -> Played {
        self.hand_over();
        while let Some(then) = self.next_time() {
            self.now = self.now.max(then);
            while let Some(flight) = self.agenda.pop_until(self.now) {
                self.end(flight);
            }
            self.poll();
            self.hand_over();
        }
        self.reasons.finish(self.last_end);
        Played {
            wall: self.last_end.saturating_since(self.play.start),
            binds: self.reasons.shares(),
            charged: self.charged,
        }
    }

    /// When the next thing happens. Limits that would let nothing go any more end the play.
    fn next_time(&self) -> Option<Timestamp> {
        let first = self.agenda.first();
        if self.waiting.is_empty() {
            return first;
        }
        let wakes = self.domains.iter().filter_map(Domain::next_wake);
        first.into_iter().chain(wakes).min()
    }

    /// Hands over as many requests as may be under way at once.
    fn hand_over(&mut self) {
        while self.windows.have_room() {
            let Some((group, mut entry)) = self.windows.choose(&mut self.queue) else {
                return;
            };
            let room = u32::try_from(self.windows.room(group)).unwrap_or(u32::MAX);
            let together = self.together.get(entry.pool as usize).copied();
            let first = entry.split(together.unwrap_or(1).min(room));
            if entry.count > 0 {
                self.queue.put_back(entry);
            }
            self.submit(first);
        }
    }

    fn submit(&mut self, entry: Entry) {
        let Some(domain) = self.domains.get_mut(entry.pool as usize) else {
            return;
        };
        let request = Request {
            tenant: TenantId(0),
            weight: 1,
            tier: Tier::Batch,
            charge: entry.charge(),
            parts: None,
            deadline: None,
            retry: false,
        };
        match domain.submit(request, self.now) {
            Submission::Admitted(reservation) => {
                self.began(entry);
                self.reasons
                    .admitted_at_once(self.is_window_whole(), self.now);
                self.launch(entry, reservation, Duration::ZERO);
            }
            Submission::Queued(ticket) => {
                self.began(entry);
                self.waiting.insert((entry.pool, ticket.id), entry);
            }
            // Together they are too much; each of them is not.
            Submission::Refused(Refusal::TooLarge { .. }) if entry.count > 1 => {
                let mut rest = entry;
                let half = rest.split(entry.count / 2);
                self.queue.put_back(rest);
                self.queue.put_back(half);
                if let Some(together) = self.together.get_mut(entry.pool as usize) {
                    *together = (entry.count / 2).max(1);
                }
            }
            Submission::Refused(_) => {}
        }
    }

    fn began(&mut self, entry: Entry) {
        (0..entry.count).for_each(|_| self.windows.began(entry.group));
    }

    /// Takes requests out of their window; whether that was full.
    fn ended(&mut self, entry: Entry) -> bool {
        (0..entry.count).fold(false, |full, _| self.windows.ended(entry.group) | full)
    }

    /// Whether as many requests may be under way as ever.
    fn is_window_whole(&self) -> bool {
        match self.play.concurrency {
            Concurrency::Auto { most } => self.windows.size() >= most,
            Concurrency::Fixed(_) => true,
        }
    }

    fn launch(&mut self, entry: Entry, reservation: Reservation, waited: Duration) {
        let output = match self.play.high {
            true => entry.output_high,
            false => entry.output,
        };
        let each = mean(output, entry.count);
        let took = self.play.latency.of(each);
        let flight = Flight {
            entry,
            reservation: reservation.id,
            reserved: reservation.charge,
            waited,
            took,
        };
        self.agenda.plan(self.now + took, flight);
    }

    fn end(&mut self, flight: Flight) {
        let pool = flight.entry.pool as usize;
        let full = self.ended(flight.entry);
        let took = flight.waited + flight.took;
        for _ in 0..flight.entry.count {
            self.windows
                .answered(flight.entry.group, flight.waited, took, full);
        }
        self.last_end = self.last_end.max(self.now);
        let settle = self.play.pools.get(pool).map(|pool| pool.settle);
        let used = self.used(&flight);
        let charged = match settle {
            Some(Settle::Actual) => used,
            Some(Settle::Highest) => highest(flight.reserved, used),
            _ => flight.reserved,
        };
        if let Some(sum) = self.charged.get_mut(pool) {
            *sum = sum.saturating_add(charged);
        }
        let settlement = Settlement {
            charged: Some(charged),
            actual: None,
            outcome: Outcome::Success,
        };
        if let Some(domain) = self.domains.get_mut(pool) {
            domain.settle(flight.reservation, settlement, self.now);
        }
    }

    fn used(&self, flight: &Flight) -> Charge {
        let output = match self.play.high {
            true => flight.entry.output_high,
            false => flight.entry.output,
        };
        let input = flight.entry.input;
        flight
            .reserved
            .with(Metric::Tokens, input.saturating_add(output))
            .with(Metric::InputTokens, input)
            .with(Metric::OutputTokens, output)
    }

    /// Lets whoever may go, go.
    fn poll(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        for pool in 0..self.domains.len() {
            let Some(domain) = self.domains.get_mut(pool) else {
                continue;
            };
            domain.poll(self.now, &mut events);
            for event in events.drain(..) {
                self.deliver(pool as u32, event);
            }
        }
        self.events = events;
    }

    fn deliver(&mut self, pool: u32, event: Event) {
        match event {
            Event::Admitted {
                waiter,
                reservation,
                waited,
                binding,
            } => {
                if let Some(entry) = self.waiting.remove(&(pool, waiter)) {
                    let name = self.play.pools.get(pool as usize);
                    let name = name.map_or("", |pool| &pool.name);
                    self.reasons.admitted(name, binding, self.now);
                    self.launch(entry, reservation, waited);
                }
            }
            Event::Expired { waiter, .. } => {
                if let Some(entry) = self.waiting.remove(&(pool, waiter)) {
                    self.ended(entry);
                }
            }
        }
    }
}

/// What is used already when the batch begins.
fn begin_used(domain: &mut Domain, used: Charge, now: Timestamp) {
    if used == Charge::ZERO {
        return;
    }
    let request = Request {
        tenant: TenantId(1),
        weight: 1,
        tier: Tier::Interactive,
        charge: used,
        parts: None,
        deadline: None,
        retry: false,
    };
    if let Submission::Admitted(reservation) = domain.submit(request, now) {
        let settlement = Settlement {
            charged: None,
            actual: None,
            outcome: Outcome::Success,
        };
        domain.settle(reservation.id, settlement, now);
    }
}

fn settings(pool: &Pool, together: u32) -> DomainSettings {
    DomainSettings {
        // What is not known yet is not played: the plan says that no limits are known.
        probe_concurrency: None,
        concurrency_max: pool
            .settings
            .concurrency_max
            .map(|most| (most / together).max(1)),
        spacing: pool.settings.spacing.saturating_mul(together),
        queue: QueueSettings {
            waiting_max: usize::MAX,
            waiting_per_tenant_max: usize::MAX,
            ..pool.settings.queue
        },
        ..pool.settings.clone()
    }
}

/// How many requests of a pool may go as one without being another batch than they are.
fn together(pool: &Pool, index: u32, concurrency: Concurrency, entries: &[Entry]) -> u32 {
    let most = match concurrency {
        Concurrency::Auto { most } | Concurrency::Fixed(most) => most,
    };
    let most = pool
        .settings
        .concurrency_max
        .map_or(most, |bound| most.min(bound as usize));
    let by_slots = u32::try_from(most / 16).unwrap_or(u32::MAX);
    let mut sum = Charge::ZERO;
    let (mut count, mut largest) = (0_u64, 1);
    for entry in entries.iter().filter(|entry| entry.pool == index) {
        sum = sum.saturating_add(entry.charge());
        count += u64::from(entry.count);
        largest = largest.max(entry.count);
    }
    let by_limits = pool.settings.limits.iter().map(|limit: &Limit| {
        let each = ratio(sum.get(limit.metric), count.max(1));
        let fit = ratio(at_once(limit), 1) / PARTS / each.max(1e-9);
        u32::try_from(times(1, fit.floor())).unwrap_or(u32::MAX)
    });
    let least = by_limits.min().unwrap_or(u32::MAX);
    TOGETHER_MAX.min(largest).min(by_slots).min(least).max(1)
}

fn highest(one: Charge, other: Charge) -> Charge {
    one.saturating_add(other.saturating_sub(one))
}

fn mean(units: u64, count: u32) -> f64 {
    ratio(units, u64::from(count.max(1)))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a mean with two digits that matter"
)]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
