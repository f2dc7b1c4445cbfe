//! What the judge says, and the levels it reports.

use serde::{Deserialize, Serialize};

use crate::{
    charge::Charge,
    quota::{NANOS_PER_SECOND, Quota},
};

/// The decision on one request.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// Its charge was taken. The reservation must be settled when the request ends.
    Admitted(Reservation),
    /// It was refused.
    Refused(Refusal),
}

/// What an admitted request holds until it is settled.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an admitted request stays in flight until its reservation is settled"]
pub struct Reservation {
    pub(super) id: u64,
    pub(super) admitted_ns: u64,
    pub(super) charge: Charge,
}

impl Reservation {
    /// A number that is unique within the pool.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// When the request was admitted.
    #[must_use]
    pub const fn admitted_ns(&self) -> u64 {
        self.admitted_ns
    }

    /// What was taken.
    #[must_use]
    pub const fn charge(&self) -> &Charge {
        &self.charge
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was served, and used this much.
    Used(Charge),
    /// The provider failed to serve it.
    Failed,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The request alone is larger than the limit and will never be admitted.
    TooLarge {
        /// The limit.
        quota: Quota,
        /// What the request asked for.
        requested: u64,
    },
    /// The limit has no room now.
    OverLimit {
        /// The limit.
        quota: Quota,
        /// The level as the provider's message states it: whole units, rounded up, never above the
        /// limit.
        used: u64,
        /// What the request asked for.
        requested: u64,
        /// The wait as the message states it, which follows from the whole level.
        stated_wait_ns: u64,
        /// The wait after which the same request is admitted if nothing else is.
        wait_ns: u64,
    },
    /// Too many requests are in flight.
    Concurrency {
        /// The most that may be.
        limit: u64,
    },
    /// Traffic grows too fast.
    SlowDown {
        /// The wait until traffic is measured anew.
        wait_ns: u64,
    },
}

impl Refusal {
    /// The shortest wait after which the request can pass; `u64::MAX` if it never can.
    #[must_use]
    pub const fn wait_ns(&self) -> u64 {
        match self {
            Self::TooLarge { .. } => u64::MAX,
            Self::OverLimit { wait_ns, .. } | Self::SlowDown { wait_ns } => *wait_ns,
            // Nobody knows when a request in flight ends.
            Self::Concurrency { .. } => NANOS_PER_SECOND,
        }
    }

    /// A short name for counters and journals: the limit's abbreviation, `too_large`,
    /// `concurrency` or `slow_down`.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::TooLarge { .. } => "too_large".to_owned(),
            Self::OverLimit { quota, .. } => quota.abbreviation(),
            Self::Concurrency { .. } => "concurrency".to_owned(),
            Self::SlowDown { .. } => "slow_down".to_owned(),
        }
    }
}

/// The level of one limit as headers report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaLevel {
    /// The limit.
    pub quota: Quota,
    /// What is used, in whole units, rounded up.
    pub used: u64,
    /// What is left, in whole units, rounded down.
    pub remaining: u64,
    /// The time until the limit is wholly unused again, in nanoseconds.
    pub reset_ns: u64,
}
