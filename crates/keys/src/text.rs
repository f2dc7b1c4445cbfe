//! The text of a key: `pl-`, 32 random bytes and a checksum, both in base 62.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::file::KeyFileError;

/// What every key begins with.
const PREFIX: &str = "pl-";

/// Random bytes.
const BYTES: usize = 32;

/// Digits that 32 bytes take in base 62, and a checksum of 32 bits takes.
const DIGITS: usize = 43;
const CHECK_DIGITS: usize = 6;

/// How much of a key may be shown: its prefix and this many digits.
const SHOWN_DIGITS: usize = 6;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key that has the form of one; whether anybody knows it is another question. Neither shown nor logged
/// but through [`KeyText::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct KeyText(String);

impl fmt::Debug for KeyText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("KeyText").field(&self.shown()).finish()
    }
}

/// Why a text is no key, whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKey {
    /// It does not begin like one.
    #[error("a key of this gateway begins with `pl-`")]
    Prefix,
    /// Too much or too little of it was copied, or something that no key has in it.
    #[error("the key is incomplete: `pl-` and 49 letters and digits are a key")]
    Form,
    /// One of its letters is not what it was.
    #[error("the key was mistyped: its checksum does not match")]
    Checksum,
}

impl KeyText {
    /// A new one, from the system's randomness.
    ///
    /// # Errors
    /// When the system has none to give.
    pub(crate) fn make() -> Result<Self, KeyFileError> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes).map_err(|error| KeyFileError::Random(error.to_string()))?;
        Ok(Self::of(bytes))
    }

    fn of(bytes: [u8; BYTES]) -> Self {
        let random = base_62(bytes, DIGITS);
        let check = checksum(&random);
        Self(format!("{PREFIX}{random}{check}"))
    }

    /// Reads what somebody presents.
    ///
    /// # Errors
    /// When it has not the form of a key: it is told apart from a key that nobody knows.
    pub fn parse(text: &str) -> Result<Self, MalformedKey> {
        let digits = text.strip_prefix(PREFIX).ok_or(MalformedKey::Prefix)?;
        let is_digits = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if digits.len() != DIGITS + CHECK_DIGITS || !is_digits {
            return Err(MalformedKey::Form);
        }
        let (random, check) = digits.split_at(DIGITS);
        if checksum(random) != check {
            return Err(MalformedKey::Checksum);
        }
        Ok(Self(text.to_owned()))
    }

    /// The whole key, to be shown to its owner once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As much of it as may be shown anywhere.
    #[must_use]
    pub fn shown(&self) -> String {
        self.0.chars().take(PREFIX.len() + SHOWN_DIGITS).collect()
    }
}

fn checksum(random: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(PREFIX);
    hash.update(random);
    let hash: [u8; BYTES] = hash.finalize().into();
    let [a, b, c, d, ..] = hash;
    base_62([a, b, c, d], CHECK_DIGITS)
}

/// A number, most significant byte first, as so many digits.
fn base_62<const COUNT: usize>(mut bytes: [u8; COUNT], digits: usize) -> String {
    let mut text = vec![b'0'; digits];
    for digit in text.iter_mut().rev() {
        let mut rest = 0_u16;
        for byte in &mut bytes {
            let value = rest << 8 | u16::from(*byte);
            *byte = (value / 62).to_le_bytes()[0];
            rest = value % 62;
        }
        *digit = ALPHABET[usize::from(rest)];
    }
    text.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_bytes_fit_the_digits() {
        assert_eq!(base_62([0; BYTES], DIGITS), "0".repeat(DIGITS));
        // 2^256 - 1, by long division elsewhere.
        let largest = base_62([0xff; BYTES], DIGITS);
        assert_eq!(largest, "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1");
        assert_eq!(base_62([0, 0, 0, 61], 6), "00000z");
        assert_eq!(base_62([0, 0, 0, 62], 6), "000010");
        assert_eq!(base_62([0xff; 4], 6), "4gfFC3");
    }

    #[test]
    fn keys_differ_and_show_little() {
        let (one, other) = (KeyText::make().unwrap(), KeyText::make().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.shown().len(), 9);
        assert!(!format!("{one:?}").contains(one.reveal()));
    }

    #[test]
    fn a_text_that_is_no_key_is_told_apart_by_what_is_wrong_with_it() {
        let key = KeyText::of([7; BYTES]);
        let key = key.reveal();
        assert_eq!(KeyText::parse("sk-123"), Err(MalformedKey::Prefix));
        assert_eq!(KeyText::parse(&key[..51]), Err(MalformedKey::Form));
        assert_eq!(KeyText::parse(&format!("{key}=")), Err(MalformedKey::Form));
        let foreign = format!("pl-{}", "é".repeat(24) + "a");
        assert_eq!(KeyText::parse(&foreign), Err(MalformedKey::Form));
    }

    proptest! {
        #[test]
        fn every_key_is_read_and_every_typing_error_noticed(
            bytes in any::<[u8; BYTES]>(),
            place in 3..52_usize,
            letter in 0..62_usize,
        ) {
            let key = KeyText::of(bytes);
            prop_assert_eq!(KeyText::parse(key.reveal()), Ok(key.clone()));
            let mut typed = key.reveal().to_owned();
            let letter = char::from(ALPHABET[letter]).to_string();
            typed.replace_range(place..=place, &letter);
            if typed != key.reveal() {
                prop_assert_eq!(KeyText::parse(&typed), Err(MalformedKey::Checksum));
            }
        }

        #[test]
        fn no_text_is_taken_for_a_key_by_chance(text in ".{0,80}") {
            prop_assert!(KeyText::parse(&text).is_err());
        }
    }
}
