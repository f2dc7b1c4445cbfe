//! Connections of one thread that can take another request.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::http1::Single;
use super::http2::{Multiplexed, Permit};
use super::places::Places;

/// Unused connections are closed after this time: shorter than the keep-alive of common servers, so
/// that a request seldom meets a connection that is being closed.
const IDLE_MAX: Duration = Duration::from_secs(50);

/// What carries one request.
#[derive(Debug)]
pub(super) enum Carrier {
    /// A connection that it has for itself.
    Single(Box<Single>),
    /// One of the streams of a connection.
    Stream(Permit),
}

/// Connections of one thread that can take another request.
#[derive(Debug)]
pub(super) struct Shelf {
    singles: Mutex<VecDeque<(Box<Single>, Instant)>>,
    multiplexed: Mutex<Vec<Arc<Multiplexed>>>,
    /// The most that are kept while nobody uses them.
    idle_max: usize,
    /// Age at which a connection takes no further request.
    lifetime: Duration,
    places: Arc<Places>,
}

impl Shelf {
    pub(super) fn new(idle_max: usize, lifetime: Duration, places: Arc<Places>) -> Self {
        Self {
            singles: Mutex::default(),
            multiplexed: Mutex::default(),
            idle_max,
            lifetime,
            places,
        }
    }

    /// A connection or a stream that can take a request now.
    pub(super) fn ready(self: &Arc<Self>) -> Option<Carrier> {
        let stream = self.stream().map(Carrier::Stream);
        stream.or_else(|| self.single().map(Carrier::Single))
    }

    fn single(&self) -> Option<Box<Single>> {
        let mut singles = self.singles.lock();
        // The newest first: it is the least likely to be closed.
        while let Some((kept, since)) = singles.pop_back() {
            if self.is_good(&kept) && since.elapsed() < IDLE_MAX {
                return Some(kept);
            }
        }
        None
    }

    fn is_good(&self, single: &Single) -> bool {
        !single.is_closed() && single.opened.elapsed() < self.lifetime
    }

    /// Keeps a connection for the next request.
    pub(super) fn keep(&self, single: Box<Single>) {
        if !self.is_good(&single) {
            return;
        }
        let mut singles = self.singles.lock();
        while singles
            .front()
            .is_some_and(|(_, since)| since.elapsed() >= IDLE_MAX)
        {
            singles.pop_front();
        }
        if singles.len() < self.idle_max {
            singles.push_back((single, Instant::now()));
            drop(singles);
            self.places.note_freed();
        }
    }

    /// A stream of a connection that has room. Those that are closed, too old or unused for too
    /// long are forgotten; they end when their last stream does.
    fn stream(self: &Arc<Self>) -> Option<Permit> {
        let mut connections = self.multiplexed.lock();
        connections.retain(|connection| {
            !connection.is_closed()
                && connection.opened.elapsed() < self.lifetime
                && connection.idle_for().is_none_or(|idle| idle < IDLE_MAX)
        });
        connections
            .iter()
            .find_map(|connection| Permit::take(connection, self))
    }

    /// Adds a connection, and takes its first stream.
    pub(super) fn add(self: &Arc<Self>, connection: Multiplexed) -> Option<Permit> {
        let connection = Arc::new(connection);
        let permit = Permit::take(&connection, self);
        self.multiplexed.lock().push(connection);
        // Others that waited can share it.
        self.places.note_freed();
        permit
    }

    /// Notes that a stream of a connection ended.
    pub(super) fn stream_ended(&self) {
        let mut connections = self.multiplexed.lock();
        let unused = |connection: &Arc<Multiplexed>| connection.idle_for().is_some();
        let mut surplus = connections.iter().filter(|one| unused(one)).count();
        surplus = surplus.saturating_sub(self.idle_max);
        connections.retain(|connection| {
            let goes = surplus > 0 && unused(connection);
            surplus -= usize::from(goes);
            !goes
        });
        drop(connections);
        self.places.note_freed();
    }
}
