//! The rules of one account at the edges of its time and its numbers.

use super::super::budget::{Spend, Unit};
use super::super::calendar::Period;
use super::super::message::{BudgetAnswer, Request, Verdict};
use super::super::{AMOUNT_MAX, Accounts};
use super::*;

const MIDNIGHT: u64 = 1_795_305_600_000;
const DAY_MS: u64 = 86_400_000;

fn daily(amount: u64) -> Budget {
    Budget {
        name: "cap".to_owned(),
        scope: "tenant:acme".to_owned(),
        unit: Unit::Nanousd,
        amount,
        period: Period::Day,
        utc_offset_min: 0,
        is_hard: true,
        thresholds: vec![50, 100],
    }
}

struct World {
    accounts: Accounts,
    budget: Budget,
    receipt: Receipt,
}

const fn nanousd(nanousd: u64) -> Spend {
    Spend {
        nanousd,
        tokens: 0,
        requests: 0,
    }
}

impl World {
    fn new(budget: Budget, now_ms: u64) -> Self {
        let mut world = Self {
            accounts: Accounts::new(),
            receipt: Receipt::Unsure,
            budget,
        };
        let window_ms = world.budget.window(now_ms).start_ms;
        world.say(
            0,
            Request::Seed {
                window_ms,
                spent: 0,
            },
            now_ms,
        );
        world
    }

    fn say(&mut self, call: u128, request: Request, now_ms: u64) -> BudgetAnswer {
        let ask = BudgetAsk {
            instance: InstanceId(1),
            sequence: now_ms,
            gives_back: true,
            call: CallId(call),
            lines: vec![Line {
                budget: self.budget.clone(),
                keeps: 0,
                receipt: self.receipt,
            }],
            request,
        };
        self.accounts.exchange(&ask, now_ms)
    }

    fn reserve(&mut self, call: u128, amount: u64, now_ms: u64) -> Verdict {
        let request = Request::Reserve {
            lease_ms: 60_000,
            expected: nanousd(amount),
            worst: nanousd(amount),
        };
        let answer = self.say(call, request, now_ms);
        self.receipt = Receipt::Held {
            epoch: answer.standings[0].epoch,
            window_ms: answer.standings[0].window_ms,
        };
        answer.verdict
    }

    fn close(&mut self, call: u128, actual: u64, now_ms: u64) -> BudgetAnswer {
        let request = Request::Close {
            actual: nanousd(actual),
            ended_ago_ms: 0,
        };
        self.say(call, request, now_ms)
    }
}

#[test]
fn a_reservation_belongs_to_the_window_in_which_it_was_made() {
    let mut world = World::new(daily(100), MIDNIGHT - 10);
    assert_eq!(world.reserve(1, 80, MIDNIGHT - 5), Verdict::Reserved);
    assert_eq!(world.reserve(2, 90, MIDNIGHT), Verdict::Reserved);
    let answer = world.close(1, 70, MIDNIGHT + 1);
    let now = answer.standings[0];
    assert_eq!((now.window_ms, now.spent, now.held), (MIDNIGHT, 0, 90));
    assert_eq!(answer.crossings, [], "of the new window nothing is spent");
}

#[test]
fn thresholds_are_told_anew_in_each_window() {
    let mut world = World::new(daily(100), MIDNIGHT);
    for day in 0..3 {
        let now_ms = MIDNIGHT + day * DAY_MS;
        assert_eq!(
            world.reserve(u128::from(day), 60, now_ms),
            Verdict::Reserved
        );
        let told = world.close(u128::from(day), 60, now_ms).crossings;
        assert_eq!(told.len(), 1, "day {day}");
    }
}

#[test]
fn a_clock_that_goes_back_does_not_give_a_budget_back() {
    let mut world = World::new(daily(100), MIDNIGHT);
    world.reserve(1, 100, MIDNIGHT);
    world.close(1, 100, MIDNIGHT);
    let refused = world.reserve(2, 1, MIDNIGHT - DAY_MS);
    let free_at_ms = Some(MIDNIGHT + DAY_MS);
    let need = 1;
    assert_eq!(
        refused,
        Verdict::Refused {
            line: 0,
            need,
            free_at_ms
        }
    );
}

#[test]
fn a_reservation_of_an_earlier_window_expires_without_trace() {
    let mut world = World::new(daily(100), MIDNIGHT - 10);
    world.reserve(1, 80, MIDNIGHT - 5);
    let now = world.say(0, Request::Look, MIDNIGHT + DAY_MS).standings[0];
    assert_eq!((now.spent, now.held), (0, 0));
    let now = world.close(1, 80, MIDNIGHT + DAY_MS).standings[0];
    assert_eq!((now.spent, now.held), (0, 0));
}

#[test]
fn what_has_expired_can_be_put_right_for_ten_minutes() {
    for (after_ms, spent) in [(KEEP_MS - 1, 3), (KEEP_MS + 1, 80)] {
        let mut world = World::new(daily(100), MIDNIGHT);
        world.reserve(1, 80, MIDNIGHT);
        let noticed = MIDNIGHT + 60_000;
        let answer = world.say(0, Request::Look, noticed);
        assert_eq!(answer.standings[0].spent, 80);
        assert_eq!(answer.crossings.len(), 1, "expiring reaches thresholds too");
        let now = world.close(1, 3, noticed + after_ms).standings[0];
        assert_eq!(now.spent, spent, "after {after_ms} ms");
    }
}

#[test]
fn sums_stop_above_every_amount() {
    let mut world = World::new(daily(AMOUNT_MAX), MIDNIGHT);
    assert_eq!(world.reserve(1, AMOUNT_MAX, MIDNIGHT), Verdict::Reserved);
    let now = world.close(1, u64::MAX, MIDNIGHT).standings[0];
    assert_eq!(now.spent, CEILING);
    assert!(matches!(
        world.reserve(2, 1, MIDNIGHT),
        Verdict::Refused { .. }
    ));
    assert!(matches!(
        world.reserve(3, u64::MAX, MIDNIGHT),
        Verdict::Refused { .. }
    ));
}

#[test]
fn thresholds_are_rounded_up() {
    assert_eq!(point(3, 50), 2);
    assert_eq!(point(100, 80), 80);
    assert_eq!(point(0, 100), 0);
    assert_eq!(point(AMOUNT_MAX, 100), AMOUNT_MAX);
    assert_eq!(point(AMOUNT_MAX, 1_000), CEILING);
}

#[test]
fn accounts_of_the_past_are_not_kept() {
    let mut world = World::new(daily(100), MIDNIGHT);
    for session in 0..3_000_u64 {
        world.budget.scope = format!("session:{session}");
        let now_ms = MIDNIGHT + session * DAY_MS / 100;
        let window_ms = world.budget.window(now_ms).start_ms;
        world.say(
            0,
            Request::Seed {
                window_ms,
                spent: 0,
            },
            now_ms,
        );
    }
    assert!(world.accounts.len() < 1_200, "{}", world.accounts.len());
}
