//! Who waits in this process, and for which budget: first come, first served, and only the first of each
//! line asks.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::message::Wake;

type Queues = HashMap<String, VecDeque<Arc<Notify>>>;

/// All lines of a process.
#[derive(Debug, Default)]
pub(super) struct Lines {
    queues: Mutex<Queues>,
    /// How often anybody was told of room.
    told: AtomicU64,
}

/// A place in a line. Dropped, the next in line has its turn.
#[derive(Debug)]
pub(super) struct Place {
    lines: Arc<Lines>,
    key: String,
    turn: Arc<Notify>,
}

impl Lines {
    /// How often anybody was told of room: somebody who has asked before that and joins after it asks again.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// The first of these keys that somebody waits for.
    pub(super) fn waited_for<'a>(&self, keys: &'a [String]) -> Option<&'a String> {
        let queues = self.queues.lock();
        keys.iter().find(|key| queues.contains_key(*key))
    }

    /// Goes to the end of a line.
    pub(super) fn join(self: &Arc<Self>, key: &str) -> Place {
        let turn = Arc::new(Notify::new());
        let mut queues = self.queues.lock();
        let queue = queues.entry(key.to_owned()).or_default();
        queue.push_back(Arc::clone(&turn));
        drop(queues);
        Place {
            lines: Arc::clone(self),
            key: key.to_owned(),
            turn,
        }
    }

    /// There may be room.
    pub(super) fn tell(&self, wake: &Wake) {
        self.told.fetch_add(1, Ordering::AcqRel);
        let queues = self.queues.lock();
        let firsts = |key: &str| queues.get(key).and_then(VecDeque::front);
        match wake {
            Wake::Room(key) | Wake::Return(key) => {
                if let Some(turn) = firsts(key) {
                    turn.notify_one();
                }
            }
            Wake::All => {
                for turn in queues.values().filter_map(VecDeque::front) {
                    turn.notify_one();
                }
            }
        }
    }
}

impl Place {
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn is_first(&self) -> bool {
        let queues = self.lines.queues.lock();
        let first = queues.get(&self.key).and_then(VecDeque::front);
        first.is_some_and(|turn| Arc::ptr_eq(turn, &self.turn))
    }

    /// Waits to be told, which is also when it becomes the first.
    pub(super) async fn turn(&self) {
        self.turn.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.lines.queues.lock();
        let Some(queue) = queues.get_mut(&self.key) else {
            return;
        };
        queue.retain(|turn| !Arc::ptr_eq(turn, &self.turn));
        match queue.front() {
            Some(next) => next.notify_one(),
            None => {
                queues.remove(&self.key);
            }
        }
    }
}
