//! Which lines share a quota, as far as the input tells: those of the same model.

use memchr::memmem;

/// How many are told apart; those that come after share the last.
const GROUPS_MAX: usize = 256;

/// The models of an input, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Groups(Vec<Box<str>>);

impl Groups {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The group of a body: it is enough that bodies of different models seldom are in the same.
    pub(super) fn of(&mut self, body: &str) -> u8 {
        self.of_model(model(body))
    }

    /// The group of a model.
    pub(crate) fn of_model(&mut self, model: &str) -> u8 {
        let known = self.0.iter().position(|known| **known == *model);
        let at = known.unwrap_or_else(|| {
            if self.0.len() < GROUPS_MAX {
                self.0.push(model.into());
            }
            self.0.len() - 1
        });
        u8::try_from(at).unwrap_or(u8::MAX)
    }
}

/// What the first key `model` says, wherever it is; a full reading would take as long as all the rest.
fn model(body: &str) -> &str {
    let found = memmem::find(body.as_bytes(), b"\"model\"").and_then(|at| {
        let value = body.get(at + "\"model\"".len()..)?.trim_start();
        let value = value.strip_prefix(':')?.trim_start().strip_prefix('"')?;
        value.split('"').next()
    });
    found.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_the_same_model_are_in_the_same_group() {
        let mut groups = Groups::default();
        assert_eq!(groups.of(r#"{"model":"a","messages":[]}"#), 0);
        assert_eq!(groups.of(r#"{"messages":[], "model" : "b"}"#), 1);
        assert_eq!(groups.of(r#"{"model": "a"}"#), 0);
        assert_eq!(groups.of(r#"{"input":"x"}"#), 2);
        assert_eq!(groups.of(r#"{"model":7}"#), 2);
        assert_eq!(groups.of(r#"{"model"#), 2);
        assert_eq!(groups.count(), 3);
    }

    #[test]
    fn there_are_no_more_groups_than_are_told_apart() {
        let mut groups = Groups::default();
        for number in 0..1_000 {
            groups.of(&format!(r#"{{"model":"m-{number}"}}"#));
        }
        assert_eq!(groups.count(), GROUPS_MAX);
        assert_eq!(groups.of(r#"{"model":"m-999"}"#), 255);
        assert_eq!(groups.of(r#"{"model":"m-7"}"#), 7);
    }
}
