//! Pools whose limits are counted in a store, for several processes at once.
//!
//! While the store answers, every request of every process goes when the store says so. While it does
//! not, each process goes on by itself with the part of the quota that was its own last, and says so; when
//! the store is back it is told what was used, and counts again.

mod conversation;
mod demand;
mod driver;
mod hub;
mod state;
mod translate;

use std::time::Duration;

pub(crate) use conversation::Conversation;
pub(crate) use driver::Driver;
pub use hub::Store;
pub(crate) use state::Shared;
pub use state::{Sharing, SharingMode};

/// How a store is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// How long an exchange may take before the store counts as away.
    pub time_box: Duration,
    /// How long this process may be silent before the others take it to be gone.
    pub lease: Duration,
    /// The part of a quota that this process uses if it was never in touch with the store, in parts per
    /// million.
    pub first_share_ppm: u32,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            time_box: Duration::from_millis(50),
            lease: Duration::from_secs(3),
            first_share_ppm: 250_000,
        }
    }
}

/// What a pool does while its store is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenAway {
    /// It goes on with its last part of the quota, a tenth of that kept back.
    #[default]
    Share,
    /// It goes on as if it were alone.
    Open,
    /// Everyone waits.
    Closed,
}
