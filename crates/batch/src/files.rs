//! The files of a batch: where they are, and what it takes to make and move them for good.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::FileError;
use crate::journal::frame::{HEADER_BYTES, Header, Place};

/// Which of the two files of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Answers.
    Results = 0,
    /// Failures.
    Errors = 1,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Results, Self::Errors];

    fn stem(self) -> &'static str {
        match self {
            Self::Results => "results",
            Self::Errors => "errors",
        }
    }
}

/// Where the files of a batch are.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    results: PathBuf,
    errors: PathBuf,
    pub(crate) manifest: PathBuf,
    pub(crate) folder: PathBuf,
}

/// The file of lines that failed, beside the results.
#[must_use]
pub fn errors_path(output: &Path) -> PathBuf {
    Files::of(output).errors
}

/// The folder with the journal of the batch that writes to `output`.
pub(crate) fn folder(output: &Path) -> PathBuf {
    Files::of(output).folder
}

impl Files {
    pub(crate) fn of(output: &Path) -> Self {
        let mut folder = output.as_os_str().to_owned();
        folder.push(".paceline");
        Self {
            results: output.to_owned(),
            errors: beside(output, "errors", None),
            manifest: beside(output, "manifest", Some("json")),
            folder: folder.into(),
        }
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// A journal that is not yet the one.
    pub(crate) fn next_journal(&self) -> PathBuf {
        self.folder.join("journal.next")
    }

    pub(crate) fn output(&self, kind: Kind) -> &Path {
        match kind {
            Kind::Results => &self.results,
            Kind::Errors => &self.errors,
        }
    }

    /// What is beside the folder.
    pub(crate) fn visible(&self) -> [&Path; 3] {
        [&self.results, &self.errors, &self.manifest]
    }

    /// Whether a file is one of these.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let id = |path: &Path| {
            fs::metadata(path)
                .ok()
                .map(|metadata| (metadata.dev(), metadata.ino()))
        };
        let other = id(path);
        other.is_some() && self.visible().into_iter().any(|own| id(own) == other)
    }

    /// Where a generation's results are in the folder: until they are moved, or for good.
    pub(crate) fn in_folder(&self, kind: Kind, generation: u64) -> PathBuf {
        self.folder.join(format!("{}.{generation}", kind.stem()))
    }

    /// Where the results are that a journal tells of.
    pub(crate) fn live(&self, kind: Kind, header: Header) -> PathBuf {
        match header.place {
            Place::Output => self.output(kind).to_owned(),
            Place::Folder => self.in_folder(kind, header.generation),
        }
    }

    /// The folder that the results are in.
    pub(crate) fn parent(&self) -> &Path {
        match self.results.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Makes the batch's folder, for its owner alone; whether it was not there.
    pub(crate) fn make_folder(&self) -> Result<bool, FileError> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Ok(()) => sync_folder(self.parent()).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(FileError::of("create", &self.folder)(error)),
        }
    }

    /// What the journal begins with; `None`: there is no journal.
    pub(crate) fn header(&self) -> Result<Option<Result<Header, String>>, FileError> {
        let path = self.journal();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::of("open", &path)(error)),
        };
        let mut bytes = Vec::new();
        let mut beginning = file.take(HEADER_BYTES as u64);
        beginning
            .read_to_end(&mut bytes)
            .map_err(FileError::of("read", &path))?;
        Ok(Some(Header::from_bytes(&bytes)))
    }

    /// Completes a change of generations that a crash interrupted, or clears away one that did not come to
    /// be: the journal's generation is the one that counts.
    pub(crate) fn settle(&self, header: Header) -> Result<(), FileError> {
        if header.place == Place::Output {
            for kind in Kind::BOTH {
                let new = self.in_folder(kind, header.generation);
                if new.exists() {
                    rename(&new, self.output(kind))?;
                }
            }
            sync_folder(self.parent())?;
        }
        let live = Kind::BOTH.map(|kind| self.live(kind, header));
        for path in self
            .generations()?
            .into_iter()
            .map(|(path, _)| path)
            .chain([self.next_journal()])
        {
            if !live.contains(&path) && path.exists() {
                fs::remove_file(&path).map_err(FileError::of("remove", &path))?;
            }
        }
        sync_folder(&self.folder)
    }

    /// A number that no generation in the folder has, and none that its journal may be of.
    pub(crate) fn unused_generation(&self) -> Result<u64, FileError> {
        let journal = match self.header()? {
            Some(Ok(header)) => header.generation,
            _ => 0,
        };
        let highest = self
            .generations()?
            .into_iter()
            .map(|(_, generation)| generation)
            .max();
        Ok(journal.max(highest.unwrap_or(0)) + 1)
    }

    /// Results in the folder, with their generations.
    fn generations(&self) -> Result<Vec<(PathBuf, u64)>, FileError> {
        let failed = FileError::of("list", &self.folder);
        let mut found = Vec::new();
        for file in fs::read_dir(&self.folder).map_err(&failed)? {
            let path = file.map_err(&failed)?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let of_kind = |kind: Kind| {
                name.strip_prefix(kind.stem())?
                    .strip_prefix('.')?
                    .parse()
                    .ok()
            };
            if let Some(generation) = Kind::BOTH.into_iter().find_map(of_kind) {
                found.push((path, generation));
            }
        }
        Ok(found)
    }
}

/// `a/results.jsonl` as `a/results.WORD.jsonl`, or with another extension.
fn beside(output: &Path, word: &str, extension: Option<&str>) -> PathBuf {
    let mut name = output.file_stem().map(OsString::from).unwrap_or_default();
    name.push(".");
    name.push(word);
    if let Some(extension) = extension
        .map(OsString::from)
        .or_else(|| output.extension().map(OsString::from))
    {
        name.push(".");
        name.push(extension);
    }
    output.with_file_name(name)
}

/// Makes a file anew: results as the umask says, all else for its owner alone.
pub(crate) fn create(path: &Path, is_private: bool) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    options.mode(if is_private { 0o600 } else { 0o666 });
    options.open(path).map_err(FileError::of("create", path))
}

pub(crate) fn open_to_write(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .open(path)
        .map_err(FileError::of("open", path))
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(FileError::of("put the new file in the place of", to))
}

/// Names in a folder are on disk only when the folder is.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), FileError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(FileError::of("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_the_results() {
        let files = Files::of(Path::new("a/out.jsonl"));
        assert_eq!(files.output(Kind::Errors), Path::new("a/out.errors.jsonl"));
        assert_eq!(files.manifest, Path::new("a/out.manifest.json"));
        assert_eq!(files.folder, Path::new("a/out.jsonl.paceline"));
        let files = Files::of(Path::new("out"));
        assert_eq!(files.output(Kind::Errors), Path::new("out.errors"));
        assert_eq!(files.manifest, Path::new("out.manifest.json"));
        assert_eq!(files.parent(), Path::new("."));
    }
}
