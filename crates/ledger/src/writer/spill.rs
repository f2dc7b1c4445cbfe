//! Records on disk that the store has yet to take.
//!
//! One line for each: the first 16 hexadecimal digits of the SHA-256 of what follows, a space, and
//! the record as JSON. Lines are only appended, and forced to disk before anybody relies on them. A
//! line that was cut off by a crash is cut away; a damaged one is passed over and counted. Processes
//! that share a folder have a file each, which they hold locked; what a process left behind is taken
//! over by the next that starts.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::entry::Entry;

/// The most processes that may share a folder.
const FILES_MAX: usize = 64;

/// The longest line that is read; a record within its bounds is far shorter.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// The spill files of one process: the one it writes, and those it took over.
#[derive(Debug)]
pub(crate) struct Spill {
    own: SpillFile,
    taken_over: Vec<SpillFile>,
}

#[derive(Debug)]
struct SpillFile {
    path: PathBuf,
    /// Held open, which keeps the lock.
    file: File,
    /// The end of the last whole line: where the next one goes.
    end: u64,
    /// How far the store has taken them.
    replayed: u64,
    /// Lines after that.
    lines: u64,
}

/// Some records of a file, and how far they reach.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) entries: Vec<Entry>,
    /// Lines that were damaged.
    pub(super) damaged: u64,
    lines: u64,
    end: u64,
}

impl Spill {
    /// Takes a file in `folder` that nobody else has, and those that nobody holds any more.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut own = None;
        let mut taken_over = Vec::new();
        for number in 0..FILES_MAX {
            let path = folder.join(format!("ledger-{number}.spill"));
            if own.is_some() && !path.exists() {
                continue;
            }
            let Some(file) = SpillFile::open(&path)? else {
                continue;
            };
            match own {
                None => own = Some(file),
                Some(_) => taken_over.push(file),
            }
        }
        let too_many = || {
            let folder = folder.display();
            io::Error::other(format!("{FILES_MAX} processes spill to {folder} already"))
        };
        Ok(Self {
            own: own.ok_or_else(too_many)?,
            taken_over,
        })
    }

    /// How many records are in the files.
    pub(crate) fn lines(&self) -> u64 {
        let others = self.taken_over.iter().map(|file| file.lines);
        self.own.lines + others.sum::<u64>()
    }

    /// Puts records at the end of the file and forces them to disk. On an error, none of them are
    /// there.
    pub(super) fn append<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry>,
    ) -> io::Result<()> {
        self.own.append(entries)
    }

    /// The first records that the store has not taken yet, `max` at most; none: there are no more.
    pub(super) fn next(&mut self, max: usize) -> io::Result<Option<Chunk>> {
        let files = self.taken_over.iter_mut().chain([&mut self.own]);
        match files.into_iter().find(|file| file.lines > 0) {
            Some(file) => file.next(max).map(Some),
            None => Ok(None),
        }
    }

    /// The store has taken what [`Spill::next`] gave last.
    pub(super) fn taken(&mut self, chunk: &Chunk) -> io::Result<()> {
        let files = self.taken_over.iter_mut().chain([&mut self.own]);
        if let Some(file) = files.into_iter().find(|file| file.lines > 0) {
            file.taken(chunk)?;
        }
        let is_done = |file: &mut SpillFile| file.lines == 0;
        for file in self.taken_over.extract_if(.., is_done) {
            fs::remove_file(&file.path)?;
        }
        Ok(())
    }
}

impl SpillFile {
    /// `None`: somebody else has it.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        let (end, lines) = whole_lines(&file)?;
        file.set_len(end)?;
        let path = path.to_owned();
        Ok(Some(Self {
            path,
            file,
            end,
            replayed: 0,
            lines,
        }))
    }

    fn append<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut count = 0;
        for entry in entries {
            let json = serde_json::to_vec(entry)?;
            bytes.extend_from_slice(checksum(&json).as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(&json);
            bytes.push(b'\n');
            count += 1;
        }
        let done = self.write_at_end(&bytes);
        if done.is_err() {
            // What part of it was written goes again; if that fails, the next append writes over it.
            drop(self.file.set_len(self.end));
            return done;
        }
        self.end += bytes.len() as u64;
        self.lines += count;
        Ok(())
    }

    fn write_at_end(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()
    }

    fn next(&mut self, max: usize) -> io::Result<Chunk> {
        self.file.seek(SeekFrom::Start(self.replayed))?;
        let mut reader = BufReader::new(&self.file);
        let mut chunk = Chunk {
            end: self.replayed,
            ..Chunk::default()
        };
        let mut line = Vec::new();
        while chunk.end < self.end && chunk.entries.len() < max {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            chunk.end += read as u64;
            chunk.lines += 1;
            match entry_of(line.trim_ascii_end()) {
                Some(entry) => chunk.entries.push(entry),
                None => chunk.damaged += 1,
            }
        }
        Ok(chunk)
    }

    fn taken(&mut self, chunk: &Chunk) -> io::Result<()> {
        self.replayed = chunk.end;
        self.lines = match chunk.lines {
            // The file is shorter than it was left: somebody else has cut it.
            0 => 0,
            lines => self.lines.saturating_sub(lines),
        };
        if self.replayed >= self.end || self.lines == 0 {
            self.file.set_len(0)?;
            self.file.sync_data()?;
            (self.end, self.replayed, self.lines) = (0, 0, 0);
        }
        Ok(())
    }
}

/// Where the last whole line ends, and how many there are.
fn whole_lines(file: &File) -> io::Result<(u64, u64)> {
    let mut reader = BufReader::new(file);
    let (mut end, mut position, mut lines) = (0, 0, 0);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok((end, lines));
        }
        for (index, byte) in buffer.iter().enumerate() {
            if *byte == b'\n' {
                end = position + index as u64 + 1;
                lines += 1;
            }
        }
        let length = buffer.len();
        position += length as u64;
        reader.consume(length);
    }
}

fn entry_of(line: &[u8]) -> Option<Entry> {
    let (sum, rest) = line.split_at_checked(16)?;
    let json = rest.strip_prefix(b" ")?;
    (line.len() as u64 <= LINE_BYTES_MAX && sum == checksum(json).as_bytes()).then_some(())?;
    serde_json::from_slice(json).ok()
}

fn checksum(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let first = digest
        .iter()
        .take(8)
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!("{first:016x}")
}

#[cfg(test)]
mod tests;
