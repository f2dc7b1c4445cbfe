//! From the text of a file to a scenario, or to what is wrong with it: file, line, key and hint.

use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::{Scenario, check};

/// One thing that is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioFault {
    /// The line, from 1; 0 where it cannot be told.
    pub line: usize,
    /// The dotted path of the key; empty where there is none.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What helps; may be empty.
    pub hint: String,
}

/// What is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    /// What the file is called.
    pub file: String,
    /// All that is wrong, in the order of the checks; never empty.
    pub faults: Vec<ScenarioFault>,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                out.write_str("\n")?;
            }
            out.write_str(&self.file)?;
            if fault.line > 0 {
                write!(out, ":{}", fault.line)?;
            }
            if !fault.key.is_empty() {
                write!(out, ": {}", fault.key)?;
            }
            write!(out, ": {}", fault.what)?;
            if !fault.hint.is_empty() {
                write!(out, "; {}", fault.hint)?;
            }
        }
        Ok(())
    }
}

pub(super) fn scenario(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let error = |faults| ScenarioError {
        file: name.to_owned(),
        faults,
    };
    let parsed: Scenario =
        toml::from_str(text).map_err(|cause| error(vec![not_understood(&cause, text)]))?;
    let mut faults = check::scenario(&parsed);
    if faults.is_empty() {
        return Ok(parsed);
    }
    let tree = DeTable::parse(text).ok();
    for fault in &mut faults {
        let place = tree.as_ref().and_then(|tree| {
            let whole = DeValue::Table(tree.get_ref().clone());
            place_of(&whole, 0..0, &fault.key)
        });
        fault.line = place.map_or(0, |place| line_at(text, place.start));
    }
    Err(error(faults))
}

/// An error of the parser, with the key that it stands at.
fn not_understood(cause: &toml::de::Error, text: &str) -> ScenarioFault {
    let message = cause.message().trim_end().replace('\n', ", ");
    let (line, key) = cause.span().map_or((0, String::new()), |span| {
        let key = DeTable::parse(text)
            .ok()
            .and_then(|tree| key_at(tree.get_ref(), &span, ""));
        (line_at(text, span.start), key.unwrap_or_default())
    });
    let (what, hint) = hinted(&message);
    ScenarioFault {
        line,
        key,
        what,
        hint,
    }
}

/// Takes the list of what was expected apart: the nearest of it is the hint.
fn hinted(message: &str) -> (String, String) {
    let Some((what, expected)) = message.split_once(", expected ") else {
        return (message.to_owned(), String::new());
    };
    let quoted = |text: &str| -> Vec<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let wrong = quoted(what);
    let known = quoted(expected);
    let nearest = wrong.first().and_then(|wrong| {
        let distance = |name: &String| strsim::damerau_levenshtein(wrong, name);
        let nearest = known.iter().min_by_key(|name| distance(name))?;
        (distance(nearest) <= (wrong.chars().count() / 3).max(2)).then_some(nearest)
    });
    let hint = nearest.map_or_else(
        || format!("expected {}", expected.replace('`', "")),
        |nearest| format!("did you mean {nearest}?"),
    );
    (what.replace('`', ""), hint)
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// The dotted path of the key whose name or value lies at `span`.
fn key_at(table: &DeTable<'_>, span: &Range<usize>, path: &str) -> Option<String> {
    for (key, value) in table {
        let here = if path.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{path}.{}", key.get_ref())
        };
        if key.span() == *span {
            return Some(here);
        }
        let below = match value.get_ref() {
            DeValue::Table(inner) => key_at(inner, span, &here),
            DeValue::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
                let here = format!("{here}[{index}]");
                match item.get_ref() {
                    DeValue::Table(inner) => key_at(inner, span, &here),
                    _ => (item.span() == *span).then_some(here),
                }
            }),
            _ => None,
        };
        if below.is_some() {
            return below;
        }
        if value.span() == *span {
            return Some(here);
        }
    }
    None
}

/// Where the value at a dotted path stands, or the nearest one above it that was written.
fn place_of(value: &DeValue<'_>, at: Range<usize>, path: &str) -> Option<Range<usize>> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if first.is_empty() {
        return Some(at);
    }
    let (name, index) = match first.split_once('[') {
        Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
        None => (first, None),
    };
    let DeValue::Table(table) = value else {
        return Some(at);
    };
    let Some((key, inner)) = table.iter().find(|(key, _)| key.get_ref() == name) else {
        return Some(at);
    };
    match (inner.get_ref(), index) {
        (DeValue::Array(items), Some(index)) => {
            let item = items.get(index)?;
            place_of(item.get_ref(), item.span(), rest)
        }
        (other, _) => place_of(other, key.span(), rest),
    }
}
