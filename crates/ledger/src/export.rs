//! Records as text, for other programs.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::entry::{COLUMNS, Entry};
use crate::ledger::Ledger;
use crate::page::{Cursor, PAGE_MAX};
use crate::query::Filter;
use crate::value::Value;

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-separated values after RFC 4180, with a line of names first. A text that a spreadsheet
    /// would take for a formula (it starts with `=`, `+`, `-`, `@`) has an apostrophe put before it:
    /// names in it come from callers. Whoever needs texts to the letter takes [`Format::JsonLines`].
    Csv,
    /// One JSON object a line, with the fields of [`Entry`].
    JsonLines,
}

/// An export on its way. Records that are written meanwhile are in it if they ended later than those
/// that it has come to.
#[derive(Debug)]
pub struct Export {
    ledger: Ledger,
    filter: Filter,
    format: Format,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Start,
    After(Cursor),
    End,
}

impl Export {
    pub(crate) fn new(ledger: Ledger, filter: Filter, format: Format) -> Self {
        Self {
            ledger,
            filter,
            format,
            place: Place::Start,
        }
    }

    /// The next piece, of up to a thousand whole lines; `None` at the end. After an error the same
    /// piece can be asked for again.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let after = match self.place {
            Place::Start => None,
            Place::After(cursor) => Some(cursor),
            Place::End => return Ok(None),
        };
        let entries = self
            .ledger
            .page_forward(&self.filter, after, PAGE_MAX)
            .await?;
        let mut text = String::new();
        if after.is_none() && self.format == Format::Csv {
            text.push_str(&header());
        }
        for entry in &entries {
            match self.format {
                Format::Csv => push_csv(&mut text, entry),
                Format::JsonLines => push_json(&mut text, entry),
            }
        }
        self.place = match entries.last() {
            Some(last) if entries.len() == PAGE_MAX => Place::After(last.cursor()),
            _ => Place::End,
        };
        Ok((!text.is_empty()).then_some(text))
    }
}

fn header() -> String {
    let names = COLUMNS.map(|(name, _)| name);
    format!("call_id,{}\r\n", names.join(","))
}

fn push_json(text: &mut String, entry: &Entry) {
    // A record is made of texts and numbers: there is nothing that could fail.
    if let Ok(json) = serde_json::to_string(entry) {
        text.push_str(&json);
        text.push('\n');
    }
}

fn push_csv(text: &mut String, entry: &Entry) {
    let _ = write!(text, "{}", entry.call_id);
    let row = entry.to_row();
    for ((name, _), value) in COLUMNS.iter().zip(row.iter().skip(1)) {
        text.push(',');
        match (*name, value) {
            ("outcome", _) => text.push_str(entry.outcome.name()),
            ("tags", _) => push_cell(text, &entry.tags.join(" ")),
            (_, Value::Integer(number)) => drop(write!(text, "{number}")),
            (_, Value::Text(cell)) => push_cell(text, cell),
            (_, Value::Null | Value::Bytes(_)) => {}
        }
    }
    text.push_str("\r\n");
}

/// A text, kept from being a formula, and in quotes where it would not be read as one cell.
fn push_cell(text: &mut String, cell: &str) {
    let guard = if cell.starts_with(['=', '+', '-', '@']) {
        "'"
    } else {
        ""
    };
    if cell.contains([',', '"', '\r', '\n', ' ']) {
        let cell = cell.replace('"', "\"\"");
        let _ = write!(text, "\"{guard}{cell}\"");
    } else {
        text.push_str(guard);
        text.push_str(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::CallId;

    fn cell(from: &str) -> String {
        let mut text = String::new();
        push_cell(&mut text, from);
        text
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_never_formulas() {
        assert_eq!(cell("gpt-4o"), "gpt-4o");
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@SUM(A1, A2)"), "\"'@SUM(A1, A2)\"");
    }

    #[test]
    fn a_line_has_as_many_cells_as_the_header() {
        let mut text = String::new();
        let entry = Entry::new(CallId(7), 5, "a");
        push_csv(&mut text, &entry);
        assert_eq!(text.split(',').count(), header().split(',').count());
        assert!(text.starts_with("00000000000000000000000000000007,5,a,,,"));
        assert!(text.ends_with("\r\n"));
    }
}
