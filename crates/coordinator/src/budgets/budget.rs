//! What a budget is.

use super::calendar::{Period, Window};

/// No amount is larger: stores count in doubles, which tell whole numbers apart up to here. In
/// nano-dollars it is nine million dollars a period.
pub const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// Sums stop here: more than any amount.
pub(super) const CEILING: u64 = 1 << 53;

/// The highest threshold, in percent of the amount.
pub const PERCENT_MAX: u16 = 1_000;

/// The longest scope, in bytes.
pub const SCOPE_MAX: usize = 256;

const NAME_MAX: usize = 64;
const THRESHOLDS_MAX: usize = 16;
const OFFSET_MAX_MIN: i32 = 18 * 60;

/// What a budget counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Billionths of a dollar.
    Nanousd,
    /// Tokens, input and output together.
    Tokens,
    /// Calls.
    Requests,
}

impl Unit {
    /// Its name, as configuration and answers have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nanousd => "nanousd",
            Self::Tokens => "tokens",
            Self::Requests => "requests",
        }
    }
}

/// What a call costs, in all units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spend {
    /// Billionths of a dollar.
    pub nanousd: u64,
    /// Tokens, input and output together.
    pub tokens: u64,
    /// Calls: 1, or 0 for what was never sent.
    pub requests: u64,
}

impl Spend {
    /// In one unit.
    #[must_use]
    pub const fn of(&self, unit: Unit) -> u64 {
        match unit {
            Unit::Nanousd => self.nanousd,
            Unit::Tokens => self.tokens,
            Unit::Requests => self.requests,
        }
    }
}

/// An amount that somebody may use in each period.
///
/// The definition comes with every message, so a changed amount, kind or threshold holds from the next
/// message on. Name, unit, period, offset and scope are what a budget is known by: with another of these
/// it is another budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name: letters, digits, `-`, `_` and `.`, at most 64.
    pub name: String,
    /// Whose it is, such as `tenant:acme`: any text up to [`SCOPE_MAX`] bytes.
    pub scope: String,
    /// What is counted.
    pub unit: Unit,
    /// How much of it a period has, at most [`AMOUNT_MAX`].
    pub amount: u64,
    /// When it starts anew.
    pub period: Period,
    /// The time zone that periods are aligned to, in minutes east of UTC, at most 18 hours either way.
    pub utc_offset_min: i32,
    /// Whether calls that do not fit are held back; a soft budget only tells.
    pub is_hard: bool,
    /// Percentages of the amount that are told when they are reached, once a period each: ascending, up to
    /// [`PERCENT_MAX`], at most 16.
    pub thresholds: Vec<u16>,
}

/// Why a budget cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// The name has other letters, or too many, or none.
    #[error("the budget name `{0}` cannot be used: up to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`")]
    Name(String),
    /// The scope is too long.
    #[error(
        "the scope of budget `{name}` has {length} bytes: {SCOPE_MAX} are the most, shorten it"
    )]
    Scope {
        /// The budget.
        name: String,
        /// How long it is.
        length: usize,
    },
    /// The amount cannot be counted.
    #[error(
        "the amount of budget `{name}` is {amount}: {AMOUNT_MAX} is the most that can be counted"
    )]
    Amount {
        /// The budget.
        name: String,
        /// The amount.
        amount: u64,
    },
    /// No place on earth is so far from UTC.
    #[error("the UTC offset of budget `{name}` is {offset_min} minutes: at most 1080 either way")]
    Offset {
        /// The budget.
        name: String,
        /// The offset.
        offset_min: i32,
    },
    /// Thresholds out of order, zero, too high or too many.
    #[error(
        "the thresholds of budget `{0}` must be at most 16 percentages, ascending, from 1 to {PERCENT_MAX}"
    )]
    Thresholds(String),
}

impl Budget {
    /// What it is known by; no two budgets have the same.
    #[must_use]
    pub fn key(&self) -> String {
        format!(
            "{}.{}.{}{:+}:{}",
            self.name,
            self.unit.name(),
            self.period.name(),
            self.utc_offset_min,
            self.scope
        )
    }

    /// The window that a moment lies in.
    #[must_use]
    pub fn window(&self, now_ms: u64) -> Window {
        self.period.window(now_ms, self.utc_offset_min)
    }

    /// Checks that it can be used; configuration does this before anything else.
    ///
    /// # Errors
    /// When one of its parts is out of bounds.
    pub fn check(&self) -> Result<(), BudgetError> {
        let name = || self.name.clone();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if self.name.is_empty() || self.name.len() > NAME_MAX || !self.name.bytes().all(is_plain) {
            return Err(BudgetError::Name(name()));
        }
        if self.scope.len() > SCOPE_MAX {
            let length = self.scope.len();
            return Err(BudgetError::Scope {
                name: name(),
                length,
            });
        }
        if self.amount > AMOUNT_MAX {
            let amount = self.amount;
            return Err(BudgetError::Amount {
                name: name(),
                amount,
            });
        }
        if self.utc_offset_min.abs() > OFFSET_MAX_MIN {
            let offset_min = self.utc_offset_min;
            return Err(BudgetError::Offset {
                name: name(),
                offset_min,
            });
        }
        let is_ascending = self.thresholds.is_sorted_by(|a, b| a < b);
        let in_bounds = |percent: &u16| (1..=PERCENT_MAX).contains(percent);
        if self.thresholds.len() > THRESHOLDS_MAX
            || !is_ascending
            || !self.thresholds.iter().all(in_bounds)
        {
            return Err(BudgetError::Thresholds(name()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget {
            name: "cap".to_owned(),
            scope: "tenant:acme".to_owned(),
            unit: Unit::Nanousd,
            amount: 5,
            period: Period::Day,
            utc_offset_min: -300,
            is_hard: true,
            thresholds: vec![50, 100],
        }
    }

    #[test]
    fn a_budget_is_known_by_what_makes_it_another_one() {
        assert_eq!(budget().key(), "cap.nanousd.day-300:tenant:acme");
        let changed = Budget {
            amount: 7,
            is_hard: false,
            thresholds: Vec::new(),
            ..budget()
        };
        assert_eq!(changed.key(), budget().key());
        let utc = Budget {
            utc_offset_min: 0,
            period: Period::Forever,
            ..budget()
        };
        assert_eq!(utc.key(), "cap.nanousd.forever+0:tenant:acme");
    }

    #[test]
    fn what_cannot_be_counted_is_refused_by_name() {
        assert_eq!(budget().check(), Ok(()));
        for (wrong, part) in [
            (
                Budget {
                    name: "a:b".to_owned(),
                    ..budget()
                },
                "`a:b`",
            ),
            (
                Budget {
                    name: String::new(),
                    ..budget()
                },
                "``",
            ),
            (
                Budget {
                    scope: "s".repeat(257),
                    ..budget()
                },
                "257 bytes",
            ),
            (
                Budget {
                    amount: 1 << 53,
                    ..budget()
                },
                "9007199254740992",
            ),
            (
                Budget {
                    utc_offset_min: 1_081,
                    ..budget()
                },
                "1081 minutes",
            ),
            (
                Budget {
                    thresholds: vec![100, 50],
                    ..budget()
                },
                "ascending",
            ),
            (
                Budget {
                    thresholds: vec![0],
                    ..budget()
                },
                "from 1",
            ),
            (
                Budget {
                    thresholds: vec![1_001],
                    ..budget()
                },
                "to 1000",
            ),
        ] {
            let error = wrong.check().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
