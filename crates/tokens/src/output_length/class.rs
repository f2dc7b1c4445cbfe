//! Classes of the caller's own bound on the length of the answer.

use serde::{Deserialize, Serialize};

/// Upper bounds of the classes that have one. Callers who ask for more tend to get more.
const UPPER_BOUNDS: [u64; 4] = [256, 1_024, 4_096, 16_384];

/// How many classes there are.
pub(super) const CLASSES: usize = UPPER_BOUNDS.len() + 2;

/// Requests whose bounds on the length of the answer are of the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundClass {
    /// At most 256 tokens.
    UpTo256,
    /// 257 to 1,024 tokens.
    UpTo1024,
    /// 1,025 to 4,096 tokens.
    UpTo4096,
    /// 4,097 to 16,384 tokens.
    UpTo16384,
    /// A bound above 16,384 tokens.
    Above16384,
    /// No bound of the caller's own.
    Unbounded,
}

impl BoundClass {
    /// Every class, from the lowest bound to none.
    pub const ALL: [Self; CLASSES] = [
        Self::UpTo256,
        Self::UpTo1024,
        Self::UpTo4096,
        Self::UpTo16384,
        Self::Above16384,
        Self::Unbounded,
    ];

    /// The class of a bound.
    #[must_use]
    pub fn of(max_output_tokens: Option<u64>) -> Self {
        let number =
            max_output_tokens.map(|max| UPPER_BOUNDS.partition_point(|&bound| max > bound));
        let class = number.and_then(|number| Self::ALL.get(number));
        class.copied().unwrap_or(Self::Unbounded)
    }

    /// The highest bound of the class; `None` where there is none.
    #[must_use]
    pub fn upper_bound(self) -> Option<u64> {
        UPPER_BOUNDS.get(self.index()).copied()
    }

    /// The name that the admin plane uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpTo256 => "up_to_256",
            Self::UpTo1024 => "up_to_1024",
            Self::UpTo4096 => "up_to_4096",
            Self::UpTo16384 => "up_to_16384",
            Self::Above16384 => "above_16384",
            Self::Unbounded => "unbounded",
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_the_first_class_that_holds_it() {
        for (bound, class) in [
            (Some(0), BoundClass::UpTo256),
            (Some(256), BoundClass::UpTo256),
            (Some(257), BoundClass::UpTo1024),
            (Some(4_096), BoundClass::UpTo4096),
            (Some(16_384), BoundClass::UpTo16384),
            (Some(16_385), BoundClass::Above16384),
            (Some(u64::MAX), BoundClass::Above16384),
            (None, BoundClass::Unbounded),
        ] {
            assert_eq!(BoundClass::of(bound), class, "{bound:?}");
        }
    }

    #[test]
    fn classes_are_numbered_in_their_order() {
        for (number, class) in BoundClass::ALL.into_iter().enumerate() {
            assert_eq!(class.index(), number);
        }
        assert_eq!(BoundClass::UpTo1024.upper_bound(), Some(1_024));
        assert_eq!(BoundClass::Above16384.upper_bound(), None);
        assert_eq!(BoundClass::Unbounded.upper_bound(), None);
    }
}
