//! From a journal and what callers were told to a report.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use paceline_simulator::{Decision, JournalEntry};

use super::{Refused, SharedReport, Slice, TenantShare, Waits};
use crate::shared_run::fault::VICTIM;
use crate::shared_run::load::{Call, Ending, Identity, Sizes};
use crate::shared_run::oracle::{Admission, Counting, Limit};
use crate::shared_run::stage::{TENANTS, limits};
use crate::shared_run::{MINUTE, SharedFault, SharedRun, nanoseconds};

const SECOND_NS: u64 = 1_000_000_000;

/// The length of a slice, and how far slices reach before and after a fault.
const SLICE_NS: u64 = 5 * SECOND_NS;
const SLICES_BEFORE_NS: u64 = 10 * SECOND_NS;
const SLICES_AFTER_NS: u64 = 30 * SECOND_NS;

/// A fault takes that long to end, and is not counted to be there meanwhile.
const MOMENT_NS: u64 = SECOND_NS / 2;

/// All is well again when so much of what could be had is used, over so long.
const WELL_PART: f64 = 0.97;
const WELL_NS: u64 = 30 * SECOND_NS;

/// When the fault was there, by the provider's clock.
#[derive(Clone, Copy, Debug)]
pub(in crate::shared_run) struct Span {
    pub(in crate::shared_run) from_ns: u64,
    pub(in crate::shared_run) to_ns: u64,
}

impl Span {
    /// Whether it begins in a span of time or fills more than a moment of it.
    fn is_in(&self, from_ns: u64, to_ns: u64) -> bool {
        let begins = (from_ns..to_ns).contains(&self.from_ns);
        begins || (self.from_ns < from_ns && from_ns + MOMENT_NS < self.to_ns)
    }
}

/// All that a report follows from.
pub(in crate::shared_run) struct Evidence<'a> {
    pub(in crate::shared_run) run: &'a SharedRun,
    pub(in crate::shared_run) journal: Vec<JournalEntry>,
    pub(in crate::shared_run) calls: Vec<Call>,
    pub(in crate::shared_run) sizes: Sizes,
    pub(in crate::shared_run) start: Instant,
    pub(in crate::shared_run) start_ns: u64,
    pub(in crate::shared_run) fault: Option<Span>,
}

impl Evidence<'_> {
    pub(in crate::shared_run) fn report(&self) -> SharedReport {
        let (tokens, requests) = self.limits();
        let admissions = self.admissions(|entry| entry.charge.tokens);
        let usage = tokens.in_use(&admissions, self.settled_in_ns(), self.end_ns());
        let by_request = self.admissions(|entry| entry.charge.requests);
        let counts = self.admission_counts();
        SharedReport {
            answered: self.count(|call| matches!(call.ending, Ending::Answered(_))),
            refused: self.refused(),
            usage,
            used_part: usage.part(self.sizes.largest()),
            slices: self.slices(&tokens, &admissions),
            lost: self.lost(),
            died: self.count(|call| self.died(call)),
            admitted_twice: counts.values().filter(|count| **count > 1).count() as u64,
            answered_unadmitted: self.count(|call| {
                matches!(call.ending, Ending::Answered(_)) && !counts.contains_key(&call.identity)
            }),
            admitted_unanswered: self.count(|call| {
                matches!(call.ending, Ending::Failed(..))
                    && !self.died(call)
                    && counts.contains_key(&call.identity)
            }),
            settled_twice: self.settled_twice(),
            peaks: [tokens.peak(&admissions), requests.peak(&by_request)],
            back_after: self.back_after(&tokens, &admissions),
            had_fault: self.fault.is_some(),
            shares: self.shares(),
            waits_before: self.waits(
                self.settled_in_ns(),
                self.fault.map_or(self.end_ns(), |fault| fault.from_ns),
            ),
            waits_during: self
                .fault
                .and_then(|fault| self.waits(fault.from_ns, fault.to_ns)),
        }
    }

    fn limits(&self) -> (Limit, Limit) {
        let (tokens, requests) = limits(self.run);
        let limit = |amount| Limit {
            counting: self.run.counting,
            amount,
            window_ns: nanoseconds(MINUTE),
        };
        (limit(tokens), limit(requests))
    }

    /// When the first minute is over; at once in a run that is not longer.
    fn settled_in_ns(&self) -> u64 {
        if self.run.time > MINUTE {
            self.start_ns + nanoseconds(MINUTE)
        } else {
            self.start_ns
        }
    }

    fn end_ns(&self) -> u64 {
        self.start_ns + nanoseconds(self.run.time)
    }

    fn admitted(&self) -> impl Iterator<Item = &JournalEntry> {
        let entries = self.journal.iter();
        entries.filter(|entry| matches!(entry.decision, Decision::Admitted { .. }))
    }

    fn admissions(&self, amount: impl Fn(&JournalEntry) -> u64) -> Vec<Admission> {
        self.admitted()
            .map(|entry| Admission {
                time_ns: entry.time_ns,
                amount: amount(entry),
            })
            .collect()
    }

    fn admission_counts(&self) -> HashMap<Identity, u64> {
        let mut counts = HashMap::new();
        for entry in self.admitted() {
            *counts.entry(identity_of(entry)).or_default() += 1;
        }
        counts
    }

    fn count(&self, is_counted: impl Fn(&Call) -> bool) -> u64 {
        self.calls.iter().filter(|call| is_counted(call)).count() as u64
    }

    fn refusals_between(&self, from_ns: u64, to_ns: u64) -> u64 {
        let refused = self.journal.iter().filter(|entry| {
            matches!(entry.decision, Decision::Refused { .. })
                && (from_ns..to_ns).contains(&entry.time_ns)
        });
        refused.count() as u64
    }

    fn refused(&self) -> Refused {
        let minute_ns = self.start_ns + nanoseconds(MINUTE);
        let after_ns = self.fault.map_or(minute_ns, |fault| fault.to_ns);
        Refused {
            total: self.refusals_between(0, u64::MAX),
            first_minute: self.refusals_between(0, minute_ns),
            during: self
                .fault
                .map_or(0, |fault| self.refusals_between(fault.from_ns, fault.to_ns)),
            after: self.refusals_between(after_ns, u64::MAX),
        }
    }

    fn slices(&self, limit: &Limit, admissions: &[Admission]) -> Vec<Slice> {
        let Some(fault) = self.fault else {
            return Vec::new();
        };
        // Whole slices since the start, so that none holds the first moment of another window.
        let before = (fault.from_ns - self.start_ns).saturating_sub(SLICES_BEFORE_NS);
        let first_ns = self.start_ns + before / SLICE_NS * SLICE_NS;
        let end_ns = (fault.to_ns + SLICES_AFTER_NS).min(self.end_ns());
        let mut slices = Vec::new();
        let mut from_ns = first_ns;
        while from_ns + SLICE_NS <= end_ns {
            let to_ns = from_ns + SLICE_NS;
            let usage = limit.in_pace(admissions, from_ns, to_ns);
            let begun_ns = from_ns.cast_signed() - fault.from_ns.cast_signed();
            slices.push(Slice {
                from_s: begun_ns / SECOND_NS.cast_signed(),
                part: usage.part(self.sizes.largest()),
                had_fault: fault.is_in(from_ns, to_ns),
            });
            from_ns = to_ns;
        }
        slices
    }

    /// Whether a call failed because its gateway was killed.
    fn died(&self, call: &Call) -> bool {
        let is_kill = self.run.fault == SharedFault::GatewayKilled;
        let since = self.start + self.run.fault_at;
        is_kill
            && call.gateway == VICTIM
            && matches!(&call.ending, Ending::Failed(at, _) if *at >= since)
    }

    fn lost(&self) -> BTreeMap<String, u64> {
        let mut kinds = BTreeMap::new();
        for call in self.calls.iter().filter(|call| !self.died(call)) {
            if let Ending::Failed(_, kind) = &call.ending {
                *kinds.entry(kind.clone()).or_default() += 1;
            }
        }
        kinds
    }

    fn settled_twice(&self) -> u64 {
        let mut open = HashSet::new();
        let mut wrong = 0;
        for entry in &self.journal {
            match &entry.decision {
                Decision::Admitted { reservation } => {
                    wrong += u64::from(!open.insert(*reservation));
                }
                Decision::Settled { reservation, .. } => {
                    wrong += u64::from(!open.remove(reservation));
                }
                Decision::Refused { .. } | Decision::Corrected { .. } => {}
            }
        }
        wrong
    }

    /// The first second after the fault from which on nothing is refused and the quota is used.
    fn back_after(&self, limit: &Limit, admissions: &[Admission]) -> Option<Duration> {
        let end_ns = self.fault?.to_ns;
        (end_ns..)
            .step_by(usize::try_from(SECOND_NS).ok()?)
            .take_while(|from_ns| from_ns + WELL_NS <= self.end_ns())
            .find(|from_ns| {
                let to_ns = self.whole_window(limit, from_ns + WELL_NS);
                let usage = limit.in_pace(admissions, *from_ns, to_ns);
                self.refusals_between(*from_ns, u64::MAX) == 0
                    && usage.part(self.sizes.largest()) >= WELL_PART
            })
            .map(|from_ns| Duration::from_nanos(from_ns - end_ns))
    }

    /// Fixed windows are used at their beginning; a span that ended there would seem unused.
    fn whole_window(&self, limit: &Limit, to_ns: u64) -> u64 {
        match limit.counting {
            Counting::Fixed => {
                (to_ns.div_ceil(limit.window_ns) * limit.window_ns).min(self.end_ns())
            }
            _ => to_ns,
        }
    }

    fn shares(&self) -> Vec<TenantShare> {
        if !self.run.weights {
            return Vec::new();
        }
        let homes: HashMap<_, _> = self
            .calls
            .iter()
            .map(|call| (call.identity, call.home))
            .collect();
        let mut tokens = [0; TENANTS.len()];
        for entry in self.admitted() {
            let home = homes.get(&identity_of(entry));
            let place = home.and_then(|home| tokens.get_mut(home % TENANTS.len()));
            if let Some(sum) = place.filter(|_| entry.time_ns >= self.settled_in_ns()) {
                *sum += entry.charge.tokens;
            }
        }
        let all = tokens.iter().sum::<u64>().max(1) as f64;
        let weights: u64 = TENANTS.iter().map(|(_, weight)| weight).sum();
        let tenants = TENANTS.iter().zip(tokens);
        tenants
            .map(|((name, weight), tokens)| TenantShare {
                name,
                share: tokens as f64 / all,
                entitled: *weight as f64 / weights as f64,
            })
            .collect()
    }

    fn waits(&self, from_ns: u64, to_ns: u64) -> Option<Waits> {
        let moment = |at: Instant| self.start_ns + nanoseconds(at - self.start);
        let waits = self.calls.iter().filter_map(|call| match call.ending {
            Ending::Answered(at) if (from_ns..to_ns).contains(&moment(at)) => Some(at - call.began),
            _ => None,
        });
        let mut waits: Vec<_> = waits.collect();
        waits.sort_unstable();
        let last = waits.len().checked_sub(1)?;
        let percentile = |percent| waits.get(last * percent / 100).copied();
        Some(Waits {
            p50: percentile(50)?,
            p99: percentile(99)?,
        })
    }
}

fn identity_of(entry: &JournalEntry) -> Identity {
    Identity {
        estimate: entry.charge.input_tokens,
        max_tokens: entry.charge.output_tokens,
    }
}
