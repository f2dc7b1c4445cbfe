//! Records themselves, page by page.

use serde::{Deserialize, Serialize};

use crate::entry::{COLUMNS, CallId, Entry};
use crate::query::{Filter, Raw, where_raw};
use crate::value::Statement;

/// The most records of one page.
pub const PAGE_MAX: usize = 1_000;

/// A place between two records: after the last one of a page. As text, to hand out and take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) ended_at_ms: i64,
    pub(crate) call_id: CallId,
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.ended_at_ms, self.call_id)
    }
}

impl std::str::FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (time, id) = text.split_once('-').ok_or(CursorError)?;
        Ok(Self {
            ended_at_ms: time.parse().map_err(|_| CursorError)?,
            call_id: id.parse().map_err(|_| CursorError)?,
        })
    }
}

/// A text is no place between records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor; take `next` of the page before as it is")]
pub struct CursorError;

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Some records, the latest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The records.
    pub entries: Vec<Entry>,
    /// Where the next page starts; `None`: this was the last.
    pub next: Option<Cursor>,
}

/// Which way records are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    LatestFirst,
    OldestFirst,
}

/// The statement that lists records beyond `after`.
pub(crate) fn statement(
    filter: &Filter,
    direction: Direction,
    after: Option<Cursor>,
    limit: usize,
) -> Statement {
    let raw = match filter.tag {
        Some(_) => Raw::OfTag,
        None => Raw::Records,
    };
    let mut sql = Statement::new("SELECT e.call_id");
    for (name, _) in COLUMNS {
        sql.push(", e.").push(name);
    }
    sql.push(" FROM ").push(raw.tables()).push(" WHERE ");
    let (from_ms, until_ms) = (
        filter.from_ms.unwrap_or(0),
        filter.until_ms.unwrap_or(i64::MAX),
    );
    where_raw(&mut sql, raw, filter, from_ms, until_ms);
    let table = if raw == Raw::OfTag { "g" } else { "e" };
    let (beyond, order) = match direction {
        Direction::LatestFirst => ("<", "DESC"),
        Direction::OldestFirst => (">", "ASC"),
    };
    if let Some(after) = after {
        sql.push(&format!(
            " AND ({table}.ended_at_ms, {table}.call_id) {beyond} ("
        ));
        sql.bind(after.ended_at_ms)
            .push(", ")
            .bind(after.call_id.to_value())
            .push(")");
    }
    sql.push(&format!(
        " ORDER BY {table}.ended_at_ms {order}, {table}.call_id {order} LIMIT "
    ));
    sql.bind(limit as u64);
    sql
}

/// The statement that finds the record of a call.
pub(crate) fn one(call_id: CallId) -> Statement {
    let mut sql = Statement::new("SELECT e.call_id");
    for (name, _) in COLUMNS {
        sql.push(", e.").push(name);
    }
    sql.push(" FROM paceline_entry e WHERE e.call_id = ")
        .bind(call_id.to_value());
    sql
}

impl Entry {
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor {
            ended_at_ms: self.ended_at_ms,
            call_id: self.call_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_nothing_else_is() {
        let cursor = Cursor {
            ended_at_ms: 17,
            call_id: CallId(3),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "17", "-", "x-00000000000000000000000000000003", "17-3"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}
