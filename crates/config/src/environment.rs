//! The environment: which variable means which setting.

pub(crate) mod known;
pub(crate) mod pairs;

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Value;

use crate::Origin;
use crate::leaf::{Kind, UNQUOTE, show};
use crate::nearest::nearest;
use crate::node::{Content, Node, clip};
use crate::quantity::{format_duration, parse_duration, scale_decimal};
use crate::report::{Fault, Report};
use crate::shape::Shape;

use known::{ACCEPTED, KNOWN, Reading, is_service_link};
use pairs::{Limit, PAIRS, read_pair};

/// What every variable of ours begins with.
const PREFIX: &str = "PACELINE_";

/// Names for settings beside those that the rule gives.
const ALIASES: [(&str, &str); 1] = [("PACELINE_STATE_DIR", "admin.state_dir")];

/// Variables of ours that are not settings: whoever starts the program reads them.
const RESERVED: [&str; 1] = ["PACELINE_CONFIG"];

/// Addresses that may wrongly hold a password, and are not repeated therefore.
const ADDRESSES: [&str; 2] = ["upstream.base_url", "telemetry.otlp_endpoint"];

/// A variable that sets something.
struct Assignment {
    variable: String,
    path: String,
    value: Value,
    /// Whether the value is part of a message.
    shown: bool,
}

/// The variable that sets `path`: upper case, dots turned into underscores.
pub(crate) fn variable_for(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_ascii_uppercase())
}

/// Every variable that stands for the setting at `path`, our own first; there is none for what is
/// inside lists and named tables.
pub(crate) fn names_of(file: &Shape, path: &str) -> Vec<String> {
    if file.leaf(path).is_none() {
        return Vec::new();
    }
    let aliases = ALIASES
        .iter()
        .filter(|(_, alias)| *alias == path)
        .map(|(name, _)| *name);
    let known = KNOWN
        .iter()
        .filter(|known| known.path == path)
        .map(|known| known.name);
    let own = std::iter::once(variable_for(path));
    own.chain(aliases.chain(known).map(str::to_owned)).collect()
}

/// Every setting that a variable can reach: the single values outside lists and named tables.
pub(crate) fn reachable(file: &Shape) -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    file.leaves("", &mut |path, _| {
        if file.leaf(path).is_some() {
            paths.insert(variable_for(path), path.to_owned());
        }
    });
    paths.extend(ALIASES.map(|(name, path)| (name.to_owned(), path.to_owned())));
    paths
}

/// Reads every variable that is ours or known; what is empty counts as not set.
pub(crate) fn read(env: &BTreeMap<String, String>, file: &Shape, report: &mut Report) -> Node {
    let set = |name: &str| {
        env.get(name)
            .map(|text| text.trim())
            .filter(|text| !text.is_empty())
    };
    let mut found = own(env, file, report);
    for known in &KNOWN {
        if let (Some(text), Some(kind)) = (set(known.name), file.leaf(known.path)) {
            let read = known.reading.read(text, kind);
            assign(&mut found, (known.name, known.path, kind), read, report);
        }
    }
    let mut custom = Vec::new();
    for pair in &PAIRS {
        match read_pair(pair, set(pair.amount), set(pair.period), report) {
            Some(Limit::Named(assignment)) => found.push(assignment),
            Some(Limit::Custom(node)) => custom.push(node),
            None => {}
        }
    }
    for (name, what) in ACCEPTED {
        let Some(text) = set(name) else { continue };
        let origin = Origin::Variable(name.to_owned());
        match Kind::Boolean.read(text) {
            Ok(_) => report.notice(origin, "", what.to_owned()),
            Err(fault) => report.problem(origin, "", fault),
        }
    }
    let mut tree = Node::table(Origin::Default);
    for assignment in agreed(found, report) {
        let node = Node::leaf(Origin::Variable(assignment.variable), assignment.value);
        tree.insert(&assignment.path, node);
    }
    if let Some(first) = custom.first() {
        let origin = first.origin.clone();
        let content = Content::List(custom);
        tree.insert("limits.custom", Node { origin, content });
    }
    tree
}

/// The variables that begin with our own prefix.
fn own(env: &BTreeMap<String, String>, file: &Shape, report: &mut Report) -> Vec<Assignment> {
    let reachable = reachable(file);
    let mut found = Vec::new();
    for (name, text) in env.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let Some(path) = reachable.get(name) else {
            if !RESERVED.contains(&name.as_str()) && !is_service_link(name) {
                let meant = nearest(name, reachable.keys().map(String::as_str));
                let hint = meant
                    .map(|name| format!("did you mean {name}?"))
                    .unwrap_or_default();
                let origin = Origin::Variable(name.clone());
                report.problem(origin, "", Fault::new("is not the name of a setting", hint));
            }
            continue;
        };
        if let (false, Some(kind)) = (text.trim().is_empty(), file.leaf(path)) {
            let read = kind.read(text.trim());
            assign(&mut found, (name, path, kind), read, report);
        }
    }
    found
}

fn assign(
    found: &mut Vec<Assignment>,
    (variable, path, kind): (&str, &str, &Kind),
    read: Result<Value, Fault>,
    report: &mut Report,
) {
    match read {
        Ok(value) => found.push(Assignment {
            variable: variable.to_owned(),
            path: path.to_owned(),
            value,
            shown: !matches!(kind, Kind::Secret) && !ADDRESSES.contains(&path),
        }),
        Err(fault) => {
            let origin = Origin::Variable(variable.to_owned());
            // Nothing in the environment is quoted in the first place.
            let hint = Some(fault.hint)
                .filter(|hint| hint != UNQUOTE)
                .unwrap_or_default();
            report.problem(origin, path, Fault::new(fault.what, hint));
        }
    }
}

/// One assignment for each path; two that differ are a problem that names both.
fn agreed(found: Vec<Assignment>, report: &mut Report) -> Vec<Assignment> {
    let mut agreed: BTreeMap<String, Assignment> = BTreeMap::new();
    for assignment in found {
        match agreed.get(&assignment.path) {
            Some(other) if same(&other.value, &assignment.value) => {}
            Some(other) => report.problem(
                Origin::Variable(other.variable.clone()),
                &assignment.path,
                conflict(other, &assignment),
            ),
            None => {
                agreed.insert(assignment.path.clone(), assignment);
            }
        }
    }
    agreed.into_values().collect()
}

fn conflict(one: &Assignment, other: &Assignment) -> Fault {
    let name = &other.variable;
    let what = if one.shown {
        let (one, other) = (show(&one.value), show(&other.value));
        format!("differs from {name}, which sets the same (got {one} and {other})")
    } else {
        format!("differs from {name}, which sets the same")
    };
    Fault::new(what, format!("unset {} or {name}", one.variable))
}

/// Whether two values mean the same, however they are written.
fn same(one: &Value, other: &Value) -> bool {
    let duration = |value: &Value| value.as_str().and_then(parse_duration);
    match (duration(one), duration(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

impl Reading {
    /// The value that the text of a variable stands for.
    fn read(self, text: &str, kind: &Kind) -> Result<Value, Fault> {
        let read = kind.read(&self.to_text(text)?);
        read.map_err(|Fault { what, hint }| match self {
            Self::Seconds if hint.is_empty() => Fault::new(what, "a plain number is in seconds"),
            Self::Minutes if hint.is_empty() => Fault::new(what, "a plain number is in minutes"),
            _ => Fault { what, hint },
        })
    }

    /// The text of the setting that the text of the variable stands for.
    fn to_text(self, text: &str) -> Result<String, Fault> {
        let (scale, unit) = match self {
            Self::AsWritten => return Ok(text.to_owned()),
            Self::Seconds => (1_000_000_000, "seconds"),
            Self::Minutes => (60_000_000_000, "minutes"),
        };
        if parse_duration(text).is_some() {
            return Ok(text.to_owned());
        }
        let nanos = scale_decimal(text, scale).and_then(|nanos| u64::try_from(nanos).ok());
        let Some(nanos) = nanos else {
            let what = format!("must be a number of {unit} (got {})", clip(text));
            return Err(Fault::new(what, "or a number with a unit, as in 250ms"));
        };
        Ok(format_duration(Duration::from_nanos(nanos)))
    }
}
