//! Checks a tree against the shape of the file and keeps what is sound.

use std::collections::BTreeMap;

use crate::leaf::{Kind, show};
use crate::nearest::nearest;
use crate::node::{Content, Node, clip, join};
use crate::report::{Fault, Report};
use crate::shape::{Form, Shape};
use crate::template::shown_value;

/// Keys that were replaced by others, and what to write now.
const REPLACED: [(&str, &str); 1] = [(
    "http1_only",
    "http_version = \"1.1\" says the same now; \"2\" and \"auto\" are there too",
)];

/// Checks every value and key of a tree, and drops those that are wrong.
pub(crate) struct Verifier<'a> {
    file: &'a Shape,
    report: &'a mut Report,
}

impl<'a> Verifier<'a> {
    pub(crate) fn new(file: &'a Shape, report: &'a mut Report) -> Self {
        Self { file, report }
    }

    /// The tree without what is wrong in it; `None` when nothing of it can stay.
    pub(crate) fn verify(&mut self, shape: &Shape, node: Node, path: &str) -> Option<Node> {
        let Node { origin, content } = node;
        let content = match (&shape.form, content) {
            (Form::Leaf(kind), Content::Leaf(value)) => {
                if let Err(fault) = kind.check(&value) {
                    self.report.problem(origin, path, fault);
                    return None;
                }
                Content::Leaf(value)
            }
            (Form::Leaf(kind), content @ Content::Table(_)) if matches!(kind, Kind::Secret) => {
                let node = Node { origin, content };
                return self.secret(kind, node, path);
            }
            (Form::Table(keys), Content::Table(entries)) => {
                for key in shape
                    .needed
                    .iter()
                    .filter(|key| !entries.contains_key(*key))
                {
                    let missing = Fault::new("is missing", shape_hint(keys, key));
                    self.report
                        .problem(origin.clone(), join(path, key), missing);
                }
                Content::Table(self.table(keys, entries, path))
            }
            (Form::Map(shape), Content::Table(entries)) => {
                let each = entries.into_iter().filter_map(|(key, node)| {
                    let path = join(path, &key);
                    self.verify(shape, node, &path).map(|node| (key, node))
                });
                Content::Table(each.collect())
            }
            (Form::List(shape), Content::List(items)) => {
                let each = items
                    .into_iter()
                    .enumerate()
                    .map(|(index, node)| self.verify(shape, node, &format!("{path}[{index}]")));
                // Every entry is looked at before an unsound one condemns the array: without it
                // the places of the others would no longer carry their numbers.
                let each: Vec<_> = each.collect();
                Content::List(each.into_iter().collect::<Option<_>>()?)
            }
            (form, content) => {
                let fault = mismatch(form, &content);
                self.report.problem(origin, path, fault);
                return None;
            }
        };
        Some(Node { origin, content })
    }

    fn table(
        &mut self,
        keys: &BTreeMap<String, Shape>,
        entries: BTreeMap<String, Node>,
        path: &str,
    ) -> BTreeMap<String, Node> {
        let mut sound = BTreeMap::new();
        for (key, node) in entries {
            let below = join(path, &key);
            match keys.get(&key) {
                None => {
                    let fault = Fault::new("unknown key", self.meant(keys, &key, path));
                    self.report.problem(node.origin, below, fault);
                }
                Some(shape) => {
                    if let Some(node) = self.verify(shape, node, &below) {
                        sound.insert(key, node);
                    }
                }
            }
        }
        sound
    }

    /// What the writer of an unknown key probably meant: a key of the same table, or the same
    /// key of another one.
    fn meant(&self, keys: &BTreeMap<String, Shape>, key: &str, path: &str) -> String {
        if self.report.is_hopeless() {
            return String::new();
        }
        if let Some((_, instead)) = REPLACED.iter().find(|(name, _)| *name == key) {
            return (*instead).to_owned();
        }
        let same = keys.keys().map(String::as_str);
        if let Some(name) = nearest(key, same) {
            return format!("did you mean {name:?}?");
        }
        let mut elsewhere = None;
        self.file.leaves("", &mut |leaf, _| {
            let last = leaf.rsplit('.').next().unwrap_or_default();
            if last == key && elsewhere.is_none() {
                elsewhere = Some(leaf.to_owned());
            }
        });
        match elsewhere {
            Some(place) => format!("did you mean {place}?"),
            None => {
                let names: Vec<_> = keys.keys().map(String::as_str).collect();
                let place = if path.is_empty() {
                    "the top level"
                } else {
                    path
                };
                format!("the keys of {place} are {}", names.join(", "))
            }
        }
    }

    fn secret(&mut self, kind: &Kind, node: Node, path: &str) -> Option<Node> {
        let Content::Table(entries) = &node.content else {
            return None;
        };
        let fault = match entries.iter().collect::<Vec<_>>().as_slice() {
            [(key, value)] if matches!(key.as_str(), "env" | "file") => match value.text() {
                Some(text) if !text.is_empty() => return Some(node),
                _ => Fault::new(format!("{key} must be a string that is not empty"), ""),
            },
            [(key, _)] => Fault::new(
                format!(
                    "must be {} (got a table with the key {})",
                    kind.expected(),
                    clip(key)
                ),
                "",
            ),
            _ => Fault::new(format!("must be {}", kind.expected()), "name one source"),
        };
        self.report.problem(node.origin, path, fault);
        None
    }
}

/// How a missing key would be written.
fn shape_hint(keys: &BTreeMap<String, Shape>, key: &str) -> String {
    let example = keys
        .get(key)
        .map(shown_value)
        .filter(|value| !value.is_empty());
    example
        .map(|value| format!("as in {key} = {value}"))
        .unwrap_or_default()
}

fn mismatch(form: &Form, content: &Content) -> Fault {
    let got = match content {
        Content::Leaf(value) => show(value),
        Content::Table(_) => "a table".to_owned(),
        Content::List(_) => "an array".to_owned(),
    };
    match form {
        // The value of a secret is never shown, whatever its type.
        Form::Leaf(kind) => {
            let value = match content {
                Content::Leaf(value) => value.clone(),
                Content::Table(_) => toml::Value::Table(toml::Table::new()),
                Content::List(_) => toml::Value::Array(Vec::new()),
            };
            kind.mismatch(&value)
        }
        Form::Table(_) | Form::Map(_) => Fault::new(format!("must be a table (got {got})"), ""),
        Form::List(_) => {
            let hint = match content {
                Content::Leaf(value) if value.is_str() => format!("write [{got}]"),
                Content::Table(_) => "write the header in double brackets".to_owned(),
                _ => String::new(),
            };
            Fault::new(format!("must be an array (got {got})"), hint)
        }
    }
}
