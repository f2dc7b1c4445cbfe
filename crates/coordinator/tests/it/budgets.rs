//! Budgets as programs use them, in virtual time; and the rules against a model that is too simple to be
//! wrong.

mod away;
mod crowd;
mod model;

use paceline_coordinator::budgets::{Budget, InProcessBudgets, Period, Spend, Unit};
use paceline_coordinator::budgets_conformance;

budgets_conformance!(InProcessBudgets::new());

pub(crate) fn budget(amount: u64) -> Budget {
    Budget {
        name: "cap".to_owned(),
        scope: "tenant:acme".to_owned(),
        unit: Unit::Tokens,
        amount,
        period: Period::Day,
        utc_offset_min: 0,
        is_hard: true,
        thresholds: vec![50, 80, 100],
    }
}

pub(crate) const fn tokens(tokens: u64) -> Spend {
    Spend {
        nanousd: 0,
        tokens,
        requests: 1,
    }
}
