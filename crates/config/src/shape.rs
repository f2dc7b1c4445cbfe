//! The schema as the checks, the variables and the template need it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::leaf::{Choice, Kind};
use crate::quantity::{parse_duration, parse_size};
use crate::schema::schema;

/// What a place of the file may hold.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// What it is for, as one line.
    pub(crate) description: String,
    /// What applies where nothing is written, if that can be said by a value.
    pub(crate) default: Option<Value>,
    /// What may be written where there is no default to show.
    pub(crate) example: Option<Value>,
    /// Keys of a table that cannot be left out.
    pub(crate) needed: Vec<String>,
    pub(crate) form: Form,
}

/// The form of a [`Shape`].
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// A single value.
    Leaf(Kind),
    /// A table with these keys and no others.
    Table(BTreeMap<String, Shape>),
    /// A table with keys of the operator's choosing.
    Map(Box<Shape>),
    /// An array.
    List(Box<Shape>),
}

impl Shape {
    /// The shape of the whole file, made once.
    pub(crate) fn of_file() -> &'static Self {
        static FILE: OnceLock<Shape> = OnceLock::new();
        FILE.get_or_init(|| Self::of(&schema()))
    }

    fn of(schema: &Value) -> Self {
        let description = schema["description"].as_str().unwrap_or_default();
        let needed = schema["required"].as_array().into_iter().flatten();
        Self {
            description: description.split_whitespace().collect::<Vec<_>>().join(" "),
            default: schema.get("default").cloned(),
            example: schema["examples"].get(0).cloned(),
            needed: needed
                .filter_map(|key| key.as_str().map(str::to_owned))
                .collect(),
            form: Form::of(schema),
        }
    }

    /// Tells `visit` the path of every leaf. Keys of the operator's choosing appear as `NAME`, and
    /// the entries of an array as `[]`.
    pub(crate) fn leaves<'a>(&'a self, path: &str, visit: &mut impl FnMut(&str, &'a Self)) {
        match &self.form {
            Form::Leaf(_) => visit(path, self),
            Form::Map(entry) => entry.leaves(&format!("{path}.NAME"), visit),
            Form::List(item) => item.leaves(&format!("{path}[]"), visit),
            Form::Table(keys) => {
                for (key, shape) in keys {
                    match path {
                        "" => shape.leaves(key, visit),
                        _ => shape.leaves(&format!("{path}.{key}"), visit),
                    }
                }
            }
        }
    }

    /// The kind of the leaf at a dotted path that leads through tables alone.
    pub(crate) fn leaf(&self, path: &str) -> Option<&Kind> {
        let shape = path
            .split('.')
            .try_fold(self, |shape, key| match &shape.form {
                Form::Table(keys) => keys.get(key),
                _ => None,
            })?;
        match &shape.form {
            Form::Leaf(kind) => Some(kind),
            _ => None,
        }
    }
}

impl Form {
    fn of(schema: &Value) -> Self {
        if let Some(Value::Object(keys)) = schema.get("properties") {
            let keys = keys
                .iter()
                .map(|(key, schema)| (key.clone(), Shape::of(schema)));
            return Self::Table(keys.collect());
        }
        if let Some(entry @ Value::Object(_)) = schema.get("additionalProperties") {
            return Self::Map(Box::new(Shape::of(entry)));
        }
        if let Some(item) = schema.get("items") {
            return Self::List(Box::new(Shape::of(item)));
        }
        Self::Leaf(kind_of(schema))
    }
}

fn kind_of(schema: &Value) -> Kind {
    let text = |word: &str| schema[word].as_str();
    match (text("x-kind"), text("type")) {
        (Some("duration"), _) => Kind::Duration {
            min: text("x-minimum")
                .and_then(parse_duration)
                .unwrap_or_default(),
            max: text("x-maximum").and_then(parse_duration),
        },
        (Some("size"), _) => Kind::Size {
            min: text("x-minimum").and_then(parse_size).unwrap_or_default(),
            max: text("x-maximum").and_then(parse_size).unwrap_or(u64::MAX),
        },
        (Some("address"), _) => Kind::Address,
        (Some("secret"), _) => Kind::Secret,
        (_, Some("boolean")) => Kind::Boolean,
        (_, Some("integer")) => Kind::Integer {
            min: schema["minimum"].as_i64().unwrap_or(i64::MIN),
            max: schema["maximum"].as_i64().unwrap_or(i64::MAX),
        },
        (_, Some("number")) => Kind::Number {
            min: schema["minimum"].as_f64().unwrap_or(f64::MIN),
            max: schema["maximum"].as_f64().unwrap_or(f64::MAX),
        },
        _ => match schema.get("oneOf") {
            Some(Value::Array(choices)) => Kind::Choice(choices.iter().map(choice_of).collect()),
            _ => Kind::Text,
        },
    }
}

fn choice_of(schema: &Value) -> Choice {
    let text = |word: &str| schema[word].as_str().unwrap_or_default().to_owned();
    Choice {
        name: text("const"),
        description: text("description")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    }
}
