//! The lock that keeps a second run off a batch's files.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{FileError, OpenError};

/// Takes the lock of a folder; it is held until the file is closed, and no longer than the process lives.
pub(crate) fn lock(folder: &Path, now_ms: u64) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let mut file = options.open(&path).map_err(FileError::of("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(locked(&mut file, folder, now_ms)),
        Err(TryLockError::Error(error)) => return Err(FileError::of("lock", &path)(error).into()),
    }
    let text = format!("{} {now_ms}\n", std::process::id());
    let written = file
        .set_len(0)
        .and_then(|()| file.write_all(text.as_bytes()));
    written.map_err(FileError::of("write", &path))?;
    Ok(file)
}

/// Who has it, as far as that can be read.
fn locked(file: &mut File, folder: &Path, now_ms: u64) -> OpenError {
    let mut text = String::new();
    let read = file.take(100).read_to_string(&mut text);
    let mut words = text.split_whitespace();
    let pid = words.next().filter(|_| read.is_ok()).unwrap_or("?");
    let since = words.next().and_then(|word| word.parse().ok());
    let ago_s = since.map(|since: u64| now_ms.saturating_sub(since) / 1000);
    OpenError::Locked {
        folder: folder.display().to_string(),
        pid: pid.to_owned(),
        since: ago_s.map_or_else(
            || "some time ago".to_owned(),
            |seconds| format!("{seconds} s ago"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_is_told_who_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path(), 1_000).unwrap();
        let error = lock(folder.path(), 43_000).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            error.contains(&format!("in use by process {pid}, which began 42 s ago")),
            "{error}"
        );
        drop(held);
        lock(folder.path(), 44_000).unwrap();
    }
}
