//! The file: bytes to a tree that knows its lines.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::node::{Content, Node};
use crate::report::{Fault, Report};
use crate::{Origin, SourceFile};

/// The largest file that is read: far more than any real one, and little enough to be parsed at
/// once.
pub(crate) const BYTES_MAX: u64 = 1 << 20;

/// The places of a text: byte offsets to lines of a named file.
struct Lines<'a> {
    name: &'a Path,
    starts: Vec<usize>,
}

impl Lines<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let line = self.starts.partition_point(|start| *start <= offset);
        let name = self.name.to_owned();
        Origin::File { name, line }
    }
}

/// Parses the file; what is not TOML is noted, and the rest is returned.
pub(crate) fn parse(file: &SourceFile, report: &mut Report) -> Option<Node> {
    let whole = Origin::File {
        name: file.name.clone(),
        line: 0,
    };
    if u64::try_from(file.content.len()).map_or(true, |length| length > BYTES_MAX) {
        let what = "is larger than 1 MiB";
        report.problem(whole, "", Fault::new(what, "is it a configuration file?"));
        return None;
    }
    let starts = line_starts(&file.content);
    let name = file.name.as_path();
    let lines = Lines { name, starts };
    let text = match std::str::from_utf8(&file.content) {
        Ok(text) => text,
        Err(error) => {
            let at = lines.origin(error.valid_up_to());
            let fault = Fault::new("is not valid UTF-8", "save the file as UTF-8");
            report.problem(at, "", fault);
            return None;
        }
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<_> = errors
        .iter()
        .map(|e| (e.span().map_or(0, |s| s.start), e))
        .collect();
    errors.sort_by_key(|(offset, _)| *offset);
    for (offset, error) in errors {
        // The line break itself belongs to the line that it ends.
        let offset = offset.min(text.len().saturating_sub(1));
        // Keys below a header that is written twice still belong to it.
        let header = is_header(text, offset) && error.message() != "duplicate key";
        let fault = Fault::new(error.message().replace('\n', ", "), "");
        report.syntax(lines.origin(offset), fault, header);
    }
    Some(table_node(whole, table.get_ref(), &lines))
}

fn line_starts(content: &[u8]) -> Vec<usize> {
    let breaks = content
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n');
    std::iter::once(0)
        .chain(breaks.map(|(at, _)| at + 1))
        .collect()
}

/// Whether the line at `offset` is that of a table header.
fn is_header(text: &str, offset: usize) -> bool {
    let bytes = text.as_bytes();
    let before = bytes.get(..offset).unwrap_or_default();
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let line = bytes.get(start..).unwrap_or_default();
    line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

fn table_node(origin: Origin, table: &DeTable<'_>, lines: &Lines<'_>) -> Node {
    let entries = table.iter().map(|(key, value)| {
        let origin = lines.origin(key.span().start);
        (key.get_ref().to_string(), value_node(origin, value, lines))
    });
    let content = Content::Table(entries.collect());
    Node { origin, content }
}

fn value_node(origin: Origin, value: &Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Node {
    let leaf = |value: toml::Value| Node::leaf(origin.clone(), value);
    match value.get_ref() {
        DeValue::Table(table) => table_node(origin, table, lines),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| {
                let origin = lines.origin(item.span().start);
                value_node(origin, item, lines)
            });
            let content = Content::List(items.collect());
            Node { origin, content }
        }
        DeValue::String(text) => leaf(toml::Value::from(text.as_ref())),
        DeValue::Boolean(value) => leaf(toml::Value::from(*value)),
        DeValue::Datetime(value) => leaf(toml::Value::from(*value)),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => leaf(toml::Value::from(number)),
            // Too large for any setting: kept as a float, whose check says so.
            Err(_) => leaf(toml::Value::from(
                number.as_str().parse().unwrap_or(f64::MAX),
            )),
        },
        DeValue::Float(number) => leaf(toml::Value::from(
            number.as_str().parse().unwrap_or(f64::NAN),
        )),
    }
}
