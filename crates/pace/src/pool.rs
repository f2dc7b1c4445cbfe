//! One limit pool at work: the limiter's domain behind a mutex, its waiters, and its one timer.
//!
//! Every change goes through [`Pool::change`]: it runs under the lock, collects what the domain
//! decided, and delivers it after the lock is released, because a waiter that is gone hands its
//! reservation back through the same lock.

mod merging;
mod sharing;
mod trying;
mod turn;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use paceline_limiter::{
    Binding, Domain, DomainSettings, DomainSnapshot, Episode, Event, Memory, Observation, Outlook,
    Prospect, ProviderRefusal, Refusal, Request, Reservation, ReservationId, SettingsError,
    Settled, Settlement, Submission, Timestamp, WaiterId, WaitingView,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use merging::Moved;
use trying::Tries;
pub use turn::{Acquired, NotNow, Turn, Wait};

use crate::shared::Shared;
use crate::{Clock, Lease, Watch};

/// What those are told who wait for a pool that is no more.
const GONE: Refusal = Refusal::Draining {
    retry_after: Duration::from_secs(1),
};

/// How somebody hears of a turn.
enum Ear<W: Watch> {
    /// Whenever it comes.
    Turn(oneshot::Sender<Turn<W>>),
    /// If it comes at once.
    Now(oneshot::Sender<Result<Lease<W>, NotNow>>),
}

struct Waiter<W: Watch> {
    ear: Ear<W>,
    who: W::Who,
    request: Request,
    /// How long it waited in pools that are one with this by now.
    before: Duration,
}

impl<W: Watch> Waiter<W> {
    /// Ends the wait. A receiver that is gone drops the turn, and with it the lease.
    fn tell(self, turn: Turn<W>) {
        match (self.ear, turn) {
            (Ear::Turn(ear), turn) => drop(ear.send(turn)),
            (Ear::Now(ear), Turn::Go { lease, .. }) => drop(ear.send(Ok(lease))),
            (Ear::Now(ear), Turn::Refused(refusal)) => {
                drop(ear.send(Err(NotNow::Refused(refusal))));
            }
        }
    }
}

struct State<W: Watch> {
    domain: Domain,
    waiters: HashMap<WaiterId, Waiter<W>>,
    /// The moment for which the timer is set.
    alarm_at: Option<Timestamp>,
    /// An episode of refusals has begun, and its end has not been told.
    troubled: bool,
    moved: Moved,
    tries: Tries,
}

/// One limit pool.
pub struct Pool<W: Watch> {
    watch: W,
    clock: Clock,
    state: Mutex<State<W>>,
    /// Shared with the timer, which outlives the pool for a moment.
    alarm: Arc<Notify>,
    /// The pool that goes on in this one's place.
    heir: OnceLock<Arc<Self>>,
    /// Where it stands with the store that its limits are counted in.
    shared: OnceLock<Arc<Shared>>,
}

impl<W: Watch + std::fmt::Debug> std::fmt::Debug for Pool<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({:?})", self.watch)
    }
}

impl<W: Watch> Drop for Pool<W> {
    fn drop(&mut self) {
        // The timer sees that there is nothing left to wait for.
        self.alarm.notify_one();
        if let Some(shared) = self.shared.get() {
            shared.part(self.state.get_mut().domain.closings());
        }
    }
}

impl<W: Watch> Pool<W> {
    /// A pool with nothing used and nobody waiting. It needs a timer: see [`Self::run_timer`] and
    /// [`crate::keep_time`].
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn new(settings: DomainSettings, clock: Clock, watch: W) -> Result<Self, SettingsError> {
        Ok(Self {
            watch,
            clock,
            state: Mutex::new(State {
                domain: Domain::new(settings, clock.now())?,
                waiters: HashMap::new(),
                alarm_at: None,
                troubled: false,
                moved: Moved::default(),
                tries: Tries::default(),
            }),
            alarm: Arc::new(Notify::new()),
            heir: OnceLock::new(),
            shared: OnceLock::new(),
        })
    }

    /// What the owner gave to be told by.
    pub fn watch(&self) -> &W {
        &self.watch
    }

    /// The clock that the pool goes by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Asks for a turn.
    pub fn acquire(self: &Arc<Self>, request: Request, who: W::Who) -> Acquired<W> {
        let answered = self.change(|domain, waiters, now| {
            // Looked at under the lock: nobody may come to wait in a pool that has been left.
            if self.heir.get().is_some() {
                return Err(who);
            }
            let submission = domain.submit(request, now);
            let receiver = if let Submission::Queued(ticket) = &submission {
                let (sender, receiver) = oneshot::channel();
                let waiter = Waiter {
                    ear: Ear::Turn(sender),
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
        self.watch.asked(request.charge, self.clock.now());
        match (submission, receiver) {
            (Submission::Admitted(reservation), _) => {
                self.watch.reserved(reservation.charge);
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
    pub fn observe(self: &Arc<Self>, observations: &[Observation]) {
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
    pub fn refused(self: &Arc<Self>, refusal: ProviderRefusal, words: &str) -> bool {
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
            self.watch.episode_began(snapshot, words);
        }
        begun.is_some()
    }

    /// Stops admitting: everything that waits is refused.
    pub fn drain(self: &Arc<Self>) {
        let (now, mut events) = (self.clock.now(), Vec::new());
        let deliveries = {
            let mut state = self.state.lock();
            state.domain.drain(now, &mut events);
            state.take_deliveries(&mut events)
        };
        self.deliver(deliveries);
    }

    /// Puts other settings in force, keeping levels, waiters and reservations.
    pub fn reconfigure(self: &Arc<Self>, settings: DomainSettings) -> Result<(), SettingsError> {
        self.change(|domain, _, now| domain.reconfigure(settings, now))
    }

    /// Where a waiting request stands; `None` when it waits no longer.
    pub fn outlook(&self, waiter: WaiterId) -> Option<Outlook> {
        let now = self.clock.now();
        let outlook = self.state.lock().domain.outlook(waiter, now);
        outlook.or_else(|| {
            let (heir, waiter) = self.moved_waiter(waiter)?;
            heir.outlook(waiter)
        })
    }

    /// What a request could expect if it came at `now`; nothing is changed by asking.
    pub fn prospect(&self, request: &Request, now: Timestamp) -> Prospect {
        match self.heir.get() {
            Some(heir) => heir.prospect(request, now),
            None => self.state.lock().domain.prospect(request, now),
        }
    }

    /// A picture of the pool for those who look at it.
    pub fn snapshot(&self) -> DomainSnapshot {
        let now = self.clock.now();
        self.state.lock().domain.snapshot(now)
    }

    /// Takes up what was remembered `age` ago.
    pub fn recall(self: &Arc<Self>, memory: &Memory, age: Duration) {
        self.change(|domain, _, now| domain.recall(memory, age, now));
    }

    /// What is worth remembering.
    pub fn memory(&self) -> Memory {
        let now = self.clock.now();
        self.state.lock().domain.memory(now)
    }

    /// The next moment at which something can happen.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.state.lock().domain.next_wake()
    }

    /// Up to `count_max` waiting requests in the expected order of service.
    pub fn waiting(&self, count_max: usize) -> Vec<(W::Who, WaitingView)>
    where
        W::Who: Clone,
    {
        let now = self.clock.now();
        let state = self.state.lock();
        let views = state.domain.waiting(now, count_max);
        views
            .into_iter()
            .filter_map(|view| Some((state.waiters.get(&view.waiter)?.who.clone(), view)))
            .collect()
    }

    /// Forgets what was learned and counted, without a burst; see [`Domain::reset`].
    pub fn reset(self: &Arc<Self>) {
        self.change(|domain, _, now| domain.reset(now));
    }

    /// Ends the wait of all for whom `which` holds; how many there were.
    pub fn cancel_where(self: &Arc<Self>, which: impl Fn(&W::Who) -> bool) -> usize {
        let gone = self.change(|domain, waiters, now| {
            let meant = waiters.iter().filter(|(_, waiter)| which(&waiter.who));
            let ids: Vec<_> = meant.map(|(id, _)| *id).collect();
            let gone = ids.into_iter().filter_map(|id| {
                domain.cancel(id, now);
                waiters.remove(&id)
            });
            gone.collect::<Vec<_>>()
        });
        let count = gone.len();
        for waiter in gone {
            waiter.tell(Turn::Refused(Refusal::Cancelled));
        }
        count
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.waiters.is_empty() && state.domain.is_idle()
    }

    pub(crate) fn settle(self: &Arc<Self>, reservation: Reservation, settlement: Settlement) {
        self.tell_closed(reservation, self.close(reservation.id, settlement));
    }

    pub(crate) fn abandon(self: &Arc<Self>, reservation: Reservation) {
        self.tell_closed(reservation, self.give_back(reservation.id));
    }

    fn tell_closed(&self, reservation: Reservation, settled: Settled) {
        if let Settled::Applied { refunded, debt } = settled {
            self.watch.closed(reservation.charge, refunded, debt);
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

    fn go(
        self: &Arc<Self>,
        reservation: Reservation,
        waited: Duration,
        binding: Binding,
    ) -> Turn<W> {
        self.watch.reserved(reservation.charge);
        Turn::Go {
            lease: Lease::new(Arc::clone(self), reservation),
            waited,
            binding,
        }
    }

    /// Waits for the pool's alarms and lets the domain act on them, until the pool is dropped.
    pub async fn run_timer(pool: Weak<Self>) {
        let Some(alarm) = pool.upgrade().map(|pool| Arc::clone(&pool.alarm)) else {
            return;
        };
        while let Some(wake) = pool.upgrade().map(|pool| pool.set_alarm()) {
            // Nothing is held while it sleeps, so that the pool can be dropped.
            let woken = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = woken => {
                    if let Some(pool) = pool.upgrade() {
                        pool.change(|_, _, _| ());
                    }
                }
                () = alarm.notified() => {}
            }
        }
    }

    fn set_alarm(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        state.alarm_at = state.domain.next_wake();
        state.alarm_at.map(|at| self.clock.instant(at))
    }

    /// Runs `action` on the domain, then lets the domain act, then delivers what it decided.
    fn change<T>(
        self: &Arc<Self>,
        action: impl FnOnce(&mut Domain, &mut HashMap<WaiterId, Waiter<W>>, Timestamp) -> T,
    ) -> T {
        self.act(|state, now, _| action(&mut state.domain, &mut state.waiters, now))
    }

    /// The same where the action itself decides something.
    fn act<T>(
        self: &Arc<Self>,
        action: impl FnOnce(&mut State<W>, Timestamp, &mut Vec<Event>) -> T,
    ) -> T {
        let mut events = Vec::new();
        let (result, deliveries, sooner, ended) = {
            let mut state = self.state.lock();
            // Read under the lock: time must not run backwards for the domain.
            let now = self.clock.now();
            let result = action(&mut state, now, &mut events);
            let domain = &mut state.domain;
            domain.poll(now, &mut events);
            if let Some(shared) = self.shared.get() {
                shared.announce(domain.news());
            }
            let wake = domain.next_wake();
            let sooner = wake.is_some_and(|at| state.alarm_at.is_none_or(|set| at < set));
            if sooner {
                state.alarm_at = wake;
            }
            let deliveries = state.take_deliveries(&mut events);
            (result, deliveries, sooner, state.take_ended_episode())
        };
        if let Some(ended) = ended {
            self.watch.episode_ended(&ended);
        }
        if sooner {
            self.alarm.notify_one();
        }
        self.deliver(deliveries);
        result
    }

    fn deliver(self: &Arc<Self>, deliveries: Vec<(Event, Option<Waiter<W>>)>) {
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

impl<W: Watch> State<W> {
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

    fn take_deliveries(&mut self, events: &mut Vec<Event>) -> Vec<(Event, Option<Waiter<W>>)> {
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
