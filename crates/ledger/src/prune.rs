//! How long what is kept, and the steps in which the rest goes.

use serde::{Deserialize, Serialize};

use crate::grain::Grain;
use crate::period::Period;
use crate::rollup::ScopeKind;
use crate::value::Statement;

/// The most rows that one step removes: some milliseconds, after which writing has its turn.
pub(crate) const STEP_ROWS: u64 = 2_000;

/// How long each level is kept, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Records. While one is kept, the same call cannot be counted twice.
    pub records_days: u32,
    /// Sums by minute.
    pub minutes_days: u32,
    /// Sums by hour.
    pub hours_days: u32,
    /// Sums by day; `None`: for good.
    pub days_days: Option<u32>,
    /// What sessions have spent, whatever the level: there is no end to the names of sessions.
    pub sessions_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            records_days: 30,
            minutes_days: 7,
            hours_days: 400,
            days_days: None,
            sessions_days: 90,
        }
    }
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// Records.
    pub records: u64,
    /// Sums of minutes, hours and days.
    pub sums: u64,
    /// Sums of sessions and other spenders.
    pub spending: u64,
}

/// Where each level is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// Records, minutes, hours, days.
    pub(crate) levels: [i64; 4],
    pub(crate) sessions: i64,
}

impl Retention {
    /// Nothing coarse goes before what is finer: a level can only answer for times that the coarser
    /// ones reach. Each cut lies on the borders of the next coarser level.
    pub(crate) fn cuts(&self, now_ms: i64) -> Cuts {
        let before =
            |days: u32| now_ms.saturating_sub(i64::from(days.max(1)) * Period::Day.length_ms());
        let days = self.days_days.map_or(0, before).max(0);
        let hours = before(self.hours_days).max(days);
        let minutes = before(self.minutes_days).max(hours);
        let records = before(self.records_days).max(0);
        Cuts {
            levels: [
                Period::Minute.start_of(records),
                Period::Hour.start_of(minutes),
                Period::Day.start_of(hours),
                Period::Day.start_of(days),
            ],
            sessions: Period::Day.start_of(before(self.sessions_days).max(0)),
        }
    }
}

/// The names under which the store keeps since when each level is complete.
pub(crate) const HORIZON_NAMES: [&str; 4] = [
    "records_since_ms",
    "minutes_since_ms",
    "hours_since_ms",
    "days_since_ms",
];

/// The name for sessions.
pub(crate) const SESSIONS_HORIZON: &str = "sessions_since_ms";

/// Says that a level reaches back to `since_ms` only, from now on.
pub(crate) fn set_horizon(name: &str, since_ms: i64) -> Statement {
    let mut sql = Statement::new("INSERT INTO paceline_meta (name, value) VALUES (");
    sql.bind(name).push(", ").bind(since_ms);
    sql.push(") ON CONFLICT (name) DO UPDATE SET value = excluded.value ");
    sql.push("WHERE paceline_meta.value < excluded.value");
    sql
}

/// One step of removing records, with their tags.
pub(crate) fn records_step(before_ms: i64) -> Vec<Statement> {
    ["paceline_entry_tag", "paceline_entry"]
        .into_iter()
        .map(|table| {
            let mut sql = Statement::new(format!("DELETE FROM {table} WHERE call_id IN ("));
            sql.push("SELECT call_id FROM paceline_entry WHERE ended_at_ms < ")
                .bind(before_ms);
            sql.push(" ORDER BY ended_at_ms, call_id LIMIT ")
                .bind(STEP_ROWS)
                .push(")");
            sql
        })
        .collect()
}

/// One step of removing sums of a grain and period.
pub(crate) fn sums_step(grain: Grain, period: Period, before_ms: i64) -> Vec<Statement> {
    let mut sql = Statement::new(
        "DELETE FROM paceline_sum WHERE (grain, period, bucket_ms, series) IN (\
         SELECT grain, period, bucket_ms, series FROM paceline_sum WHERE grain = ",
    );
    sql.bind(grain.code())
        .push(" AND period = ")
        .bind(period.code())
        .push(" AND bucket_ms < ")
        .bind(before_ms);
    sql.push(" LIMIT ").bind(STEP_ROWS).push(")");
    vec![sql]
}

/// One step of removing what scopes spent in buckets of a period.
pub(crate) fn spending_step(scope: ScopeKind, period: Period, before_ms: i64) -> Vec<Statement> {
    let mut sql = Statement::new(
        "DELETE FROM paceline_spend WHERE (scope, tenant, name, period, bucket_ms) IN (\
         SELECT scope, tenant, name, period, bucket_ms FROM paceline_spend WHERE scope = ",
    );
    sql.bind(scope.code())
        .push(" AND period = ")
        .bind(period.code());
    sql.push(" AND bucket_ms < ").bind(before_ms);
    sql.push(" LIMIT ").bind(STEP_ROWS).push(")");
    vec![sql]
}

/// Removes series that no day has any more. A writer that needs one meanwhile locks it first.
pub(crate) fn series_step(before_ms: i64) -> Vec<Statement> {
    let mut sql = Statement::new("DELETE FROM paceline_series WHERE latest_ms < ");
    sql.bind(before_ms);
    vec![sql]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = Period::Day.length_ms();

    #[test]
    fn levels_are_cut_on_the_borders_of_the_next_and_no_coarse_one_before_a_finer() {
        let now = 1_000 * DAY + 12_345_678;
        let retention = Retention {
            hours_days: 3,
            days_days: Some(500),
            ..Retention::default()
        };
        let cuts = retention.cuts(now);
        assert_eq!(cuts.levels[0] % 60_000, 0);
        assert_eq!(cuts.levels[1] % 3_600_000, 0);
        assert_eq!(cuts.levels[2], 997 * DAY);
        assert!(
            cuts.levels[1] >= cuts.levels[2],
            "minutes go with the hours at the latest"
        );
        assert_eq!(cuts.levels[3], 500 * DAY);
    }

    #[test]
    fn at_least_a_day_is_kept_and_days_for_good_unless_told_otherwise() {
        let none = Retention {
            records_days: 0,
            ..Retention::default()
        };
        let cuts = none.cuts(100 * DAY);
        assert_eq!(cuts.levels[0], 99 * DAY);
        assert_eq!(cuts.levels[3], 0);
        assert_eq!(Retention::default().cuts(5).levels, [0; 4]);
    }
}
