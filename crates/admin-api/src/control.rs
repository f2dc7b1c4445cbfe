//! Budgets, alerts, and what an operator does to queues and limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answer of `GET /monitoring/budgets`: budgets that calls were held to lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetStandings {
    /// In the order of their names and scopes.
    pub budgets: Vec<BudgetStanding>,
}

/// One budget, and how it stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetStanding {
    /// Its name in the configuration.
    pub name: String,
    /// Whose it is: `tenant:acme`.
    pub scope: String,
    /// What is counted: `nanousd`, `tokens` or `requests`.
    pub unit: String,
    /// How much a period has, in its unit.
    pub amount: u64,
    /// What calls that have ended took of it.
    pub spent: u64,
    /// What is held for calls under way.
    pub held: u64,
    /// What is spent, as a part of the amount; above 1 where a soft budget was passed.
    pub used_ratio: f64,
    /// `minute`, `hour`, `day`, `week`, `month` or `forever`.
    pub period: String,
    /// When it starts anew, in milliseconds since 1970; absent where it does not.
    pub free_at_unix_ms: Option<u64>,
    /// Whether calls that do not fit are refused.
    pub hard: bool,
}

/// Answer of `GET /monitoring/alerts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alerts {
    /// The latest first.
    pub alerts: Vec<BudgetAlert>,
}

/// A threshold of a budget that was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetAlert {
    /// Rises by one with each alert of this process.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// The budget's name.
    pub budget: String,
    /// Whose it is.
    pub scope: String,
    /// The threshold, in percent of the amount.
    pub percent: u16,
    /// What is spent, in the budget's unit.
    pub spent: u64,
    /// How much a period has.
    pub amount: u64,
    /// What is counted.
    pub unit: String,
    /// The budget's period.
    pub period: String,
}

/// Answer of `DELETE /monitoring/queue/{id}` and `DELETE /monitoring/sessions/{id}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cancelled {
    /// Requests whose wait was ended.
    pub cancelled: u64,
}

/// Body of `POST /monitoring/reset-rate-limits`; may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResetRequest {
    /// The pool to reset; left out: all of them.
    pub pool: Option<String>,
}

/// Answer of `POST /monitoring/reset-rate-limits`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResetAnswer {
    /// The pools that have forgotten what they learned and counted.
    pub pools: Vec<String>,
}
