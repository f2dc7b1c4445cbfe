//! The linear model behind [`crate::Estimator::Calibrated`]: so many millionths of a token for
//! each character of a class, each word, each number and each change between them.

use super::coefficients;
use crate::{Listing, TextProfile, Vocabulary};

/// The vocabulary that a model's tokens come from, as far as an estimate tells them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// `o200k_base` and `o200k_harmony`.
    O200k,
    /// `cl100k_base`.
    Cl100k,
    /// Not known, or without a model of its own: the higher of the others counts.
    #[default]
    Unknown,
}

/// What the shaped model counts, in the order of its coefficients.
pub const SHAPED_FEATURES: [&str; 29] = [
    "spaced_words",
    "marked_words",
    "numbered_words",
    "ascii_letters",
    "long_word_letters",
    "accented_long_word_letters",
    "endless_word_letters",
    "capitals",
    "case_changes",
    "digit_groups",
    "long_number_digits",
    "spaced_digit_runs",
    "whitespace",
    "indents",
    "line_feeds",
    "ascii_other",
    "bare_other_runs",
    "other_changes",
    "latin",
    "greek",
    "cyrillic",
    "semitic",
    "devanagari",
    "south_asian",
    "kana",
    "han",
    "hangul",
    "symbols",
    "four_byte",
];

/// What the coarse model counts, in the order of its coefficients.
pub const COARSE_FEATURES: [&str; 7] = [
    "ascii_letters",
    "digits",
    "whitespace",
    "ascii_other",
    "two_byte",
    "three_byte",
    "four_byte",
];

/// The values of [`SHAPED_FEATURES`] for a text.
#[must_use]
pub fn shaped_features(profile: &TextProfile) -> [u64; SHAPED_FEATURES.len()] {
    let shape = &profile.shape;
    let scripts = [
        shape.latin,
        shape.greek,
        shape.cyrillic,
        shape.semitic,
        shape.devanagari,
        shape.south_asian,
        shape.kana,
        shape.han,
        shape.hangul,
    ]
    .into_iter()
    .fold(0_u64, u64::saturating_add);
    let symbols = profile
        .two_byte
        .saturating_add(profile.three_byte)
        .saturating_sub(scripts);
    let attached_words = shape.marked_words.saturating_add(shape.numbered_words);
    [
        shape.words.saturating_sub(attached_words),
        shape.marked_words,
        shape.numbered_words,
        profile.ascii_letters,
        shape.long_word_letters,
        shape.long_word_letters.min(shape.latin.saturating_mul(8)),
        shape.endless_word_letters,
        shape.capitals,
        shape.case_changes,
        shape.digit_groups,
        shape.long_number_digits,
        shape.spaced_digit_runs,
        profile.whitespace,
        shape.indents,
        shape.line_feeds,
        profile.ascii_other,
        shape.other_runs.saturating_sub(shape.marked_words),
        shape.other_changes,
        shape.latin,
        shape.greek,
        shape.cyrillic,
        shape.semitic,
        shape.devanagari,
        shape.south_asian,
        shape.kana,
        shape.han,
        shape.hangul,
        symbols,
        profile.four_byte,
    ]
}

/// The values of [`COARSE_FEATURES`] for a text.
#[must_use]
pub const fn coarse_features(profile: &TextProfile) -> [u64; COARSE_FEATURES.len()] {
    [
        profile.ascii_letters,
        profile.digits,
        profile.whitespace,
        profile.ascii_other,
        profile.two_byte,
        profile.three_byte,
        profile.four_byte,
    ]
}

impl Family {
    /// The family of a model's vocabulary. Names that no table holds, and the vocabularies of
    /// the models before `cl100k_base`, are [`Self::Unknown`].
    #[must_use]
    pub fn for_model(model: &str) -> Self {
        let resolved = Vocabulary::resolve(model);
        match resolved.vocabulary {
            _ if resolved.listing == Listing::Unknown => Self::Unknown,
            Vocabulary::O200kBase | Vocabulary::O200kHarmony => Self::O200k,
            Vocabulary::Cl100kBase => Self::Cl100k,
            _ => Self::Unknown,
        }
    }

    /// Estimates the tokens of a text: at least one for a text that is not empty.
    #[must_use]
    pub fn text_tokens(self, profile: &TextProfile) -> u64 {
        if profile.bytes == 0 && profile.characters == 0 {
            return 0;
        }
        let tokens = match self {
            Self::O200k => o200k(profile),
            Self::Cl100k => cl100k(profile),
            Self::Unknown => o200k(profile).max(cl100k(profile)),
        };
        tokens.max(1)
    }
}

fn o200k(profile: &TextProfile) -> u64 {
    if profile.has_shape() {
        weigh(&shaped_features(profile), &coefficients::O200K_SHAPED)
    } else {
        weigh(&coarse_features(profile), &coefficients::O200K_COARSE)
    }
}

fn cl100k(profile: &TextProfile) -> u64 {
    if profile.has_shape() {
        weigh(&shaped_features(profile), &coefficients::CL100K_SHAPED)
    } else {
        weigh(&coarse_features(profile), &coefficients::CL100K_COARSE)
    }
}

/// The sum of the features, each times its coefficient in millionths of a token, rounded up.
fn weigh<const N: usize>(features: &[u64; N], microtokens: &[u32; N]) -> u64 {
    // Each product is below 2^96, so dozens of them fit.
    let sum: u128 = features
        .iter()
        .zip(microtokens)
        .map(|(&feature, &weight)| u128::from(feature) * u128::from(weight))
        .sum();
    u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
