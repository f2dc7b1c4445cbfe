//! How requests are charged is found out, whatever the limit is like.

use paceline_limiter::{ChargeFormula, Memory};

use super::*;

/// What a provider is like, and how it is used.
#[derive(Clone, Copy, Debug)]
struct Cell {
    rule: Rule,
    charging: Charging,
    amount: u64,
    jitter_ms: u64,
    output_percent: u64,
    foreign: f64,
    seed: u64,
}

impl Cell {
    const fn new(rule: Rule, combine: Combine, refunds: bool) -> Self {
        Self {
            rule,
            charging: Charging { combine, refunds },
            amount: 30_000,
            jitter_ms: 100,
            output_percent: 66,
            foreign: 0.0,
            seed: 1,
        }
    }

    fn run(&self) -> Run {
        let quotas = vec![
            Quota::new(Metric::Tokens, self.amount, self.rule),
            Quota::new(Metric::Requests, self.amount / 60, self.rule),
        ];
        let jitter = (5 * MS, self.jitter_ms * MS);
        let mut run = Run::new(quotas, self.charging, jitter, self.seed);
        run.foreign_part = self.foreign;
        run.output_percent = self.output_percent;
        run.backlog = usize::try_from(self.amount / 500).unwrap().max(64);
        run
    }

    fn is_found_by(&self, formula: ChargeFormula) -> bool {
        formula.combine == self.charging.combine
            && formula.refunds == self.charging.refunds
            && formula.input_permille == 1_000
    }
}

fn formula(run: &Run) -> ChargeFormula {
    run.domain.snapshot(at(run.now)).charge.formula
}

/// The place of a formula in the order in which they are dear.
fn dearness(combine: Combine, refunds: bool) -> (usize, bool) {
    let form = Combine::ALL.iter().position(|other| *other == combine);
    (form.unwrap(), refunds)
}

fn cells(rule: Rule, jitters: &[u64]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for combine in [Combine::Max, Combine::Sum] {
        for refunds in [false, true] {
            for amount in [30_000, 100_000] {
                for jitter_ms in jitters {
                    for (output_percent, seed) in [(20, 1), (66, 2)] {
                        cells.push(Cell {
                            amount,
                            jitter_ms: *jitter_ms,
                            output_percent,
                            seed,
                            ..Cell::new(rule, combine, refunds)
                        });
                    }
                }
            }
        }
    }
    cells
}

/// Where delays vary by up to a tenth of a second all are found out. Where they vary by more, a few
/// answers of a busy minute tell little: what is believed instead is never cheaper than the truth.
#[track_caller]
fn are_found_out(rule: Rule, refused_max: usize) {
    for cell in cells(rule, &[10, 100, 400]) {
        let mut run = cell.run();
        let start = run.now;
        run.run(3, None);
        let belief = run.domain.snapshot(at(run.now)).charge;
        let found = belief.formula;
        let truth = dearness(cell.charging.combine, cell.charging.refunds);
        let is_safe = dearness(found.combine, found.refunds) <= truth;
        assert!(
            cell.is_found_by(found) || cell.jitter_ms > 100 && is_safe,
            "{cell:?}: {belief:?}"
        );
        assert!(
            belief.decided_after.unwrap() <= 1_000,
            "{cell:?}: {belief:?}"
        );
        let refused = run.refusals_in(start, 1..3);
        assert!(
            refused <= refused_max || cell.jitter_ms > 100,
            "{cell:?}: {refused}"
        );
    }
}

#[test]
fn charges_from_a_bucket_are_found_out() {
    are_found_out(holds(60), 0);
}

#[test]
fn charges_in_fixed_windows_are_found_out() {
    are_found_out(Rule::Fixed, 0);
}

#[test]
fn charges_in_windows_from_first_use_are_found_out() {
    are_found_out(Rule::FirstUse, 1);
}

#[test]
fn charges_in_pieces_are_found_out() {
    are_found_out(holds(2), 0);
}

/// Only the first window tells, since what expires of later ones is not told.
#[test]
fn charges_in_sliding_windows_are_found_out() {
    are_found_out(Rule::Sliding, 16);
}

#[test]
fn charges_at_fifty_requests_a_second_are_found_out() {
    for combine in [Combine::Max, Combine::Sum] {
        for refunds in [false, true] {
            let cell = Cell {
                amount: 400_000,
                ..Cell::new(holds(60), combine, refunds)
            };
            let mut run = cell.run();
            run.run_to(run.now + 40 * SECOND, None);
            assert!(cell.is_found_by(formula(&run)), "{cell:?}");
            assert_eq!(run.refusals.len(), 0, "{cell:?}");
        }
    }
}

#[test]
fn charges_are_found_out_where_others_take_part() {
    for foreign in [0.15, 0.3, 0.5] {
        for rule in [holds(60), Rule::Fixed] {
            for (combine, refunds) in [
                (Combine::Max, true),
                (Combine::Sum, true),
                (Combine::Sum, false),
            ] {
                for seed in [1, 2, 3] {
                    let cell = Cell {
                        foreign,
                        seed,
                        ..Cell::new(rule, combine, refunds)
                    };
                    let mut run = cell.run();
                    run.run(3, None);
                    let found = formula(&run);
                    // With half of the quota used by others, what is dearer may stay.
                    let is_safe =
                        dearness(found.combine, found.refunds) <= dearness(combine, refunds);
                    assert!(
                        cell.is_found_by(found) || foreign >= 0.5 && is_safe,
                        "{cell:?}: {found:?}"
                    );
                }
            }
        }
    }
}

/// When a count was made up cannot be told then, so that only quiet moments tell.
#[test]
fn nothing_cheaper_is_believed_where_the_time_of_work_is_not_told() {
    for rule in [holds(60), Rule::Fixed, Rule::Sliding, holds(2)] {
        for mut cell in cells(rule, &[400]) {
            cell.charging.combine = Combine::Sum;
            let mut run = cell.run();
            run.tells_processing = false;
            run.run(2, None);
            let found = formula(&run);
            assert_eq!(found.combine, Combine::Sum, "{cell:?}: {found:?}");
            assert!(!found.refunds || cell.charging.refunds, "{cell:?}");
        }
    }
}

#[test]
fn charges_for_input_alone_are_found_out() {
    for rule in [holds(60), Rule::Fixed] {
        for refunds in [false, true] {
            let cell = Cell::new(rule, Combine::Input, refunds);
            let mut run = cell.run();
            run.run(2, None);
            // With the input as it was estimated, a refund of it is of nothing.
            assert_eq!(formula(&run).combine, Combine::Input, "{cell:?}");
        }
    }
}

/// Runs with one request of ten failing.
fn with_failures(cell: &Cell, free: bool) -> Run {
    let mut run = cell.run();
    (run.failing_percent, run.failures_free) = (10, free);
    run
}

#[test]
fn failures_that_are_free_are_told_from_those_that_are_charged() {
    for rule in [holds(60), Rule::Fixed] {
        for combine in [Combine::Max, Combine::Sum] {
            for refunds in [false, true] {
                for free in [false, true] {
                    let cell = Cell {
                        output_percent: 20,
                        ..Cell::new(rule, combine, refunds)
                    };
                    let mut run = with_failures(&cell, free);
                    run.run(3, None);
                    let found = formula(&run);
                    assert!(cell.is_found_by(found), "{cell:?} {free}: {found:?}");
                    // Where a window is spent at once, a few minutes may not tell: then they are
                    // taken to be charged.
                    let unsure = free && rule == Rule::Fixed;
                    assert!(found.failures_free == free || unsure, "{cell:?} {free}");
                }
            }
        }
    }
}

/// What one more request gives back when it fails.
fn given_back(run: &mut Run) -> (u64, u64) {
    let request = Request {
        tenant: TenantId(1),
        weight: 1,
        tier: Tier::Standard,
        charge: Charge::ZERO.with(Metric::Requests, 1),
        parts: Some(ChargeParts {
            input: 30,
            output_max: 20,
        }),
        deadline: None,
        retry: false,
    };
    let now = run.now + 10 * MINUTE;
    let Submission::Admitted(reservation) = run.domain.submit(request, at(now)) else {
        panic!("there is room after ten minutes");
    };
    let failed = Settlement {
        charged: None,
        actual: None,
        outcome: Outcome::Failed,
    };
    match run.domain.settle(reservation.id, failed, at(now)) {
        paceline_limiter::Settled::Applied { refunded, .. } => (
            reservation.charge.get(Metric::Tokens),
            refunded.get(Metric::Tokens),
        ),
        paceline_limiter::Settled::Already => panic!("it is open"),
    }
}

#[test]
fn a_failed_request_gets_its_charge_back_only_where_that_is_known() {
    for (free, job) in [(true, 300), (false, 300), (true, 12)] {
        let mut run = with_failures(&Cell::new(holds(60), Combine::Sum, false), free);
        run.run(3, Some(job));
        let (charged, refunded) = given_back(&mut run);
        // A dozen requests, of which one or two fail, are no evidence.
        let known = free && job > 100;
        assert_eq!(refunded, if known { charged } else { 0 }, "{free} {job}");
    }
}

#[test]
fn a_remembered_formula_is_half_believed_until_answers_confirm_it() {
    let cell = Cell::new(holds(60), Combine::Max, true);
    let mut run = cell.run();
    run.run(1, None);
    let memory: Memory = run.domain.memory(at(run.now));
    assert!(cell.is_found_by(memory.charge.unwrap()));

    let mut again = cell.run();
    again
        .domain
        .recall(&memory, Duration::from_secs(60), at(again.now));
    let recalled = again.domain.snapshot(at(again.now)).charge;
    assert!(cell.is_found_by(recalled.formula));
    assert!(
        (1..=500).contains(&recalled.confidence_permille),
        "{recalled:?}"
    );
    again.run(1, None);
    let confirmed = again.domain.snapshot(at(again.now)).charge;
    assert!(cell.is_found_by(confirmed.formula));
    assert!(confirmed.confidence_permille > 900, "{confirmed:?}");
}

#[test]
fn a_remembered_formula_that_is_wrong_is_given_up() {
    let mut run = Cell::new(holds(60), Combine::Max, true).run();
    run.run(1, None);
    let memory = run.domain.memory(at(run.now));
    let cell = Cell::new(holds(60), Combine::Sum, false);
    let mut again = cell.run();
    again
        .domain
        .recall(&memory, Duration::from_secs(60), at(again.now));
    again.run(2, None);
    assert!(cell.is_found_by(formula(&again)), "{:?}", formula(&again));
}

#[test]
fn what_others_agree_on_is_counted_by_until_it_is_seen_to_be_wrong() {
    let cell = Cell::new(holds(60), Combine::Max, false);
    let mut run = cell.run();
    run.run(1, None);
    assert!(cell.is_found_by(formula(&run)));
    let agreed = ChargeFormula {
        combine: Combine::Sum,
        ..ChargeFormula::CAUTIOUS
    };
    let memory = Memory {
        limits: Vec::new(),
        charge: Some(agreed),
    };
    run.domain.agree(&memory, at(run.now));
    assert_eq!(formula(&run), agreed, "whatever was seen before");
    run.run(1, None);
    assert!(cell.is_found_by(formula(&run)), "{:?}", formula(&run));
}

#[test]
fn what_cannot_be_seen_yet_stays_as_it_was_agreed() {
    let mut run = Cell::new(holds(60), Combine::Sum, false).run();
    let agreed = ChargeFormula {
        combine: Combine::Sum,
        failures_free: true,
        ..ChargeFormula::CAUTIOUS
    };
    let memory = Memory {
        limits: Vec::new(),
        charge: Some(agreed),
    };
    run.domain.agree(&memory, at(run.now));
    run.run(1, Some(40));
    assert_eq!(formula(&run), agreed, "nothing has failed");
}
