//! How many connections there may be, over all threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::shelf::{Carrier, Shelf};

/// Counts the connections to one provider, and knows where those lie that nobody uses.
#[derive(Debug, Default)]
pub(crate) struct Places {
    open: AtomicUsize,
    /// Told when a connection was closed, or can be used again.
    freed: Notify,
    shelves: Mutex<Vec<Weak<Shelf>>>,
}

/// The right to one connection; dropped with it.
#[derive(Debug)]
pub(super) struct Place(Arc<Places>);

impl Places {
    /// A place, unless `max` connections are open.
    pub(super) fn take(self: &Arc<Self>, max: usize) -> Option<Place> {
        let more = |open| (open < max).then_some(open + 1);
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        let taken = self.open.fetch_update(success, failure, more);
        taken.is_ok().then(|| Place(Arc::clone(self)))
    }

    /// Adds the connections of another thread.
    pub(super) fn join(&self, shelf: &Arc<Shelf>) {
        let mut shelves = self.shelves.lock();
        shelves.retain(|shelf| shelf.strong_count() > 0);
        shelves.push(Arc::downgrade(shelf));
    }

    /// A connection of any thread that can take a request. It goes on being driven by the thread
    /// that opened it, which costs a little more than one of the thread's own.
    pub(super) fn borrow(&self) -> Option<Carrier> {
        let shelves: Vec<_> = self
            .shelves
            .lock()
            .iter()
            .filter_map(Weak::upgrade)
            .collect();
        shelves.iter().find_map(Shelf::ready)
    }

    /// Ends when something may have changed, from the first time that it is polled.
    pub(super) fn freed(&self) -> tokio::sync::futures::Notified<'_> {
        self.freed.notified()
    }

    /// Tells one who waits that a connection can be used again.
    pub(super) fn note_freed(&self) {
        self.freed.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.note_freed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_that_is_given_back_wakes_who_waits() {
        let places = Arc::new(Places::default());
        let first = places.take(1).unwrap();
        assert!(places.take(1).is_none());
        let mut freed = std::pin::pin!(places.freed());
        assert!(!freed.as_mut().enable());
        drop(first);
        freed.await;
        assert!(places.take(1).is_some());
    }

    #[test]
    fn threads_that_are_gone_are_forgotten() {
        let places = Arc::new(Places::default());
        for _ in 0..3 {
            places.join(&Arc::new(Shelf::new(
                1,
                std::time::Duration::MAX,
                Arc::clone(&places),
            )));
        }
        assert_eq!(
            places.shelves.lock().len(),
            1,
            "the last is not looked at yet"
        );
        assert!(places.borrow().is_none());
    }
}
