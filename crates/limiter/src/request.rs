//! What goes into a domain and what comes out of it.

use std::fmt;
use std::time::Duration;

use crate::charge::{Charge, Metric};
use crate::formula::ChargeParts;
use crate::slab::Key;
use crate::time::Timestamp;

/// Who a request is for; fairness is between tenants. The caller gives the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(pub u64);

/// A place in the queue. Unique within a domain, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub(crate) Key);

/// Quota that was taken for one request. Unique within a domain, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId(pub(crate) Key);

impl WaiterId {
    /// A number that no other waiter of the domain has or will have.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0.serial
    }
}

impl fmt::Display for WaiterId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.serial)
    }
}

impl fmt::Display for ReservationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.serial)
    }
}

/// How urgent a request is. The order of the variants is the order of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Somebody looks at a screen.
    Interactive,
    /// Ordinary traffic.
    #[default]
    Standard,
    /// Whenever there is room.
    Batch,
}

impl Tier {
    /// Every tier, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Standard, Self::Batch];

    /// The tier in words, as messages and labels use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Standard => "standard",
            Self::Batch => "batch",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A request for quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who it is for.
    pub tenant: TenantId,
    /// The tenant's weight from now on; zero counts as one.
    pub weight: u32,
    /// How urgent it is.
    pub tier: Tier,
    /// What the provider will deduct at admission.
    pub charge: Charge,
    /// What the token charge is made from. Where it is given, the formula that the domain has
    /// learned decides on the tokens instead of `charge`.
    pub parts: Option<ChargeParts>,
    /// When it is no longer of use.
    pub deadline: Option<Timestamp>,
    /// Whether it was admitted before and goes again: it then waits in front of the tenant's
    /// other requests.
    pub retry: bool,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
    /// It may be sent now.
    Admitted(Reservation),
    /// It waits; an [`Event`] will say when its wait is over.
    Queued(Ticket),
    /// It cannot be served.
    Refused(Refusal),
}

/// Permission to send one request. It must be settled or abandoned exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// What to settle by.
    pub id: ReservationId,
    /// What was taken.
    pub charge: Charge,
}

/// A place in the queue and what to expect of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// What to cancel by.
    pub id: WaiterId,
    /// The outlook at this moment.
    pub outlook: Outlook,
}

/// What a waiter can expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The expected place in the order of service across the domain, from 1.
    pub position: usize,
    /// The expected time until admission; `None` where it depends on calls in flight.
    pub eta: Option<Duration>,
    /// What makes it wait.
    pub binding: Binding,
}

/// What makes a request wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// A limit has no room.
    Limit {
        /// What is limited.
        metric: Metric,
        /// Units per window.
        amount: u64,
        /// The length of the window.
        window: Duration,
    },
    /// All slots are in flight.
    Concurrency {
        /// How many may be in flight now.
        max: u32,
    },
    /// The last launch is too recent.
    Spacing,
    /// The provider refused a request and asked for a pause.
    CoolDown,
    /// The pace returns in steps after a pause.
    SlowStart,
    /// The rate is reduced for a while after a refusal.
    Stabilisation,
    /// The provider refused the growth of the traffic, which is held.
    Growth,
    /// The limits are not known yet; the first answers will tell.
    Probe,
    /// Others go first.
    Turn,
}

impl Binding {
    /// Whether it is one of those that follow from refusals and bound the pace.
    pub(crate) const fn is_throttle(self) -> bool {
        matches!(self, Self::SlowStart | Self::Stabilisation | Self::Growth)
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { metric, window, .. } => {
                write!(out, "{metric} per ")?;
                write_window(out, *window)
            }
            Self::Concurrency { .. } => out.write_str("concurrency"),
            Self::Spacing => out.write_str("launch spacing"),
            Self::CoolDown => out.write_str("cool-down"),
            Self::SlowStart => out.write_str("slow start"),
            Self::Stabilisation => out.write_str("stabilisation"),
            Self::Growth => out.write_str("growth of traffic"),
            Self::Probe => out.write_str("limits not known yet"),
            Self::Turn => out.write_str("others go first"),
        }
    }
}

fn write_window(out: &mut fmt::Formatter<'_>, window: Duration) -> fmt::Result {
    match (window.as_secs(), window.subsec_nanos()) {
        (1, 0) => out.write_str("second"),
        (60, 0) => out.write_str("minute"),
        (3_600, 0) => out.write_str("hour"),
        (86_400, 0) => out.write_str("day"),
        (seconds, 0) => write!(out, "{seconds} s"),
        _ => write!(out, "{window:?}"),
    }
}

/// Why a request is not served. These are decisions, not errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request alone is more than a whole window allows: it can never go.
    TooLarge {
        /// What is limited.
        metric: Metric,
        /// Units per window.
        amount: u64,
        /// The length of the window.
        window: Duration,
        /// Units the request needs.
        requested: u64,
    },
    /// Too many requests wait in the domain.
    QueueFull {
        /// How many wait.
        waiting: usize,
        /// When the next place should come free.
        retry_after: Duration,
    },
    /// Too many requests of this tenant wait in the domain.
    TenantQueueFull {
        /// How many of the tenant's requests wait.
        waiting: usize,
        /// When the tenant's next place should come free.
        retry_after: Duration,
    },
    /// The request cannot start before its deadline, or did not.
    DeadlineUnmeetable {
        /// The same request, submitted this much later with as long a deadline, would do.
        retry_after: Duration,
        /// The expected time until admission.
        eta: Duration,
        /// What makes it wait.
        binding: Binding,
    },
    /// Whoever looks after the queue has ended the wait.
    Cancelled,
    /// The domain is shutting down.
    Draining {
        /// When to try elsewhere.
        retry_after: Duration,
    },
}

/// The end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The request may be sent now.
    Admitted {
        /// Whose wait is over.
        waiter: WaiterId,
        /// The quota it has.
        reservation: Reservation,
        /// How long it waited.
        waited: Duration,
        /// What it waited for last.
        binding: Binding,
    },
    /// The request will not be served.
    Expired {
        /// Whose wait is over.
        waiter: WaiterId,
        /// Why.
        refusal: Refusal,
    },
}
