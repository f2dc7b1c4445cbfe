//! Counts of a text's characters by class, from which its tokens can be estimated.

use std::ops::AddAssign;

/// How many characters of each class a text holds.
///
/// The classes are chosen for estimating tokens: letters, digits and scripts differ widely in how
/// many characters make a token. `bytes` is the length in UTF-8; all other fields count characters
/// (Unicode scalar values), and `characters` is the sum of the seven classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TextProfile {
    /// All characters.
    pub characters: u64,
    /// Length in UTF-8 bytes.
    pub bytes: u64,
    /// `A` to `Z` and `a` to `z`.
    pub ascii_letters: u64,
    /// `0` to `9`.
    pub digits: u64,
    /// Space, tab, line feed, vertical tab, form feed and carriage return.
    pub whitespace: u64,
    /// The rest of ASCII: punctuation, symbols and control characters.
    pub ascii_other: u64,
    /// Characters of two bytes: accented Latin, Greek, Cyrillic, Hebrew, Arabic.
    pub two_byte: u64,
    /// Characters of three bytes: Indic, Thai, Chinese, Japanese, Korean.
    pub three_byte: u64,
    /// Characters of four bytes: emoji, rare scripts.
    pub four_byte: u64,
}

/// Bytes counted with one-byte counters before these could overflow. A multiple of the usual vector
/// widths, so that the loop over one block becomes vector code.
const BLOCK: usize = 192;

impl TextProfile {
    /// Profiles a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }

    /// Profiles bytes that are UTF-8. Bytes that are not give counts that may not add up.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let mut profile = Self {
            bytes: bytes.len() as u64,
            ..Self::default()
        };
        let mut continuation_bytes = 0;
        for block in bytes.chunks(BLOCK) {
            continuation_bytes += profile.add_block(block);
        }
        profile.characters = profile.bytes.saturating_sub(continuation_bytes);
        profile.ascii_other = profile.characters.saturating_sub(
            profile.ascii_letters
                + profile.digits
                + profile.whitespace
                + profile.two_byte
                + profile.three_byte
                + profile.four_byte,
        );
        profile
    }

    /// Adds the classes that can be told from single bytes, and gives the continuation bytes.
    fn add_block(&mut self, block: &[u8]) -> u64 {
        let mut counts = [0_u8; 7];
        for &byte in block {
            counts[0] += u8::from((byte | 0x20).wrapping_sub(b'a') < 26);
            counts[1] += u8::from(byte.wrapping_sub(b'0') < 10);
            counts[2] += u8::from(byte == b' ' || byte.wrapping_sub(b'\t') < 5);
            counts[3] += u8::from(byte & 0xe0 == 0xc0);
            counts[4] += u8::from(byte & 0xf0 == 0xe0);
            counts[5] += u8::from(byte >= 0xf0);
            counts[6] += u8::from(byte & 0xc0 == 0x80);
        }
        self.ascii_letters += u64::from(counts[0]);
        self.digits += u64::from(counts[1]);
        self.whitespace += u64::from(counts[2]);
        self.two_byte += u64::from(counts[3]);
        self.three_byte += u64::from(counts[4]);
        self.four_byte += u64::from(counts[5]);
        u64::from(counts[6])
    }

    /// Adds one character.
    pub(crate) const fn push(&mut self, character: char) {
        self.characters += 1;
        self.bytes += character.len_utf8() as u64;
        *self.class(character) += 1;
    }

    /// Takes away one character that was counted.
    pub(crate) const fn take(&mut self, character: char) {
        self.characters -= 1;
        self.bytes -= character.len_utf8() as u64;
        *self.class(character) -= 1;
    }

    const fn class(&mut self, character: char) -> &mut u64 {
        match character {
            'a'..='z' | 'A'..='Z' => &mut self.ascii_letters,
            '0'..='9' => &mut self.digits,
            ' ' | '\t'..='\r' => &mut self.whitespace,
            '\0'..='\u{7f}' => &mut self.ascii_other,
            '\u{80}'..='\u{7ff}' => &mut self.two_byte,
            '\u{800}'..='\u{ffff}' => &mut self.three_byte,
            _ => &mut self.four_byte,
        }
    }

    /// The same text without its whitespace.
    pub(crate) const fn without_whitespace(mut self) -> Self {
        self.characters -= self.whitespace;
        self.bytes -= self.whitespace;
        self.whitespace = 0;
        self
    }
}

impl AddAssign for TextProfile {
    fn add_assign(&mut self, other: Self) {
        self.characters += other.characters;
        self.bytes += other.bytes;
        self.ascii_letters += other.ascii_letters;
        self.digits += other.digits;
        self.whitespace += other.whitespace;
        self.ascii_other += other.ascii_other;
        self.two_byte += other.two_byte;
        self.three_byte += other.three_byte;
        self.four_byte += other.four_byte;
    }
}

#[cfg(test)]
mod tests {
    use super::TextProfile;
    use proptest::prelude::*;

    /// The definition, one character at a time.
    fn counted_one_by_one(text: &str) -> TextProfile {
        let mut profile = TextProfile::default();
        text.chars().for_each(|character| profile.push(character));
        profile
    }

    #[test]
    fn each_character_has_one_class() {
        let profile = TextProfile::of("aZ 09\t\r\n!~\u{0}\u{7f}\u{b}\u{c}é€日\u{1f600}");
        assert_eq!(
            profile,
            TextProfile {
                characters: 18,
                bytes: 14 + 2 + 3 + 3 + 4,
                ascii_letters: 2,
                digits: 2,
                whitespace: 6,
                ascii_other: 4,
                two_byte: 1,
                three_byte: 2,
                four_byte: 1,
            }
        );
    }

    proptest! {
        #[test]
        fn counting_blocks_equals_counting_characters(text in "(\\PC|[a-z0-9 \n]){0,700}") {
            prop_assert_eq!(TextProfile::of(&text), counted_one_by_one(&text));
        }
    }
}
