//! The input: read once to know its lines, and again for each line when its turn comes.

mod fault;
mod grammar;
mod groups;
mod index;
mod line;
mod names;
mod records;
mod rows;
mod spool;
mod template;

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::{FileError, InputError, Problem, Problems, ReadError};
use crate::hash::Hash;
use crate::{Item, JobOptions, LineId, Source};

use fault::Fault;
use grammar::Grammar;
use index::{ScanError, Scanned, made_name, scan};
use line::{Parsed, Rejected};
use records::{PREFIX_BYTES, Record};

pub(crate) use groups::Groups;
pub(crate) use index::{Entry, Index, Named};
pub(crate) use spool::spool;

/// An input whose lines are known.
#[derive(Debug)]
pub(crate) struct Input {
    /// Where it is, and what it is called.
    path: PathBuf,
    pub(crate) shown: String,
    file: File,
    stamp: Stamp,
    grammar: Grammar,
    pub(crate) index: Index,
    line_bytes_max: usize,
}

/// What tells that a file was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Input {
    /// Reads a file that stays there, and is shown as `shown`.
    pub(crate) fn open(
        path: &Path,
        shown: String,
        options: &JobOptions,
    ) -> Result<Self, InputError> {
        let failed = |action| FileError::of(action, Path::new(&shown));
        let file = open_file(path, &shown)?;
        let stamp = Stamp::from(&file.metadata().map_err(failed("look at"))?);
        let name = path.to_string_lossy();
        let scanned = scan(&file, &name, options, None);
        let scanned = checked(scanned, &shown, options.skip_invalid)?;
        Ok(Self {
            path: path.to_owned(),
            shown,
            file,
            stamp,
            grammar: scanned.grammar,
            index: scanned.index,
            line_bytes_max: options.line_bytes_max,
        })
    }

    pub(crate) fn len(&self) -> u32 {
        self.index.entries.len() as u32
    }

    pub(crate) fn entry(&self, id: LineId) -> Option<&Entry> {
        self.index.entries.get(id.0 as usize)
    }

    /// Whether what is at its path is not what was read.
    pub(crate) fn is_changed(&self) -> bool {
        let now = fs::metadata(&self.path);
        now.map_or(true, |metadata| Stamp::from(&metadata) != self.stamp)
    }

    /// A request, read again.
    pub(crate) fn read(&self, id: LineId) -> Result<Item, ReadError> {
        let entry = *self.entry(id).ok_or_else(|| self.changed(0))?;
        let changed = || self.changed(entry.line());
        let bytes = self.bytes(&entry)?;
        let Parsed {
            custom_id,
            url,
            body,
        } = self.parse(&entry, &bytes).map_err(|_| changed())?;
        let content = Hash::of_request(&url, body.as_bytes());
        let custom_id = match custom_id {
            Some(custom_id) => custom_id.into_owned(),
            None => made_name(content, self.index.ordinal(id)),
        };
        if content != entry.content || Hash::of_name(&custom_id) != entry.name {
            return Err(changed());
        }
        Ok(Item {
            id,
            line: entry.line(),
            custom_id,
            url: url.into_owned(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        })
    }

    /// What is wrong with a line that cannot be sent, read again.
    pub(crate) fn problem(&self, id: LineId) -> Result<Problem, ReadError> {
        let entry = *self.entry(id).ok_or_else(|| self.changed(0))?;
        let bytes = self.bytes(&entry)?;
        let (content, fault, custom_id) = match self.parse(&entry, &bytes) {
            Err(Rejected { fault, custom_id }) => (Hash::of_bytes(&bytes), fault, custom_id),
            Ok(parsed) => {
                let first = self.index.first_of_name(id).unwrap_or_default();
                let content = Hash::of_request(&parsed.url, parsed.body.as_bytes());
                (
                    content,
                    Fault::Duplicate(first),
                    parsed.custom_id.map(Into::into),
                )
            }
        };
        if content != entry.content {
            return Err(self.changed(entry.line()));
        }
        Ok(Problem {
            line: entry.line(),
            custom_id,
            message: fault.to_string(),
        })
    }

    /// A line's name, or where it is if it was edited meanwhile.
    pub(crate) fn name(&self, id: LineId) -> String {
        match self.read(id) {
            Ok(item) => item.custom_id,
            Err(_) => format!("line {}", self.entry(id).map_or(0, Entry::line)),
        }
    }

    fn changed(&self, line: u64) -> ReadError {
        ReadError::Changed {
            path: self.shown.clone(),
            line,
        }
    }

    fn is_too_long(&self, entry: &Entry) -> bool {
        entry.length() > self.line_bytes_max
    }

    /// The line's bytes; of one that is too long, the beginning.
    fn bytes(&self, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        let length = match self.is_too_long(entry) {
            true => entry.length().min(PREFIX_BYTES),
            false => entry.length(),
        };
        let mut bytes = vec![0; length];
        match self.file.read_exact_at(&mut bytes, entry.offset()) {
            Ok(()) => Ok(bytes),
            // The file was cut.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.changed(entry.line()))
            }
            Err(error) => Err(FileError::of("read", &self.path)(error).into()),
        }
    }

    fn parse<'a>(&'a self, entry: &Entry, bytes: &'a [u8]) -> Result<Parsed<'a>, Rejected> {
        let record = Record {
            offset: entry.offset(),
            line: entry.line(),
            length: entry.length() as u64,
            bytes,
            is_too_long: self.is_too_long(entry),
        };
        index::parse(&self.grammar, &record, self.line_bytes_max)
    }
}

fn open_file(path: &Path, shown: &str) -> Result<File, InputError> {
    let failed = |action| FileError::of(action, Path::new(shown));
    let file = File::open(path).map_err(failed("open"))?;
    let metadata = file.metadata().map_err(failed("look at"))?;
    match metadata.is_dir() {
        true => Err(InputError::IsFolder(shown.to_owned())),
        false => Ok(file),
    }
}

/// Turns what a reading found into the errors that it is.
fn checked(
    scanned: Result<Scanned, ScanError>,
    shown: &str,
    skips: bool,
) -> Result<Scanned, InputError> {
    let scanned = scanned.map_err(|error| match error {
        ScanError::Read(error) => FileError::of("read", Path::new(shown))(error).into(),
        ScanError::TooLong => InputError::TooLong(shown.to_owned()),
        ScanError::Options(what) => InputError::Options(format!("{shown}: {what}")),
    })?;
    if scanned.index.entries.is_empty() {
        return Err(InputError::Empty(shown.to_owned()));
    }
    if scanned.problems_total > 0 && !skips {
        let problems = Problems {
            path: shown.to_owned(),
            first: scanned.problems,
            total: scanned.problems_total,
        };
        return Err(InputError::Invalid { problems });
    }
    Ok(scanned)
}

/// What [`plan_input`] saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputSummary {
    /// Requests.
    pub requests: u32,
    /// Lines that cannot be sent; only where they are skipped.
    pub invalid: u32,
    /// Bytes that were read.
    pub bytes: u64,
    /// XXH3-128 of them, as 32 hexadecimal digits.
    pub digest: String,
}

/// Reads an input once, for a look at its requests: writes nothing and holds no more than an index.
/// Of the names that are made for bare bodies, the repeated ones are given without their number; a line
/// whose name another has already is given too, before it is known.
///
/// # Errors
///
/// [`InputError`], as when a batch is opened; requests may have been given before.
pub fn plan_input(
    source: &Source,
    options: &JobOptions,
    each: &mut dyn FnMut(Item),
) -> Result<InputSummary, InputError> {
    let shown = shown(source);
    let scanned = match source {
        Source::File(path) => scan(open_file(path, &shown)?, &shown, options, Some(each)),
        Source::Stdin => scan(io::stdin().lock(), &shown, options, Some(each)),
    };
    let index = checked(scanned, &shown, options.skip_invalid)?.index;
    let named = index.entries.iter().map(Entry::named);
    let invalid = named.filter(|named| *named == Named::Invalid).count();
    Ok(InputSummary {
        requests: (index.entries.len() - invalid) as u32,
        invalid: invalid as u32,
        bytes: index.bytes,
        digest: format!("{:032x}", index.digest),
    })
}

/// What an input is called.
pub(crate) fn shown(source: &Source) -> String {
    match source {
        Source::File(path) => path.display().to_string(),
        Source::Stdin => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests;
