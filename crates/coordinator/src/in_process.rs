//! Shared state in the memory of one process, for instances that live in it.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::message::{Answer, Ask, Epoch, InstanceId};
use crate::shared::Shared;
use crate::store::{Coordinator, Later, Wakes};

/// The clock starts here, so that nothing happens at time zero.
const START_US: u64 = 1_000_000_000;

/// A store in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct InProcess {
    started: Instant,
    domains: Arc<Mutex<HashMap<String, Shared>>>,
    listeners: Arc<Mutex<HashMap<InstanceId, UnboundedSender<String>>>>,
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl InProcess {
    /// A store with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            domains: Arc::default(),
            listeners: Arc::default(),
        }
    }

    /// Loses all it knows, as a server does that is restarted without its data.
    pub fn forget(&self) {
        self.domains.lock().clear();
    }

    fn now_us(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        START_US.saturating_add(elapsed)
    }

    fn answer(&self, domain: &str, ask: &Ask) -> Answer {
        let mut domains = self.domains.lock();
        let now_us = self.now_us();
        let fresh = || Shared::new(Epoch(now_us), now_us);
        let shared = domains.entry(domain.to_owned()).or_insert_with(fresh);
        shared.exchange(ask, now_us)
    }

    fn tell(&self, domain: &str, instances: &[InstanceId]) {
        let mut listeners = self.listeners.lock();
        for instance in instances {
            let sender = listeners.get(instance);
            if sender.is_some_and(|sender| sender.send(domain.to_owned()).is_err()) {
                listeners.remove(instance);
            }
        }
    }
}

impl Coordinator for InProcess {
    fn exchange<'a>(&'a self, domain: &'a str, ask: &'a Ask) -> Later<'a, Answer> {
        let answer = self.answer(domain, ask);
        self.tell(domain, &answer.wakes);
        Box::pin(ready(Ok(answer)))
    }

    fn wakes(&self, instance: InstanceId) -> Later<'_, Box<dyn Wakes>> {
        let (sender, receiver) = unbounded_channel();
        self.listeners.lock().insert(instance, sender);
        Box::pin(ready(Ok(Box::new(Told(receiver)) as Box<dyn Wakes>)))
    }
}

struct Told(UnboundedReceiver<String>);

impl Wakes for Told {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<String>> + Send + '_>> {
        Box::pin(self.0.recv())
    }
}
