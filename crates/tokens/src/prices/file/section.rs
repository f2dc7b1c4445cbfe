//! Tables of a price file, read key by key, with every fault noted at its line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::PriceProblem;
use crate::prices::date::Date;
use crate::prices::money::{NANOS, parse_nanos};

/// No rate is dearer, in dollars: what is would be a slip of units.
const RATE_USD_MAX: u64 = 1_000_000;

/// How many unknown keys are held against the known ones.
const HINTS_MAX: usize = 200;

/// What has been found wrong, and the lines of the text.
pub(super) struct Faults {
    starts: Vec<usize>,
    pub(super) problems: Vec<PriceProblem>,
}

impl Faults {
    pub(super) fn new(content: &[u8]) -> Self {
        let breaks = content.iter().enumerate();
        let breaks = breaks.filter(|(_, byte)| **byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1));
        Self {
            starts: starts.collect(),
            problems: Vec::new(),
        }
    }

    pub(super) fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    pub(super) fn note(
        &mut self,
        line: usize,
        path: &str,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.push(PriceProblem {
            line,
            path: path.to_owned(),
            what: what.into(),
            hint: hint.into(),
        });
    }
}

/// A table of the file.
#[derive(Clone, Copy)]
pub(super) struct Section<'a, 'i> {
    pub(super) table: &'a DeTable<'i>,
    pub(super) line: usize,
    pub(super) path: &'a str,
}

impl<'a, 'i> Section<'a, 'i> {
    pub(super) fn path_of(&self, key: &str) -> String {
        match self.path {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    /// Notes the keys that are none of these.
    pub(super) fn refuse_unknown(&self, known: &[&str], faults: &mut Faults) {
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            // Hints for thousands of keys would take long and help nobody.
            let candidates = match faults.problems.len() {
                0..HINTS_MAX => known,
                _ => &[],
            };
            let nearest = candidates
                .iter()
                .map(|known| (strsim::damerau_levenshtein(clip(name), known), *known))
                .min()
                .filter(|(distance, _)| *distance <= (name.len() / 3).max(2));
            let hint = match nearest {
                Some((_, meant)) => format!("did you mean {meant:?}?"),
                None => format!("the keys here are {}", known.join(", ")),
            };
            let path = self.path_of(&shown(name));
            faults.note(faults.line(key.span().start), &path, "unknown key", hint);
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.table.get(key)
    }

    /// Notes that a value is not what it must be.
    pub(super) fn wrong(&self, key: &str, must: &str, hint: &str, faults: &mut Faults) {
        let (line, got) = match self.get(key) {
            Some(value) => (
                faults.line(value.span().start),
                format!(" (got {})", described(value.get_ref())),
            ),
            None => (self.line, String::new()),
        };
        faults.note(line, &self.path_of(key), format!("{must}{got}"), hint);
    }

    pub(super) fn missing(&self, key: &str, example: &str, faults: &mut Faults) {
        let hint = format!("as in {key} = {example}");
        faults.note(self.line, &self.path_of(key), "is missing", hint);
    }

    /// A text of one line that a terminal or a log can show.
    pub(super) fn text(&self, key: &str, faults: &mut Faults) -> Option<String> {
        let DeValue::String(text) = self.get(key)?.get_ref() else {
            self.wrong(key, "must be a string", "", faults);
            return None;
        };
        if text.is_empty() || text.len() > 500 || text.chars().any(char::is_control) {
            self.wrong(key, "must be 1 to 500 bytes on one line", "", faults);
            return None;
        }
        Some(text.to_string())
    }

    /// A day, written as a TOML date or as a string.
    pub(super) fn date(&self, key: &str, faults: &mut Faults) -> Option<Date> {
        let date = match self.get(key)?.get_ref() {
            DeValue::String(text) => text.parse().ok(),
            DeValue::Datetime(toml::value::Datetime {
                date: Some(date),
                time: None,
                offset: None,
            }) => Date::new(date.year, date.month, date.day),
            _ => None,
        };
        if date.is_none() {
            self.wrong(
                key,
                "must be a day",
                "as in 2026-11-22, from 1970 on",
                faults,
            );
        }
        date
    }

    /// A count of tokens.
    pub(super) fn count(&self, key: &str, faults: &mut Faults) -> Option<u64> {
        let count = match self.get(key)?.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            _ => None,
        };
        // A number of tokens beyond it could not be written into a file again.
        let count = count.filter(|count: &u64| i64::try_from(*count).is_ok());
        if count.is_none() {
            self.wrong(key, "must be a whole number, 0 or more", "", faults);
        }
        count
    }

    /// A rate in nano-dollars.
    pub(super) fn rate(&self, key: &str, faults: &mut Faults) -> Option<u64> {
        self.get(key)?;
        let rate = self.nanos(key, faults)?;
        if rate > RATE_USD_MAX * NANOS {
            let hint = "rates of tokens are for a million of them";
            self.wrong(key, "must be at most 1000000 USD", hint, faults);
            return None;
        }
        Some(rate)
    }

    /// A plain decimal in billionths, read from its digits so that nothing is rounded.
    pub(super) fn nanos(&self, key: &str, faults: &mut Faults) -> Option<u64> {
        let nanos = match self.get(key)?.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => parse_nanos(number.as_str()),
            DeValue::Float(number) => parse_nanos(number.as_str()),
            _ => None,
        };
        if nanos.is_none() {
            let must = "must be a plain number of at most nine decimals, 0 or more";
            self.wrong(key, must, "as in 0.25", faults);
        }
        nanos
    }
}

/// A key as a message shows it.
fn shown(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !key.is_empty() && key.len() <= 60 && key.chars().all(bare) {
        true => key.to_owned(),
        false => format!("{:?}", clip(key)),
    }
}

/// Hostile texts may be very long.
fn clip(text: &str) -> &str {
    match text.char_indices().nth(60) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", clip(text)),
        DeValue::Integer(number) => clip(number.as_str()).to_owned(),
        DeValue::Float(number) => clip(number.as_str()).to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(value) => value.to_string(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
