//! Queries as SQL: one statement, whose parts read the levels that the plan names.

use crate::grain::Grain;
use crate::measures::{self, Measure};
use crate::period::Period;
use crate::query::parts::Part;
use crate::query::plan::Level;
use crate::query::{Dimension, Filter, Order, Query};
use crate::table::Merge;
use crate::value::Statement;

/// From which tables records come: with their tags where a tag matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    /// Records alone.
    Records,
    /// The records of a tag, found by the tag.
    OfTag,
    /// Records, once for each of their tags.
    EachTag,
}

impl Raw {
    fn of(query: &Query) -> Self {
        match (&query.filter.tag, query.group_by.contains(&Dimension::Tag)) {
            (Some(_), _) => Self::OfTag,
            (None, true) => Self::EachTag,
            (None, false) => Self::Records,
        }
    }

    /// The tables. `CROSS JOIN` keeps SQLite to this order of nesting.
    pub(crate) fn tables(self) -> &'static str {
        match self {
            Self::Records => "paceline_entry e",
            Self::OfTag => "paceline_entry_tag g CROSS JOIN paceline_entry e",
            Self::EachTag => "paceline_entry e CROSS JOIN paceline_entry_tag g",
        }
    }
}

/// The statement of a query over these parts, one row more than are wanted.
pub(crate) fn statement(query: &Query, parts: &[Part]) -> Statement {
    let wanted = measures::places(query.brief, query.with_latency);
    let wanted = wanted.iter().filter_map(|place| measures::ALL.get(*place));
    let wanted: Vec<&Measure> = wanted.collect();
    let mut sql = Statement::new("SELECT ");
    for index in 0..query.group_by.len() {
        sql.push(&format!("k{index}, "));
    }
    match query.buckets {
        Some(_) => sql.push("bucket"),
        None => sql.push("0 AS bucket"),
    };
    for measure in &wanted {
        let (name, function) = (&measure.name, function(measure.merge));
        sql.push(&format!(
            ", CAST(coalesce({function}({name}), 0) AS BIGINT) AS total_{name}"
        ));
    }
    sql.push(" FROM (");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            sql.push(" UNION ALL ");
        }
        push_part(&mut sql, query, part, &wanted);
    }
    sql.push(") parts");
    push_groups(&mut sql, query, parts.iter().any(|part| part.is_negative));
    sql
}

fn function(merge: Merge) -> &'static str {
    match merge {
        Merge::Max => "max",
        _ => "sum",
    }
}

fn push_groups(sql: &mut Statement, query: &Query, may_be_none: bool) {
    let mut keys: Vec<String> = query.buckets.iter().map(|_| "bucket".to_owned()).collect();
    keys.extend((0..query.group_by.len()).map(|index| format!("k{index}")));
    if !keys.is_empty() {
        let keys = keys.join(", ");
        let most = match query.order {
            Order::Names => "",
            Order::Cost => "sum(cost_nanousd) DESC, ",
            Order::Tokens => "sum(input_tokens + output_tokens) DESC, ",
            Order::Calls => "sum(calls) DESC, ",
            Order::InputTokens => "sum(input_tokens) DESC, ",
        };
        // Where sums are taken off, nothing may be left of a group.
        let having = if may_be_none {
            " HAVING sum(calls) > 0"
        } else {
            ""
        };
        sql.push(&format!(" GROUP BY {keys}{having} ORDER BY {most}{keys}"));
    }
    sql.push(" LIMIT ").bind(query.rows_max() as u64 + 1);
}

fn push_part(sql: &mut Statement, query: &Query, part: &Part, wanted: &[&Measure]) {
    let segment = part.segment;
    let is_raw = segment.level == Level::Records;
    sql.push("SELECT ");
    for (index, dimension) in query.group_by.iter().enumerate() {
        let column = if is_raw {
            raw_column(*dimension)
        } else {
            series_column(*dimension)
        };
        sql.push(&format!("{column} AS k{index}, "));
    }
    push_bucket(
        sql,
        query,
        if is_raw {
            "e.ended_at_ms"
        } else {
            "r.bucket_ms"
        },
        part.shift_ms,
    );
    let sign = if part.is_negative { "-" } else { "" };
    for measure in wanted {
        let name = &measure.name;
        match is_raw {
            true => sql.push(&format!(", {} AS {name}", measure.of_row)),
            false => sql.push(&format!(", {sign}r.{name} AS {name}")),
        };
    }
    match segment.level {
        Level::Records => {
            let raw = Raw::of(query);
            sql.push(" FROM ").push(raw.tables()).push(" WHERE ");
            where_raw(sql, raw, &query.filter, segment.from_ms, segment.until_ms);
        }
        Level::Rollup(period) => {
            push_sums(sql, query, period, part);
        }
    }
}

/// The start of the bucket in which a time lies. A day is added meanwhile, so that no division is
/// of a negative number, which it may be near 1970 with an offset.
fn push_bucket(sql: &mut Statement, query: &Query, column: &str, shift_ms: i64) {
    let Some(buckets) = query.buckets else {
        sql.push("0 AS bucket");
        return;
    };
    let length = buckets.period.length_ms();
    let shift =
        Period::Day.length_ms() + i64::from(buckets.offset_minutes) * Period::Minute.length_ms();
    sql.push(&format!("(({column} + ")).bind(shift);
    sql.push(") / ").bind(length);
    sql.push(") * ").bind(length);
    sql.push(" - ").bind(shift - shift_ms);
    sql.push(" AS bucket");
}

fn raw_column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Tenant => "e.tenant",
        Dimension::Key => "coalesce(e.key_id, '')",
        Dimension::Session => "coalesce(e.session, '')",
        Dimension::Tag => "g.tag",
        Dimension::Model => "e.model",
        Dimension::Provider => "e.provider",
        Dimension::Route => "e.route",
        Dimension::Outcome => "e.outcome",
        Dimension::Lane => "coalesce(e.lane, '')",
    }
}

fn series_column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Tenant => "s.tenant",
        Dimension::Key => "s.key_id",
        // The plan never reads these from roll-ups.
        Dimension::Session | Dimension::Lane => "''",
        Dimension::Tag => "s.tag",
        Dimension::Model => "s.model",
        Dimension::Provider => "s.provider",
        Dimension::Route => "s.route",
        Dimension::Outcome => "s.outcome",
    }
}

/// Where sums come from: those of a grain and period, with the names of their series. Where few series
/// are sought, the sums of all calls tell which buckets there are, and those of each series are looked up.
fn push_sums(sql: &mut Statement, query: &Query, period: Period, part: &Part) {
    let grain = Grain::of(query);
    let time = if part.is_sought {
        sql.push(
            " FROM paceline_series s CROSS JOIN paceline_sum b CROSS JOIN paceline_sum r WHERE ",
        );
        sql.push("b.grain = ").bind(Grain::All.code());
        sql.push(" AND b.period = ").bind(period.code());
        sql.push(" AND r.bucket_ms = b.bucket_ms AND s.grain = ")
            .bind(grain.code());
        "b.bucket_ms"
    } else {
        sql.push(" FROM paceline_sum r CROSS JOIN paceline_series s WHERE 1 = 1");
        "r.bucket_ms"
    };
    sql.push(" AND r.grain = ").bind(grain.code());
    sql.push(" AND r.period = ").bind(period.code());
    match &part.only {
        None => {
            sql.push(&format!(" AND {time} >= "))
                .bind(part.segment.from_ms);
            sql.push(&format!(" AND {time} < "))
                .bind(part.segment.until_ms);
        }
        Some(buckets) => {
            for (index, bucket) in buckets.iter().enumerate() {
                let before = if index == 0 { "" } else { ", " };
                if index == 0 {
                    sql.push(&format!(" AND {time} IN ("));
                }
                sql.push(before).bind(*bucket);
            }
            sql.push(")");
        }
    }
    sql.push(" AND s.series = r.series");
    where_series(sql, &query.filter);
}

/// The statement that tells how many series of a grain a query is about, and how many there are, of those
/// that occurred on its first day or later.
pub(crate) fn count_series(query: &Query, grain: Grain) -> Statement {
    let mut sql = Statement::new("SELECT (SELECT count(*) FROM paceline_series s WHERE s.grain = ");
    let first_day = Period::Day.start_of(query.filter.from_ms.unwrap_or(0).max(0));
    sql.bind(grain.code())
        .push(" AND s.latest_ms >= ")
        .bind(first_day);
    where_series(&mut sql, &query.filter);
    sql.push("), (SELECT count(*) FROM paceline_series s WHERE s.grain = ");
    sql.bind(grain.code())
        .push(" AND s.latest_ms >= ")
        .bind(first_day);
    sql.push(")");
    sql
}

/// Which series: those of a filter.
fn where_series(sql: &mut Statement, filter: &Filter) {
    for (column, value) in [
        ("s.tag", &filter.tag),
        ("s.tenant", &filter.tenant),
        ("s.key_id", &filter.key_id),
        ("s.model", &filter.model),
        ("s.provider", &filter.provider),
        ("s.route", &filter.route),
    ] {
        push_equal(sql, column, value.as_deref());
    }
    if let Some(outcome) = filter.outcome {
        sql.push(" AND s.outcome = ").bind(outcome.code());
    }
}

/// Which records: those of a filter, in a stretch of time that replaces the filter's.
pub(crate) fn where_raw(
    sql: &mut Statement,
    raw: Raw,
    filter: &Filter,
    from_ms: i64,
    until_ms: i64,
) {
    let by_tag = raw == Raw::OfTag;
    let time = if by_tag {
        "g.ended_at_ms"
    } else {
        "e.ended_at_ms"
    };
    sql.push(&format!("{time} >= ")).bind(from_ms);
    sql.push(&format!(" AND {time} < ")).bind(until_ms);
    if raw != Raw::Records {
        sql.push(" AND g.call_id = e.call_id");
    }
    if let (true, Some(tag)) = (by_tag, &filter.tag) {
        sql.push(" AND g.tag = ").bind(tag.as_str());
    }
    for (column, value) in [
        ("e.tenant", &filter.tenant),
        ("e.session", &filter.session),
        ("e.model", &filter.model),
        ("e.provider", &filter.provider),
        ("e.route", &filter.route),
        ("e.lane", &filter.lane),
    ] {
        push_equal(sql, column, value.as_deref());
    }
    match filter.key_id.as_deref() {
        Some("") => drop(sql.push(" AND e.key_id IS NULL")),
        key_id => push_equal(sql, "e.key_id", key_id),
    }
    if let Some(outcome) = filter.outcome {
        sql.push(" AND e.outcome = ").bind(outcome.code());
    }
}

fn push_equal(sql: &mut Statement, column: &str, value: Option<&str>) {
    if let Some(value) = value {
        sql.push(&format!(" AND {column} = ")).bind(value);
    }
}
