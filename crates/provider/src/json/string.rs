//! A JSON string as it stands in the text, escapes and all.

use crate::text::TextProfile;
use memchr::memchr;
use std::borrow::Cow;

/// A well-formed JSON string, without its quotes, not yet unescaped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JsonString<'a> {
    raw: &'a [u8],
    escapes: Escapes,
}

/// How many escapes a string has, by the kind of character that they stand for. Counted while the
/// string is checked, it saves looking for them again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Escapes {
    /// `\n`, `\r`, `\t` and `\f`.
    pub(super) whitespace: u64,
    /// `\b`, the only letter that stands for something else.
    pub(super) backspace: u64,
    /// `\"`, `\\` and `\/`.
    pub(super) punctuation: u64,
    /// `\uXXXX`.
    pub(super) unicode: u64,
}

impl Escapes {
    /// Counts the escape of two characters that ends with `letter`, if there is one.
    pub(super) const fn count_short(&mut self, letter: u8) -> bool {
        match letter {
            b'n' | b'r' | b't' | b'f' => self.whitespace += 1,
            b'b' => self.backspace += 1,
            b'"' | b'\\' | b'/' => self.punctuation += 1,
            _ => return false,
        }
        true
    }

    const fn short(&self) -> u64 {
        self.whitespace + self.backspace + self.punctuation
    }

    const fn is_none(&self) -> bool {
        self.short() + self.unicode == 0
    }
}

/// A part of a string's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Bytes that stand for themselves.
    Plain(&'a [u8]),
    /// What a two-character escape such as `\n` stands for.
    Short(char),
    /// What `\uXXXX`, or a pair of them, stands for. Half a pair is U+FFFD.
    Unicode(char),
}

impl<'a> JsonString<'a> {
    pub(super) const fn new(raw: &'a [u8], escapes: Escapes) -> Self {
        Self { raw, escapes }
    }

    /// The bytes between the quotes, as they stand in the text.
    pub(crate) const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The text of a key, to be compared with known ones: not checked to be UTF-8 as long as it has
    /// no escapes, since most keys are not known.
    pub(crate) fn name(&self) -> Cow<'a, [u8]> {
        if self.escapes.is_none() {
            return Cow::Borrowed(self.raw);
        }
        Cow::Owned(self.text().into_owned().into_bytes())
    }

    /// The text. Bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        if self.escapes.is_none() {
            return String::from_utf8_lossy(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        self.each_piece(|piece| match piece {
            Piece::Plain(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
            Piece::Short(character) | Piece::Unicode(character) => text.push(character),
        });
        Cow::Owned(text)
    }

    /// The characters of the text by class. The bytes must be UTF-8.
    pub(crate) fn profile(&self) -> TextProfile {
        // Counting everything at once and putting the escapes right is faster than counting the
        // pieces between them.
        let mut profile = TextProfile::of_bytes(self.raw);
        if self.escapes.unicode > 0 {
            self.each_escape(|escape, character| {
                escape
                    .iter()
                    .for_each(|byte| profile.take(char::from(*byte)));
                profile.push(character);
            });
            return profile;
        }
        // A backslash is other ASCII, and so is what it stands before, unless that is a letter.
        let Escapes {
            whitespace,
            backspace,
            punctuation,
            ..
        } = self.escapes;
        profile.characters -= self.escapes.short();
        profile.bytes -= self.escapes.short();
        profile.ascii_letters -= whitespace + backspace;
        profile.ascii_other -= whitespace + punctuation;
        profile.whitespace += whitespace;
        profile
    }

    /// How many characters the text has.
    pub(crate) fn characters(&self) -> u64 {
        // Every character has exactly one byte that is not a continuation.
        let characters = self.raw.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64;
        if self.escapes.unicode == 0 {
            return characters - self.escapes.short();
        }
        let mut surplus = 0;
        self.each_escape(|escape, _| surplus += escape.len() as u64 - 1);
        characters - surplus
    }

    fn each_escape(&self, mut each: impl FnMut(&'a [u8], char)) {
        let mut rest = self.raw;
        while let Some(place) = memchr(b'\\', rest) {
            let (piece, length) = escape_at_start(&rest[place..]);
            let end = (place + length).min(rest.len());
            if let Piece::Short(character) | Piece::Unicode(character) = piece {
                each(&rest[place..end], character);
            }
            rest = &rest[end..];
        }
    }

    /// Hands out the text piece by piece.
    pub(crate) fn each_piece(&self, mut each: impl FnMut(Piece<'a>)) {
        let mut rest = self.raw;
        while let Some(length) = memchr(b'\\', rest) {
            if length > 0 {
                each(Piece::Plain(&rest[..length]));
            }
            let (piece, escape_length) = escape_at_start(&rest[length..]);
            each(piece);
            rest = &rest[(length + escape_length).min(rest.len())..];
        }
        if !rest.is_empty() {
            each(Piece::Plain(rest));
        }
    }
}

/// What the escape at the start of `bytes` stands for, and its length.
fn escape_at_start<'a>(bytes: &[u8]) -> (Piece<'a>, usize) {
    let character = match bytes.get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => {
            let (character, length) = unicode_at_start(bytes);
            return (Piece::Unicode(character), length);
        }
        Some(byte) => char::from(*byte),
        None => char::REPLACEMENT_CHARACTER,
    };
    (Piece::Short(character), 2)
}

fn unicode_at_start(bytes: &[u8]) -> (char, usize) {
    let Some(first) = code_unit(bytes) else {
        return (char::REPLACEMENT_CHARACTER, 6);
    };
    if let Some(character) = char::from_u32(first) {
        return (character, 6);
    }
    let second = bytes
        .get(6..)
        .filter(|rest| rest.starts_with(b"\\u"))
        .and_then(code_unit);
    match second {
        Some(low @ 0xdc00..=0xdfff) if first < 0xdc00 => {
            let scalar = 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            (
                char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER),
                12,
            )
        }
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

/// The number of a `\uXXXX` at the start of `bytes`.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(2..6)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

/// The number of bytes before the first quote, backslash or control character.
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let hits = bytes_below(word, 0x20) | bytes_equal(word, b'"') | bytes_equal(word, b'\\');
        if hits != 0 {
            return place * 8 + hits.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\');
    words.len() * 8 + tail.iter().position(is_special).unwrap_or(tail.len())
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// Sets the high bit of each byte that is below `bound`, which is at most 128. Bits above the
/// lowest such byte may be set wrongly by the borrow.
const fn bytes_below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * bound as u64) & !word & HIGHS
}

/// The same for bytes that equal `byte`.
const fn bytes_equal(word: u64, byte: u8) -> u64 {
    bytes_below(word ^ (ONES * byte as u64), 1)
}
