//! What settings are made from, and what comes of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::{Notice, Origin, Secret, Settings};

/// Everything that settings are made from. Has no `Debug`: the environment holds keys.
#[derive(Clone)]
pub struct Sources<'a> {
    /// The file, if there is one.
    pub file: Option<SourceFile>,
    /// The environment.
    pub env: &'a BTreeMap<String, String>,
    /// What the command line asks for.
    pub overrides: Overrides,
}

/// A configuration file that has been read.
#[derive(Clone)]
pub struct SourceFile {
    /// Its name, for messages; paths inside the file are relative to its folder.
    pub name: PathBuf,
    /// Its content, not yet known to be text.
    pub content: Vec<u8>,
}

/// Says how long the content is and not what it is: a key may be written in it.
impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.name.display(), self.content.len())
    }
}

/// What the command line asks for; text is checked together with everything else.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--listen ADDRESS`.
    pub listen: Option<String>,
    /// `--upstream URL`.
    pub upstream: Option<String>,
    /// `--redis URL`.
    pub redis: Option<Secret>,
    /// `--database URL`.
    pub database: Option<Secret>,
    /// `--preset NAME`.
    pub preset: Option<String>,
    /// `--log-level LEVEL`.
    pub log_level: Option<String>,
    /// `--state-dir FOLDER`.
    pub state_dir: Option<String>,
}

/// Settings, and how they came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The checked settings.
    pub settings: Settings,
    /// What the operator should know, though nothing is wrong.
    pub notices: Vec<Notice>,
    /// Where each value came from, by dotted path; what is missing here is a default.
    pub provenance: BTreeMap<String, Origin>,
}
