//! A tree of values that know where they came from, and how layers of it merge.

use std::collections::BTreeMap;

use crate::Origin;
use crate::quantity::parse_duration;

/// A value and the place it was written at. Has no `Debug`: the value may be a key.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) content: Content,
}

/// What a [`Node`] holds.
#[derive(Clone)]
pub(crate) enum Content {
    Leaf(toml::Value),
    Table(BTreeMap<String, Node>),
    List(Vec<Node>),
}

impl Node {
    pub(crate) fn leaf(origin: Origin, value: impl Into<toml::Value>) -> Self {
        let content = Content::Leaf(value.into());
        Self { origin, content }
    }

    pub(crate) fn table(origin: Origin) -> Self {
        let content = Content::Table(BTreeMap::new());
        Self { origin, content }
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Leaf(value) => value.as_str(),
            _ => None,
        }
    }

    /// The entry `key` of a table.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.content {
            Content::Table(entries) => entries.get(key),
            _ => None,
        }
    }

    /// Puts `node` at the dotted `path`, making tables on the way.
    pub(crate) fn insert(&mut self, path: &str, node: Self) {
        let Content::Table(entries) = &mut self.content else {
            return;
        };
        match path.split_once('.') {
            None => {
                entries.insert(path.to_owned(), node);
            }
            Some((first, rest)) => {
                let origin = node.origin.clone();
                let table = entries.entry(first.to_owned());
                table
                    .or_insert_with(|| Self::table(origin))
                    .insert(rest, node);
            }
        }
    }

    /// Lays `upper` over this tree: its values win.
    ///
    /// Tables merge by key. Lists are joined: the one list that two layers can both have is that
    /// of custom limits, where an entry of the upper layer replaces the one for the same metric
    /// and period.
    pub(crate) fn merge(&mut self, upper: Self) {
        if self.origin == Origin::Default {
            self.origin = upper.origin.clone();
        }
        match (&mut self.content, upper.content) {
            (Content::Table(lower), Content::Table(upper)) => {
                for (key, node) in upper {
                    match lower.get_mut(&key) {
                        Some(below) => below.merge(node),
                        None => {
                            lower.insert(key, node);
                        }
                    }
                }
            }
            (Content::List(lower), Content::List(upper)) => {
                lower.retain(|below| !upper.iter().any(|above| same_limit(below, above)));
                lower.extend(upper);
            }
            (_, content) => {
                self.content = content;
                self.origin = upper.origin;
            }
        }
    }

    /// The value without its places.
    pub(crate) fn to_value(&self) -> toml::Value {
        match &self.content {
            Content::Leaf(value) => value.clone(),
            Content::List(items) => items.iter().map(Self::to_value).collect::<Vec<_>>().into(),
            Content::Table(entries) => {
                let values = entries
                    .iter()
                    .map(|(key, node)| (key.clone(), node.to_value()));
                toml::Value::Table(values.collect())
            }
        }
    }

    /// Tells `visit` the path and the place of every node below this one, and whether it is a leaf.
    pub(crate) fn visit(&self, path: &str, visit: &mut impl FnMut(&str, &Self)) {
        visit(path, self);
        match &self.content {
            Content::Leaf(_) => {}
            Content::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.visit(&format!("{path}[{index}]"), visit);
                }
            }
            Content::Table(entries) => {
                for (key, node) in entries {
                    node.visit(&join(path, key), visit);
                }
            }
        }
    }
}

/// The dotted path of `key` below `path`, quoted where TOML would quote it.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let key = match !key.is_empty() && key.chars().all(bare) {
        true => key.to_owned(),
        false => clip(key),
    };
    match path {
        "" => key,
        path => format!("{path}.{key}"),
    }
}

/// `text` in quotes and escaped, cut after 60 characters.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn same_limit(left: &Node, right: &Node) -> bool {
    let key = |node: &Node| {
        let metric = node.get("metric")?.text()?.to_owned();
        Some((metric, parse_duration(node.get("period")?.text()?)?))
    };
    key(left).is_some() && key(left) == key(right)
}
