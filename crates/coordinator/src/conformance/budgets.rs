//! What every store of budgets has to do: one test each, for any [`BudgetStore`].

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::actor::drawn;
use crate::budgets::{
    Budget, BudgetAnswer, BudgetAsk, BudgetStore, BudgetWakes, CallId, Line, Period, Receipt,
    Request, Spend, Standing, Unit, Verdict, Wake,
};
use crate::message::{Epoch, InstanceId};

/// Makes a test of each case for the store that the expression makes, which may be awaited.
#[macro_export]
macro_rules! budgets_conformance {
    ($store:expr) => {
        $crate::budgets_conformance! { $store;
            a_budget_that_nothing_is_known_of_is_seeded_first
            the_books_count_where_they_say_more
            the_worst_is_held_and_what_it_cost_is_spent
            the_last_of_a_budget_goes_to_one_at_a_time
            all_budgets_hold_a_call_or_none_does
            what_can_never_fit_is_refused_for_good
            what_is_spent_is_refused_until_the_period_ends
            the_refusal_that_ends_last_is_told
            reserving_and_settling_twice_counts_once
            a_reservation_that_comes_after_its_end_is_not_made
            a_soft_budget_refuses_nothing
            thresholds_are_told_once
            a_changed_amount_holds_at_once
            a_call_that_is_never_heard_of_again_is_spent_in_full
            calls_of_a_lost_account_count_when_they_end
            shares_and_what_is_held_are_never_more_than_the_budget
            who_waits_is_told_and_shares_are_asked_back
            an_older_message_gives_nothing_back
        }
    };
    ($store:expr; $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let store = $store;
                $crate::conformance::budgets::$case(&store).await;
            }
        )*
    };
}

const PATIENCE: Duration = Duration::from_secs(30);

/// A budget that nobody else has.
fn budget(amount: u64) -> Budget {
    Budget {
        name: "case".to_owned(),
        scope: format!("tenant:{:016x}", drawn()),
        unit: Unit::Tokens,
        amount,
        period: Period::Forever,
        utc_offset_min: 0,
        is_hard: true,
        thresholds: Vec::new(),
    }
}

const fn tokens(tokens: u64) -> Spend {
    Spend {
        nanousd: 0,
        tokens,
        requests: 1,
    }
}

struct Caller<'a> {
    store: &'a dyn BudgetStore,
    id: InstanceId,
    sequence: u64,
    keeps: u64,
    gives_back: bool,
    lease_ms: u64,
}

impl<'a> Caller<'a> {
    fn new(store: &'a dyn BudgetStore) -> Self {
        Self {
            store,
            id: InstanceId(drawn()),
            sequence: 0,
            keeps: 0,
            gives_back: true,
            lease_ms: 600_000,
        }
    }

    async fn say(
        &mut self,
        call: CallId,
        lines: Vec<(&Budget, Receipt)>,
        request: Request,
    ) -> BudgetAnswer {
        self.sequence += 1;
        let line = |(budget, receipt): (&Budget, Receipt)| Line {
            budget: budget.clone(),
            keeps: self.keeps,
            receipt,
        };
        let ask = BudgetAsk {
            instance: self.id,
            sequence: self.sequence,
            gives_back: self.gives_back,
            call,
            lines: lines.into_iter().map(line).collect(),
            request,
        };
        self.store.exchange(&ask).await.unwrap()
    }

    async fn seed(&mut self, budget: &Budget, spent: u64) -> Standing {
        let window_ms = self.look(budget).await.window_ms;
        let request = Request::Seed { window_ms, spent };
        let lines = vec![(budget, Receipt::Unsure)];
        self.say(CallId(0), lines, request).await.standings[0]
    }

    async fn look(&mut self, budget: &Budget) -> Standing {
        let lines = vec![(budget, Receipt::Unsure)];
        self.say(CallId(0), lines, Request::Look).await.standings[0]
    }

    async fn reserve(
        &mut self,
        call: CallId,
        budgets: &[&Budget],
        expected: u64,
        worst: u64,
    ) -> BudgetAnswer {
        let request = Request::Reserve {
            lease_ms: self.lease_ms,
            expected: tokens(expected),
            worst: tokens(worst),
        };
        let lines = budgets.iter().map(|budget| (*budget, Receipt::Unsure));
        self.say(call, lines.collect(), request).await
    }

    /// A new call goes; which it is, and how it was let in.
    async fn goes(&mut self, budget: &Budget, expected: u64, worst: u64) -> (CallId, Receipt) {
        let call = fresh();
        let answer = self.reserve(call, &[budget], expected, worst).await;
        assert_eq!(answer.verdict, Verdict::Reserved);
        (call, receipt(&answer))
    }

    async fn close(
        &mut self,
        (call, receipt): (CallId, Receipt),
        budget: &Budget,
        actual: u64,
    ) -> BudgetAnswer {
        let request = Request::Close {
            actual: tokens(actual),
            ended_ago_ms: 0,
        };
        self.say(call, vec![(budget, receipt)], request).await
    }
}

fn fresh() -> CallId {
    CallId((u128::from(drawn()) << 64) | u128::from(drawn()))
}

fn receipt(answer: &BudgetAnswer) -> Receipt {
    Receipt::Held {
        epoch: answer.standings[0].epoch,
        window_ms: answer.standings[0].window_ms,
    }
}

fn level(standing: &Standing) -> (u64, u64) {
    (standing.spent, standing.held)
}

pub async fn a_budget_that_nothing_is_known_of_is_seeded_first(store: &dyn BudgetStore) {
    let (mut caller, budget) = (Caller::new(store), budget(100));
    let answer = caller.reserve(fresh(), &[&budget], 1, 1).await;
    assert_eq!(answer.verdict, Verdict::Unseeded);
    assert!(!answer.standings[0].is_known);
    caller.seed(&budget, 99).await;
    caller.goes(&budget, 1, 1).await;
    let answer = caller.reserve(fresh(), &[&budget], 2, 2).await;
    assert!(matches!(answer.verdict, Verdict::Refused { need: 2, .. }));
}

pub async fn the_books_count_where_they_say_more(store: &dyn BudgetStore) {
    let (mut caller, budget) = (Caller::new(store), budget(100));
    caller.seed(&budget, 30).await;
    assert_eq!(caller.seed(&budget, 20).await.spent, 30);
    assert_eq!(caller.seed(&budget, 40).await.spent, 40);
    let wrong = Request::Seed {
        window_ms: 60_000,
        spent: 90,
    };
    let lines = vec![(&budget, Receipt::Unsure)];
    let answer = caller.say(CallId(0), lines, wrong).await;
    assert_eq!(answer.standings[0].spent, 40, "of another window");
}

pub async fn the_worst_is_held_and_what_it_cost_is_spent(store: &dyn BudgetStore) {
    let (mut caller, budget) = (Caller::new(store), budget(100));
    caller.seed(&budget, 0).await;
    let call = caller.goes(&budget, 10, 40).await;
    let _second = caller.goes(&budget, 10, 40).await;
    assert_eq!(level(&caller.look(&budget).await), (0, 80));
    let answer = caller.reserve(fresh(), &[&budget], 10, 40).await;
    assert!(matches!(answer.verdict, Verdict::Wait { line: 0, .. }));
    caller.close(call, &budget, 10).await;
    assert_eq!(level(&caller.look(&budget).await), (10, 40));
    caller.goes(&budget, 10, 40).await;
}

pub async fn the_last_of_a_budget_goes_to_one_at_a_time(store: &dyn BudgetStore) {
    let (mut caller, budget) = (Caller::new(store), budget(100));
    caller.seed(&budget, 90).await;
    let call = caller.goes(&budget, 5, 40).await;
    assert_eq!(level(&caller.look(&budget).await), (90, 10));
    let answer = caller.reserve(fresh(), &[&budget], 5, 40).await;
    assert!(matches!(answer.verdict, Verdict::Wait { .. }));
    caller.close(call, &budget, 5).await;
    let last = caller.goes(&budget, 5, 40).await;
    caller.close(last, &budget, 5).await;
    assert_eq!(level(&caller.look(&budget).await), (100, 0));
    let answer = caller.reserve(fresh(), &[&budget], 1, 1).await;
    assert!(matches!(answer.verdict, Verdict::Refused { .. }));
}

pub async fn all_budgets_hold_a_call_or_none_does(store: &dyn BudgetStore) {
    let mut caller = Caller::new(store);
    let (wide, narrow) = (budget(1_000), budget(50));
    caller.seed(&wide, 0).await;
    caller.seed(&narrow, 0).await;
    let call = fresh();
    let answer = caller.reserve(call, &[&wide, &narrow], 30, 30).await;
    assert_eq!(answer.verdict, Verdict::Reserved);
    let answer = caller.reserve(fresh(), &[&wide, &narrow], 30, 30).await;
    assert!(matches!(answer.verdict, Verdict::Wait { line: 1, .. }));
    let answer = caller.reserve(fresh(), &[&narrow, &wide], 60, 60).await;
    assert!(matches!(answer.verdict, Verdict::Refused { line: 0, .. }));
    assert_eq!(level(&caller.look(&wide).await), (0, 30));
    assert_eq!(level(&caller.look(&narrow).await), (0, 30));
}

pub async fn what_can_never_fit_is_refused_for_good(store: &dyn BudgetStore) {
    let (mut caller, daily) = (Caller::new(store), budget(100));
    let daily = Budget {
        period: Period::Day,
        ..daily
    };
    caller.seed(&daily, 0).await;
    let answer = caller.reserve(fresh(), &[&daily], 101, 101).await;
    let refused = Verdict::Refused {
        line: 0,
        need: 101,
        free_at_ms: None,
    };
    assert_eq!(answer.verdict, refused);
}

pub async fn what_is_spent_is_refused_until_the_period_ends(store: &dyn BudgetStore) {
    for period in Period::ALL {
        let mut caller = Caller::new(store);
        let budget = Budget {
            period,
            utc_offset_min: 330,
            ..budget(100)
        };
        loop {
            let before = caller.seed(&budget, 95).await.window_ms;
            let answer = caller.reserve(fresh(), &[&budget], 10, 10).await;
            let end = budget.window(answer.now_ms).end_ms;
            if answer.standings[0].window_ms != before {
                // A minute ended in between.
                continue;
            }
            assert_eq!(answer.standings[0].window_end_ms, end, "{period:?}");
            let refused = Verdict::Refused {
                line: 0,
                need: 10,
                free_at_ms: end,
            };
            assert_eq!(answer.verdict, refused, "{period:?}");
            break;
        }
    }
}

pub async fn the_refusal_that_ends_last_is_told(store: &dyn BudgetStore) {
    let mut caller = Caller::new(store);
    let periods = [Period::Day, Period::Forever, Period::Month];
    let budgets = periods.map(|period| Budget {
        period,
        ..budget(10)
    });
    for budget in &budgets {
        caller.seed(budget, 10).await;
    }
    let [day, forever, month] = &budgets;
    for (budgets, line) in [([day, forever, month], 1), ([forever, day, month], 0)] {
        let answer = caller.reserve(fresh(), &budgets, 1, 1).await;
        let is_told = matches!(answer.verdict, Verdict::Refused { line: of, .. } if of == line);
        assert!(is_told, "{:?}", answer.verdict);
    }
}

pub async fn reserving_and_settling_twice_counts_once(store: &dyn BudgetStore) {
    let (mut caller, budget) = (Caller::new(store), budget(100));
    caller.seed(&budget, 0).await;
    let call = caller.goes(&budget, 60, 60).await;
    let answer = caller.reserve(call.0, &[&budget], 60, 60).await;
    assert_eq!(answer.verdict, Verdict::Reserved);
    assert_eq!(level(&answer.standings[0]), (0, 60));
    for _ in 0..2 {
        let answer = caller.close(call, &budget, 25).await;
        assert_eq!(level(&answer.standings[0]), (25, 0));
    }
}

pub async fn a_reservation_that_comes_after_its_end_is_not_made(store: &dyn BudgetStore) {
    let (mut caller, budget) = (Caller::new(store), budget(100));
    caller.seed(&budget, 0).await;
    let call = fresh();
    caller.close((call, Receipt::Unsure), &budget, 0).await;
    let answer = caller.reserve(call, &[&budget], 60, 60).await;
    assert_eq!(answer.verdict, Verdict::Ended);
    assert_eq!(level(&answer.standings[0]), (0, 0));
}

pub async fn a_soft_budget_refuses_nothing(store: &dyn BudgetStore) {
    let mut caller = Caller::new(store);
    let soft = Budget {
        is_hard: false,
        thresholds: vec![100, 150],
        ..budget(100)
    };
    caller.seed(&soft, 0).await;
    let call = caller.goes(&soft, 500, 500).await;
    caller.goes(&soft, 10, 500).await;
    let answer = caller.close(call, &soft, 120).await;
    let told: Vec<u16> = answer.crossings.iter().map(|one| one.percent).collect();
    assert_eq!(told, [100]);
    assert_eq!(level(&answer.standings[0]), (120, 500));
}

pub async fn thresholds_are_told_once(store: &dyn BudgetStore) {
    let mut callers = [Caller::new(store), Caller::new(store)];
    // A soft one: nobody waits for what the other's share holds.
    let budget = Budget {
        is_hard: false,
        thresholds: vec![50, 80, 100],
        ..budget(100)
    };
    callers[0].seed(&budget, 0).await;
    let mut told: Vec<Vec<u16>> = Vec::new();
    for (index, actual) in [40, 9, 1, 35, 0, 15].into_iter().enumerate() {
        let caller = &mut callers[index % 2];
        let call = caller.goes(&budget, actual, actual).await;
        let answer = caller.close(call, &budget, actual).await;
        // Its answer was lost, and it says so again.
        let again = caller.close(call, &budget, actual).await;
        assert_eq!(answer.crossings, again.crossings);
        told.push(answer.crossings.iter().map(|one| one.percent).collect());
    }
    let nothing = Vec::new;
    let expected: [Vec<u16>; 6] = [
        nothing(),
        nothing(),
        vec![50],
        vec![80],
        nothing(),
        vec![100],
    ];
    assert_eq!(told, expected);
}

pub async fn a_changed_amount_holds_at_once(store: &dyn BudgetStore) {
    let mut caller = Caller::new(store);
    let mut budget = Budget {
        thresholds: vec![80],
        ..budget(100)
    };
    caller.seed(&budget, 90).await;
    budget.amount = 200;
    let call = caller.goes(&budget, 70, 70).await;
    let answer = caller.close(call, &budget, 70).await;
    assert_eq!(answer.crossings.len(), 1, "80 % of the new amount");
    budget.amount = 150;
    let answer = caller.reserve(fresh(), &[&budget], 1, 1).await;
    assert!(matches!(answer.verdict, Verdict::Refused { .. }));
}

pub async fn a_call_that_is_never_heard_of_again_is_spent_in_full(store: &dyn BudgetStore) {
    let (mut caller, budget) = (Caller::new(store), budget(100));
    caller.seed(&budget, 0).await;
    caller.lease_ms = 40;
    let dead = caller.goes(&budget, 10, 70).await;
    let mut other = Caller::new(store);
    let answer = other.reserve(fresh(), &[&budget], 10, 40).await;
    let until_ms = match answer.verdict {
        Verdict::Wait { until_ms, .. } => until_ms.unwrap(),
        // Slow machines see the lease end before they ask.
        other => {
            assert_eq!(other, Verdict::Reserved);
            return;
        }
    };
    let lease = Duration::from_millis(until_ms.saturating_sub(answer.now_ms) + 1);
    assert!(lease <= Duration::from_millis(41));
    sleep(lease).await;
    assert_eq!(level(&other.look(&budget).await), (70, 0));
    // It lives after all.
    caller.close(dead, &budget, 15).await;
    assert_eq!(level(&other.look(&budget).await), (15, 0));
}

pub async fn calls_of_a_lost_account_count_when_they_end(store: &dyn BudgetStore) {
    let (mut caller, budget) = (Caller::new(store), budget(100));
    let now = caller.seed(&budget, 20).await;
    let lost = Receipt::Held {
        epoch: Epoch(now.epoch.0 - 5),
        window_ms: now.window_ms,
    };
    let call = fresh();
    for _ in 0..2 {
        let answer = caller.close((call, lost), &budget, 30).await;
        assert_eq!(level(&answer.standings[0]), (50, 0));
    }
    let elsewhere = Receipt::Elsewhere {
        window_ms: now.window_ms,
    };
    let answer = caller.close((fresh(), elsewhere), &budget, 10).await;
    assert_eq!(level(&answer.standings[0]), (60, 0));
    let in_the_books = Request::Close {
        actual: tokens(30),
        ended_ago_ms: 1 << 50,
    };
    let lines = vec![(&budget, lost)];
    let answer = caller.say(fresh(), lines, in_the_books).await;
    assert_eq!(level(&answer.standings[0]), (60, 0), "it ended before");
}

pub async fn shares_and_what_is_held_are_never_more_than_the_budget(store: &dyn BudgetStore) {
    let budget = budget(1_000);
    let mut callers = [(); 3].map(|()| Caller::new(store));
    for caller in &mut callers {
        caller.gives_back = false;
    }
    callers[0].seed(&budget, 100).await;
    let mut shares = [0; 3];
    for round in 0..30 {
        let index = round % 3;
        let answer = callers[index].reserve(fresh(), &[&budget], 5, 20).await;
        let now = answer.standings[0];
        shares[index] = now.share;
        let total = now.spent + now.held + shares.iter().sum::<u64>();
        assert!(total <= 1_000, "round {round}: {shares:?} {now:?}");
        assert!(now.instances <= 3);
    }
    assert!(shares.iter().all(|share| *share > 0));
}

/// What is told next of a budget.
async fn told(wakes: &mut Box<dyn BudgetWakes>, key: &str) -> Wake {
    loop {
        let wake = timeout(PATIENCE, wakes.next()).await.unwrap().unwrap();
        if matches!(&wake, Wake::Room(of) | Wake::Return(of) if of == key) {
            return wake;
        }
    }
}

pub async fn who_waits_is_told_and_shares_are_asked_back(store: &dyn BudgetStore) {
    let budget = budget(1_000);
    let key = budget.key();
    let mut wakes = store.wakes().await.unwrap();
    let mut holder = Caller::new(store);
    let share = holder.seed(&budget, 0).await.share;
    assert!(share > 0);
    let mut other = Caller::new(store);
    let answer = other.reserve(fresh(), &[&budget], 10, 900).await;
    assert!(matches!(answer.verdict, Verdict::Wait { .. }));
    assert_eq!(told(&mut wakes, &key).await, Wake::Return(key.clone()));
    let now = holder.look(&budget).await;
    assert_eq!(now.share, 0, "none are given out while somebody waits");
    assert_eq!(told(&mut wakes, &key).await, Wake::Room(key.clone()));
    let call = other.goes(&budget, 10, 900).await;
    let answer = holder.reserve(fresh(), &[&budget], 10, 900).await;
    assert!(matches!(answer.verdict, Verdict::Wait { .. }));
    other.close(call, &budget, 10).await;
    assert_eq!(told(&mut wakes, &key).await, Wake::Room(key.clone()));
}

pub async fn an_older_message_gives_nothing_back(store: &dyn BudgetStore) {
    let (mut caller, budget) = (Caller::new(store), budget(1_000));
    caller.sequence = 5;
    caller.gives_back = false;
    let share = caller.seed(&budget, 0).await.share;
    let waits = Caller::new(store)
        .reserve(fresh(), &[&budget], 1, 990)
        .await;
    assert!(matches!(waits.verdict, Verdict::Wait { .. }));
    caller.gives_back = true;
    let newest = caller.sequence;
    caller.sequence = 1;
    assert_eq!(caller.look(&budget).await.share, share);
    caller.sequence = newest;
    caller.keeps = 7;
    assert_eq!(caller.look(&budget).await.share, 7);
}
