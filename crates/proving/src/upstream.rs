//! The provider's side: an enforcer, what it answers, and what goes wrong there.

mod ledger;
mod wire;

use std::sync::Arc;

use paceline_simulator::{
    Admission, Charge, ChargeFormula, Decision, Enforcer, EnforcerSettings, ForeignTraffic,
    JournalEntry, Metric, Outcome, Quota, RampLimit, Refusal, RequestSize, Reservation,
};

pub(crate) use self::ledger::{Ledger, Second};
use crate::random::{Dice, whole};
use crate::scenario::{Change, Fault, FaultKind, Foreign, Prompt, Provider, QuotaRule, Scenario};
use crate::sender::{End, Head, Level, Status};
use crate::time::{NANOS_PER_MS, NANOS_PER_SECOND, Span, seconds};

/// How long a refusal takes.
const REFUSAL: Span = Span(2, 10);
/// What an overloaded provider asks for.
const OVERLOAD_NS: u64 = NANOS_PER_SECOND;

/// One provider with one pool of limits.
pub(crate) struct Upstream<'s> {
    rules: &'s Provider,
    faults: &'s [Fault],
    processing: Span,
    streaming: Span,
    start_ns: u64,
    enforcer: Enforcer,
    formula: ChargeFormula,
    dice: Dice,
    journal: Option<Journal>,
    pub(crate) ledger: Ledger,
    /// Tokens that bursts of others have taken.
    burst_taken: u64,
}

/// Decisions for the check by definition.
#[derive(Debug)]
pub(crate) struct Journal {
    entries: Vec<JournalEntry>,
    name: Arc<str>,
}

/// What came of an arrival.
pub(crate) struct Reply {
    pub(crate) head: Head,
    /// The charge that was taken; the request is under way until its settlement.
    pub(crate) admitted: Option<Work>,
    /// From the arrival until the head leaves.
    pub(crate) head_after_ns: u64,
    /// From the head to the end.
    pub(crate) end_after_ns: u64,
    /// How the attempt ends; `None` where the head is all there is.
    pub(crate) end: Option<End>,
    /// Why it was refused, in the provider's abbreviation; `None` for an overload too.
    pub(crate) refused: Option<String>,
    /// How much later the answer is than its way explains.
    pub(crate) late_ns: u64,
    /// Whether the answer gets lost on its way.
    pub(crate) lost: bool,
}

/// An admitted request until its end.
pub(crate) struct Work {
    reservation: Reservation,
    outcome: Outcome,
    pub(crate) tokens: u64,
}

impl<'s> Upstream<'s> {
    pub(crate) fn new(scenario: &'s Scenario, dice: Dice, start_ns: u64, judged: bool) -> Self {
        let rules = &scenario.provider;
        let quotas: Vec<Quota> = rules.quota.iter().map(QuotaRule::quota).collect();
        let foreign = rules.foreign.iter();
        let settings = EnforcerSettings {
            quotas: quotas.clone(),
            max_in_flight: rules.max_in_flight,
            ramp: rules.ramp.map(|ramp| RampLimit {
                metric: ramp.metric,
                floor: ramp.floor,
                growth_percent: ramp.growth_percent,
                step_ms: ramp.step_s.saturating_mul(1_000),
                period_ms: ramp.period_s.saturating_mul(1_000),
            }),
            refusals_count: rules.refusals_count,
            refund: rules.refund,
            failures_are_free: rules.failures_are_free,
            foreign: foreign
                .filter_map(|foreign| traffic(foreign, rules))
                .collect(),
        };
        let name: Arc<str> = Arc::from("proving");
        Self {
            rules,
            faults: &scenario.fault,
            processing: scenario.delay.processing_ms,
            streaming: scenario.delay.streaming_ms,
            start_ns,
            ledger: Ledger::new(&quotas, start_ns),
            enforcer: Enforcer::new(settings),
            formula: rules.formula.charge_formula(),
            dice,
            journal: judged.then_some(Journal {
                entries: Vec::new(),
                name,
            }),
            burst_taken: 0,
        }
    }

    /// A request arrives.
    pub(crate) fn arrive(&mut self, prompt: &Prompt, now_ns: u64) -> Reply {
        if self.strikes(FaultKind::Overloaded, now_ns) {
            let status = Status::Overloaded {
                wait_ns: OVERLOAD_NS,
            };
            return self.short_answer(status, Vec::new(), None);
        }
        if self.strikes(FaultKind::SlowDown, now_ns) {
            let words = self.words(&Refusal::SlowDown {
                wait_ns: NANOS_PER_SECOND,
            });
            let levels = self.headers(now_ns);
            let label = Some("slow_down".to_owned());
            self.ledger.refuse(now_ns);
            return self.short_answer(Status::Refused(words), levels, label);
        }
        let charge = self.charge(prompt);
        let admission = self.enforcer.admit(now_ns, &charge);
        let levels = self.headers(now_ns);
        match admission {
            Admission::Admitted(reservation) => {
                self.note(
                    now_ns,
                    charge,
                    Decision::Admitted {
                        reservation: reservation.id(),
                    },
                );
                self.ledger.take(now_ns, &charge);
                self.serve(reservation, prompt, levels, now_ns)
            }
            Admission::Refused(refusal) => {
                let label = refusal.label();
                self.note(
                    now_ns,
                    charge,
                    Decision::Refused {
                        limit: label.clone(),
                        wait_ns: refusal.wait_ns(),
                    },
                );
                self.ledger.refuse(now_ns);
                let words = self.words(&refusal);
                self.short_answer(Status::Refused(words), levels, Some(label))
            }
        }
    }

    /// What a prompt is charged at admission.
    pub(crate) fn charge(&self, prompt: &Prompt) -> Charge {
        charge(self.rules, prompt)
    }

    fn serve(
        &mut self,
        reservation: Reservation,
        prompt: &Prompt,
        levels: Vec<Level>,
        now_ns: u64,
    ) -> Reply {
        let failed = self.strikes(FaultKind::ServerError, now_ns);
        let cut = !failed && self.strikes(FaultKind::Cut, now_ns);
        let lost = self.strikes(FaultKind::AnswerLost, now_ns);
        let head_after_ns = self.dice.delay_ns(self.processing);
        let streaming_ns = self.dice.delay_ns(self.streaming);
        let actual = self.actual(prompt);
        let (outcome, end) = if failed {
            (Outcome::Failed, None)
        } else if cut {
            let output_tokens = prompt.output_tokens / 2;
            (Outcome::Failed, Some(End::Cut { output_tokens }))
        } else {
            let end = End::Whole {
                input_tokens: prompt.tokens,
                output_tokens: prompt.output_tokens,
            };
            (Outcome::Used(actual), Some(end))
        };
        let end_after_ns = match end {
            None => 0,
            Some(End::Cut { .. }) => streaming_ns / 2,
            Some(_) => streaming_ns,
        };
        Reply {
            head: Head {
                status: if failed {
                    Status::ServerError
                } else {
                    Status::Served
                },
                levels,
                processing_ns: head_after_ns,
            },
            admitted: Some(Work {
                tokens: reservation.charge().tokens,
                reservation,
                outcome,
            }),
            head_after_ns,
            end_after_ns,
            end,
            refused: None,
            late_ns: self.late_ns(now_ns),
            lost,
        }
    }

    /// An answer that is all head.
    fn short_answer(&mut self, status: Status, levels: Vec<Level>, label: Option<String>) -> Reply {
        let head_after_ns = self.dice.delay_ns(REFUSAL);
        Reply {
            head: Head {
                status,
                levels,
                processing_ns: head_after_ns,
            },
            admitted: None,
            head_after_ns,
            end_after_ns: 0,
            end: None,
            refused: label,
            late_ns: 0,
            lost: false,
        }
    }

    /// A request ends at the provider.
    pub(crate) fn finish(&mut self, work: Work, now_ns: u64) {
        let (id, taken_ns) = (work.reservation.id(), work.reservation.admitted_ns());
        let (returned, added) = self
            .enforcer
            .settle(now_ns, work.reservation, &work.outcome);
        self.note(
            now_ns,
            returned,
            Decision::Settled {
                reservation: id,
                added,
            },
        );
        self.ledger.give_back(taken_ns, &returned);
        self.ledger.take(now_ns, &added);
    }

    /// Other consumers come all at once.
    pub(crate) fn foreign_burst(&mut self, requests: u64, tokens: u64, now_ns: u64) {
        let charge = Charge::of_tokens(tokens);
        for _ in 0..requests {
            if let Admission::Admitted(reservation) = self.enforcer.admit(now_ns, &charge) {
                self.burst_taken += tokens;
                let _ = self
                    .enforcer
                    .settle(now_ns, reservation, &Outcome::Used(charge));
            }
        }
    }

    /// The limits change.
    pub(crate) fn change(&mut self, index: usize, now_ns: u64) {
        let done = self.rules.change.iter().take(index + 1);
        let rules = self.rules.quota.iter().map(|quota| {
            let mine = |change: &&Change| change.metric.is_none_or(|metric| metric == quota.metric);
            match done.clone().rfind(mine) {
                Some(change) => quota.scaled(change.percent),
                None => *quota,
            }
        });
        let quotas: Vec<Quota> = rules.map(|rule| rule.quota()).collect();
        self.ledger.change(&quotas);
        self.enforcer.set_quotas(now_ns, quotas);
    }

    /// A second has passed.
    pub(crate) fn tick(&mut self, now_ns: u64) {
        let levels = self.enforcer.levels(now_ns);
        let rules = self.rules.foreign.iter().zip(self.enforcer.foreign_taken());
        let mut foreign = Charge::default();
        foreign.add(&Charge::of_tokens(self.burst_taken));
        foreign.requests = 0;
        for (rule, taken) in rules {
            foreign.add(&charge_of(rule.metric, taken));
        }
        self.ledger.tick(&levels, &foreign);
    }

    /// Requests under way.
    pub(crate) fn in_flight(&self) -> u64 {
        self.enforcer.in_flight()
    }

    /// Admits a request and ends it at once, or says how long to wait. What can never pass counts
    /// as admitted: no sender is better at it.
    pub(crate) fn try_admit(&mut self, prompt: &Prompt, now_ns: u64) -> Option<u64> {
        let charge = self.charge(prompt);
        match self.enforcer.admit(now_ns, &charge) {
            Admission::Admitted(reservation) => {
                let outcome = Outcome::Used(self.actual(prompt));
                let _ = self.enforcer.settle(now_ns, reservation, &outcome);
                None
            }
            Admission::Refused(refusal) => Some(refusal.wait_ns()).filter(|wait| *wait < u64::MAX),
        }
    }

    fn actual(&self, prompt: &Prompt) -> Charge {
        self.formula.actual(prompt.tokens, prompt.output_tokens, 0)
    }

    /// The decisions under the limits that the file gives, up to their first change.
    pub(crate) fn take_journal(&mut self) -> Vec<JournalEntry> {
        self.journal
            .take()
            .map_or(Vec::new(), |journal| journal.entries)
    }

    /// Whether a connection to the provider cannot be made now.
    pub(crate) fn is_unreachable(&mut self, now_ns: u64) -> bool {
        self.strikes(FaultKind::Unreachable, now_ns)
    }

    fn note(&mut self, time_ns: u64, charge: Charge, decision: Decision) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        // What is judged by definition needs a limit that stays as it is.
        if self.ledger.has_changed() {
            return;
        }
        journal.entries.push(JournalEntry {
            sequence: journal.entries.len() as u64 + 1,
            time_ns,
            pool: Arc::clone(&journal.name),
            key: Arc::clone(&journal.name),
            model: Arc::clone(&journal.name),
            charge,
            decision,
        });
    }

    /// Whether a fault of this kind happens now. Chance is asked only while one can happen, so that
    /// a scenario without it stays as it is.
    fn strikes(&mut self, kind: FaultKind, now_ns: u64) -> bool {
        let mut struck = false;
        let faults = self.faults;
        for rule in faults.iter().filter(|rule| rule.kind == kind) {
            struck |= is_active(rule, now_ns, self.start_ns) && self.dice.happens(rule.percent);
        }
        struck
    }

    fn late_ns(&mut self, now_ns: u64) -> u64 {
        let late = |rule: &&Fault| rule.kind == FaultKind::Late;
        let by_ms = self.faults.iter().filter(late).map(|rule| rule.by_ms).max();
        if by_ms.is_some() && self.strikes(FaultKind::Late, now_ns) {
            return by_ms.unwrap_or(0).unsigned_abs() * NANOS_PER_MS;
        }
        0
    }
}

/// What a provider charges for a prompt at admission.
pub(crate) fn charge(rules: &Provider, prompt: &Prompt) -> Charge {
    let size = RequestSize {
        characters: prompt.characters,
        max_tokens: prompt.max_tokens,
        choices: 1,
        images: 0,
    };
    rules
        .formula
        .charge_formula()
        .charge(&size, rules.default_max_tokens)
}

pub(crate) fn is_active(rule: &Fault, now_ns: u64, start_ns: u64) -> bool {
    let since_ns = now_ns.saturating_sub(start_ns);
    since_ns >= seconds(rule.from_s) && rule.to_s.is_none_or(|to_s| since_ns < seconds(to_s))
}

fn traffic(foreign: &Foreign, rules: &Provider) -> Option<ForeignTraffic> {
    let quota = rules
        .quota
        .iter()
        .find(|quota| quota.metric == foreign.metric)?;
    let share = quota.rate() * foreign.percent / 100.0;
    let amount = whole(share * foreign.every_ms as f64 / 1_000.0);
    (amount > 0).then_some(ForeignTraffic {
        metric: foreign.metric,
        amount,
        every_ms: foreign.every_ms,
    })
}

fn charge_of(metric: Metric, units: u64) -> Charge {
    let mut charge = Charge::default();
    match metric {
        Metric::Requests => charge.requests = units,
        Metric::Tokens => charge.tokens = units,
        Metric::InputTokens => charge.input_tokens = units,
        Metric::OutputTokens => charge.output_tokens = units,
        Metric::Images => charge.images = units,
    }
    charge
}
