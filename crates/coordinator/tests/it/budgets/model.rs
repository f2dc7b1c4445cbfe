//! The rules against a model that keeps every call for ever and adds up anew each time.

use paceline_coordinator::budgets::{
    Accounts, Budget, BudgetAsk, CallId, Line, Period, Receipt, Request, Spend, Verdict,
};
use paceline_coordinator::{Epoch, InstanceId};
use proptest::prelude::*;

use super::{budget, tokens};

const START_MS: u64 = 1_795_305_590_000;
const LEASE_MS: u64 = 20_000;

#[derive(Clone, Debug)]
enum Move {
    Reserve {
        expected: u64,
        worst: u64,
        both: bool,
    },
    Close {
        which: usize,
        part: u64,
    },
    Pass {
        ms: u64,
    },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0..30_u64, 0..60_u64, any::<bool>())
            .prop_map(|(expected, worst, both)| Move::Reserve { expected, worst, both }),
        4 => (0..40_usize, 0..=100_u64).prop_map(|(which, part)| Move::Close { which, part }),
        2 => (0..9_000_u64).prop_map(|ms| Move::Pass { ms }),
    ];
    prop::collection::vec(one, 1..120)
}

/// One call in one budget.
#[derive(Clone, Copy, Debug)]
struct Held {
    budget: usize,
    window_ms: u64,
    epoch: Epoch,
    hold: u64,
    actual: Option<u64>,
}

#[derive(Clone, Debug)]
struct Call {
    until_ms: u64,
    expected: u64,
    held: Vec<Held>,
}

#[derive(Default)]
struct Model {
    calls: Vec<Call>,
}

impl Model {
    /// What is spent and held in a window.
    fn level(&self, budget: usize, window_ms: u64, now_ms: u64) -> (u64, u64) {
        let (mut spent, mut open) = (0, 0);
        for call in &self.calls {
            for held in &call.held {
                if (held.budget, held.window_ms) != (budget, window_ms) {
                    continue;
                }
                match held.actual {
                    Some(actual) => spent += actual,
                    None if call.until_ms <= now_ms => spent += held.hold,
                    None => open += held.hold,
                }
            }
        }
        (spent, open)
    }

    /// What is to be held, or why not: whether that is for as long as the window lasts.
    fn fit(
        &self,
        (index, budget): (usize, &Budget),
        (expected, worst): (u64, u64),
        now_ms: u64,
    ) -> Result<u64, bool> {
        let window_ms = budget.window(now_ms).start_ms;
        let (spent, held) = self.level(index, window_ms, now_ms);
        if spent + expected > budget.amount {
            Err(true)
        } else if spent + held + worst <= budget.amount {
            Ok(worst)
        } else if held == 0 {
            Ok(budget.amount - spent)
        } else {
            Err(false)
        }
    }
}

struct World {
    accounts: Accounts,
    budgets: [Budget; 2],
    model: Model,
    now_ms: u64,
    said: u64,
}

impl World {
    fn new() -> Self {
        let minute = Budget {
            period: Period::Minute,
            ..budget(100)
        };
        let mut world = Self {
            accounts: Accounts::new(),
            budgets: [minute, budget(400)],
            model: Model::default(),
            now_ms: START_MS,
            said: 0,
        };
        for index in 0..2 {
            let window_ms = world.budgets[index].window(START_MS).start_ms;
            world.say(
                0,
                &[(index, Receipt::Unsure)],
                Request::Seed {
                    window_ms,
                    spent: 0,
                },
            );
        }
        world
    }

    fn say(
        &mut self,
        call: usize,
        lines: &[(usize, Receipt)],
        request: Request,
    ) -> paceline_coordinator::budgets::BudgetAnswer {
        self.said += 1;
        let line = |(index, receipt): &(usize, Receipt)| Line {
            budget: self.budgets[*index].clone(),
            keeps: 0,
            receipt: *receipt,
        };
        let ask = BudgetAsk {
            instance: InstanceId(1),
            sequence: self.said,
            gives_back: true,
            call: CallId(call as u128 + 1),
            lines: lines.iter().map(line).collect(),
            request,
        };
        self.accounts.exchange(&ask, self.now_ms)
    }

    fn reserve(&mut self, expected: u64, worst: u64, both: bool) -> Result<(), TestCaseError> {
        let worst = worst.max(expected);
        let indices: &[usize] = if both { &[0, 1] } else { &[1] };
        let fits = indices.iter().map(|index| {
            let budget = (*index, &self.budgets[*index]);
            self.model.fit(budget, (expected, worst), self.now_ms)
        });
        let fits: Vec<Result<u64, bool>> = fits.collect();
        let lines: Vec<_> = indices
            .iter()
            .map(|index| (*index, Receipt::Unsure))
            .collect();
        let request = Request::Reserve {
            lease_ms: LEASE_MS,
            expected: tokens(expected),
            worst: tokens(worst),
        };
        let answer = self.say(self.model.calls.len(), &lines, request);
        let holds: Result<Vec<u64>, bool> = fits.iter().copied().collect();
        let is_refused = fits.contains(&Err(true));
        match answer.verdict {
            Verdict::Reserved => prop_assert!(holds.is_ok(), "{fits:?}"),
            Verdict::Refused { .. } => prop_assert!(is_refused, "{fits:?}"),
            Verdict::Wait { .. } => prop_assert!(holds.is_err() && !is_refused, "{fits:?}"),
            other => prop_assert!(false, "{other:?}"),
        }
        let Ok(holds) = holds else { return Ok(()) };
        let held = indices.iter().zip(holds).zip(&answer.standings);
        let held = held.map(|((budget, hold), now)| Held {
            budget: *budget,
            window_ms: now.window_ms,
            epoch: now.epoch,
            hold,
            actual: None,
        });
        self.model.calls.push(Call {
            until_ms: self.now_ms + LEASE_MS,
            expected,
            held: held.collect(),
        });
        Ok(())
    }

    fn close(&mut self, which: usize, part: u64) {
        if self.model.calls.is_empty() {
            return;
        }
        let which = which % self.model.calls.len();
        let call = self.model.calls[which].clone();
        let actual = call.expected * part / 100;
        let receipt = |held: &Held| Receipt::Held {
            epoch: held.epoch,
            window_ms: held.window_ms,
        };
        let lines: Vec<_> = call
            .held
            .iter()
            .map(|held| (held.budget, receipt(held)))
            .collect();
        let request = Request::Close {
            actual: tokens(actual),
            ended_ago_ms: 0,
        };
        self.say(which, &lines, request);
        for held in &mut self.model.calls[which].held {
            held.actual.get_or_insert(actual);
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for index in 0..2 {
            let answer = self.say(usize::MAX >> 1, &[(index, Receipt::Unsure)], Request::Look);
            let now = answer.standings[0];
            let expected = self.model.level(index, now.window_ms, self.now_ms);
            prop_assert_eq!((now.spent, now.held), expected);
            prop_assert!(now.spent + now.held <= self.budgets[index].amount);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn accounts_hold_what_adding_up_every_call_gives(moves in moves()) {
        let mut world = World::new();
        for one in moves {
            match one {
                Move::Reserve { expected, worst, both } => world.reserve(expected, worst, both)?,
                Move::Close { which, part } => world.close(which, part),
                Move::Pass { ms } => world.now_ms += ms,
            }
            world.check()?;
        }
    }
}

#[test]
fn a_call_costs_in_the_unit_of_the_budget() {
    let spend = Spend {
        nanousd: 1,
        tokens: 2,
        requests: 3,
    };
    use paceline_coordinator::budgets::Unit;
    assert_eq!(
        [Unit::Nanousd, Unit::Tokens, Unit::Requests].map(|unit| spend.of(unit)),
        [1, 2, 3]
    );
}
