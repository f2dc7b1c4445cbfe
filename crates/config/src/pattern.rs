//! Model name patterns: `*` stands for any run of characters, everything else for itself.

use std::fmt;

/// A model name pattern, as in `gpt-4o*`.
///
/// `*` stands for any run of characters, the empty one included; everything else stands for
/// itself. Matching takes time proportional to the product of both lengths at worst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Takes any text: there is no pattern that is not valid.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut p, mut n) = (0, 0);
        // Where the last `*` was seen, and the first byte that it has not yet taken. Only the last
        // one is ever reconsidered, which keeps the work bounded.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            if pattern.get(p) == Some(&b'*') {
                star = Some((p, n));
                p += 1;
            } else if pattern.get(p) == name.get(n) {
                p += 1;
                n += 1;
            } else if let Some((at, taken)) = star {
                star = Some((at, taken + 1));
                p = at + 1;
                n = taken + 1;
            } else {
                return false;
            }
        }
        pattern.iter().skip(p).all(|byte| *byte == b'*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_and_the_rest_for_itself() {
        for (pattern, name, expected) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o*", "gpt-4o", true),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("*mini", "gpt-4o-mini", true),
            ("*mini", "gpt-4o-mini-2024", false),
            ("gpt-*-mini*", "gpt-4o-mini-2024", true),
            ("ft:*:acme:*", "ft:gpt-4o:acme:bot:1", true),
            ("*a*b*", "xxbxxa", false),
            ("*aab", "aaab", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("?pt", "gpt", false),
            ("modèle-*", "modèle-é", true),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn a_hostile_pattern_costs_bounded_work() {
        let pattern = Pattern::new("*a".repeat(64) + "b");
        assert!(!pattern.matches(&"a".repeat(4096)));
    }
}
