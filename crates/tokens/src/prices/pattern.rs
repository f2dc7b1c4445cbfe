//! Which models a price is for.

use std::fmt;

use super::date::Date;

/// The longest id of a model, in bytes.
const BYTES_MAX: usize = 128;

/// The models that a price is for.
///
/// An id stands for itself, for its dated snapshots (`gpt-5-2025-08-07`, `claude-haiku-4-5-20251001`
/// and `…@20251001`) and for its `-latest`; with a `*` at its end, for all ids that begin so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelPattern(String);

/// How closely a pattern fits: an id itself, then a snapshot of it, then the longest beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Closeness {
    kind: u8,
    length: usize,
}

impl ModelPattern {
    /// The pattern, or what is wrong with it.
    pub(crate) fn new(text: &str) -> Result<Self, &'static str> {
        let graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > BYTES_MAX || !graphic {
            return Err("must be 1 to 128 visible ASCII characters without spaces");
        }
        if text.trim_end_matches('*').contains('*') || text.ends_with("**") {
            return Err("may have one * and only at its end");
        }
        Ok(Self(text.to_owned()))
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it ends with a `*`.
    pub fn is_open(&self) -> bool {
        self.0.ends_with('*')
    }

    /// Whether the pattern is for `model`.
    pub fn matches(&self, model: &str) -> bool {
        self.closeness(model).is_some()
    }

    pub(crate) fn closeness(&self, model: &str) -> Option<Closeness> {
        let length = self.0.len();
        if let Some(beginning) = self.0.strip_suffix('*') {
            let fits = model.starts_with(beginning);
            return fits.then_some(Closeness { kind: 0, length });
        }
        let rest = model.strip_prefix(self.0.as_str())?;
        if rest.is_empty() {
            return Some(Closeness { kind: 2, length });
        }
        is_snapshot(rest).then_some(Closeness { kind: 1, length })
    }
}

/// Whether an id with this at its end is a snapshot of the id before it.
fn is_snapshot(suffix: &str) -> bool {
    if suffix == "-latest" {
        return true;
    }
    let Some(day) = suffix.strip_prefix(['-', '@']) else {
        return false;
    };
    let dashed = || match (day.get(..4), day.get(4..6), day.get(6..)) {
        (Some(year), Some(month), Some(rest)) => Some(format!("{year}-{month}-{rest}")),
        _ => None,
    };
    day.parse::<Date>().is_ok() || dashed().is_some_and(|day| day.parse::<Date>().is_ok())
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_for_itself_and_its_snapshots() {
        let pattern = ModelPattern::new("gpt-5").unwrap();
        for model in [
            "gpt-5",
            "gpt-5-2025-08-07",
            "gpt-5-20250807",
            "gpt-5@20250807",
            "gpt-5-latest",
        ] {
            assert!(pattern.matches(model), "{model}");
        }
        for model in [
            "gpt-5-mini",
            "gpt-5.1",
            "gpt-50",
            "gpt-5-2025-13-07",
            "gpt-5-202508071",
            "gpt-5-",
            "gpt-5-2025-08",
            "GPT-5",
            "gpt-",
            "",
            "gpt-5-äöüß2507",
        ] {
            assert!(!pattern.matches(model), "{model}");
        }
    }

    #[test]
    fn an_id_is_closer_than_a_snapshot_and_that_than_a_beginning() {
        let closeness = |pattern: &str| {
            let pattern = ModelPattern::new(pattern).unwrap();
            pattern.closeness("gpt-4o-2024-05-13").unwrap()
        };
        let rising = [
            "*",
            "gpt-*",
            "gpt-4o*",
            "gpt-4o-2024-05-13*",
            "gpt-4o",
            "gpt-4o-2024-05-13",
        ];
        assert!(
            rising
                .windows(2)
                .all(|pair| closeness(pair[0]) < closeness(pair[1]))
        );
    }

    #[test]
    fn only_an_end_may_be_left_open() {
        for text in [
            "",
            "gpt-*-mini",
            "*gpt",
            "gpt**",
            "gpt 5",
            "gpt\n",
            "gpt-ä",
            &"x".repeat(129),
        ] {
            assert!(ModelPattern::new(text).is_err(), "{text}");
        }
        assert!(ModelPattern::new("*").unwrap().matches("anything"));
    }
}
