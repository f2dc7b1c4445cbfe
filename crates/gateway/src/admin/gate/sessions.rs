//! Browsers that are signed in. Nothing of it outlives the process, and of what a browser shows there is
//! only a hash.

use std::collections::HashMap;
use std::time::Duration;

use paceline_limiter::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::guesses::Hash;

/// The most browsers at once; the one that was not used for longest makes room for another.
const SESSIONS_MAX: usize = 64;

/// How long a session lasts since it was used.
const IDLE_MAX: Duration = Duration::from_secs(12 * 3_600);

/// How long a session lasts in all.
pub(super) const AGE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The most tickets at once; the oldest makes room for another.
const TICKETS_MAX: usize = 16;

/// How long a ticket can be used.
pub(in crate::admin) const TICKET_AGE_MAX: Duration = Duration::from_secs(60);

/// Random bytes of an id.
const ID_BYTES: usize = 32;

/// Who is signed in, and who may sign in with a ticket.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: HashMap<Hash, Session>,
    /// With the times at which they were made, the oldest first.
    tickets: Vec<(Hash, Timestamp)>,
}

#[derive(Debug)]
struct Session {
    begun: Timestamp,
    used: Timestamp,
    /// Dropped with the session, which its streams see.
    end: watch::Sender<()>,
}

impl Session {
    fn is_over(&self, now: Timestamp) -> bool {
        now.saturating_since(self.used) > IDLE_MAX || now.saturating_since(self.begun) > AGE_MAX
    }
}

impl Sessions {
    /// Begins a session; the id that its browser has to show.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(super) fn begin(&mut self, now: Timestamp) -> Result<String, getrandom::Error> {
        let id = random()?;
        self.open.retain(|_, session| !session.is_over(now));
        while self.open.len() >= SESSIONS_MAX {
            let unused = self.open.iter().min_by_key(|(_, session)| session.used);
            let Some(unused) = unused.map(|(hash, _)| *hash) else {
                break;
            };
            self.open.remove(&unused);
        }
        let session = Session {
            begun: now,
            used: now,
            end: watch::Sender::new(()),
        };
        self.open.insert(hash(id.as_bytes()), session);
        Ok(id)
    }

    /// Uses a session: what tells its end, if there is such a session.
    pub(super) fn enter(&mut self, id: &str, now: Timestamp) -> Option<watch::Receiver<()>> {
        let hash = hash(id.as_bytes());
        let session = self.open.get_mut(&hash)?;
        if session.is_over(now) {
            self.open.remove(&hash);
            return None;
        }
        session.used = now;
        Some(session.end.subscribe())
    }

    /// Ends a session, if there is such a one.
    pub(super) fn end(&mut self, id: &str) {
        self.open.remove(&hash(id.as_bytes()));
    }

    /// Makes a ticket.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub(super) fn ticket(&mut self, now: Timestamp) -> Result<String, getrandom::Error> {
        let ticket = random()?;
        if self.tickets.len() >= TICKETS_MAX {
            self.tickets.remove(0);
        }
        self.tickets.push((hash(ticket.as_bytes()), now));
        Ok(ticket)
    }

    /// Whether this is a ticket, which it is no longer after this.
    pub(super) fn redeem(&mut self, ticket: &Hash, now: Timestamp) -> bool {
        let is_valid = |made: Timestamp| now.saturating_since(made) <= TICKET_AGE_MAX;
        self.tickets.retain(|(_, made)| is_valid(*made));
        let found = self.tickets.iter().position(|(hash, _)| hash == ticket);
        found.map(|at| self.tickets.remove(at)).is_some()
    }
}

/// What is kept of a secret of 256 bits: it cannot be guessed, so that no salt is of use.
pub(super) fn hash(secret: &[u8]) -> Hash {
    Sha256::digest(secret).into()
}

fn random() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; ID_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn start() -> Timestamp {
        Timestamp::ZERO + 24 * HOUR
    }

    #[test]
    fn a_session_ends_twelve_hours_after_its_last_use() {
        let mut sessions = Sessions::default();
        let id = sessions.begin(start()).unwrap();
        assert!(sessions.enter(&id, start() + 12 * HOUR).is_some());
        assert!(sessions.enter(&id, start() + 24 * HOUR).is_some());
        let late = start() + 36 * HOUR + Duration::from_secs(1);
        assert!(sessions.enter(&id, late).is_none());
        assert!(
            sessions.enter(&id, start() + 24 * HOUR).is_none(),
            "it does not come back"
        );
    }

    #[test]
    fn a_session_ends_after_a_week_however_much_it_is_used() {
        let mut sessions = Sessions::default();
        let id = sessions.begin(start()).unwrap();
        for hour in 0..=7 * 24 {
            assert!(sessions.enter(&id, start() + hour * HOUR).is_some());
        }
        assert!(sessions.enter(&id, start() + (7 * 24 + 1) * HOUR).is_none());
    }

    #[test]
    fn the_session_that_was_not_used_for_longest_makes_room() {
        let mut sessions = Sessions::default();
        let second = Duration::from_secs(1);
        let ids: Vec<String> = (0..64)
            .map(|number| sessions.begin(start() + number * second).unwrap())
            .collect();
        let now = start() + HOUR;
        assert!(sessions.enter(&ids[0], now).is_some());
        let another = sessions.begin(now).unwrap();
        assert!(sessions.enter(&ids[1], now).is_none());
        for id in [&ids[0], &ids[2], &ids[63], &another] {
            assert!(sessions.enter(id, now).is_some());
        }
        assert_eq!(sessions.open.len(), 64);
    }

    #[test]
    fn what_streams_to_a_browser_sees_the_end_of_its_session() {
        let mut sessions = Sessions::default();
        let (one, other) = (
            sessions.begin(start()).unwrap(),
            sessions.begin(start()).unwrap(),
        );
        let ended = |end: watch::Receiver<()>| end.has_changed().is_err();
        let streams = [&one, &other].map(|id| sessions.enter(id, start()).unwrap());
        sessions.end(&one);
        assert_eq!(streams.map(ended), [true, false]);
    }

    #[test]
    fn ids_are_kept_as_hashes_and_are_not_alike() {
        let mut sessions = Sessions::default();
        let ids = [(); 8].map(|()| sessions.begin(start()).unwrap());
        for id in &ids {
            assert_eq!(id.len(), 64);
            assert!(!format!("{sessions:?}").contains(id.as_str()));
            assert_eq!(ids.iter().filter(|other| *other == id).count(), 1);
        }
        assert!(sessions.enter("", start()).is_none());
    }

    #[test]
    fn a_ticket_is_good_once_and_for_a_minute() {
        let mut sessions = Sessions::default();
        let ticket = sessions.ticket(start()).unwrap();
        let ticket = hash(ticket.as_bytes());
        assert!(sessions.redeem(&ticket, start() + TICKET_AGE_MAX));
        assert!(!sessions.redeem(&ticket, start() + TICKET_AGE_MAX));
        let late = hash(sessions.ticket(start()).unwrap().as_bytes());
        let second = Duration::from_secs(1);
        assert!(!sessions.redeem(&late, start() + TICKET_AGE_MAX + second));
    }

    #[test]
    fn tickets_that_nobody_uses_do_not_pile_up() {
        let mut sessions = Sessions::default();
        let tickets = [(); 17].map(|()| sessions.ticket(start()).unwrap());
        assert_eq!(sessions.tickets.len(), 16);
        assert!(!sessions.redeem(&hash(tickets[0].as_bytes()), start()));
        assert!(sessions.redeem(&hash(tickets[16].as_bytes()), start()));
    }
}
