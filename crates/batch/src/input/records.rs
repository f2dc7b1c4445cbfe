//! Cuts a stream of bytes into lines or rows, with a bound on what is held.

use std::io::{self, Read};

use xxhash_rust::xxh3::Xxh3;

use super::rows::RowEnds;

/// How much is read at once.
const CHUNK_BYTES: usize = 1024 * 1024;

/// How much of a line that is too long is given.
pub(super) const PREFIX_BYTES: usize = 4096;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Where a record ends.
pub(super) enum Ends {
    /// At every line feed.
    Lines,
    /// At line feeds outside of quotes.
    Rows(RowEnds),
}

impl Ends {
    /// The line feed that ends the record, in bytes that follow those it was given before.
    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Lines => memchr::memchr(b'\n', bytes),
            Self::Rows(rows) => rows.find(bytes),
        }
    }
}

/// A line or row, without what ends it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Where it begins in the file.
    pub(super) offset: u64,
    /// In which line, counted from 1.
    pub(super) line: u64,
    /// How long it is.
    pub(super) length: u64,
    /// What it says; of one that is too long, the beginning.
    pub(super) bytes: &'a [u8],
    pub(super) is_too_long: bool,
}

/// The records of a stream.
pub(super) struct Records<R> {
    reader: R,
    ends: Ends,
    bytes_max: usize,
    buffer: Vec<u8>,
    /// What of the buffer is yet to be given: `start..filled`.
    start: usize,
    filled: usize,
    /// Where the buffer's first byte is in the file.
    buffer_offset: u64,
    line: u64,
    is_at_end: bool,
    digest: Xxh3,
    /// The beginning of the record that was too long.
    prefix: Vec<u8>,
}

impl<R: Read> Records<R> {
    pub(super) fn new(reader: R, bytes_max: usize) -> Self {
        Self {
            reader,
            ends: Ends::Lines,
            bytes_max,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            buffer_offset: 0,
            line: 1,
            is_at_end: false,
            digest: Xxh3::new(),
            prefix: Vec::new(),
        }
    }

    pub(super) fn set_ends(&mut self, ends: Ends) {
        self.ends = ends;
    }

    /// What the stream begins with, after a byte order mark.
    pub(super) fn beginning(&mut self) -> io::Result<&[u8]> {
        while self.filled < PREFIX_BYTES && !self.is_at_end {
            self.fill()?;
        }
        let held = &self.buffer[self.start..self.filled];
        if self.buffer_offset == 0 && self.start == 0 && held.starts_with(BYTE_ORDER_MARK) {
            self.start = BYTE_ORDER_MARK.len();
        }
        Ok(&self.buffer[self.start..self.filled])
    }

    /// Bytes that were read, and their digest.
    pub(super) fn summary(&self) -> (u64, u128) {
        let bytes = self.buffer_offset + self.filled as u64;
        (bytes, self.digest.digest128())
    }

    /// The next record; `None`: there is no other. Empty ones are given too.
    pub(super) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        let mut searched = self.start;
        let (end, next) = loop {
            if let Some(at) = self.ends.find(&self.buffer[searched..self.filled]) {
                break (searched + at, searched + at + 1);
            }
            // One more for a carriage return; and enough for the beginning that is given.
            if self.filled - self.start > self.bytes_max.max(PREFIX_BYTES).saturating_add(1) {
                return self.rest_of_too_long().map(Some);
            }
            if self.is_at_end {
                if self.start == self.filled {
                    return Ok(None);
                }
                break (self.filled, self.filled);
            }
            let held = self.filled - self.start;
            self.fill()?;
            searched = self.start + held;
        };
        let whole = self.start..end;
        let offset = self.buffer_offset + whole.start as u64;
        let line = self.line;
        self.line += self.lines_in(whole.clone()) + u64::from(next > end);
        self.start = next;
        let bytes = &self.buffer[whole];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let is_too_long = bytes.len() > self.bytes_max;
        Ok(Some(Record {
            offset,
            line,
            length: bytes.len() as u64,
            bytes: if is_too_long {
                &bytes[..bytes.len().min(PREFIX_BYTES)]
            } else {
                bytes
            },
            is_too_long,
        }))
    }

    fn lines_in(&self, range: std::ops::Range<usize>) -> u64 {
        match self.ends {
            Ends::Lines => 0,
            Ends::Rows(_) => memchr::memchr_iter(b'\n', &self.buffer[range]).count() as u64,
        }
    }

    /// Passes over the rest of a record of which more is held than may be.
    fn rest_of_too_long(&mut self) -> io::Result<Record<'_>> {
        let offset = self.buffer_offset + self.start as u64;
        let line = self.line;
        self.prefix.clear();
        let held = &self.buffer[self.start..self.filled];
        self.prefix.extend(held.iter().take(PREFIX_BYTES));
        self.line += self.lines_in(self.start..self.filled);
        let mut last = self.buffer[..self.filled].last().copied();
        self.start = self.filled;
        let end = loop {
            if self.is_at_end {
                break self.buffer_offset + self.filled as u64;
            }
            self.fill()?;
            let found = self.ends.find(&self.buffer[self.start..self.filled]);
            let stop = found.map_or(self.filled, |at| self.start + at);
            self.line += self.lines_in(self.start..stop) + u64::from(found.is_some());
            last = self.buffer[self.start..stop].last().copied().or(last);
            self.start = stop + usize::from(found.is_some());
            if found.is_some() {
                break self.buffer_offset + stop as u64;
            }
        };
        Ok(Record {
            offset,
            line,
            length: end - offset - u64::from(last == Some(b'\r')),
            bytes: &self.prefix,
            is_too_long: true,
        })
    }

    /// Reads on, behind what is held.
    fn fill(&mut self) -> io::Result<()> {
        if self.filled == self.buffer.len() && self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.buffer_offset += self.start as u64;
            self.filled -= self.start;
            self.start = 0;
        }
        if self.filled == self.buffer.len() {
            let bound = self.bytes_max.saturating_add(CHUNK_BYTES);
            let larger = (2 * self.buffer.len()).clamp(CHUNK_BYTES, bound);
            self.buffer.resize(larger, 0);
        }
        let read = loop {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        let new = &self.buffer[self.filled..self.filled + read];
        self.digest.update(new);
        self.filled += read;
        self.is_at_end = read == 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
