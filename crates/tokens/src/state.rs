//! What was learned, as plain data that outlives the process.

use thiserror::Error;

/// The version of the data that this build writes and reads.
pub(crate) const VERSION: u32 = 1;

/// Why data that should hold what was learned cannot be used. Starting without it is the remedy:
/// everything in it is learned again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// Another version wrote the data.
    #[error("version {0} of what was learned about tokens is not known here; start without it")]
    Version(u32),
    /// The data holds what no run can have learned.
    #[error("what was learned about tokens is damaged: {0} makes no sense; start without it")]
    Nonsense(&'static str),
}

/// Refuses data of another version.
///
/// # Errors
/// When the version is not [`VERSION`].
pub(crate) const fn check_version(version: u32) -> Result<(), StateError> {
    if version == VERSION {
        Ok(())
    } else {
        Err(StateError::Version(version))
    }
}

/// The longest name of a model or a route that is kept, in bytes. Longer ones are made up.
pub(crate) const NAME_BYTES_MAX: usize = 256;

/// Whether a name may be kept.
pub(crate) const fn is_keepable(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
}
