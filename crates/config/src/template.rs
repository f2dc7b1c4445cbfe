//! The commented file that a new operator starts from.

use std::fmt::Write as _;

use crate::environment::names_of;
use crate::node::join;
use crate::shape::{Form, Shape};

/// The sections in the order of the file: what is changed most comes first.
pub(crate) const SECTIONS: [&str; 21] = [
    "server",
    "upstream",
    "limits",
    "domains",
    "providers",
    "models",
    "routes",
    "breaker",
    "queue",
    "tenants",
    "store",
    "retry",
    "estimator",
    "prices",
    "budgets",
    "alerts",
    "batches",
    "ledger",
    "admin",
    "log",
    "telemetry",
];

/// Sections whose keys are those of another, and have been explained there.
const EXPLAINED: [&str; 2] = ["domains", "providers"];

/// Stands for keys of the operator's choosing.
const NAME: &str = "NAME";

/// The longest line of prose.
const WIDTH: usize = 98;

const HEAD: &str = "\
paceline configuration. Every key is shown with its default, or with an example where it has \
none, and is commented out: take the # away from a line that starts with # and no space to set \
it. Durations are a number and a unit (ms, s, m, h, d), sizes too (B, KiB, MiB, GiB). A variable \
wins over the file, and an option of the command line over both.";

/// The commented file that `paceline config init` writes: every key with its meaning, its unit,
/// its default and its variable.
///
/// It is valid as it stands, and so it stays when any of its keys is uncommented.
pub fn template() -> String {
    let file = Shape::of_file();
    let text = String::new();
    let mut template = Template { file, text };
    template.prose(HEAD);
    template.text.push('\n');
    if let Form::Table(sections) = &file.form {
        for (key, shape) in sections {
            if !SECTIONS.contains(&key.as_str()) {
                template.key_line(key, key, shape);
            }
        }
        for section in SECTIONS {
            if let Some(shape) = sections.get(section) {
                template.table(section, shape);
            }
        }
    }
    format!("{}\n", template.text.trim_end())
}

/// The file as far as it is written.
struct Template<'a> {
    file: &'a Shape,
    text: String,
}

impl Template<'_> {
    /// Writes a table, a named table or an array of tables: header, keys, and the tables in it.
    fn table(&mut self, path: &str, shape: &Shape) {
        let (header, entry) = match &shape.form {
            // What belongs to an entry of the operator's is there only with the entry.
            Form::Table(_) if path.contains(NAME) => (format!("#[{path}]"), shape),
            Form::Table(_) => (format!("[{path}]"), shape),
            Form::Map(entry) => (format!("#[{path}.{NAME}]"), entry.as_ref()),
            Form::List(item) => (format!("#[[{path}]]"), item.as_ref()),
            Form::Leaf(_) => return,
        };
        let Form::Table(keys) = &entry.form else {
            return;
        };
        self.prose(&entry.description);
        let _ = writeln!(self.text, "{header}\n");
        for (key, shape) in entry
            .needed
            .iter()
            .filter_map(|key| keys.get_key_value(key))
        {
            self.key_line(key, &join(path, key), shape);
        }
        let others = keys.iter().filter(|(key, _)| !entry.needed.contains(key));
        let (tables, single): (Vec<_>, Vec<_>) = others.partition(|(_, shape)| is_table(shape));
        let section = path.split('.').next().unwrap_or(path);
        if EXPLAINED.contains(&section) {
            for (key, shape) in single {
                let _ = writeln!(self.text, "#{key} = {}", shown_value(shape));
            }
            self.text.push('\n');
        } else {
            for (key, shape) in single {
                self.key_line(key, &join(path, key), shape);
            }
        }
        let own = match &shape.form {
            Form::Map(_) => join(path, NAME),
            _ => path.to_owned(),
        };
        for (key, shape) in tables {
            self.table(&join(&own, key), shape);
        }
    }

    fn key_line(&mut self, key: &str, path: &str, shape: &Shape) {
        self.prose(&shape.description);
        if let Form::Leaf(kind) = &shape.form {
            self.prose(&kind.describe());
        }
        let variables = names_of(self.file, path).join(", ");
        if !variables.is_empty() {
            self.prose(&format!("Variable: {variables}."));
        }
        let _ = writeln!(self.text, "#{key} = {}\n", shown_value(shape));
    }

    /// Writes comment lines, none longer than [`WIDTH`].
    fn prose(&mut self, words: &str) {
        let mut line = String::from("#");
        for word in words.split_whitespace() {
            if line.len() + 1 + word.len() > WIDTH {
                let _ = writeln!(self.text, "{line}");
                line.replace_range(.., "#");
            }
            line.push(' ');
            line.push_str(word);
        }
        if line.len() > 1 {
            let _ = writeln!(self.text, "{line}");
        }
    }
}

/// Whether a shape is written below a header of its own.
fn is_table(shape: &Shape) -> bool {
    match &shape.form {
        Form::Table(_) | Form::Map(_) => true,
        Form::List(_) => shape.example.is_none(),
        Form::Leaf(_) => false,
    }
}

/// The default as TOML, or else the example.
pub(crate) fn shown_value(shape: &Shape) -> String {
    let empty = |value: &serde_json::Value| value.as_array().is_some_and(Vec::is_empty);
    let default = shape.default.as_ref().filter(|default| !empty(default));
    let value = default.or(shape.example.as_ref());
    let value = value.and_then(|value| toml::Value::try_from(value).ok());
    value.map(|value| value.to_string()).unwrap_or_default()
}
