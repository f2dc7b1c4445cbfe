//! One limit pool at work: the limiter's domain behind a mutex, its waiters, and its one timer.
//!
//! Every change goes through [`Pool::change`]: it runs under the lock, collects what the domain
//! decided, and delivers it after the lock is released, because a waiter that is gone hands its
//! reservation back through the same lock.

mod merging;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use paceline_limiter::{
    Binding, Charge, Domain, DomainSettings, DomainSnapshot, Episode, Event, Memory, Observation,
    Outlook, ProviderRefusal, Refusal, Request, Reservation, ReservationId, SettingsError, Settled,
    Settlement, Submission, Ticket, Timestamp, WaiterId, WaitingView,
};
use paceline_telemetry::{Counter, Metrics};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use merging::Moved;

use super::demand::{Demand, Rates};
use super::{Lease, episode};
use crate::clock::Clock;

/// What those are told who wait for a pool that is no more.
const GONE: Refusal = Refusal::Draining {
    retry_after: Duration::from_secs(1),
};

/// What a waiting request is told in the end.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It may go.
    Go {
        lease: Lease,
        waited: Duration,
        binding: Binding,
    },
    /// It will not.
    Refused(Refusal),
}

/// Answer to [`Pool::acquire`].
pub(crate) enum Acquired {
    /// It may go at once.
    Now(Lease),
    /// It waits; see [`Wait`].
    Later(Wait, Ticket),
    /// It will not go.
    Refused(Refusal),
}

/// Who waits, for those who look at the queue.
#[derive(Clone, Debug)]
pub(crate) struct WaitingRequest {
    pub(crate) request_id: Arc<str>,
    pub(crate) tenant: Arc<str>,
    pub(crate) session: Option<Arc<str>>,
    pub(crate) model: Arc<str>,
    /// How long the answer will probably be; 0 where nothing is known of it.
    pub(crate) expected_output_tokens: u64,
}

struct Waiter {
    sender: oneshot::Sender<Turn>,
    who: WaitingRequest,
    request: Request,
    /// How long it waited in pools that are one with this by now.
    before: Duration,
}

impl Waiter {
    /// Ends the wait. A receiver that is gone drops the turn, and with it the lease.
    fn tell(self, turn: Turn) {
        drop(self.sender.send(turn));
    }
}

struct State {
    domain: Domain,
    waiters: HashMap<WaiterId, Waiter>,
    /// The moment for which the timer is set.
    alarm_at: Option<Timestamp>,
    /// An episode of refusals has begun, and its end has not been told.
    troubled: bool,
    moved: Moved,
}

/// Counters of one pool, resolved once.
#[derive(Debug)]
struct TokenCounters {
    reserved: Counter,
    settled: Counter,
    refunded: Counter,
    debt: Counter,
}

/// One limit pool.
pub(crate) struct Pool {
    name: Arc<str>,
    clock: Clock,
    state: Mutex<State>,
    alarm: Notify,
    tokens: TokenCounters,
    demand: Mutex<Demand>,
    /// The pool that goes on in this one's place.
    heir: OnceLock<Arc<Self>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({})", self.name)
    }
}

impl Pool {
    pub(super) fn new(
        name: Arc<str>,
        settings: DomainSettings,
        clock: Clock,
        metrics: &Metrics,
    ) -> Result<Self, SettingsError> {
        let tokens = TokenCounters {
            reserved: metrics.tokens.of(&[&name, "reserved"]),
            settled: metrics.tokens.of(&[&name, "settled"]),
            refunded: metrics.tokens.of(&[&name, "refunded"]),
            debt: metrics.tokens.of(&[&name, "debt"]),
        };
        Ok(Self {
            name,
            clock,
            state: Mutex::new(State {
                domain: Domain::new(settings, clock.now())?,
                waiters: HashMap::new(),
                alarm_at: None,
                troubled: false,
                moved: Moved::default(),
            }),
            alarm: Notify::new(),
            tokens,
            demand: Mutex::default(),
            heir: OnceLock::new(),
        })
    }

    /// The pool's name in metrics, logs and answers.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Asks for a turn.
    pub(crate) fn acquire(self: &Arc<Self>, request: Request, who: WaitingRequest) -> Acquired {
        let answered = self.change(|domain, waiters, now| {
            // Looked at under the lock: nobody may come to wait in a pool that has been left.
            if self.heir.get().is_some() {
                return Err(who);
            }
            let submission = domain.submit(request, now);
            let receiver = if let Submission::Queued(ticket) = &submission {
                let (sender, receiver) = oneshot::channel();
                let waiter = Waiter {
                    sender,
                    who,
                    request,
                    before: Duration::ZERO,
                };
                waiters.insert(ticket.id, waiter);
                Some(receiver)
            } else {
                None
            };
            Ok((submission, receiver))
        });
        let (submission, receiver) = match (answered, self.heir.get()) {
            (Ok(answered), _) => answered,
            (Err(who), Some(heir)) => return heir.acquire(request, who),
            (Err(_), None) => (Submission::Refused(GONE), None),
        };
        self.demand.lock().record(request.charge, self.clock.now());
        match (submission, receiver) {
            (Submission::Admitted(reservation), _) => {
                self.tokens.reserved.inc_by(token_count(reservation.charge));
                Acquired::Now(Lease::new(Arc::clone(self), reservation))
            }
            (Submission::Queued(ticket), Some(receiver)) => Acquired::Later(
                Wait {
                    pool: Arc::clone(self),
                    id: ticket.id,
                    receiver,
                },
                ticket,
            ),
            (Submission::Queued(_), None) => Acquired::Refused(GONE),
            (Submission::Refused(refusal), _) => Acquired::Refused(refusal),
        }
    }

    /// Tells the pool what the provider's headers say.
    pub(crate) fn observe(self: &Arc<Self>, observations: &[Observation]) {
        if observations.is_empty() {
            return;
        }
        if let Some(heir) = self.heir.get() {
            let of_others = |observation: &Observation| Observation {
                reservation: None,
                ..*observation
            };
            return heir.observe(&observations.iter().map(of_others).collect::<Vec<_>>());
        }
        self.change(|domain, _, now| {
            for observation in observations {
                domain.observe(*observation, now);
            }
        });
    }

    /// Tells the pool that the provider refused a request, with these words; `true` if an episode
    /// of refusals begins with it.
    pub(crate) fn refused(self: &Arc<Self>, refusal: ProviderRefusal, words: &str) -> bool {
        if let Some(heir) = self.heir.get() {
            return heir.refused(refusal, words);
        }
        let begun = self.change(|domain, _, now| {
            let number = |domain: &Domain| domain.episode().map(|episode| episode.number);
            let before = number(domain);
            domain.refused(refusal, now);
            (number(domain) != before).then(|| domain.snapshot(now))
        });
        let mut state = self.state.lock();
        let episode = state.domain.episode();
        state.troubled = episode.is_some_and(|episode| episode.ended.is_none());
        drop(state);
        if let Some(snapshot) = &begun {
            episode::log_begin(&self.name, snapshot, words);
        }
        begun.is_some()
    }

    /// Stops admitting: everything that waits is refused.
    pub(crate) fn drain(self: &Arc<Self>) {
        let (now, mut events) = (self.clock.now(), Vec::new());
        let deliveries = {
            let mut state = self.state.lock();
            state.domain.drain(now, &mut events);
            state.take_deliveries(&mut events)
        };
        self.deliver(deliveries);
    }

    /// Puts other settings in force, keeping levels, waiters and reservations.
    pub(super) fn reconfigure(
        self: &Arc<Self>,
        settings: DomainSettings,
    ) -> Result<(), SettingsError> {
        self.change(|domain, _, now| domain.reconfigure(settings, now))
    }

    /// Where a waiting request stands; `None` when it waits no longer.
    pub(crate) fn outlook(&self, waiter: WaiterId) -> Option<Outlook> {
        let now = self.clock.now();
        let outlook = self.state.lock().domain.outlook(waiter, now);
        outlook.or_else(|| {
            let (heir, waiter) = self.moved_waiter(waiter)?;
            heir.outlook(waiter)
        })
    }

    /// A picture of the pool for those who look at it.
    pub(crate) fn snapshot(&self) -> DomainSnapshot {
        let now = self.clock.now();
        self.state.lock().domain.snapshot(now)
    }

    /// Takes up what was remembered `age` ago.
    pub(super) fn recall(self: &Arc<Self>, memory: &Memory, age: Duration) {
        self.change(|domain, _, now| domain.recall(memory, age, now));
    }

    /// What is worth remembering.
    pub(super) fn memory(&self) -> Memory {
        let now = self.clock.now();
        self.state.lock().domain.memory(now)
    }

    /// How much is asked of the pool.
    pub(crate) fn demand(&self) -> Rates {
        self.demand.lock().rates(self.clock.now())
    }

    /// The next moment at which something can happen.
    pub(crate) fn next_wake(&self) -> Option<Timestamp> {
        self.state.lock().domain.next_wake()
    }

    /// Up to `count_max` waiting requests in the expected order of service.
    pub(crate) fn waiting(&self, count_max: usize) -> Vec<(WaitingRequest, WaitingView)> {
        let now = self.clock.now();
        let state = self.state.lock();
        let views = state.domain.waiting(now, count_max);
        views
            .into_iter()
            .filter_map(|view| Some((state.waiters.get(&view.waiter)?.who.clone(), view)))
            .collect()
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        let now = self.clock.now();
        let state = self.state.lock();
        state.waiters.is_empty() && state.domain.snapshot(now).in_flight == 0
    }

    pub(super) fn settle(self: &Arc<Self>, reservation: Reservation, settlement: Settlement) {
        let settled = self.close(reservation.id, settlement);
        if let Settled::Applied { refunded, debt } = settled {
            let spent = token_count(reservation.charge).saturating_sub(token_count(refunded));
            self.tokens.settled.inc_by(spent);
            self.tokens.refunded.inc_by(token_count(refunded));
            self.tokens.debt.inc_by(token_count(debt));
        }
    }

    pub(super) fn abandon(self: &Arc<Self>, id: ReservationId) {
        if let Settled::Applied { refunded, .. } = self.give_back(id) {
            self.tokens.refunded.inc_by(token_count(refunded));
        }
    }

    /// Closes a reservation wherever it is by now.
    fn close(self: &Arc<Self>, id: ReservationId, settlement: Settlement) -> Settled {
        let settled = self.change(|domain, _, now| domain.settle(id, settlement, now));
        match self.forget_reservation(id) {
            Some((heir, id)) => heir.close(id, settlement),
            None => settled,
        }
    }

    /// Closes a reservation whose request was never sent, wherever it is by now.
    fn give_back(self: &Arc<Self>, id: ReservationId) -> Settled {
        let settled = self.change(|domain, _, now| domain.abandon(id, now));
        match self.forget_reservation(id) {
            Some((heir, id)) => heir.give_back(id),
            None => settled,
        }
    }

    fn go(self: &Arc<Self>, reservation: Reservation, waited: Duration, binding: Binding) -> Turn {
        self.tokens.reserved.inc_by(token_count(reservation.charge));
        Turn::Go {
            lease: Lease::new(Arc::clone(self), reservation),
            waited,
            binding,
        }
    }

    /// Waits for the pool's alarms and lets the domain act on them, until the pool is dropped.
    pub(super) async fn run_timer(pool: std::sync::Weak<Self>) {
        while let Some(strong) = pool.upgrade() {
            let wake = strong.set_alarm();
            let clock = strong.clock;
            let woken = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(clock.instant(at).into()).await,
                    // A pool without plans looks again now and then so that a dropped pool ends.
                    None => tokio::time::sleep(Duration::from_secs(30)).await,
                }
            };
            tokio::select! {
                () = woken => strong.change(|_, _, _| ()),
                () = strong.alarm.notified() => {}
            }
        }
    }

    fn set_alarm(&self) -> Option<Timestamp> {
        let mut state = self.state.lock();
        state.alarm_at = state.domain.next_wake();
        state.alarm_at
    }

    /// Runs `action` on the domain, then lets the domain act, then delivers what it decided.
    fn change<T>(
        self: &Arc<Self>,
        action: impl FnOnce(&mut Domain, &mut HashMap<WaiterId, Waiter>, Timestamp) -> T,
    ) -> T {
        let mut events = Vec::new();
        let (result, deliveries, sooner, ended) = {
            let mut state = self.state.lock();
            // Read under the lock: time must not run backwards for the domain.
            let now = self.clock.now();
            let State {
                domain, waiters, ..
            } = &mut *state;
            let result = action(domain, waiters, now);
            domain.poll(now, &mut events);
            let wake = domain.next_wake();
            let sooner = wake.is_some_and(|at| state.alarm_at.is_none_or(|set| at < set));
            if sooner {
                state.alarm_at = wake;
            }
            let deliveries = state.take_deliveries(&mut events);
            (result, deliveries, sooner, state.take_ended_episode())
        };
        if let Some(ended) = ended {
            episode::log_end(&self.name, &ended);
        }
        if sooner {
            self.alarm.notify_one();
        }
        self.deliver(deliveries);
        result
    }

    fn deliver(self: &Arc<Self>, deliveries: Vec<(Event, Option<Waiter>)>) {
        for (event, waiter) in deliveries {
            let turn = match event {
                Event::Admitted {
                    reservation,
                    waited,
                    binding,
                    ..
                } => {
                    let before = waiter.as_ref().map_or(Duration::ZERO, |w| w.before);
                    self.go(reservation, before + waited, binding)
                }
                Event::Expired { refusal, .. } => Turn::Refused(refusal),
            };
            if let Some(waiter) = waiter {
                waiter.tell(turn);
            }
        }
    }

    fn cancel(self: &Arc<Self>, waiter: WaiterId) {
        self.change(|domain, waiters, now| {
            if waiters.remove(&waiter).is_some() {
                domain.cancel(waiter, now);
            }
        });
        if let Some((heir, waiter)) = self.forget_waiter(waiter) {
            heir.cancel(waiter);
        }
    }
}

impl State {
    /// The episode of refusals that is over since the last look.
    fn take_ended_episode(&mut self) -> Option<Episode> {
        if !self.troubled {
            return None;
        }
        let ended = self
            .domain
            .episode()
            .filter(|episode| episode.ended.is_some());
        self.troubled = ended.is_none();
        ended
    }

    fn take_deliveries(&mut self, events: &mut Vec<Event>) -> Vec<(Event, Option<Waiter>)> {
        events
            .drain(..)
            .map(|event| {
                let id = match &event {
                    Event::Admitted { waiter, .. } | Event::Expired { waiter, .. } => *waiter,
                };
                let waiter = self.waiters.remove(&id);
                (event, waiter)
            })
            .collect()
    }
}

/// A place in the queue. Dropping it gives the place up.
#[derive(Debug)]
pub(crate) struct Wait {
    pool: Arc<Pool>,
    id: WaiterId,
    receiver: oneshot::Receiver<Turn>,
}

impl Wait {
    /// The waiter's id in its pool.
    pub(crate) fn id(&self) -> WaiterId {
        self.id
    }
}

impl Future for Wait {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn> {
        Pin::new(&mut self.receiver)
            .poll(context)
            .map(|received| received.unwrap_or(Turn::Refused(GONE)))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.pool.cancel(self.id);
    }
}

/// Tokens of a charge, whichever way its pool counts them.
fn token_count(charge: Charge) -> u64 {
    use paceline_limiter::Metric;
    let total = charge.get(Metric::Tokens);
    if total > 0 {
        return total;
    }
    charge
        .get(Metric::InputTokens)
        .saturating_add(charge.get(Metric::OutputTokens))
}
