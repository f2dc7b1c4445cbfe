//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

/// Where a value came from, or where a problem is.
///
/// The order is that in which problems are shown: files by line, then variables, then options.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Built in.
    Default,
    /// The bundle chosen with `preset`.
    Preset(&'static str),
    /// A line of the file, counted from 1.
    File {
        /// The file's name as given.
        name: PathBuf,
        /// Line, counted from 1; 0 means the file as a whole.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A command-line option.
    Option(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Preset(name) => write!(f, "preset {name}"),
            Self::File { name, line: 0 } => write!(f, "{}", name.display()),
            Self::File { name, line } => write!(f, "{}:{line}", name.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Option(name) => f.write_str(name),
        }
    }
}
