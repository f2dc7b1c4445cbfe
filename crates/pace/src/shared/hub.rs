//! One store for all pools of a process: one connection, one ear.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use paceline_coordinator::{Coordinator, InstanceId};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::StoreSettings;
use crate::keep::{Work, keep};

/// How long it takes until a store that cannot be listened to is tried again.
const DEAF: Duration = Duration::from_secs(1);

/// A store that the pools of this process share their limits through. Clones are one.
#[derive(Clone)]
pub struct Store {
    hub: Arc<Hub>,
}

pub(super) struct Hub {
    pub(super) coordinator: Arc<dyn Coordinator>,
    pub(super) instance: InstanceId,
    pub(super) settings: StoreSettings,
    /// Whom to tell of room, by domain.
    ears: Mutex<HashMap<String, Weak<Notify>>>,
    /// Whether everyone is to take leave.
    closing: watch::Sender<bool>,
    /// Each task that talks to the store holds one until it has taken leave.
    talking: Mutex<Option<mpsc::Sender<()>>>,
    gone: Mutex<Option<mpsc::Receiver<()>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Store")
            .field("instance", &self.hub.instance)
            .field("settings", &self.hub.settings)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// A store as this process uses it, which the others know by `instance`: a number that no other
    /// has. A task on `runtime` listens to what it tells.
    #[must_use]
    pub fn new(
        coordinator: Arc<dyn Coordinator>,
        instance: InstanceId,
        settings: StoreSettings,
        runtime: &Handle,
    ) -> Self {
        let (talking, gone) = mpsc::channel(1);
        let hub = Arc::new(Hub {
            coordinator,
            instance,
            settings,
            ears: Mutex::default(),
            closing: watch::Sender::new(false),
            talking: Mutex::new(Some(talking)),
            gone: Mutex::new(Some(gone)),
        });
        keep(Listener(Arc::downgrade(&hub)), runtime);
        Self { hub }
    }

    /// The number that other processes know this one by.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.hub.instance
    }

    /// How it is used.
    #[must_use]
    pub fn settings(&self) -> StoreSettings {
        self.hub.settings
    }

    /// Takes leave for all pools, so that others need not wait until the lease is over: nobody is let
    /// in any more. Returns when that is done, or has taken `patience`.
    pub async fn leave(&self, patience: Duration) {
        let _ = timeout(patience, self.take_leave()).await;
    }

    /// Has all pools take leave, and does not wait for it.
    pub fn start_leaving(&self) {
        drop(self.hub.talking.lock().take());
        self.hub.closing.send_replace(true);
    }

    /// [`Self::leave`] without a timer; it takes two exchanges at the most.
    pub async fn take_leave(&self) {
        self.start_leaving();
        let gone = self.hub.gone.lock().take();
        if let Some(mut gone) = gone {
            // Nothing is ever sent: it ends when the last talker is gone.
            gone.recv().await;
        }
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

/// Who listens to what the store tells.
struct Listener(Weak<Hub>);

impl Work for Listener {
    async fn run(&mut self) {
        Hub::listen(Weak::clone(&self.0)).await;
    }

    fn is_wanted(&self) -> bool {
        let hub = self.0.upgrade();
        hub.is_some_and(|hub| !*hub.closing.borrow())
    }
}

/// What a task that talks to the store holds.
pub(super) struct Line {
    pub(super) hub: Arc<Hub>,
    pub(super) closing: watch::Receiver<bool>,
    /// The store says that there may be room.
    pub(super) room: Arc<Notify>,
    _talking: Option<mpsc::Sender<()>>,
}

impl Hub {
    /// A line for the domain of this name.
    pub(super) fn line(self: &Arc<Self>, domain: &str) -> Line {
        let room = Arc::new(Notify::new());
        let mut ears = self.ears.lock();
        ears.retain(|_, ear| ear.strong_count() > 0);
        ears.insert(domain.to_owned(), Arc::downgrade(&room));
        Line {
            hub: Arc::clone(self),
            closing: self.closing.subscribe(),
            room,
            _talking: self.talking.lock().clone(),
        }
    }

    async fn listen(hub: Weak<Self>) {
        while let Some(strong) = hub.upgrade() {
            let mut closing = strong.closing.subscribe();
            let listening = strong.coordinator.wakes(strong.instance).await;
            drop(strong);
            let Ok(mut wakes) = listening else {
                sleep(DEAF).await;
                continue;
            };
            loop {
                let told = tokio::select! {
                    told = wakes.next() => told,
                    _ = closing.changed() => return,
                };
                let (Some(domain), Some(hub)) = (told, hub.upgrade()) else {
                    break;
                };
                hub.tell(&domain);
            }
        }
    }

    /// No name: anything may have been said meanwhile.
    fn tell(&self, domain: &str) {
        let ears = self.ears.lock();
        let of_all = domain.is_empty();
        let told = ears.iter().filter(|(name, _)| of_all || *name == domain);
        for ear in told.filter_map(|(_, ear)| ear.upgrade()) {
            ear.notify_one();
        }
    }
}
