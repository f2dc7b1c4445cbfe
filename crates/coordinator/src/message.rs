//! What an instance and the store tell each other about one domain.
//!
//! One exchange carries everything: what has ended, what was learned, who waits. Its answer says who
//! may go. Times are microseconds on the store's clock.

use std::fmt;

use paceline_limiter::{Charge, Metric, Tier};

/// One process among those that share a domain; drawn at random when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub u64);

impl fmt::Display for InstanceId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}

/// A request of one instance. Its instance gives the numbers and never uses one twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketId(pub u64);

/// One life of a store's state: it changes when the state was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// How an amount is counted over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CountKind {
    /// What was taken drains evenly.
    Bucket,
    /// Windows that follow each other.
    Fixed,
    /// Windows that open with the first use after the last one closed.
    FixedFromFirstUse,
    /// What was taken counts until a window later.
    Sliding,
    /// A small bucket and a sliding window at once: safe under all the others.
    Unknown,
}

/// Which limit is meant: at most one of a domain has the same metric and window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LimitId {
    /// What is limited.
    pub metric: Metric,
    /// The length of the window.
    pub window_ms: u64,
}

/// A limit as the sender believes it to be enforced.
///
/// Amount and kind are shared: the belief that is younger counts. The rest is the sender's own, and
/// is how its heads are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Terms {
    /// Which limit.
    pub id: LimitId,
    /// Units per window.
    pub amount: u64,
    /// How they are counted.
    pub kind: CountKind,
    /// When the sender came to believe in this amount and kind, on the store's clock.
    pub since_us: u64,
    /// Units that may go at once when nothing is used; for buckets.
    pub burst: u64,
    /// The spread of the delays from here to the provider.
    pub guard_us: u64,
    /// Units kept free for what others take.
    pub reserve: u64,
    /// The earliest and the latest end of the present window, where windows are fixed and known.
    pub ends_us: Option<(u64, u64)>,
    /// What the sender counts as used: taken up where the store has lost what it knew.
    pub used: u64,
    /// What the sender has taken while it was out of touch, as far as it still counts.
    pub spent: u64,
}

/// Somebody who waits at the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number that a reservation for it will have.
    pub id: TicketId,
    /// Whose request it is: the same number on every instance.
    pub tenant: u64,
    /// The tenant's weight.
    pub weight: u32,
    /// How urgent it is.
    pub tier: Tier,
    /// What it takes.
    pub charge: Charge,
    /// What else of the same tenant and tier waits behind it at the sender and is not named.
    pub behind: Charge,
}

/// How a reservation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The provider deducted this in the end.
    Charged(Charge),
    /// It was never sent.
    NotSent,
}

/// A reservation that ended, or a head that waits no longer although it may have been let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Which.
    pub id: TicketId,
    /// How.
    pub end: End,
}

/// The provider counts otherwise than the store does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction {
    /// Which limit.
    pub id: LimitId,
    /// Units that the provider counts more (or less).
    pub step: i64,
    /// The sum of corrections when that was found: what others have corrected since is not
    /// corrected again.
    pub corrected: i64,
    /// The count that it is about.
    pub generation: u64,
}

/// What one instance says.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Who says it.
    pub instance: InstanceId,
    /// Grows with every message, and stays when one is repeated. Older ones let nobody in.
    pub sequence: u64,
    /// The life of the state that the sender has been in touch with.
    pub epoch: Option<Epoch>,
    /// After so long without a message the sender is taken to be gone.
    pub lease_us: u64,
    /// Nobody goes for this long, because the provider refused.
    pub pause_us: u64,
    /// The shortest time between two launches.
    pub spacing_us: u64,
    /// Requests that may be in flight at once, of all instances.
    pub in_flight_max: Option<u32>,
    /// What the sender would use if it could: quota per second, in any unit that all use.
    pub demand: u64,
    /// The share of service that each tier gets however much waits in the others, in parts per
    /// million, in the order of [`Tier::ALL`].
    pub shares_ppm: [u32; 3],
    /// The limits; what is not named is not limited.
    pub terms: Vec<Terms>,
    /// What has ended.
    pub closed: Vec<Closed>,
    /// What was learned of levels.
    pub corrections: Vec<Correction>,
    /// Who waits: the first of each tenant and tier, in the sender's order.
    pub heads: Vec<Head>,
    /// The version of the common knowledge that the sender has; 0: none.
    pub knows: u64,
    /// What the sender has learned, for the others: any text. It replaces what was there.
    pub teaches: Option<String>,
    /// The sender leaves: nothing of it stays.
    pub leaves: bool,
}

/// What some instance has learned of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// Grows with every change; 0: nothing is known.
    pub version: u64,
    /// As its author put it.
    pub text: String,
}

/// The count of one limit after an exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Which limit.
    pub id: LimitId,
    /// Units per window, as all believe.
    pub amount: u64,
    /// How they are counted, as all believe.
    pub kind: CountKind,
    /// Units used.
    pub used: u64,
    /// The sum of corrections.
    pub corrected: i64,
    /// Changes when what is counted is no longer comparable with what was.
    pub generation: u64,
    /// All units ever taken.
    pub taken: u64,
    /// Units of requests in flight, of all instances.
    pub in_flight: u64,
}

/// A head that may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Which.
    pub id: TicketId,
    /// What is used of each limit right after it, in the order of [`Answer::levels`].
    pub used: Vec<u64>,
}

/// What the store says.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The life of the state.
    pub epoch: Epoch,
    /// The time on the store's clock.
    pub now_us: u64,
    /// The state was lost: until it is known again what is used, nobody is let in for so long.
    pub learning_us: u64,
    /// Who may go.
    pub grants: Vec<Grant>,
    /// When the first of those who may not should ask again; `None`: when somebody tells.
    pub wake_us: Option<u64>,
    /// All limits.
    pub levels: Vec<Level>,
    /// Requests in flight, of all instances.
    pub in_flight: u32,
    /// The part of the quota that is the sender's if the store is lost, in parts per million.
    pub share_ppm: u32,
    /// Instances that are here.
    pub instances: u32,
    /// Instances for which there is room now: they are to be told.
    pub wakes: Vec<InstanceId>,
    /// The common knowledge, where the sender has an older version.
    pub knowledge: Option<Knowledge>,
}
