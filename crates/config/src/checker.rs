//! What the checks of all sections share: places, surroundings, and where problems go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::Origin;
use crate::node::{Content, Node};
use crate::report::{Fault, Report};

/// Handed through the checks of all sections.
pub(crate) struct Checker<'a> {
    pub(crate) report: Report,
    pub(crate) env: &'a BTreeMap<String, String>,
    /// Where each value came from, by dotted path.
    pub(crate) provenance: BTreeMap<String, Origin>,
    /// Where each table and array came from, by dotted path.
    tables: BTreeMap<String, Origin>,
    /// The folder that paths in the file are relative to.
    folder: PathBuf,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(
        report: Report,
        tree: &Node,
        folder: &Path,
        env: &'a BTreeMap<String, String>,
    ) -> Self {
        let (mut provenance, mut tables) = (BTreeMap::new(), BTreeMap::new());
        tree.visit("", &mut |path, node| {
            let places = match node.content {
                Content::Leaf(_) => &mut provenance,
                _ => &mut tables,
            };
            places.insert(path.to_owned(), node.origin.clone());
        });
        let folder = folder.to_owned();
        Self {
            report,
            env,
            provenance,
            tables,
            folder,
        }
    }

    /// Where the value at `path` came from; for one that is missing, where its table did.
    pub(crate) fn origin(&self, path: &str) -> Origin {
        let mut path = path;
        loop {
            let found = self.provenance.get(path).or_else(|| self.tables.get(path));
            if let Some(origin) = found {
                return origin.clone();
            }
            let Some(end) = path.rfind(['.', '[']) else {
                return Origin::Default;
            };
            path = &path[..end];
        }
    }

    /// Whether `path` holds more than a default.
    pub(crate) fn is_set(&self, path: &str) -> bool {
        let found = self.provenance.get(path).or_else(|| self.tables.get(path));
        found.is_some_and(|origin| *origin != Origin::Default)
    }

    pub(crate) fn problem(&mut self, path: &str, what: impl Into<String>, hint: impl Into<String>) {
        let origin = self.origin(path);
        self.report.problem(origin, path, Fault::new(what, hint));
    }

    pub(crate) fn notice(&mut self, path: &str, what: impl Into<String>) {
        let origin = self.origin(path);
        self.report.notice(origin, path, what.into());
    }

    /// The path that the setting at `setting` names: relative to the folder of the file if it is
    /// written there, else to the working directory.
    pub(crate) fn resolve(&self, setting: &str, path: &Path) -> PathBuf {
        match self.origin(setting) {
            Origin::File { .. } => self.folder.join(path),
            _ => path.to_owned(),
        }
    }

    /// The variable `name`, unless it is missing or empty.
    pub(crate) fn variable(&self, name: &str) -> Option<&'a str> {
        let text = self.env.get(name).map(|text| text.trim());
        text.filter(|text| !text.is_empty())
    }
}
