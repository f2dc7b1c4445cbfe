//! Standard input, and other streams that can be read once only, kept as a file.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use crate::Source;
use crate::error::{FileError, InputError};
use crate::files::{create, rename, sync_folder};

/// The file's name in the batch's folder.
const NAME: &str = "input";

/// Where the input is as a file that can be read again: itself, or written to the batch's folder. A stream that
/// has nothing in it leaves what was kept of an earlier run.
pub(crate) fn spool(source: &Source, folder: &Path) -> Result<PathBuf, InputError> {
    match source {
        Source::Stdin => keep(io::stdin().lock(), Path::new("-"), folder),
        Source::File(path) => {
            let metadata = fs::metadata(path).map_err(FileError::of("open", path))?;
            if metadata.is_file() || metadata.is_dir() {
                return Ok(path.clone());
            }
            let stream = File::open(path).map_err(FileError::of("open", path))?;
            keep(stream, path, folder)
        }
    }
}

fn keep(stream: impl Read, shown: &Path, folder: &Path) -> Result<PathBuf, InputError> {
    let kept = folder.join(NAME);
    let new = folder.join("input.new");
    let mut file = create(&new, true)?;
    let mut stream = BufReader::with_capacity(1 << 20, stream);
    let mut bytes = 0;
    loop {
        let piece = stream.fill_buf().map_err(FileError::of("read", shown))?;
        if piece.is_empty() {
            break;
        }
        file.write_all(piece)
            .map_err(FileError::of("write", &new))?;
        let length = piece.len();
        bytes += length;
        stream.consume(length);
    }
    if bytes == 0 && kept.exists() {
        fs::remove_file(&new).map_err(FileError::of("remove", &new))?;
        return Ok(kept);
    }
    file.sync_all().map_err(FileError::of("sync", &new))?;
    rename(&new, &kept)?;
    sync_folder(folder)?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_kept_and_an_empty_one_leaves_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let kept = |text: &str| keep(text.as_bytes(), Path::new("-"), folder.path()).unwrap();
        let path = kept("one\n");
        assert_eq!(kept(""), path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
        kept("two\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
