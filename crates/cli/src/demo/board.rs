//! What became of the tenants' requests.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::workload::{Job, Tenant};

/// One tenant's requests so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) started: u64,
    pub(super) answered: u64,
    /// Given up after the last retry.
    pub(super) lost: u64,
    /// Charged by the provider for what was answered.
    pub(super) tokens: u64,
    /// Time from asking to the answer, less what the provider worked on it.
    pub(super) waits: Vec<Duration>,
}

impl Tally {
    /// Neither answered nor lost yet.
    pub(super) fn under_way(&self) -> u64 {
        self.started - self.answered - self.lost
    }
}

/// The tallies of all tenants.
#[derive(Debug, Default)]
pub(super) struct Board([Mutex<Tally>; Tenant::ALL.len()]);

impl Board {
    pub(super) fn started(&self, tenant: Tenant) {
        self.of(tenant).started += 1;
    }

    pub(super) fn answered(&self, job: &Job, wait: Duration) {
        let mut tally = self.of(job.tenant);
        tally.answered += 1;
        tally.tokens += job.charge_tokens;
        tally.waits.push(wait);
    }

    pub(super) fn lost(&self, tenant: Tenant) {
        self.of(tenant).lost += 1;
    }

    /// The tally of one tenant as it stands.
    pub(super) fn tally(&self, tenant: Tenant) -> Tally {
        self.of(tenant).clone()
    }

    fn of(&self, tenant: Tenant) -> MutexGuard<'_, Tally> {
        let [chat, batch_a, batch_b] = &self.0;
        let tally = match tenant {
            Tenant::Chat => chat,
            Tenant::BatchA => batch_a,
            Tenant::BatchB => batch_b,
        };
        tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
