//! What to start: a program, its arguments, its environment and its clock.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::Log;
use super::spawner::spawn;

/// A program to start as often as wanted. It sees nothing of this process's environment but PATH.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
    clock_offset_s: i64,
}

impl Program {
    /// The program at `path`, to run in `folder`.
    pub fn new(path: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: folder.into(),
            clock_offset_s: 0,
        }
    }

    /// One more argument.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref().to_owned();
        self.environment.push((name.into(), value));
        self
    }

    /// Puts its wall clock off by so many seconds, ahead or (negative) behind. The clock that
    /// measures spans of time is left alone, as on a machine whose date is wrong. Needs libfaketime.
    #[must_use]
    pub fn clock_offset_s(mut self, seconds: i64) -> Self {
        self.clock_offset_s = seconds;
        self
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    pub(super) fn spawn(&self, log: &Log) -> Result<Child> {
        let output = log.open()?;
        // It asks the system to kill the program when its parent dies, and becomes the program.
        let mut command = Command::new(needed(&["setpriv"], "util-linux")?);
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.path)
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output);
        if self.clock_offset_s != 0 {
            command
                .env("LD_PRELOAD", faketime()?)
                .env("FAKETIME", format!("{:+}s", self.clock_offset_s))
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        spawn(command).with_context(|| format!("{} cannot be started", self.name()))
    }
}

/// The first of `names` that PATH has.
fn find(names: &[&str]) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&folders).collect();
    names.iter().find_map(|name| {
        let files = folders.iter().map(|folder| folder.join(name));
        files.into_iter().find(|file| file.is_file())
    })
}

/// The same, or an error that says which package brings it.
pub(crate) fn needed(names: &[&str], package: &str) -> Result<PathBuf> {
    find(names).with_context(|| {
        let names = names.join(" or ");
        format!("no {names} in PATH; install {package}, as scripts/install-dependencies does")
    })
}

/// The library that answers for the clock, in the variant for programs with threads. Preloaded
/// rather than run through the `faketime` command, which stays between as a parent of its own.
fn faketime() -> Result<PathBuf> {
    let name = Path::new("faketime/libfaketimeMT.so.1");
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
    let triples = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let nested = triples.map(|entry| entry.path());
    let mut files = folders
        .into_iter()
        .map(PathBuf::from)
        .chain(nested)
        .map(|folder| folder.join(name));
    files
        .find(|file| file.is_file())
        .context("no libfaketime; install faketime, as scripts/install-dependencies does")
}
