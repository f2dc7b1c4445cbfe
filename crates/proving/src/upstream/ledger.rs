//! How much of every limit was used, second by second.

use paceline_simulator::{Charge, Quota, QuotaKind, QuotaLevel};

use crate::time::NANOS_PER_SECOND;

/// The books of a provider.
#[derive(Debug)]
pub(crate) struct Ledger {
    start_ns: u64,
    accounts: Vec<Account>,
    refused: Vec<u64>,
    changed: bool,
}

/// One limit's.
#[derive(Debug)]
struct Account {
    /// The limit as it is now.
    quota: Quota,
    /// The limit as it was when the present second began.
    before: Quota,
    /// The limit as the file gives it.
    named: Quota,
    seconds: Vec<Second>,
    own: Vec<i64>,
    foreign_before: u64,
}

/// One second of one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Second {
    /// Units that the senders of the simulation took, less what of them was given back.
    pub(crate) own: i64,
    /// Units that others took.
    pub(crate) foreign: u64,
    /// Units that the limit allows in a second.
    pub(crate) allowed: f64,
    /// What is in use at the end of the second, as a part of what the limit holds.
    pub(crate) level: f64,
}

impl Ledger {
    pub(super) fn new(quotas: &[Quota], start_ns: u64) -> Self {
        let account = |quota: &Quota| Account {
            quota: *quota,
            before: *quota,
            named: *quota,
            seconds: Vec::new(),
            own: Vec::new(),
            foreign_before: 0,
        };
        Self {
            start_ns,
            accounts: quotas.iter().map(account).collect(),
            refused: Vec::new(),
            changed: false,
        }
    }

    pub(super) fn take(&mut self, now_ns: u64, charge: &Charge) {
        self.book(now_ns, charge, 1);
    }

    /// What was taken at `taken_ns` was given back.
    pub(super) fn give_back(&mut self, taken_ns: u64, charge: &Charge) {
        self.book(taken_ns, charge, -1);
    }

    fn book(&mut self, at_ns: u64, charge: &Charge, sign: i64) {
        let index = self.index(at_ns);
        for account in &mut self.accounts {
            let units = i64::try_from(charge.of(account.quota.metric)).unwrap_or(i64::MAX);
            if account.own.len() <= index {
                account.own.resize(index + 1, 0);
            }
            if let Some(own) = account.own.get_mut(index) {
                *own = own.saturating_add(units.saturating_mul(sign));
            }
        }
    }

    pub(super) fn refuse(&mut self, now_ns: u64) {
        let index = self.index(now_ns);
        if self.refused.len() <= index {
            self.refused.resize(index + 1, 0);
        }
        if let Some(refused) = self.refused.get_mut(index) {
            *refused += 1;
        }
    }

    pub(super) fn change(&mut self, quotas: &[Quota]) {
        self.changed = true;
        for (account, quota) in self.accounts.iter_mut().zip(quotas) {
            account.quota = *quota;
        }
    }

    pub(super) const fn has_changed(&self) -> bool {
        self.changed
    }

    pub(super) fn tick(&mut self, levels: &[QuotaLevel], foreign: &Charge) {
        for (account, level) in self.accounts.iter_mut().zip(levels) {
            let taken = foreign.of(account.quota.metric);
            account.seconds.push(Second {
                own: 0,
                foreign: taken - account.foreign_before.min(taken),
                allowed: per_second(&account.before),
                level: level.used as f64 / capacity(&account.quota),
            });
            account.foreign_before = taken;
            account.before = account.quota;
        }
    }

    /// Which second of the run a moment lies in.
    fn index(&self, at_ns: u64) -> usize {
        let second = at_ns.saturating_sub(self.start_ns) / NANOS_PER_SECOND;
        usize::try_from(second).unwrap_or(usize::MAX)
    }

    /// Each limit with its seconds.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (Quota, Vec<Second>)> {
        self.accounts.iter().map(|account| {
            let own = account.own.iter().copied().chain(std::iter::repeat(0));
            let seconds = account.seconds.iter().zip(own);
            let seconds = seconds.map(|(second, own)| Second { own, ..*second });
            (account.named, seconds.collect())
        })
    }

    /// Refusals in a second of the run.
    pub(crate) fn refused_in(&self, second: usize) -> u64 {
        self.refused.get(second).copied().unwrap_or(0)
    }
}

fn per_second(quota: &Quota) -> f64 {
    quota.amount as f64 * NANOS_PER_SECOND as f64 / quota.window_ns().max(1) as f64
}

/// Units that a limit holds at the most.
fn capacity(quota: &Quota) -> f64 {
    let units = match quota.kind {
        QuotaKind::BucketBurst { burst } => burst as f64,
        QuotaKind::Quantised { quantum_ms } => {
            quota.amount as f64 * (quantum_ms as f64 / quota.window_ms.max(1) as f64).min(1.0)
        }
        _ => quota.amount as f64,
    };
    units.max(1.0)
}
