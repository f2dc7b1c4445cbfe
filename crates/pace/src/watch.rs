//! What the owner of a pool is told.

use std::time::Duration;

use paceline_limiter::{Charge, DomainSnapshot, Episode, Timestamp};

use crate::shared::{Sharing, SharingMode};

/// Somebody else decides on a pool's requests from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharingChange {
    /// Who decided until now.
    pub before: SharingMode,
    /// For how long.
    pub lasted: Duration,
    /// How it is now.
    pub after: Sharing,
}

/// What the owner of a pool is told, and whom its waiters stand for.
///
/// The pool calls these outside its lock, on whichever thread made the change; they should be quick.
pub trait Watch: Send + Sync + Sized + 'static {
    /// Who waits, as the owner knows them.
    type Who: Send + 'static;

    /// A request came: it was admitted, waits, or was refused.
    fn asked(&self, _charge: Charge, _now: Timestamp) {}

    /// A request was admitted.
    fn reserved(&self, _charge: Charge) {}

    /// A reservation was closed: `refunded` was not charged, `debt` was charged on top.
    fn closed(&self, _reserved: Charge, _refunded: Charge, _debt: Charge) {}

    /// The provider refused, in these words, and an episode of refusals began with it.
    fn episode_began(&self, _pool: &DomainSnapshot, _words: &str) {}

    /// The pace is whole again.
    fn episode_ended(&self, _episode: &Episode) {}

    /// The store of a shared pool went away, came back, or has lost what it knew.
    fn sharing_changed(&self, _change: &SharingChange) {}
}

/// Nobody looks.
impl Watch for () {
    type Who = ();
}
