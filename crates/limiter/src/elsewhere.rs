//! What a domain and whoever counts for several domains tell each other.
//!
//! Several processes can share one pool of limits. What is used of it is then counted elsewhere, for
//! all of them, and a [`crate::Domain`] is what one process has of it: its queue, its open
//! reservations, and what its own answers teach.

use std::time::Duration;

use crate::belief::WindowKind;
use crate::charge::{Charge, Metric};
use crate::request::{TenantId, Tier, WaiterId};
use crate::settings::Limit;
use crate::time::Timestamp;

/// Who decides when a request may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// The domain, with the whole of its limits.
    #[default]
    Alone,
    /// Somebody else: requests wait until [`crate::Domain::hear`] says that they may go.
    Elsewhere,
    /// The domain, with a part of its limits, because it is out of touch with who should decide.
    Part {
        /// The part, in parts per million.
        share_ppm: u32,
    },
}

/// Somebody who waits, for whoever decides elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who waits.
    pub waiter: WaiterId,
    /// Whose request it is.
    pub tenant: TenantId,
    /// The tenant's weight.
    pub weight: u32,
    /// How urgent it is.
    pub tier: Tier,
    /// What it takes.
    pub charge: Charge,
    /// What else of the same tenant and tier waits here and is not offered; it is told with one of
    /// the offers only.
    pub behind: Charge,
}

/// A reservation that has ended, or an offer that is none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The number of who waited, see [`WaiterId::number`].
    pub ticket: u64,
    /// What the provider deducted in the end; `None`: it was never sent.
    pub charged: Option<Charge>,
}

/// The provider counts otherwise than is counted elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Of which limit.
    pub metric: Metric,
    /// Its window.
    pub window: Duration,
    /// Units that the provider counts more, or less.
    pub units: i64,
    /// The sum of all corrections when that was found.
    pub corrected: i64,
    /// The count that it is about, see [`Level::generation`].
    pub generation: u64,
}

/// The count of one limit, as it is kept elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// What is limited.
    pub metric: Metric,
    /// The length of the window.
    pub window: Duration,
    /// Units per window.
    pub amount: u64,
    /// How they are counted; `None`: in a way that is safe under all kinds.
    pub kind: Option<WindowKind>,
    /// Units used.
    pub used: u64,
    /// The sum of all corrections.
    pub corrected: i64,
    /// Changes when what is counted is no longer comparable with what was.
    pub generation: u64,
    /// All units ever taken, by all who share the limit.
    pub taken: u64,
    /// Units of requests in flight, of all who share the limit.
    pub in_flight: u64,
}

/// A waiter that may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted<'a> {
    /// Who.
    pub waiter: WaiterId,
    /// Units used of each limit right after it, in the order of [`Told::levels`]; empty: not known.
    pub used: &'a [u64],
}

/// What was decided elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told<'a> {
    /// When it was asked for: what changed here since is not in it.
    pub asked_at: Timestamp,
    /// Every limit.
    pub levels: &'a [Level],
    /// Who may go.
    pub grants: &'a [Granted<'a>],
    /// The part of the quota that is this domain's, by what it asks for, in parts per million.
    pub share_ppm: u32,
    /// When the first who waits here may go, as far as that is known.
    pub wake: Option<Timestamp>,
}

/// A limit as this domain believes it to be enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The limit.
    pub limit: Limit,
    /// Since when amount and kind have been believed; `None`: not yet, others know better.
    pub since: Option<Timestamp>,
    /// Units kept free for what others take, and for what requests in flight may be charged on top.
    pub kept: u64,
    /// The earliest and the latest end of the present window, where windows are fixed and known.
    pub ends: Option<(Timestamp, Timestamp)>,
    /// Units used, as counted here.
    pub used: u64,
    /// Of these, units that were taken while nobody elsewhere counted them, and that were not told yet.
    pub spent: u64,
}

/// What holds up every request, whatever is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Nothing goes for so long, because the provider refused.
    pub pause: Duration,
    /// The least time between two launches.
    pub spacing: Duration,
    /// Requests that may be in flight.
    pub in_flight_max: Option<u32>,
}

/// How soon whoever decides elsewhere should hear from this domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// There is nothing to tell.
    #[default]
    None,
    /// What has ended or was learned can wait a little.
    Soon,
    /// Somebody has come to wait, or there may be room now.
    Now,
}
