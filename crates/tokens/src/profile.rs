//! How a text is made up: its characters by class, and the shape of its runs.

mod scan;
#[cfg(test)]
mod tests;

use std::ops::{Add, AddAssign};

/// The make-up of one text or of several together: how many characters of each class it has.
///
/// The seven class counts add up to `characters`. A profile may be made by hand from counts that
/// were gathered elsewhere; `shape` then stays at its default, and the calibrated estimate falls
/// back to the coarser model that does without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextProfile {
    /// Unicode characters (scalar values).
    pub characters: u64,
    /// Length in UTF-8 bytes.
    pub bytes: u64,
    /// `A` to `Z` and `a` to `z`.
    pub ascii_letters: u64,
    /// `0` to `9`.
    pub digits: u64,
    /// Space, tab, line feed, carriage return, vertical tab and form feed.
    pub whitespace: u64,
    /// The rest of ASCII: punctuation, symbols and control characters.
    pub ascii_other: u64,
    /// Characters of two UTF-8 bytes: accented Latin, Greek, Cyrillic, Hebrew, Arabic.
    pub two_byte: u64,
    /// Characters of three UTF-8 bytes: Indic, Chinese, Japanese, Korean, typographic marks.
    pub three_byte: u64,
    /// Characters of four UTF-8 bytes: emoji and rare scripts.
    pub four_byte: u64,
    /// What only the order of the characters tells.
    pub shape: TextShape,
}

/// What the class counts cannot tell: how the characters follow one another, and the scripts.
///
/// A tokeniser first cuts a text into words, numbers, punctuation and space, so the number of
/// such runs says more about the number of tokens than the number of characters does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextShape {
    /// Bytes that were scanned for the shape. Less than [`TextProfile::bytes`] where a part of
    /// the profile came from elsewhere.
    pub bytes: u64,
    /// Runs of letters, where every non-ASCII character counts as a letter.
    pub words: u64,
    /// Words that follow ASCII punctuation.
    pub marked_words: u64,
    /// Words that follow a digit.
    pub numbered_words: u64,
    /// Lower-case ASCII letters that follow eight to fifteen of their kind without a gap.
    pub long_word_letters: u64,
    /// Lower-case ASCII letters that follow at least sixteen of their kind without a gap.
    pub endless_word_letters: u64,
    /// ASCII capitals.
    pub capitals: u64,
    /// ASCII lower-case letters directly followed by a capital.
    pub case_changes: u64,
    /// Groups of up to three digits, as the tokeniser cuts the first nine of every number.
    pub digit_groups: u64,
    /// Digits that follow at least nine digits without a gap.
    pub long_number_digits: u64,
    /// Runs of digits that follow whitespace.
    pub spaced_digit_runs: u64,
    /// Runs of two and more whitespace characters: indentation, blank lines.
    pub indents: u64,
    /// Line feeds.
    pub line_feeds: u64,
    /// Runs of ASCII punctuation.
    pub other_runs: u64,
    /// Punctuation characters directly after a different one.
    pub other_changes: u64,
    /// Two-byte Latin letters (U+00C0 to U+02BF).
    pub latin: u64,
    /// Greek and Coptic.
    pub greek: u64,
    /// Cyrillic.
    pub cyrillic: u64,
    /// The other two-byte scripts, Hebrew and Arabic above all (U+0500 to U+07FF).
    pub semitic: u64,
    /// Devanagari, and the rest of U+0800 to U+097F.
    pub devanagari: u64,
    /// Bengali, Tamil, Thai and the rest of U+0980 to U+0FFF.
    pub south_asian: u64,
    /// Hiragana, katakana and the marks beside them (U+3000 to U+3FFF).
    pub kana: u64,
    /// Chinese characters (U+4000 to U+9FFF).
    pub han: u64,
    /// Korean syllables and the rest of U+A000 to U+DFFF.
    pub hangul: u64,
}

impl TextProfile {
    /// Profiles a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    /// Profiles bytes that should be UTF-8.
    ///
    /// Bytes that are not are tolerated: a stray continuation byte adds to `bytes` alone, and a
    /// lead byte counts as the character that it announces.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        scan::profile(bytes)
    }

    /// Whether the whole profile was scanned, so that its `shape` can be relied upon.
    #[must_use]
    pub const fn has_shape(&self) -> bool {
        self.shape.bytes >= self.bytes
    }
}

impl AddAssign for TextProfile {
    fn add_assign(&mut self, other: Self) {
        self.characters = self.characters.saturating_add(other.characters);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.ascii_letters = self.ascii_letters.saturating_add(other.ascii_letters);
        self.digits = self.digits.saturating_add(other.digits);
        self.whitespace = self.whitespace.saturating_add(other.whitespace);
        self.ascii_other = self.ascii_other.saturating_add(other.ascii_other);
        self.two_byte = self.two_byte.saturating_add(other.two_byte);
        self.three_byte = self.three_byte.saturating_add(other.three_byte);
        self.four_byte = self.four_byte.saturating_add(other.four_byte);
        self.shape += other.shape;
    }
}

impl Add for TextProfile {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for TextShape {
    fn add_assign(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.words = self.words.saturating_add(other.words);
        self.marked_words = self.marked_words.saturating_add(other.marked_words);
        self.numbered_words = self.numbered_words.saturating_add(other.numbered_words);
        self.long_word_letters = self
            .long_word_letters
            .saturating_add(other.long_word_letters);
        self.endless_word_letters = self
            .endless_word_letters
            .saturating_add(other.endless_word_letters);
        self.capitals = self.capitals.saturating_add(other.capitals);
        self.case_changes = self.case_changes.saturating_add(other.case_changes);
        self.digit_groups = self.digit_groups.saturating_add(other.digit_groups);
        self.long_number_digits = self
            .long_number_digits
            .saturating_add(other.long_number_digits);
        self.spaced_digit_runs = self
            .spaced_digit_runs
            .saturating_add(other.spaced_digit_runs);
        self.indents = self.indents.saturating_add(other.indents);
        self.line_feeds = self.line_feeds.saturating_add(other.line_feeds);
        self.other_runs = self.other_runs.saturating_add(other.other_runs);
        self.other_changes = self.other_changes.saturating_add(other.other_changes);
        self.latin = self.latin.saturating_add(other.latin);
        self.greek = self.greek.saturating_add(other.greek);
        self.cyrillic = self.cyrillic.saturating_add(other.cyrillic);
        self.semitic = self.semitic.saturating_add(other.semitic);
        self.devanagari = self.devanagari.saturating_add(other.devanagari);
        self.south_asian = self.south_asian.saturating_add(other.south_asian);
        self.kana = self.kana.saturating_add(other.kana);
        self.han = self.han.saturating_add(other.han);
        self.hangul = self.hangul.saturating_add(other.hangul);
    }
}
