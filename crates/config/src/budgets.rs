//! `[budgets.NAME]`: how much money, tokens or requests somebody may use in a period.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::node::{clip, join};

/// The longest name of a budget.
const NAME_BYTES_MAX: usize = 64;

/// The most of anything that can be counted exactly: nine million dollars in billionths of one.
const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// Places of a dollar that are counted.
const NANO_PLACES: usize = 9;

/// The highest threshold, in percent.
const PERCENT_MAX: u16 = 1_000;

/// The most thresholds of one budget.
const THRESHOLDS_MAX: usize = 16;

/// Whose calls count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    /// All calls.
    All,
    /// Those of each tenant.
    Tenant,
    /// Those with each caller key.
    Key,
    /// Those of each session of a tenant.
    Session,
    /// Those with each tag.
    Tag,
}

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BudgetUnit {
    /// Billionths of a dollar.
    Nanousd,
    /// Tokens, input and output together.
    Tokens,
    /// Calls that are sent.
    Requests,
}

/// When a budget starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetPeriod {
    /// Every minute.
    Minute,
    /// Every hour.
    Hour,
    /// At midnight.
    Day,
    /// On Monday at midnight.
    Week,
    /// On the first at midnight.
    Month,
    /// Never.
    Forever,
}

/// An amount for each period, for each of those whose calls count together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRule {
    /// Its name.
    pub name: String,
    /// Whose calls count together.
    pub scope: BudgetScope,
    /// Only these tenants, ids of keys, sessions or tags; empty: all of them.
    pub only: Vec<String>,
    /// Whether only those caller keys are held to it that name it.
    pub named_only: bool,
    /// What is counted.
    pub unit: BudgetUnit,
    /// How much of it a period has.
    pub amount: u64,
    /// When it starts anew.
    pub period: BudgetPeriod,
    /// Minutes that local time is ahead of UTC.
    pub utc_offset_minutes: i32,
    /// Whether calls are refused that do not fit; otherwise it only tells.
    pub is_hard: bool,
    /// Percentages of the amount that are told when they are reached.
    pub alerts_percent: Vec<u16>,
}

/// An amount of money, tokens or requests for each period.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawBudget {
    /// Whose calls count together: an amount for each of them.
    scope: BudgetScope,
    /// Only these tenants, ids of keys, sessions or tags. Left out: all of them.
    #[schemars(extend("examples" = [["acme"]]))]
    only: Vec<String>,
    /// Hold only those caller keys to it that were made with its name.
    named_only: bool,
    /// How much a period has, in usd, tokens or requests.
    #[schemars(extend("examples" = ["100 usd"]))]
    amount: Option<String>,
    /// When it starts anew.
    period: BudgetPeriod,
    /// Minutes that local time is ahead of UTC: days, weeks and months start at local midnight.
    #[schemars(extend("minimum" = -1_080, "maximum" = 1_080))]
    utc_offset_minutes: i32,
    /// Refuse calls that do not fit. Otherwise it only tells.
    hard: bool,
    /// Percentages of the amount that are told when they are reached, once a period each. Left out: 80
    /// and 100.
    #[schemars(extend("examples" = [[50, 80, 100]]))]
    alerts_percent: Option<Vec<u16>>,
}

impl Default for RawBudget {
    fn default() -> Self {
        Self {
            scope: BudgetScope::Tenant,
            only: Vec::new(),
            named_only: false,
            amount: None,
            period: BudgetPeriod::Month,
            utc_offset_minutes: 0,
            hard: true,
            alerts_percent: None,
        }
    }
}

/// Checks all budgets; those that cannot be kept are left out, and told.
pub(crate) fn check(
    raw: BTreeMap<String, RawBudget>,
    checker: &mut Checker<'_>,
) -> Vec<BudgetRule> {
    let checked = raw.into_iter().filter_map(|(name, raw)| {
        check_name(&name, checker);
        raw.check(name, checker)
    });
    checked.collect()
}

fn check_name(name: &str, checker: &mut Checker<'_>) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_plain) {
        let what = format!("the name must be 1 to {NAME_BYTES_MAX} of a-z, A-Z, 0-9, -, _ and .");
        checker.problem(&join("budgets", name), what, "give it another name");
    }
}

impl RawBudget {
    fn check(self, name: String, checker: &mut Checker<'_>) -> Option<BudgetRule> {
        let path = join("budgets", &name);
        let amount = self.amount(&path, checker);
        self.check_alerts(&path, checker);
        if self.named_only && self.scope != BudgetScope::Key && self.scope != BudgetScope::Tenant {
            let what = "has an effect with scope \"key\" or \"tenant\" only";
            checker.notice(&join(&path, "named_only"), what);
        }
        if self.scope == BudgetScope::All && !self.only.is_empty() {
            let what = "has no effect with scope \"all\"";
            checker.notice(&join(&path, "only"), what);
        }
        let (unit, amount) = amount?;
        Some(BudgetRule {
            name,
            scope: self.scope,
            only: self.only,
            named_only: self.named_only,
            unit,
            amount,
            period: self.period,
            utc_offset_minutes: self.utc_offset_minutes,
            is_hard: self.hard,
            alerts_percent: self.alerts_percent.unwrap_or_else(|| vec![80, 100]),
        })
    }

    /// The amount; `None` where there is none, or none that can be read.
    fn amount(&self, path: &str, checker: &mut Checker<'_>) -> Option<(BudgetUnit, u64)> {
        let Some(text) = &self.amount else {
            checker.notice(path, "has no amount, and does nothing");
            return None;
        };
        let amount = parse_amount(text);
        if amount.is_none() {
            let what = format!(
                "must be a number and usd, tokens or requests, of at most {AMOUNT_MAX} tokens, requests \
                 or billionths of a dollar (got {})",
                clip(text)
            );
            let hint = "as in \"100 usd\", \"0.25 usd\", \"5_000_000 tokens\"";
            checker.problem(&join(path, "amount"), what, hint);
        }
        amount
    }

    fn check_alerts(&self, path: &str, checker: &mut Checker<'_>) {
        let alerts = self.alerts_percent.as_deref().unwrap_or_default();
        let in_order = alerts.is_sorted_by(|a, b| a < b);
        let in_bounds = alerts.iter().all(|p| (1..=PERCENT_MAX).contains(p));
        if !in_order || !in_bounds || alerts.len() > THRESHOLDS_MAX {
            let what = format!(
                "must be at most {THRESHOLDS_MAX} percentages from 1 to {PERCENT_MAX}, the smallest \
                 first (got {alerts:?})"
            );
            checker.problem(&join(path, "alerts_percent"), what, "as in [50, 80, 100]");
        }
    }
}

/// Reads `100 usd`, `0.25 usd`, `5_000_000 tokens`, `1000 requests`.
fn parse_amount(text: &str) -> Option<(BudgetUnit, u64)> {
    let (number, unit) = text.trim().rsplit_once(' ')?;
    let number: String = number.trim().chars().filter(|c| *c != '_').collect();
    let (unit, places) = match unit {
        "usd" => (BudgetUnit::Nanousd, NANO_PLACES),
        "tokens" => (BudgetUnit::Tokens, 0),
        "requests" => (BudgetUnit::Requests, 0),
        _ => return None,
    };
    let amount = parse_decimal(&number, places)?;
    (amount <= AMOUNT_MAX).then_some((unit, amount))
}

/// A number without a sign, with at most `places` places after the point, times ten to their power.
fn parse_decimal(number: &str, places: usize) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > places {
        return None;
    }
    format!("{whole}{part:0<places$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, unit, amount) in [
            ("100 usd", BudgetUnit::Nanousd, 100_000_000_000),
            ("0.000000001 usd", BudgetUnit::Nanousd, 1),
            ("0.1 usd", BudgetUnit::Nanousd, 100_000_000),
            ("5_000_000 tokens", BudgetUnit::Tokens, 5_000_000),
            (" 0 requests ", BudgetUnit::Requests, 0),
        ] {
            assert_eq!(parse_amount(text), Some((unit, amount)), "{text}");
        }
        for text in [
            "100",
            "usd",
            "-1 usd",
            "1e3 tokens",
            "1.5 tokens",
            "0.0000000001 usd",
            "9999999999 usd",
            ". usd",
            "1.2.3 usd",
            "1 eur",
            "",
        ] {
            assert_eq!(parse_amount(text), None, "{text}");
        }
    }
}
