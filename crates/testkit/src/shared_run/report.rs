//! What came of a run: callers' answers held against the provider's journal.

mod evidence;
mod row;

use std::collections::BTreeMap;
use std::time::Duration;

use super::SharedRun;
use super::oracle::Peak;
use super::supply::Use;

pub(super) use evidence::{Evidence, Span};

/// Refusals by the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// In the whole run.
    pub total: u64,
    /// In its first minute.
    pub first_minute: u64,
    /// While the fault lasted.
    pub during: u64,
    /// After it; after the first minute where there was none.
    pub after: u64,
}

/// The use of the quota in five seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    /// When it began, in seconds after the fault did.
    pub from_s: i64,
    /// The part of what could be had that was used; in a bucket, of what drained meanwhile, which can be
    /// less than what was used.
    pub part: f64,
    /// Whether the fault was there in it.
    pub had_fault: bool,
}

/// What a tenant got of the service after the first minute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TenantShare {
    /// Its name.
    pub name: &'static str,
    /// Its part of the tokens of all tenants.
    pub share: f64,
    /// Its part of their weights.
    pub entitled: f64,
}

/// How long callers waited for answers that came in some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Half of them not longer than this.
    pub p50: Duration,
    /// 99 of 100 not longer than this.
    pub p99: Duration,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct SharedReport {
    /// Calls that were answered with success.
    pub answered: u64,
    /// Refusals by the provider.
    pub refused: Refused,
    /// Use of the token limit after the first minute.
    pub usage: Use,
    /// The same as a part.
    pub used_part: f64,
    /// Use around the fault.
    pub slices: Vec<Slice>,
    /// Calls whose caller got an error, by its kind; without those of a gateway that was killed.
    pub lost: BTreeMap<String, u64>,
    /// Calls that ended with the gateway that was killed.
    pub died: u64,
    /// Requests that the provider has let in more than once.
    pub admitted_twice: u64,
    /// Answers with success to requests that the provider has not let in.
    pub answered_unadmitted: u64,
    /// Requests that the provider has let in, and whose caller got an error; without those of a gateway
    /// that was killed.
    pub admitted_unanswered: u64,
    /// Settlements by the provider of what it had not let in or had settled before.
    pub settled_twice: u64,
    /// The highest that the token limit and the limit on requests were used, by their definition.
    pub peaks: [Peak; 2],
    /// From the end of the fault until the quota is used again, with no refusal from then on. None where
    /// that never came, or where there was no fault that ended.
    pub back_after: Option<Duration>,
    /// Whether there was a fault that ended.
    pub had_fault: bool,
    /// Shares of tenants, where they have weights.
    pub shares: Vec<TenantShare>,
    /// Waits between the first minute and the fault; none where nothing was answered then.
    pub waits_before: Option<Waits>,
    /// Waits during the fault.
    pub waits_during: Option<Waits>,
}
