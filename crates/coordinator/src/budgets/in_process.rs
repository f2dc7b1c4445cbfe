//! Accounts in the memory of one process.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::accounts::Accounts;
use super::message::{BudgetAnswer, BudgetAsk, Wake};
use super::store::{BudgetStore, BudgetWakes};
use crate::store::Later;

/// A store in memory. Clones share it. Its clock is the system's when it was made, and goes on evenly.
#[derive(Clone, Debug)]
pub struct InProcessBudgets {
    started: Instant,
    started_ms: u64,
    accounts: Arc<Mutex<Accounts>>,
    listeners: Arc<Mutex<Vec<UnboundedSender<Wake>>>>,
}

impl Default for InProcessBudgets {
    fn default() -> Self {
        Self::new()
    }
}

impl InProcessBudgets {
    /// A store with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since_ms = since.map_or(0, |since| since.as_millis());
        Self::starting_at(u64::try_from(since_ms).unwrap_or(0))
    }

    /// A store with nothing in it that takes this for the present time, in milliseconds since 1970.
    #[must_use]
    pub fn starting_at(now_ms: u64) -> Self {
        Self {
            started: Instant::now(),
            started_ms: now_ms,
            accounts: Arc::default(),
            listeners: Arc::default(),
        }
    }

    /// Loses all it knows, as a server does that is restarted without its data.
    pub fn forget(&self) {
        *self.accounts.lock() = Accounts::new();
    }

    fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.started_ms.saturating_add(elapsed)
    }
}

impl BudgetStore for InProcessBudgets {
    fn exchange<'a>(&'a self, ask: &'a BudgetAsk) -> Later<'a, BudgetAnswer> {
        let mut answer = self.accounts.lock().exchange(ask, self.now_ms());
        for wake in answer.wakes.drain(..) {
            let mut listeners = self.listeners.lock();
            listeners.retain(|listener| listener.send(wake.clone()).is_ok());
        }
        Box::pin(ready(Ok(answer)))
    }

    fn wakes(&self) -> Later<'_, Box<dyn BudgetWakes>> {
        let (sender, receiver) = unbounded_channel();
        self.listeners.lock().push(sender);
        Box::pin(ready(Ok(Box::new(Told(receiver)) as Box<dyn BudgetWakes>)))
    }
}

struct Told(UnboundedReceiver<Wake>);

impl BudgetWakes for Told {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Wake>> + Send + '_>> {
        Box::pin(self.0.recv())
    }
}
