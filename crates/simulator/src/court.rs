//! The pools of a running provider, behind one lock, and the tickets of the requests in them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use crate::{
    book::{BOOK_ENTRIES_MAX, BilledRequest},
    charge::{Charge, ChargeFormula, Settlement},
    clock::Clock,
    enforcer::{Admission, Enforcer, EnforcerSettings, Outcome, QuotaLevel, Refusal, Reservation},
    journal::{Decision, Journal, JournalEntry},
    quota::Quota,
    settings::SimulatorSettings,
    state::{Counters, PoolState},
};

/// Who asks, and what for.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub(crate) pool: Arc<str>,
    /// Shortened.
    pub(crate) key: Arc<str>,
    pub(crate) model: Arc<str>,
    /// What the caller calls the request; only such requests are in the book.
    pub(crate) request: Option<Arc<str>>,
}

/// All pools, the journal, and the counters.
#[derive(Debug)]
pub(crate) struct Court {
    clock: Clock,
    formula: ChargeFormula,
    settlement: Settlement,
    received: AtomicU64,
    bench: Mutex<Bench>,
}

#[derive(Debug)]
struct Bench {
    rules: EnforcerSettings,
    counting_rules: EnforcerSettings,
    pools: HashMap<Arc<str>, Enforcer>,
    journal: Journal,
    book: VecDeque<BilledRequest>,
    counters: Counters,
}

/// The decision on a request, with the levels after it.
pub(crate) enum Verdict {
    Admitted(Ticket, Vec<QuotaLevel>),
    Refused(Refusal, Vec<QuotaLevel>),
}

/// What the names of the pools end with in which the counting of tokens is limited.
pub(crate) const COUNTING: &str = "/count_tokens";

impl Court {
    pub(crate) fn new(settings: &SimulatorSettings) -> Self {
        let journal = Journal::new(settings.journal_capacity);
        let counters = Counters::default();
        let counting = settings.counts_per_minute.map(Quota::requests_per_minute);
        let counting_rules = EnforcerSettings {
            quotas: counting.into_iter().collect(),
            ..EnforcerSettings::default()
        };
        let bench = Bench {
            rules: settings.limits.clone(),
            counting_rules,
            pools: HashMap::new(),
            journal,
            book: VecDeque::new(),
            counters,
        };
        let received = AtomicU64::new(0);
        Self {
            clock: Clock::start(),
            formula: settings.charge_formula,
            settlement: settings.settlement,
            received,
            bench: Mutex::new(bench),
        }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Decides a request.
    pub(crate) fn admit(self: &Arc<Self>, party: Party, charge: &Charge) -> Verdict {
        let mut bench = self.bench.lock();
        // The clock is read under the lock, so that times never decrease from one decision to the next.
        let now_ns = self.clock.now_ns();
        let pool = bench.pool(&party.pool);
        let admission = pool.admit(now_ns, charge);
        let levels = pool.levels(now_ns);
        match admission {
            Admission::Admitted(reservation) => {
                bench.counters.admitted += 1;
                bench.counters.charged.add(charge);
                let decision = Decision::Admitted {
                    reservation: reservation.id(),
                };
                bench.write(now_ns, &party, *charge, decision);
                drop(bench);
                Verdict::Admitted(Ticket::new(Arc::clone(self), party, reservation), levels)
            }
            Admission::Refused(refusal) => {
                let limit = refusal.label();
                *bench.counters.refused.entry(limit.clone()).or_default() += 1;
                let decision = Decision::Refused {
                    limit,
                    wait_ns: refusal.wait_ns(),
                };
                bench.write(now_ns, &party, *charge, decision);
                Verdict::Refused(refusal, levels)
            }
        }
    }

    /// The levels of a pool without asking it for anything.
    pub(crate) fn levels(&self, pool: &Arc<str>) -> Vec<QuotaLevel> {
        let now_ns = self.clock.now_ns();
        self.bench.lock().pool(pool).levels(now_ns)
    }

    /// The level of a limit that follows traffic, of a pool that has one.
    pub(crate) fn dynamic_level(&self, pool: &Arc<str>) -> Option<QuotaLevel> {
        let now_ns = self.clock.now_ns();
        self.bench.lock().pool(pool).dynamic_level(now_ns)
    }

    pub(crate) fn count_received(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_fault(&self, name: &str) {
        *self
            .bench
            .lock()
            .counters
            .faults
            .entry(name.to_owned())
            .or_default() += 1;
    }

    pub(crate) fn journal_since(&self, since: u64) -> Vec<JournalEntry> {
        self.bench.lock().journal.since(since)
    }

    /// What was billed for named requests, the oldest first.
    pub(crate) fn book(&self) -> Vec<BilledRequest> {
        self.bench.lock().book.iter().cloned().collect()
    }

    /// The limits that a new pool gets.
    pub(crate) fn quotas(&self) -> Vec<Quota> {
        self.bench.lock().rules.quotas.clone()
    }

    /// Changes the limits of every pool but those in which tokens are counted.
    pub(crate) fn set_quotas(&self, quotas: &[Quota]) {
        let mut bench = self.bench.lock();
        let now_ns = self.clock.now_ns();
        bench.rules.quotas = quotas.to_vec();
        for (name, pool) in &mut bench.pools {
            if !name.ends_with(COUNTING) {
                pool.set_quotas(now_ns, quotas.to_vec());
            }
        }
    }

    /// Empties all pools, the journal and the counters; requests in flight stay in flight.
    pub(crate) fn reset(&self) {
        let mut bench = self.bench.lock();
        for pool in bench.pools.values_mut() {
            pool.reset();
        }
        bench.journal.clear();
        bench.book.clear();
        bench.counters = Counters::default();
        self.received.store(0, Ordering::Relaxed);
    }

    pub(crate) fn pools(&self) -> (Vec<PoolState>, Counters) {
        let mut bench = self.bench.lock();
        let now_ns = self.clock.now_ns();
        let state = |(name, pool): (&Arc<str>, &mut Enforcer)| PoolState {
            name: name.to_string(),
            quotas: pool.levels(now_ns),
            in_flight: pool.in_flight(),
            foreign_taken: pool.foreign_taken(),
        };
        let mut pools: Vec<PoolState> = bench.pools.iter_mut().map(state).collect();
        pools.sort_by(|one, other| one.name.cmp(&other.name));
        let received = self.received.load(Ordering::Relaxed);
        (
            pools,
            Counters {
                received,
                ..bench.counters.clone()
            },
        )
    }

    /// What was used, in the units of the charge.
    pub(crate) const fn actual(&self, usage: &Usage) -> Charge {
        let Usage {
            prompt,
            cached,
            completion,
            images,
            ..
        } = *usage;
        self.settlement
            .actual(self.formula, prompt, cached, completion, images)
    }

    /// Sets the charge of a request under way right by what it has used so far.
    fn correct(&self, party: &Party, usage: &Usage, reservation: &mut Reservation) {
        let actual = self.actual(usage);
        // The token that a request has taken at admission stays taken until it is produced.
        let so_far = Charge {
            output_tokens: actual.output_tokens.max(1),
            ..actual
        };
        let mut bench = self.bench.lock();
        let now_ns = self.clock.now_ns();
        let pool = bench.pool(&party.pool);
        let (returned, added) = pool.correct(now_ns, reservation, &so_far);
        if returned == Charge::default() && added == Charge::default() {
            return;
        }
        bench.counters.refunded.add(&returned);
        bench.counters.added.add(&added);
        let decision = Decision::Corrected {
            reservation: reservation.id(),
            added,
        };
        bench.write(now_ns, party, returned, decision);
    }

    fn settle(&self, ticket: &Ticket, reservation: Reservation) {
        let mut bench = self.bench.lock();
        let now_ns = self.clock.now_ns();
        let id = reservation.id();
        let usage = ticket.usage;
        let outcome = if ticket.failed {
            Outcome::Failed
        } else {
            Outcome::Used(self.actual(&usage))
        };
        let pool = bench.pool(&ticket.party.pool);
        let (returned, added) = pool.settle(now_ns, reservation, &outcome);
        let counters = &mut bench.counters;
        counters.refunded.add(&returned);
        counters.added.add(&added);
        if ticket.served {
            counters.served += 1;
            counters.prompt_tokens += usage.prompt;
            counters.completion_tokens += usage.completion;
        } else {
            counters.unserved += 1;
        }
        let decision = Decision::Settled {
            reservation: id,
            added,
        };
        bench.bill(ticket);
        bench.write(now_ns, &ticket.party, returned, decision);
    }
}

impl Bench {
    fn pool(&mut self, name: &Arc<str>) -> &mut Enforcer {
        let rules = if name.ends_with(COUNTING) {
            &self.counting_rules
        } else {
            &self.rules
        };
        self.pools
            .entry(Arc::clone(name))
            .or_insert_with(|| Enforcer::new(rules.clone()))
    }

    fn bill(&mut self, ticket: &Ticket) {
        let Some(request) = &ticket.party.request else {
            return;
        };
        let billed = ticket.billed();
        if self.book.len() >= BOOK_ENTRIES_MAX {
            self.book.pop_front();
        }
        self.book.push_back(BilledRequest {
            request: Arc::clone(request),
            model: Arc::clone(&ticket.party.model),
            served: ticket.served,
            input_tokens: billed.prompt,
            cached_tokens: billed.cached,
            output_tokens: billed.completion,
            reasoning_tokens: billed.reasoning,
            images: billed.images,
        });
    }

    fn write(&mut self, time_ns: u64, party: &Party, charge: Charge, decision: Decision) {
        if !self.journal.is_kept() {
            return;
        }
        let Party {
            pool, key, model, ..
        } = party.clone();
        self.journal.write(JournalEntry {
            sequence: 0,
            time_ns,
            pool,
            key,
            model,
            charge,
            decision,
        });
    }
}

/// What a request has really used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    pub(crate) prompt: u64,
    /// Part of the prompt.
    pub(crate) cached: u64,
    pub(crate) completion: u64,
    /// Part of the completion.
    pub(crate) reasoning: u64,
    pub(crate) images: u64,
}

/// Answer tokens that are produced before they are taken, where the charge follows the use.
const TOKENS_AT_A_TIME: u64 = 8;

/// An admitted request. When it is dropped, however that comes about, its reservation is settled
/// with what was used until then.
#[derive(Debug)]
pub(crate) struct Ticket {
    court: Arc<Court>,
    party: Party,
    reservation: Option<Reservation>,
    usage: Usage,
    /// What is billed should the request not be served to its end.
    begun: Option<Usage>,
    served: bool,
    failed: bool,
}

impl Ticket {
    fn new(court: Arc<Court>, party: Party, reservation: Reservation) -> Self {
        let usage = Usage::default();
        Self {
            court,
            party,
            reservation: Some(reservation),
            usage,
            begun: None,
            served: false,
            failed: false,
        }
    }

    /// Notes what is billed should the request not be served to its end.
    pub(crate) const fn begun(&mut self, usage: Usage) {
        self.begun = Some(usage);
    }

    /// What the request costs its caller: all of an answer that was given; of one that was cut off, or
    /// that nobody waited for, what was made of it; nothing where the provider failed.
    fn billed(&self) -> Usage {
        match self.begun {
            _ if self.served => self.usage,
            Some(begun) => begun,
            None if self.failed => Usage::default(),
            None => self.usage,
        }
    }

    /// Notes what was used so far.
    pub(crate) const fn used(&mut self, usage: Usage) {
        self.usage = usage;
    }

    /// Notes that another token was produced.
    pub(crate) fn produced(&mut self, tokens: u64) {
        self.usage.completion += tokens;
        let taken = self.reservation.as_ref();
        let taken = taken.map_or(0, |reservation| reservation.charge().output_tokens);
        if self.usage.completion >= taken + TOKENS_AT_A_TIME {
            self.correct();
        }
    }

    /// Sets the charge right by what was used so far, where it follows the use.
    pub(crate) fn correct(&mut self) {
        if self.court.settlement.as_produced
            && let Some(reservation) = &mut self.reservation
        {
            self.court.correct(&self.party, &self.usage, reservation);
        }
    }

    /// Ends a request that was served.
    pub(crate) fn served(mut self) {
        self.served = true;
        self.failed = false;
    }

    /// Notes that the provider fails to serve the request.
    pub(crate) const fn fail(&mut self) {
        self.failed = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            let court = Arc::clone(&self.court);
            court.settle(self, reservation);
        }
    }
}
