//! Whose the state folder is: of several gateways that share one, the first keeps what it learns.
//!
//! The folder itself is locked, so that nothing is left behind by whoever ends, however it ends.

use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Whether this gateway may write into the folder.
#[derive(Debug)]
pub(super) enum Hold {
    /// It may: nobody else does for as long as this is open.
    Ours(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File),
    /// Another gateway writes.
    Theirs,
    /// The folder cannot be locked, or not be opened: writing to it tells what is wrong, if anything.
    Unknown,
}

impl Hold {
    /// Takes the folder if it is free; makes it if it is not there.
    pub(super) fn take(folder: &Path) -> Self {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        let Ok(opened) = made.and_then(|()| File::open(folder)) else {
            return Self::Unknown;
        };
        match opened.try_lock() {
            Ok(()) => Self::Ours(opened),
            Err(TryLockError::WouldBlock) => Self::Theirs,
            // Some network file systems know no locks.
            Err(TryLockError::Error(_)) => Self::Unknown,
        }
    }
}
