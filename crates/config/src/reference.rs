//! The reference of all keys and variables, as Markdown.

use std::fmt::Write as _;

use crate::environment::known::{ACCEPTED, KNOWN, Reading};
use crate::environment::names_of;
use crate::environment::pairs::PAIRS;
use crate::node::join;
use crate::shape::{Form, Shape};
use crate::template::SECTIONS;

/// The reference of every key and every variable, as Markdown below headings of the third level.
pub fn reference() -> String {
    let file = Shape::of_file();
    let text = String::from("### Top level\n\n");
    let mut reference = Reference { file, text };
    if let Form::Table(sections) = &file.form {
        let top = sections
            .iter()
            .filter(|(key, _)| !SECTIONS.contains(&key.as_str()));
        reference.rows("", top);
        for section in SECTIONS {
            if let Some(shape) = sections.get(section) {
                reference.table(section, shape);
            }
        }
    }
    variables(&mut reference.text);
    reference.text
}

/// The reference as far as it is written.
struct Reference<'a> {
    file: &'a Shape,
    text: String,
}

impl Reference<'_> {
    fn table(&mut self, path: &str, shape: &Shape) {
        let (header, entry) = match &shape.form {
            Form::Table(_) => (format!("[{path}]"), shape),
            Form::Map(entry) => (format!("[{path}.NAME]"), entry.as_ref()),
            Form::List(item) => (format!("[[{path}]]"), item.as_ref()),
            Form::Leaf(_) => return,
        };
        let Form::Table(keys) = &entry.form else {
            return;
        };
        let _ = writeln!(self.text, "### `{header}`\n\n{}\n", entry.description);
        let nested = |shape: &Shape| matches!(shape.form, Form::Table(_));
        // Those of a domain are those of the limits, but for what it needs.
        let here = |key: &String| path != "domains" || entry.needed.contains(key);
        self.rows(
            path,
            keys.iter()
                .filter(|(key, shape)| here(key) && !nested(shape)),
        );
        let own = match &shape.form {
            Form::Map(_) => join(path, "NAME"),
            _ => path.to_owned(),
        };
        for (key, shape) in keys.iter().filter(|(_, shape)| nested(shape)) {
            self.table(&join(&own, key), shape);
        }
    }

    fn rows<'a>(&mut self, path: &str, keys: impl Iterator<Item = (&'a String, &'a Shape)>) {
        let mut keys = keys.peekable();
        if keys.peek().is_none() {
            return;
        }
        self.text
            .push_str("| key | value | default | meaning | variable |\n|---|---|---|---|---|\n");
        for (key, shape) in keys {
            let names = names_of(self.file, &join(path, key));
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let default = match &shape.default {
                Some(_) => format!("`{}`", shown_default(shape)),
                None => String::new(),
            };
            let value = value(shape).replace('|', "\\|");
            let meaning = shape.description.replace('|', "\\|");
            let names = names.join(", ");
            let _ = writeln!(
                self.text,
                "| `{key}` | {value} | {default} | {meaning} | {names} |"
            );
        }
        self.text.push('\n');
    }
}

/// What may stand at a key, in words.
fn value(shape: &Shape) -> String {
    match &shape.form {
        Form::Leaf(kind) => kind.describe(),
        Form::Table(_) | Form::Map(_) => "a table".to_owned(),
        Form::List(item) => match &item.form {
            Form::Table(keys) => {
                let each = keys.iter().map(|(key, shape)| {
                    let kind = value(shape);
                    let default = match &shape.default {
                        Some(_) => format!(" Default: `{}`.", shown_default(shape)),
                        None => String::new(),
                    };
                    format!("`{key}`: {} {kind}{default}", shape.description)
                });
                let each = each.collect::<Vec<_>>().join(" ");
                format!("An array of tables. {each}")
            }
            _ => "an array of strings".to_owned(),
        },
    }
}

fn shown_default(shape: &Shape) -> String {
    let default = shape.default.as_ref();
    let value = default.and_then(|value| toml::Value::try_from(value).ok());
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn variables(text: &mut String) {
    text.push_str("### Variables of other programs\n\n");
    text.push_str("| variable | stands for | its value |\n|---|---|---|\n");
    for known in &KNOWN {
        let reading = match known.reading {
            Reading::AsWritten => "as in the file",
            Reading::Seconds => "seconds, or a duration with its unit",
            Reading::Minutes => "minutes, or a duration with its unit",
        };
        let _ = writeln!(text, "| `{}` | `{}` | {reading} |", known.name, known.path);
    }
    for pair in &PAIRS {
        let metric = pair.metric.name();
        let _ = writeln!(
            text,
            "| `{}` | a limit | {metric} in each period |",
            pair.amount
        );
        let _ = writeln!(
            text,
            "| `{}` | the period of `{}` | seconds, 60 where it is not set |",
            pair.period, pair.amount,
        );
    }
    for (name, what) in ACCEPTED {
        let _ = writeln!(text, "| `{name}` | nothing | {what} |");
    }
}
