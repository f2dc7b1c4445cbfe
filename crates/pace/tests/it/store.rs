//! A store that can be out of reach, slow, or lose what it knows.

use std::sync::Arc;
use std::time::Duration;

use paceline_coordinator::{
    Answer, Ask, Coordinator, InProcess, InstanceId, Later, StoreError, Wakes,
};
use parking_lot::Mutex;

/// What is the matter with the way to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// Connections are refused.
    Cut,
    /// Nothing is answered.
    Frozen,
}

/// The way of one process to the store.
#[derive(Clone)]
pub(crate) struct Way {
    store: InProcess,
    trouble: Arc<Mutex<Trouble>>,
}

impl Way {
    pub(crate) fn to(store: &InProcess) -> Self {
        Self {
            store: store.clone(),
            trouble: Arc::new(Mutex::new(Trouble::None)),
        }
    }

    pub(crate) fn set(&self, trouble: Trouble) {
        *self.trouble.lock() = trouble;
    }
}

impl Coordinator for Way {
    fn exchange<'a>(&'a self, domain: &'a str, ask: &'a Ask) -> Later<'a, Answer> {
        let trouble = *self.trouble.lock();
        let store = self.store.clone();
        Box::pin(async move {
            match trouble {
                Trouble::None => {
                    // The way there and back.
                    tokio::time::sleep(Duration::from_micros(200)).await;
                    let answer = store.exchange(domain, ask).await;
                    tokio::time::sleep(Duration::from_micros(200)).await;
                    answer
                }
                Trouble::Cut => Err(StoreError::Away {
                    store: "the test's store".to_owned(),
                    reason: "connection refused".to_owned(),
                }),
                Trouble::Frozen => std::future::pending().await,
            }
        })
    }

    fn wakes(&self, instance: InstanceId) -> Later<'_, Box<dyn Wakes>> {
        let store = self.store.clone();
        Box::pin(async move { store.wakes(instance).await })
    }
}
