//! The task that talks to the store for one pool.

use std::sync::{Arc, Weak};
use std::time::Duration;

use paceline_coordinator::{Answer, Ask, StoreError};
use paceline_limiter::{Admission, News, Timestamp};
use tokio::time::{Instant, sleep_until, timeout};

use super::conversation::{Conversation, Heard};
use super::hub::{Line, Store};
use super::state::{Shared, SharingMode};
use crate::keep::Work;
use crate::pool::Pool;
use crate::{SharingChange, Watch};

/// What can wait is told this much later, with what comes meanwhile.
const SOON: Duration = Duration::from_millis(50);

/// The least time between two exchanges of which the first let nobody in.
const IDLE_GAP: Duration = Duration::from_millis(2);

/// A store that is away is asked again after this, and later and later.
const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_LAST: Duration = Duration::from_millis(500);

/// A pool that has had nothing to do for so long takes leave until it has.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Messages in the time of a lease.
const BEATS: u32 = 4;

/// An answer that took this many times longer than it may is about another time.
const STALE: u32 = 2;

/// Talks to the store for a pool until that is dropped, or everyone takes leave.
pub(crate) struct Driver<W: Watch> {
    pool: Weak<Pool<W>>,
    domain: String,
    shared: Arc<Shared>,
    line: Line,
    conversation: Conversation,
    /// How long the store is left alone after the next failure.
    again: Duration,
    /// When the pool last had something to do.
    busy_at: Instant,
}

impl<W: Watch> Work for Driver<W> {
    async fn run(&mut self) {
        // What was asked when it was cut off may have been heard.
        self.conversation.lose_touch();
        while self.turn().await {}
    }

    fn is_wanted(&self) -> bool {
        self.pool.strong_count() > 0 && !*self.line.closing.borrow()
    }
}

impl<W: Watch> Driver<W> {
    pub(crate) fn new(
        pool: &Arc<Pool<W>>,
        shared: Arc<Shared>,
        store: &Store,
        domain: &str,
    ) -> Self {
        Self {
            pool: Arc::downgrade(pool),
            domain: domain.to_owned(),
            shared,
            line: store.hub().line(domain),
            conversation: pool.conversation(store),
            again: AGAIN_FIRST,
            busy_at: Instant::now(),
        }
    }

    /// One exchange, and the wait for the next; whether there is to be one.
    async fn turn(&mut self) -> bool {
        let Some(pool) = self.pool.upgrade() else {
            self.part().await;
            return false;
        };
        if *self.line.closing.borrow() {
            // Nobody would ever be let in.
            pool.drain();
            self.take_leave(&pool).await;
            return false;
        }
        if !pool.is_idle() {
            self.busy_at = Instant::now();
        }
        if self.busy_at.elapsed() > IDLE_MAX && !self.shared.view().mode.is_away() {
            self.take_leave(&pool).await;
            drop(pool);
            self.rest().await;
            return true;
        }
        let until = self.exchange(&pool).await;
        drop(pool);
        self.wait(until).await;
        true
    }

    /// Asks the store once; when to ask again.
    async fn exchange(&mut self, pool: &Arc<Pool<W>>) -> Pause {
        let started = Instant::now();
        self.shared.look();
        let (round, ask) = pool.with_domain(|domain, now, _| {
            let round = self.shared.begin_round();
            (round, self.conversation.ask(domain, now))
        });
        let answer = self.answer(&ask).await;
        match answer {
            Ok(answer) => {
                self.again = AGAIN_FIRST;
                let heard = self.hear(pool, &answer);
                let pause = self.pause(pool, &heard, started);
                if heard.decided && pool.end_tries(round) {
                    // Until they are told to be gone, others do not go before them.
                    let at = pause.from;
                    return Pause { from: at, to: at };
                }
                pause
            }
            Err(reason) => {
                self.lose_touch(pool, &reason);
                let at = Instant::now() + self.again;
                self.again = (self.again * 2).min(AGAIN_LAST);
                Pause { from: at, to: at }
            }
        }
    }

    async fn answer(&self, ask: &Ask) -> Result<Answer, String> {
        let most = self.line.hub.settings.time_box * STALE;
        let started = Instant::now();
        let asked = self.line.hub.coordinator.exchange(&self.domain, ask);
        let answer = match timeout(most, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(StoreError::Away { reason, .. } | StoreError::Refused { reason, .. })) => {
                return Err(reason);
            }
            Err(_) => return Err(format!("no answer within {} ms", most.as_millis())),
        };
        // The process stood still meanwhile: what was granted was for then.
        if started.elapsed() > most {
            let took = started.elapsed().as_millis();
            return Err(format!("the answer took {took} ms"));
        }
        Ok(answer)
    }

    fn hear(&mut self, pool: &Arc<Pool<W>>, answer: &Answer) -> Heard {
        let (conversation, shared) = (&mut self.conversation, &self.shared);
        let heard = pool.with_domain(|domain, now, events| {
            domain.set_admission(Admission::Elsewhere, now);
            shared.set_asks(true);
            conversation.hear(domain, answer, now, events)
        });
        self.note(pool, &heard);
        heard
    }

    /// When to ask again.
    fn pause(&self, pool: &Arc<Pool<W>>, heard: &Heard, started: Instant) -> Pause {
        let now = Instant::now();
        let beat = now + self.line.hub.settings.lease / BEATS;
        if heard.again {
            return Pause { from: now, to: now };
        }
        let wake = heard
            .wake
            .map(|at| Instant::from_std(pool.clock().instant(at)));
        let from = if heard.granted {
            now
        } else {
            started + IDLE_GAP
        };
        let learned = heard.lost_for.filter(|left| !left.is_zero());
        let learned = learned.map(|left| now + left);
        let first = [wake, learned].into_iter().flatten().min();
        let to = first.map_or(beat, |first| first.min(beat)).max(from);
        Pause { from, to }
    }

    fn note(&self, pool: &Arc<Pool<W>>, heard: &Heard) {
        let now = pool.clock().now();
        let change = self.shared.update(|sharing| {
            sharing.exchanges += 1;
            sharing.share_ppm = Some(heard.share_ppm);
            sharing.instances = heard.instances;
            let is_lost = heard.lost_for.is_some_and(|left| !left.is_zero());
            let mode = if is_lost {
                SharingMode::Learning
            } else {
                SharingMode::Exact
            };
            if mode != sharing.mode {
                (sharing.mode, sharing.since) = (mode, now);
                sharing.reason = None;
            }
        });
        tell(pool, change, now);
    }

    /// The store does not answer: who waits goes on without it, as far as was agreed.
    fn lose_touch(&mut self, pool: &Arc<Pool<W>>, reason: &str) {
        self.conversation.lose_touch();
        let (mode, admission) = self.shared.alone();
        let now = pool.clock().now();
        let change = self.shared.update(|sharing| {
            sharing.failures += 1;
            sharing.reason = Some(Arc::from(reason));
            if mode != sharing.mode {
                (sharing.mode, sharing.since) = (mode, now);
            }
        });
        // Whoever goes by this finds the mode as it is.
        pool.with_domain(|domain, now, _| {
            domain.set_admission(admission, now);
            self.shared.set_asks(false);
        });
        pool.end_tries(u64::MAX);
        tell(pool, change, now);
    }

    /// Waits until the store is to be asked again.
    async fn wait(&mut self, pause: Pause) {
        let mut to = pause.to;
        // Between two exchanges there is time for others, however much there is to tell.
        sleep_until(pause.from).await;
        loop {
            let Some(news) = self.pool.upgrade().map(|pool| pool.news()) else {
                return;
            };
            match news {
                News::Now => return,
                News::Soon => to = to.min(Instant::now() + SOON),
                News::None => {}
            }
            tokio::select! {
                () = sleep_until(to) => return,
                () = self.line.room.notified() => return,
                () = self.shared.news.notified() => self.shared.look(),
                _ = self.line.closing.changed() => return,
            }
        }
    }

    /// Waits without being counted in, until there is something to do.
    async fn rest(&mut self) {
        self.shared.look();
        tokio::select! {
            () = self.shared.news.notified() => {}
            _ = self.line.closing.changed() => {}
        }
        self.busy_at = Instant::now();
    }

    /// Tells the store that this process needs no room any more.
    async fn take_leave(&mut self, pool: &Arc<Pool<W>>) {
        let conversation = &mut self.conversation;
        let ask = pool.with_domain(|domain, now, _| conversation.farewell(domain, now));
        if self.answer(&ask).await.is_err() {
            self.conversation.lose_touch();
        }
    }

    /// The same for a pool that is no more.
    async fn part(&mut self) {
        let ask = self.conversation.parting(self.shared.parted());
        // Where it is not heard, the lease ends.
        let _ = self.answer(&ask).await;
    }
}

/// When the store is asked again.
#[derive(Clone, Copy, Debug)]
struct Pause {
    /// At the earliest.
    from: Instant,
    /// At the latest.
    to: Instant,
}

fn tell<W: Watch>(
    pool: &Arc<Pool<W>>,
    change: Option<(super::Sharing, super::Sharing)>,
    now: Timestamp,
) {
    if let Some((before, after)) = change {
        let lasted = super::state::lasted(&before, now);
        pool.watch().sharing_changed(&SharingChange {
            before: before.mode,
            lasted,
            after,
        });
    }
}
