//! What a ledger holds, in a few figures.

use serde::{Deserialize, Serialize};

use crate::query::Horizons;
use crate::value::{Row, Statement, Value};

/// What a ledger holds. Times are in milliseconds since 1970; 0 where nothing was ever removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Records.
    pub records: u64,
    /// When the call of the first one ended; `None` without records.
    pub first_ms: Option<i64>,
    /// When that of the last one ended.
    pub last_ms: Option<i64>,
    /// Since when no record has been removed.
    pub records_since_ms: i64,
    /// Since when no sum of a minute has been removed.
    pub minutes_since_ms: i64,
    /// Since when no sum of an hour has been removed.
    pub hours_since_ms: i64,
    /// Since when no sum of a day has been removed.
    pub days_since_ms: i64,
}

/// Each figure on its own, so that the ends are looked up and not looked for.
pub(super) fn statement() -> Statement {
    Statement::new(
        "SELECT (SELECT count(*) FROM paceline_entry), \
         (SELECT min(ended_at_ms) FROM paceline_entry), \
         (SELECT max(ended_at_ms) FROM paceline_entry)",
    )
}

impl Extent {
    pub(super) fn of(horizons: Horizons, row: Option<&Row>) -> Self {
        let figure = |index: usize| row.and_then(|row| row.get(index)).and_then(Value::integer);
        let [
            records_since_ms,
            minutes_since_ms,
            hours_since_ms,
            days_since_ms,
        ] = horizons.0;
        Self {
            records: u64::try_from(figure(0).unwrap_or(0)).unwrap_or(0),
            first_ms: figure(1),
            last_ms: figure(2),
            records_since_ms,
            minutes_since_ms,
            hours_since_ms,
            days_since_ms,
        }
    }
}
