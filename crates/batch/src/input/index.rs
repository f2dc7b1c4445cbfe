//! What is kept of an input while its batch runs: where each line is, and hashes of what it says.

use std::collections::HashMap;
use std::io;
use std::io::Read;

use bytes::Bytes;

use crate::error::Problem;
use crate::hash::Hash;
use crate::{Format, Item, JobOptions, LineId};

use super::fault::Fault;
use super::grammar::{Grammar, format_of};
use super::groups::Groups;
use super::line::{Parsed, Rejected};
use super::names::Names;
use super::records::{Ends, Record, Records};
use super::rows::RowEnds;

/// How many problems are kept to be shown.
const PROBLEMS_MAX: usize = 20;

/// Lines are counted in 32 bits.
const LINES_MAX: usize = u32::MAX as usize - 1;

/// Where a line's name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// It has one.
    Itself,
    /// One is made of the hash of its body.
    ByBody,
    /// It cannot be sent.
    Invalid,
}

/// One line: 48 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Entry {
    /// Where it begins; above that its group, and in the two highest bits where its name comes from.
    place: u64,
    /// Bytes; of a line beyond 4 GiB, fewer.
    length: u32,
    line: u32,
    /// Of its name, which says which line it is.
    pub(crate) name: Hash,
    /// Of what it says.
    pub(crate) content: Hash,
}

/// A file has up to 16 PiB.
const PLACE_BITS: u32 = 54;

/// Where the bits of the name's origin begin.
const NAMED_BITS: u32 = 62;

impl Entry {
    fn new(record: &Record<'_>, named: Named, name: Hash, content: Hash) -> Self {
        let mut entry = Self {
            place: record.offset,
            length: u32::try_from(record.length).unwrap_or(u32::MAX),
            line: record.line as u32,
            name,
            content,
        };
        entry.set_named(named);
        entry
    }

    pub(super) fn offset(&self) -> u64 {
        self.place & ((1 << PLACE_BITS) - 1)
    }

    pub(super) fn length(&self) -> usize {
        self.length as usize
    }

    pub(crate) fn line(&self) -> u64 {
        self.line.into()
    }

    pub(crate) fn named(&self) -> Named {
        match self.place >> NAMED_BITS {
            0 => Named::Itself,
            1 => Named::ByBody,
            _ => Named::Invalid,
        }
    }

    fn set_named(&mut self, named: Named) {
        let below = self.place & ((1 << NAMED_BITS) - 1);
        self.place = below | (named as u64) << NAMED_BITS;
    }

    /// Which lines it shares a quota with, as far as that can be told: those of the same model.
    pub(crate) fn group(&self) -> u8 {
        (self.place >> PLACE_BITS) as u8
    }

    fn set_group(&mut self, group: u8) {
        self.place = self.place & !(0xFF << PLACE_BITS) | u64::from(group) << PLACE_BITS;
    }

    fn set_invalid(&mut self) {
        self.set_named(Named::Invalid);
        self.name = Hash::of_invalid(self.line, self.content);
    }
}

/// All lines of an input, in its order.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) entries: Vec<Entry>,
    names: Names,
    pub(crate) groups: Groups,
    /// Of lines whose body is there several times: the how-manieth they are, from 2; by line.
    repeated: Vec<(u32, u32)>,
    /// Of lines that have another's name: where that one is; by line.
    duplicates: Vec<(u32, u64)>,
    pub(crate) bytes: u64,
    pub(crate) digest: u128,
}

impl Index {
    fn set_name(&mut self, id: LineId, name: Hash) {
        if let Some(entry) = self.entries.get_mut(id.0 as usize) {
            entry.name = name;
        }
    }

    /// The how-manieth of those with the same body a line is, from 1.
    pub(super) fn ordinal(&self, id: LineId) -> u32 {
        let found = self
            .repeated
            .binary_search_by_key(&id.0, |repeated| repeated.0);
        found
            .ok()
            .and_then(|at| self.repeated.get(at))
            .map_or(1, |repeated| repeated.1)
    }

    /// The line whose name this one has too.
    pub(super) fn first_of_name(&self, id: LineId) -> Option<u64> {
        let found = self
            .duplicates
            .binary_search_by_key(&id.0, |duplicate| duplicate.0);
        found
            .ok()
            .and_then(|at| self.duplicates.get(at))
            .map(|duplicate| duplicate.1)
    }

    /// The line of a name.
    pub(crate) fn find(&self, name: Hash) -> Option<LineId> {
        self.names.find(&self.entries, name)
    }
}

/// The name of a body without one.
pub(super) fn made_name(content: Hash, ordinal: u32) -> String {
    let Hash { high, .. } = content;
    match ordinal {
        1 => format!("body-{high:016x}"),
        ordinal => format!("body-{high:016x}-{ordinal}"),
    }
}

/// What stopped the reading.
#[derive(Debug)]
pub(super) enum ScanError {
    Read(io::Error),
    TooLong,
    Options(String),
}

/// Everything that one reading of an input finds out.
pub(super) struct Scanned {
    pub(super) grammar: Grammar,
    pub(super) index: Index,
    /// The first problems, by line, and how many there are.
    pub(super) problems: Vec<Problem>,
    pub(super) problems_total: u64,
}

/// Reads an input to its end.
pub(super) fn scan(
    reader: impl Read,
    name: &str,
    options: &JobOptions,
    each: Option<&mut dyn FnMut(Item)>,
) -> Result<Scanned, ScanError> {
    let mut records = Records::new(reader, options.line_bytes_max);
    let beginning = records.beginning().map_err(ScanError::Read)?;
    let grammar = match format_of(name, beginning, options) {
        Format::Csv => {
            records.set_ends(Ends::Rows(RowEnds::default()));
            match records.next().map_err(ScanError::Read)? {
                Some(header) => Grammar::rows(header.bytes, options),
                None => Grammar::lines(&JobOptions::default()),
            }
        }
        Format::Auto | Format::JsonLines => Grammar::lines(options),
    };
    let grammar = grammar.map_err(ScanError::Options)?;
    let mut scanner = Scanner {
        grammar: &grammar,
        bytes_max: options.line_bytes_max,
        each,
        index: Index::default(),
        problems: Found::default(),
    };
    while let Some(record) = records.next().map_err(ScanError::Read)? {
        if record.bytes.trim_ascii().is_empty() {
            continue;
        }
        if scanner.index.entries.len() >= LINES_MAX || record.line > u32::MAX.into() {
            return Err(ScanError::TooLong);
        }
        scanner.take(&record);
    }
    (scanner.index.bytes, scanner.index.digest) = records.summary();
    let Scanner {
        mut index,
        problems,
        ..
    } = scanner;
    let duplicates = name_and_compare(&mut index);
    let problems_total = problems.total + duplicates.total;
    let mut problems = [problems.first, duplicates.first].concat();
    problems.sort_by_key(|problem| problem.line);
    problems.truncate(PROBLEMS_MAX);
    Ok(Scanned {
        grammar,
        index,
        problems,
        problems_total,
    })
}

#[derive(Default)]
struct Found {
    first: Vec<Problem>,
    total: u64,
}

impl Found {
    fn add(&mut self, line: u64, fault: &Fault, custom_id: Option<String>) {
        self.total += 1;
        if self.first.len() < PROBLEMS_MAX {
            let message = fault.to_string();
            self.first.push(Problem {
                line,
                custom_id,
                message,
            });
        }
    }
}

struct Scanner<'a, 'each> {
    grammar: &'a Grammar,
    bytes_max: usize,
    each: Option<&'each mut dyn FnMut(Item)>,
    index: Index,
    problems: Found,
}

impl Scanner<'_, '_> {
    fn take(&mut self, record: &Record<'_>) {
        match parse(self.grammar, record, self.bytes_max) {
            Ok(parsed) => self.take_request(record, parsed),
            Err(Rejected { fault, custom_id }) => {
                self.problems.add(record.line, &fault, custom_id);
                let content = Hash::of_bytes(record.bytes);
                let mut entry = Entry::new(record, Named::Invalid, content, content);
                entry.set_invalid();
                self.index.entries.push(entry);
            }
        }
    }

    fn take_request(&mut self, record: &Record<'_>, parsed: Parsed<'_>) {
        let content = Hash::of_request(&parsed.url, parsed.body.as_bytes());
        let (named, custom_id) = match parsed.custom_id {
            Some(custom_id) => (Named::Itself, custom_id),
            None => (Named::ByBody, made_name(content, 1).into()),
        };
        let id = LineId(self.index.entries.len() as u32);
        let mut entry = Entry::new(record, named, Hash::of_name(&custom_id), content);
        entry.set_group(self.index.groups.of(&parsed.body));
        self.index.entries.push(entry);
        if let Some(each) = &mut self.each {
            each(Item {
                id,
                line: record.line,
                custom_id: custom_id.into_owned(),
                url: parsed.url.into_owned(),
                body: Bytes::copy_from_slice(parsed.body.as_bytes()),
            });
        }
    }
}

pub(super) fn parse<'a>(
    grammar: &'a Grammar,
    record: &Record<'a>,
    max: usize,
) -> Result<Parsed<'a>, Rejected> {
    if record.is_too_long {
        let length = record.length;
        return Err(Fault::TooLong { length, max }.into());
    }
    grammar.parse(record.bytes)
}

/// Numbers bodies that are there several times, and finds names that are.
fn name_and_compare(index: &mut Index) -> Found {
    let mut problems = Found::default();
    let mut names = Names::with_room_for(index.entries.len());
    // How many have the body of a line so far, if more than itself.
    let mut counts: HashMap<LineId, u32> = HashMap::new();
    for id in (0..index.entries.len() as u32).map(LineId) {
        let Some(&entry) = index.entries.get(id.0 as usize) else {
            break;
        };
        let mut other = names.enter(&index.entries, id, entry.name);
        if let Some(first) = other.filter(|_| entry.named() == Named::ByBody) {
            let count = counts.entry(first).or_insert(1);
            *count += 1;
            let name = Hash::of_name(&made_name(entry.content, *count));
            index.repeated.push((id.0, *count));
            index.set_name(id, name);
            other = names.enter(&index.entries, id, name);
        }
        let Some(first) = other else { continue };
        let first_line = index.entries.get(first.0 as usize).map_or(0, Entry::line);
        problems.add(entry.line(), &Fault::Duplicate(first_line), None);
        index.duplicates.push((id.0, first_line));
        if let Some(entry) = index.entries.get_mut(id.0 as usize) {
            entry.set_invalid();
            let name = entry.name;
            // A name of a line that cannot be sent has the line's number in it.
            names.enter(&index.entries, id, name);
        }
    }
    index.names = names;
    problems
}
