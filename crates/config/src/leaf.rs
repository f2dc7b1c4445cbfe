//! The kinds of single values: how each is checked and read from text.

use std::net::SocketAddr;
use std::time::Duration;

use toml::Value;

use crate::nearest::nearest;
use crate::node::clip;
use crate::quantity::{format_duration, format_size, parse_duration, parse_size};
use crate::report::Fault;

/// The hint for a number or a truth value that is written as a string.
pub(crate) const UNQUOTE: &str = "write it without quotes";

/// What a single value may be.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Text,
    Duration {
        min: Duration,
        max: Option<Duration>,
    },
    Size {
        min: u64,
        max: u64,
    },
    Address,
    Choice(Vec<Choice>),
    Secret,
}

/// One of the words that a [`Kind::Choice`] allows.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) description: String,
}

impl Kind {
    /// Whether `value` may stand here.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Fault> {
        match (self, value) {
            (Self::Boolean, Value::Boolean(_)) | (Self::Text | Self::Secret, Value::String(_)) => {
                Ok(())
            }
            (Self::Integer { min, max }, Value::Integer(number)) => {
                bounds(number, min, Some(max), value, i64::to_string)
            }
            // What does not fit into an integer arrives as a float.
            #[expect(clippy::cast_precision_loss, reason = "far outside the bounds anyway")]
            (Self::Integer { min, max }, Value::Float(number))
                if number.abs() >= 2_f64.powi(63) =>
            {
                bounds(
                    number,
                    &(*min as f64),
                    Some(&(*max as f64)),
                    value,
                    f64::to_string,
                )
            }
            (Self::Number { min, max }, Value::Float(number)) => {
                bounds(number, min, Some(max), value, f64::to_string)
            }
            #[expect(clippy::cast_precision_loss, reason = "the bounds are small fractions")]
            (Self::Number { min, max }, Value::Integer(number)) => {
                bounds(&(*number as f64), min, Some(max), value, f64::to_string)
            }
            (Self::Duration { min, max }, Value::String(text)) => match parse_duration(text) {
                None => Err(self.mismatch(value)),
                Some(duration) => {
                    bounds(&duration, min, max.as_ref(), value, |d| format_duration(*d))
                }
            },
            (Self::Size { min, max }, Value::String(text)) => match parse_size(text) {
                None => Err(self.mismatch(value)),
                Some(size) => bounds(&size, min, Some(max), value, |size| format_size(*size)),
            },
            (Self::Address, Value::String(text)) => {
                let parsed = text.parse::<SocketAddr>();
                parsed.map(|_| ()).map_err(|_| self.mismatch(value))
            }
            (Self::Choice(choices), Value::String(text)) => {
                let found = choices.iter().any(|choice| choice.name == *text);
                if found {
                    Ok(())
                } else {
                    Err(self.mismatch(value))
                }
            }
            _ => Err(self.mismatch(value)),
        }
    }

    /// The value that `text` from a variable or an option stands for.
    pub(crate) fn read(&self, text: &str) -> Result<Value, Fault> {
        let written = || Value::from(text);
        let value = match self {
            Self::Boolean => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Value::Boolean(true),
                "false" | "0" | "no" | "off" => Value::Boolean(false),
                _ => return Err(self.mismatch(&written())),
            },
            Self::Integer { .. } => match text.parse() {
                Ok(number) => Value::Integer(number),
                Err(_) => return Err(self.mismatch(&written())),
            },
            Self::Number { .. } => match text.parse() {
                Ok(number) => Value::Float(number),
                Err(_) => return Err(self.mismatch(&written())),
            },
            _ => written(),
        };
        self.check(&value).map(|()| value)
    }

    /// What is expected, in words that follow "must be".
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Boolean => "true or false".to_owned(),
            Self::Integer { .. } => "a whole number".to_owned(),
            Self::Number { .. } => "a number".to_owned(),
            Self::Text => "a string".to_owned(),
            Self::Duration { .. } => "a duration".to_owned(),
            Self::Size { .. } => "a size".to_owned(),
            Self::Address => "an IP address and a port".to_owned(),
            Self::Secret => "a string, { env = \"NAME\" } or { file = \"PATH\" }".to_owned(),
            Self::Choice(choices) => {
                let names: Vec<_> = choices.iter().map(|c| format!("{:?}", c.name)).collect();
                match names.as_slice() {
                    [others @ .., last] if !others.is_empty() => {
                        format!("{} or {last}", others.join(", "))
                    }
                    _ => names.concat(),
                }
            }
        }
    }

    /// What may be written, with the bounds, as a sentence of the reference.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Integer { min, max } => format!("A whole number from {min} to {max}."),
            Self::Number { min, max } => format!("A number from {min} to {max}."),
            Self::Text => "A string.".to_owned(),
            Self::Duration { min, max } => {
                let min = format_duration(*min);
                match max.map(format_duration) {
                    Some(max) => format!("A duration from {min} to {max}."),
                    None => format!("A duration from {min}."),
                }
            }
            Self::Size { min, max } => {
                format!(
                    "A size from {} to {}.",
                    format_size(*min),
                    format_size(*max)
                )
            }
            Self::Choice(choices) => {
                let each = choices.iter().map(|choice| {
                    let meaning = choice.description.trim_end_matches('.');
                    format!("{:?} ({})", choice.name, lower_first(meaning))
                });
                format!("One of {}.", each.collect::<Vec<_>>().join(", "))
            }
            Self::Boolean | Self::Address | Self::Secret => {
                let expected = self.expected();
                let (first, rest) = expected.split_at(1);
                format!("{}{rest}.", first.to_ascii_uppercase())
            }
        }
    }

    /// The fault of a value of the wrong type or form.
    pub(crate) fn mismatch(&self, value: &Value) -> Fault {
        let what = format!("must be {}{}", self.expected(), self.got(value));
        Fault::new(what, self.hint(value))
    }

    /// The value as shown in a message: never that of a secret.
    fn got(&self, value: &Value) -> String {
        match self {
            Self::Secret => String::new(),
            _ => format!(" (got {})", show(value)),
        }
    }

    fn hint(&self, value: &Value) -> String {
        let text = value.as_str().unwrap_or_default();
        match self {
            Self::Duration { .. } => match bare_number(value) {
                Some(number) => {
                    format!(
                        "add the unit, as in {:?} or {:?}",
                        number.clone() + "s",
                        number + "ms"
                    )
                }
                None => "write a number and a unit: ms, s, m, h or d, as in \"30s\"".to_owned(),
            },
            Self::Size { .. } => {
                "write a number and a unit: B, KiB, MiB or GiB, as in \"64MiB\"".to_owned()
            }
            Self::Address => "as in \"127.0.0.1:4100\" or \"[::1]:4100\"".to_owned(),
            Self::Integer { .. } if text.parse::<i64>().is_ok() => UNQUOTE.to_owned(),
            Self::Number { .. } if text.parse::<f64>().is_ok() => UNQUOTE.to_owned(),
            Self::Boolean if text.parse::<bool>().is_ok() => UNQUOTE.to_owned(),
            Self::Integer { .. } => "digits only, as in 10000 or 10_000".to_owned(),
            Self::Choice(choices) => {
                let names = choices.iter().map(|choice| choice.name.as_str());
                let meant = value.as_str().and_then(|text| nearest(text, names));
                meant
                    .map(|name| format!("did you mean {name:?}?"))
                    .unwrap_or_default()
            }
            Self::Number { .. } | Self::Boolean | Self::Text | Self::Secret => String::new(),
        }
    }
}

/// A number that lacks its unit, as text.
fn bare_number(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(_) | Value::Float(_) => show(value),
        _ => return None,
    };
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    (plain && text.len() <= 20 && text.parse::<f64>().is_ok()).then_some(text)
}

fn lower_first(text: &str) -> String {
    match text.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_lowercase() + rest,
        None => text.to_owned(),
    }
}

/// Checks that `number` lies between `min` and `max`; one that is not a number does not.
fn bounds<T: PartialOrd>(
    number: &T,
    min: &T,
    max: Option<&T>,
    value: &Value,
    show_bound: impl Fn(&T) -> String,
) -> Result<(), Fault> {
    let shown = show(value);
    if max.is_some_and(|max| number > max) {
        let max = max.map(show_bound).unwrap_or_default();
        return Err(Fault::new(
            format!("must be at most {max} (got {shown})"),
            "",
        ));
    }
    if number >= min {
        return Ok(());
    }
    Err(Fault::new(
        format!("must be at least {} (got {shown})", show_bound(min)),
        "",
    ))
}

/// `value` as it would be written, cut where it is long.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => clip(text),
        Value::Table(_) => "a table".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Float(number) => format!("{number:?}"),
        // A time such as 5:55 is read and cannot be written again as a value.
        Value::Datetime(time) => time.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(is_true) => is_true.to_string(),
    }
}
