//! A new journal with its results, written beside the old ones and put in their place.
//!
//! All of it is on disk before the new journal gets the name of the old one, which is the moment that counts:
//! a crash before it leaves everything as it was, and what a crash after it leaves undone is done by
//! [`Files::settle`] at the next start.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use crate::error::FileError;
use crate::files::{Files, Kind, create, rename, sync_folder};
use crate::journal::frame::{Header, push_frame};
use crate::journal::record::{Done, Record};

/// A generation that is being written.
pub(crate) struct Next<'a> {
    files: &'a Files,
    header: Header,
    journal: Output,
    outputs: [Output; 2],
    frame: Vec<u8>,
}

struct Output {
    path: PathBuf,
    file: BufWriter<File>,
    end: u64,
}

impl Output {
    fn new(path: PathBuf, is_private: bool) -> Result<Self, FileError> {
        let file = BufWriter::with_capacity(1 << 18, create(&path, is_private)?);
        Ok(Self { path, file, end: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.end += bytes.len() as u64;
        self.file
            .write_all(bytes)
            .map_err(FileError::of("write", &self.path))
    }

    fn close(mut self) -> Result<(), FileError> {
        let synced = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(FileError::of("write", &self.path))
    }
}

impl<'a> Next<'a> {
    pub(crate) fn begin(files: &'a Files, header: Header) -> Result<Self, FileError> {
        let output = |kind| Output::new(files.in_folder(kind, header.generation), false);
        let outputs = [output(Kind::Results)?, output(Kind::Errors)?];
        let mut journal = Output::new(files.next_journal(), true)?;
        journal.write(&header.to_bytes())?;
        Ok(Self {
            files,
            header,
            journal,
            outputs,
            frame: Vec::new(),
        })
    }

    pub(crate) fn push(&mut self, record: &Record) -> Result<(), FileError> {
        self.frame.clear();
        push_frame(&mut self.frame, self.header.generation, |bytes| {
            record.write(bytes);
        });
        self.journal.write(&self.frame)
    }

    /// Takes over a result: its line, and the record at its new place.
    pub(crate) fn push_done(&mut self, mut done: Done, line: &[u8]) -> Result<(), FileError> {
        let output = match done.output() {
            Kind::Results => &mut self.outputs[0],
            Kind::Errors => &mut self.outputs[1],
        };
        done.offset = output.end;
        output.write(line)?;
        self.push(&Record::Done(done))
    }

    /// Puts all of it on disk; nothing counts yet.
    fn close(self) -> Result<(), FileError> {
        for output in self.outputs {
            output.close()?;
        }
        self.journal.close()?;
        sync_folder(&self.files.folder)
    }

    /// From here on it counts.
    pub(crate) fn commit(self) -> Result<(), FileError> {
        let (files, header) = (self.files, self.header);
        self.close()?;
        switch(files)?;
        files.settle(header)
    }
}

fn switch(files: &Files) -> Result<(), FileError> {
    rename(&files.next_journal(), &files.journal())?;
    sync_folder(&files.folder)
}

/// Reads a line of results, and sees to it that it is what was written.
pub(crate) fn line_of(file: &File, done: &Done) -> io::Result<Option<Vec<u8>>> {
    use std::os::unix::fs::FileExt;
    let mut line = vec![0; usize::try_from(done.length).unwrap_or(0)];
    match file.read_exact_at(&mut line, done.offset) {
        Ok(()) => Ok(Some(line).filter(|line| Done::sum_of(line) == done.sum)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::frame::Place;

    const LINE: &[u8] = b"line\n";

    fn done() -> Done {
        Done {
            length: LINE.len() as u64,
            sum: Done::sum_of(LINE),
            ..Done::default()
        }
    }

    /// A generation with so many results.
    fn next(files: &Files, generation: u64, place: Place, results: usize) -> Next<'_> {
        let mut next = Next::begin(files, Header { generation, place }).unwrap();
        for _ in 0..results {
            next.push_done(done(), LINE).unwrap();
        }
        next
    }

    /// Settles, and looks at what is there: the generation and how many results it has.
    fn settled(files: &Files) -> (u64, usize) {
        let header = files.header().unwrap().unwrap().unwrap();
        files.settle(header).unwrap();
        let results = fs::read(files.live(Kind::Results, header)).unwrap();
        assert!(files.live(Kind::Errors, header).exists());
        let names = fs::read_dir(&files.folder).unwrap().count();
        let expected = if header.place == Place::Folder { 3 } else { 1 };
        assert_eq!(names, expected, "something was left behind");
        (header.generation, results.len() / LINE.len())
    }

    /// From one place to another, with a crash at each point.
    fn crash_everywhere(from: Place, to: Place) {
        // Nothing is on disk but a part of it; all is; it counts; some of it is where it belongs.
        type Crash = fn(&Files, Next<'_>);
        let crashes: [(&str, Crash); 4] = [
            ("while it was written", |_, next| drop(next)),
            ("before it counted", |_, next| next.close().unwrap()),
            ("when it counted", |files, next| {
                next.close().unwrap();
                switch(files).unwrap();
            }),
            ("when half of it was moved", |files, next| {
                let header = next.header;
                next.close().unwrap();
                switch(files).unwrap();
                if header.place == Place::Output {
                    let new = files.in_folder(Kind::Results, header.generation);
                    rename(&new, files.output(Kind::Results)).unwrap();
                }
            }),
        ];
        for (number, (when, crash)) in crashes.into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let files = Files::of(&folder.path().join("out.jsonl"));
            files.make_folder().unwrap();
            next(&files, 1, from, 2).commit().unwrap();
            assert_eq!(settled(&files), (1, 2));
            crash(&files, next(&files, 2, to, 1));
            let expected = if number < 2 { (1, 2) } else { (2, 1) };
            assert_eq!(settled(&files), expected, "{when}, from {from:?} to {to:?}");
            assert_eq!(settled(&files), expected, "a second time");
        }
    }

    #[test]
    fn a_crash_leaves_the_old_results_or_the_new_ones() {
        for from in [Place::Output, Place::Folder] {
            for to in [Place::Output, Place::Folder] {
                crash_everywhere(from, to);
            }
        }
    }

    #[test]
    fn a_line_that_was_edited_is_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        fs::write(&path, "line\nlime\n").unwrap();
        let file = File::open(&path).unwrap();
        let read = |offset| line_of(&file, &Done { offset, ..done() }).unwrap();
        assert_eq!(read(0).as_deref(), Some(LINE));
        assert_eq!(read(5), None);
        assert_eq!(read(6), None);
    }
}
