//! Where programs ask for budgets: it waits for room, seeds accounts, settles what has ended, and goes on
//! with its shares while the store is away.

use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::away::{Alone, Shares};
use super::budget::{Budget, Spend};
use super::calendar::Window;
use super::line::Lines;
use super::message::{
    BudgetAnswer, BudgetAsk, CallId, Line, Receipt, Request, Standing, Verdict, Wake,
};
use super::outcome::{Ended, Hold, Outcome, Refusal, RefusalReason, Reserved};
use super::store::BudgetStore;
use crate::message::{Epoch, InstanceId};
use crate::store::{Later, StoreError};

/// The first in line asks again after this long, should a word have been lost.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What could not be told to the store is told again after this long, or when something else could be.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// How often a message about one call, or a share, is tried again with new knowledge.
const TRIES: usize = 4;

/// What happens to a hard budget of which the store has never told anything, while it is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenUnknown {
    /// Calls are refused.
    #[default]
    Refuse,
    /// Calls go, and are counted when the store is there.
    Allow,
}

/// How budgets are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSettings {
    /// A call counts as spent in full when it has not ended after so long: longer than any call takes. What
    /// it did cost is put right if it is told within ten minutes after that. Ten minutes unless set.
    pub lease: Duration,
    /// What happens before the store has told anything.
    pub when_unknown: WhenUnknown,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(10),
            when_unknown: WhenUnknown::Refuse,
        }
    }
}

/// Who knows what was spent before the store did: the ledger.
pub trait Books: Send + Sync {
    /// What was spent of a budget in a window.
    ///
    /// # Errors
    /// When that cannot be found out now.
    fn spent<'a>(&'a self, budget: &'a Budget, window: Window) -> Later<'a, u64>;
}

/// There are no books: a store that knows nothing starts at nothing spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBooks;

impl Books for NoBooks {
    fn spent<'a>(&'a self, _: &'a Budget, _: Window) -> Later<'a, u64> {
        Box::pin(ready(Ok(0)))
    }
}

/// A threshold was reached: told once a period, by the process whose message reached it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The budget.
    pub budget: Budget,
    /// The threshold, in percent of the amount.
    pub percent: u16,
    /// What is spent now.
    pub spent: u64,
    /// The start of the period, in milliseconds since 1970.
    pub window_ms: u64,
}

/// Budgets as a program uses them. Clones are the same.
#[derive(Clone, Debug)]
pub struct Budgets {
    desk: Arc<Desk>,
}

pub(super) struct Desk {
    store: Arc<dyn BudgetStore>,
    books: Arc<dyn Books>,
    settings: BudgetSettings,
    instance: InstanceId,
    runtime: Handle,
    calls: AtomicU64,
    shares: Mutex<Shares>,
    lines: Arc<Lines>,
    seeding: tokio::sync::Mutex<()>,
    /// What went without the store is told to it one by one, so that what is left of a share is right.
    telling: tokio::sync::Mutex<()>,
    is_away: AtomicBool,
    back: Notify,
    /// Calls that have ended and the store was not told of yet.
    untold: watch::Sender<usize>,
    alerts: UnboundedSender<Alert>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Desk")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// What a call asks for.
struct Wish {
    budgets: Vec<Budget>,
    keys: Vec<String>,
    expected: Spend,
    worst: Spend,
}

enum Step {
    Over(Outcome),
    Wait { key: String, patience: Duration },
}

impl Budgets {
    /// Opens the desk of one process, on the present runtime. Whoever holds the other end is told of
    /// thresholds.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn open(
        store: Arc<dyn BudgetStore>,
        books: Arc<dyn Books>,
        instance: InstanceId,
        settings: BudgetSettings,
    ) -> (Self, UnboundedReceiver<Alert>) {
        let (alerts, told) = unbounded_channel();
        let desk = Arc::new(Desk {
            store,
            books,
            settings,
            instance,
            runtime: Handle::current(),
            calls: AtomicU64::new(0),
            shares: Mutex::default(),
            lines: Arc::default(),
            seeding: tokio::sync::Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            is_away: AtomicBool::new(false),
            back: Notify::new(),
            untold: watch::Sender::new(0),
            alerts,
        });
        tokio::spawn(listen(Arc::downgrade(&desk), desk.untold.subscribe()));
        (Self { desk }, told)
    }

    /// Reserves a call in all of these budgets, or says which one refuses it; waits where calls in flight may
    /// leave room. Dropped meanwhile, nothing is held. Of budgets with the same key the first counts.
    ///
    /// With no budgets it goes at once. What is `worst` has to be at least what the call can cost, so that
    /// no budget is passed; what is `expected` at least what it usually costs, so that few are when only the
    /// last is left.
    pub async fn acquire(&self, budgets: Vec<Budget>, expected: Spend, worst: Spend) -> Outcome {
        let wish = Wish::new(budgets, expected, worst);
        if wish.keys.is_empty() {
            return self.desk.go(CallId(0), Vec::new(), worst);
        }
        let lines = &self.desk.lines;
        let mut place = lines.waited_for(&wish.keys).map(|key| lines.join(key));
        loop {
            if let Some(place) = place.as_ref().filter(|place| !place.is_first()) {
                place.turn().await;
                continue;
            }
            let told = lines.told();
            match self.desk.attempt(&wish).await {
                Step::Over(outcome) => return outcome,
                Step::Wait { key, patience } => {
                    let here = place.take().filter(|place| place.key() == key);
                    let here = here.unwrap_or_else(|| lines.join(&key));
                    if lines.told() == told && here.is_first() {
                        let _ = timeout(patience, here.turn()).await;
                    }
                    place = Some(here);
                }
            }
        }
    }

    /// How a budget stands.
    ///
    /// # Errors
    /// The store is away or refuses.
    pub async fn look(&self, budget: &Budget) -> Result<Standing, StoreError> {
        let budgets = [budget.clone()];
        let keys = [budget.key()];
        self.desk.seeded(&budgets, &keys).await?;
        let answer = self.desk.say(&budgets, &keys, Request::Look, false).await?;
        answer.standings.first().copied().ok_or_else(unreadable)
    }

    /// Returns when the store was told of all that has ended so far and is ending.
    pub async fn settled(&self) {
        let mut untold = self.desk.untold.subscribe();
        // The sender lives as long as this does.
        let _ = untold.wait_for(|count| *count == 0).await;
    }
}

impl Wish {
    fn new(budgets: Vec<Budget>, expected: Spend, worst: Spend) -> Self {
        let mut wish = Self {
            budgets: Vec::with_capacity(budgets.len()),
            keys: Vec::with_capacity(budgets.len()),
            expected,
            worst,
        };
        for budget in budgets {
            let key = budget.key();
            if !wish.keys.contains(&key) {
                wish.keys.push(key);
                wish.budgets.push(budget);
            }
        }
        wish
    }

    fn holds(&self, receipt: impl Fn(usize) -> (Receipt, u64)) -> Vec<Hold> {
        let items = self.budgets.iter().zip(&self.keys).enumerate();
        let holds = items.map(|(index, (budget, key))| {
            let (receipt, of_share) = receipt(index);
            Hold {
                budget: budget.clone(),
                key: key.clone(),
                receipt,
                of_share,
            }
        });
        holds.collect()
    }
}

impl Desk {
    fn go(self: &Arc<Self>, call: CallId, holds: Vec<Hold>, worst: Spend) -> Outcome {
        Outcome::Go(Reserved {
            desk: Arc::clone(self),
            call,
            holds,
            worst,
        })
    }

    fn next_call(&self) -> CallId {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        CallId((u128::from(self.instance.0) << 64) | u128::from(number))
    }

    async fn attempt(self: &Arc<Self>, wish: &Wish) -> Step {
        for _ in 0..TRIES {
            // Should nobody wait for the answer any more, or none come, this says that the call was not sent.
            let call = self.next_call();
            let unsure = wish.holds(|_| (Receipt::Unsure, 0));
            let mut unsure = Reserved {
                desk: Arc::clone(self),
                call,
                holds: unsure,
                worst: Spend::default(),
            };
            let request = Request::Reserve {
                lease_ms: u64::try_from(self.settings.lease.as_millis()).unwrap_or(u64::MAX),
                expected: wish.expected,
                worst: wish.worst,
            };
            let ask = self.ask(&wish.budgets, &wish.keys, request, false);
            let answer = self.exchange(&wish.keys, BudgetAsk { call, ..ask }).await;
            let Ok(answer) = answer else { break };
            // It is known what became of it.
            unsure.holds.clear();
            match answer.verdict {
                Verdict::Ended => {}
                Verdict::Unseeded => {
                    if self.seeded(&wish.budgets, &wish.keys).await.is_err() {
                        break;
                    }
                }
                _ => return self.follow(wish, call, &answer),
            }
        }
        self.without_store(wish)
    }

    fn follow(self: &Arc<Self>, wish: &Wish, call: CallId, answer: &BudgetAnswer) -> Step {
        let standing = |line: usize| answer.standings.get(line);
        match answer.verdict {
            Verdict::Wait { line, until_ms } => {
                let left_ms = until_ms.map(|until| until.saturating_sub(answer.now_ms));
                let left = left_ms.map_or(LOOK_AGAIN, Duration::from_millis);
                Step::Wait {
                    key: wish.keys.get(line).cloned().unwrap_or_default(),
                    patience: left.min(LOOK_AGAIN),
                }
            }
            Verdict::Refused {
                line,
                need,
                free_at_ms,
            } => match wish.budgets.get(line) {
                Some(budget) => Step::Over(Outcome::Refused(Box::new(Refusal {
                    budget: budget.clone(),
                    reason: if need > budget.amount {
                        RefusalReason::TooLarge
                    } else {
                        RefusalReason::Spent
                    },
                    spent: standing(line).map_or(0, |standing| standing.spent),
                    need,
                    free_at_ms,
                }))),
                None => self.without_store(wish),
            },
            Verdict::Reserved | Verdict::Ended | Verdict::Unseeded | Verdict::Done => {
                let receipt = |line| {
                    let (epoch, window_ms) =
                        standing(line).map_or((Epoch(0), 0), |now| (now.epoch, now.window_ms));
                    (Receipt::Held { epoch, window_ms }, 0)
                };
                Step::Over(self.go(call, wish.holds(receipt), wish.worst))
            }
        }
    }

    /// The store is away: what is left of the shares decides.
    fn without_store(self: &Arc<Self>, wish: &Wish) -> Step {
        let mut shares = self.shares.lock();
        let mut taken = Vec::with_capacity(wish.keys.len());
        for (budget, key) in wish.budgets.iter().zip(&wish.keys) {
            let need = wish.expected.of(budget.unit);
            let worst = wish.worst.of(budget.unit).max(need);
            let fit = if budget.is_hard {
                shares.fit(key, need, worst)
            } else {
                Alone::Unknown
            };
            let goes_anyway = !budget.is_hard || self.settings.when_unknown == WhenUnknown::Allow;
            match fit {
                Alone::Fits { hold, window_ms } => taken.push((hold, window_ms)),
                Alone::Unknown if goes_anyway => taken.push((0, shares.window_ms(key, budget))),
                Alone::Later => {
                    return Step::Wait {
                        key: key.clone(),
                        patience: LOOK_AGAIN,
                    };
                }
                Alone::No | Alone::Unknown => {
                    return Step::Over(Outcome::Refused(Box::new(Refusal {
                        budget: budget.clone(),
                        reason: RefusalReason::StoreAway,
                        spent: 0,
                        need,
                        free_at_ms: None,
                    })));
                }
            }
        }
        for (key, (hold, window_ms)) in wish.keys.iter().zip(&taken) {
            shares.hold(key, *window_ms, *hold);
        }
        drop(shares);
        let receipt = |line: usize| {
            let (hold, window_ms) = taken.get(line).copied().unwrap_or_default();
            (Receipt::Elsewhere { window_ms }, hold)
        };
        Step::Over(self.go(self.next_call(), wish.holds(receipt), wish.worst))
    }
}

impl Desk {
    fn ask(
        &self,
        budgets: &[Budget],
        keys: &[String],
        request: Request,
        gives_back: bool,
    ) -> BudgetAsk {
        let (sequence, keeps) = self.shares.lock().next_message(keys, gives_back);
        let line = |(budget, keeps): (&Budget, u64)| Line {
            budget: budget.clone(),
            keeps,
            receipt: Receipt::Unsure,
        };
        BudgetAsk {
            instance: self.instance,
            sequence,
            gives_back,
            call: CallId(0),
            lines: budgets.iter().zip(keeps).map(line).collect(),
            request,
        }
    }

    async fn say(
        &self,
        budgets: &[Budget],
        keys: &[String],
        request: Request,
        gives_back: bool,
    ) -> Result<BudgetAnswer, StoreError> {
        let ask = self.ask(budgets, keys, request, gives_back);
        self.exchange(keys, ask).await
    }

    async fn exchange(&self, keys: &[String], ask: BudgetAsk) -> Result<BudgetAnswer, StoreError> {
        let sent = Instant::now();
        let answer = self.store.exchange(&ask).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                if !self.is_away.swap(true, Ordering::AcqRel) {
                    tracing::warn!(%error, "budgets go on without their store");
                }
                return Err(error);
            }
        };
        if self.is_away.swap(false, Ordering::AcqRel) {
            tracing::info!("the store of budgets is back");
            self.back.notify_waiters();
            self.lines.tell(&Wake::All);
        }
        let mut shares = self.shares.lock();
        for ((key, line), standing) in keys.iter().zip(&ask.lines).zip(&answer.standings) {
            if standing.is_known {
                let at = (ask.sequence, sent, answer.now_ms);
                shares.learn(key, &line.budget, standing, at);
            }
        }
        drop(shares);
        for crossing in &answer.crossings {
            let line = ask.lines.get(crossing.line);
            let Some((line, now)) = line.zip(answer.standings.get(crossing.line)) else {
                continue;
            };
            // Nobody may be listening.
            let _ = self.alerts.send(Alert {
                budget: line.budget.clone(),
                percent: crossing.percent,
                spent: now.spent,
                window_ms: now.window_ms,
            });
        }
        Ok(answer)
    }

    /// Sees to it that the store knows what was spent. One at a time: many may find out at once that it
    /// does not.
    async fn seeded(&self, budgets: &[Budget], keys: &[String]) -> Result<(), StoreError> {
        let _turn = self.seeding.lock().await;
        let answer = self.say(budgets, keys, Request::Look, false).await?;
        for ((budget, key), now) in budgets.iter().zip(keys).zip(&answer.standings) {
            if now.is_known {
                continue;
            }
            let window = Window {
                start_ms: now.window_ms,
                end_ms: now.window_end_ms,
            };
            let spent = self.books.spent(budget, window).await;
            let spent = spent.inspect_err(|error| {
                tracing::warn!(%error, budget = key, "nobody says what was spent of a budget");
            })?;
            let window_ms = now.window_ms;
            let seed = Request::Seed { window_ms, spent };
            let (budget, key) = (std::slice::from_ref(budget), std::slice::from_ref(key));
            self.say(budget, key, seed, false).await?;
        }
        Ok(())
    }

    /// A call has ended. The store is told of it, however long that takes.
    pub(super) fn close(self: &Arc<Self>, ended: Ended) {
        let mut shares = self.shares.lock();
        let mut was_elsewhere = false;
        for hold in &ended.holds {
            if let Receipt::Elsewhere { window_ms } = hold.receipt {
                let actual = ended.actual.of(hold.budget.unit);
                shares.settle(&hold.key, window_ms, hold.of_share, actual);
                was_elsewhere = true;
            }
        }
        drop(shares);
        if was_elsewhere {
            for hold in &ended.holds {
                self.lines.tell(&Wake::Room(hold.key.clone()));
            }
        }
        self.untold.send_modify(|count| *count += 1);
        let desk = Arc::clone(self);
        self.runtime.spawn(async move {
            desk.tell(&ended, was_elsewhere).await;
            desk.untold.send_modify(|count| *count -= 1);
        });
    }

    async fn tell(&self, ended: &Ended, was_elsewhere: bool) {
        loop {
            let back = self.back.notified();
            let told = if was_elsewhere {
                self.tell_elsewhere(ended).await
            } else {
                self.tell_once(ended, false).await
            };
            if told.is_ok() {
                return;
            }
            let _ = timeout(TELL_AGAIN, back).await;
        }
    }

    /// Telling what went without the store gives the rest of the shares back, from before it is said. So it
    /// is looked first whether the store is there: calls that go meanwhile need the shares.
    async fn tell_elsewhere(&self, ended: &Ended) -> Result<(), StoreError> {
        let _turn = self.telling.lock().await;
        let holds = ended.holds.iter();
        let (keys, budgets): (Vec<String>, Vec<Budget>) = holds
            .map(|hold| (hold.key.clone(), hold.budget.clone()))
            .unzip();
        self.say(&budgets, &keys, Request::Look, false).await?;
        self.count_told(ended, true);
        let told = self.tell_once(ended, true).await;
        if told.is_err() {
            self.count_told(ended, false);
        }
        told
    }

    fn count_told(&self, ended: &Ended, is_told: bool) {
        let mut shares = self.shares.lock();
        for hold in &ended.holds {
            if let Receipt::Elsewhere { window_ms } = hold.receipt {
                let actual = ended.actual.of(hold.budget.unit);
                shares.tell(&hold.key, window_ms, actual, is_told);
            }
        }
    }

    async fn tell_once(&self, ended: &Ended, gives_back: bool) -> Result<(), StoreError> {
        let holds = ended.holds.iter();
        let (keys, budgets): (Vec<String>, Vec<Budget>) = holds
            .map(|hold| (hold.key.clone(), hold.budget.clone()))
            .unzip();
        let ago = ended.at.elapsed().as_millis();
        let request = Request::Close {
            actual: ended.actual,
            ended_ago_ms: u64::try_from(ago).unwrap_or(u64::MAX),
        };
        let mut ask = self.ask(&budgets, &keys, request, gives_back);
        ask.call = ended.call;
        for (line, hold) in ask.lines.iter_mut().zip(&ended.holds) {
            line.receipt = hold.receipt;
        }
        self.exchange(&keys, ask).await.map(drop)
    }

    /// Somebody waits for what shares hold.
    async fn give_back(&self, key: String) {
        for _ in 0..TRIES {
            let Some(budget) = self.shares.lock().unused(&key) else {
                return;
            };
            let (budgets, keys) = ([budget], std::slice::from_ref(&key));
            if self.say(&budgets, keys, Request::Look, true).await.is_err() {
                return;
            }
        }
    }
}

/// Passes on what the store tells, as long as there is a desk.
async fn listen(desk: std::sync::Weak<Desk>, mut closed: watch::Receiver<usize>) {
    while let Some(present) = desk.upgrade() {
        let wakes = present.store.wakes().await;
        if wakes.is_ok() {
            // Something may have been said before.
            present.lines.tell(&Wake::All);
        }
        drop(present);
        let Ok(mut wakes) = wakes else {
            sleep(TELL_AGAIN).await;
            continue;
        };
        loop {
            let wake = tokio::select! {
                wake = wakes.next() => wake,
                () = until_dropped(&mut closed) => return,
            };
            let (Some(wake), Some(desk)) = (wake, desk.upgrade()) else {
                break;
            };
            match wake {
                Wake::Return(key) => {
                    tokio::spawn(async move { desk.give_back(key).await });
                }
                Wake::Room(_) | Wake::All => desk.lines.tell(&wake),
            }
        }
    }
}

/// Returns when the other end is gone.
async fn until_dropped(closed: &mut watch::Receiver<usize>) {
    while closed.changed().await.is_ok() {}
}

fn unreadable() -> StoreError {
    StoreError::Refused {
        store: "the store of budgets".to_owned(),
        reason: "its answer lacks a line".to_owned(),
    }
}
