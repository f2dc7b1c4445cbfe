//! Names of models with `*` for anything.

use serde::{Deserialize, Serialize};

/// A model's name in which each `*` stands for any letters, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelPattern(pub String);

impl ModelPattern {
    /// Whether a model is meant.
    #[must_use]
    pub fn matches(&self, model: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = model.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        for part in parts {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Slow and plain.
    fn naive(pattern: &[u8], model: &[u8]) -> bool {
        match pattern.split_first() {
            None => model.is_empty(),
            Some((b'*', rest)) => (0..=model.len()).any(|from| naive(rest, &model[from..])),
            Some((letter, rest)) => model
                .split_first()
                .is_some_and(|(first, model)| first == letter && naive(rest, model)),
        }
    }

    #[test]
    fn a_name_without_a_star_is_that_name() {
        let pattern = ModelPattern("gpt-4o".to_owned());
        assert!(pattern.matches("gpt-4o"));
        assert!(!pattern.matches("gpt-4o-mini") && !pattern.matches("my-gpt-4o"));
    }

    proptest! {
        #[test]
        fn stars_stand_for_anything(pattern in "[ab*]{0,8}", model in "[ab]{0,10}") {
            let expected = naive(pattern.as_bytes(), model.as_bytes());
            prop_assert_eq!(ModelPattern(pattern).matches(&model), expected);
        }
    }
}
