//! Answers that follow from the request alone, so that the same request always gets the same one.

use std::io;

/// A 64-bit FNV-1a digest, chosen because it is the same on every machine and in every release.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(0xcbf2_9ce4_8422_2325 ^ seed)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(crate) const fn value(self) -> u64 {
        mix(self.0)
    }
}

impl io::Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sequence of pseudo-random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Each with the space before it.
const WORDS: [&str; 64] = [
    " the",
    " a",
    " one",
    " each",
    " this",
    " that",
    " some",
    " every",
    " river",
    " stone",
    " garden",
    " letter",
    " window",
    " market",
    " harbour",
    " lantern",
    " winter",
    " summer",
    " morning",
    " evening",
    " answer",
    " question",
    " measure",
    " balance",
    " moves",
    " holds",
    " follows",
    " carries",
    " opens",
    " finds",
    " keeps",
    " turns",
    " slowly",
    " gently",
    " clearly",
    " often",
    " never",
    " always",
    " again",
    " almost",
    " over",
    " under",
    " beside",
    " toward",
    " before",
    " after",
    " without",
    " between",
    " bright",
    " quiet",
    " narrow",
    " ancient",
    " simple",
    " distant",
    " golden",
    " patient",
    " and",
    " but",
    " because",
    " while",
    " until",
    " so",
    " then",
    " where",
];

/// The words of an answer, each of which counts as one token; all but the first carry the space
/// before them.
pub(crate) fn tokens(seed: u64, count: u64) -> Vec<&'static str> {
    let mut draw = Draw::new(seed);
    let token = |index: u64| {
        let spaced = WORDS
            .get((draw.next() % WORDS.len() as u64) as usize)
            .copied()
            .unwrap_or(" ");
        if index == 0 {
            spaced.trim_start()
        } else {
            spaced
        }
    };
    (0..count).map(token).collect()
}

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An id of letters and digits after a prefix.
pub(crate) fn identifier(prefix: &str, seed: u64, length: usize) -> String {
    let mut draw = Draw::new(seed);
    let mut id = String::with_capacity(prefix.len() + length);
    id.push_str(prefix);
    for _ in 0..length {
        let index = (draw.next() % LETTERS.len() as u64) as usize;
        id.push(char::from(LETTERS.get(index).copied().unwrap_or(b'0')));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_words() {
        assert_eq!(tokens(7, 12), tokens(7, 12));
        assert_ne!(tokens(7, 12), tokens(8, 12));
        assert_eq!(tokens(7, 12).concat().split(' ').count(), 12);
    }

    #[test]
    fn draws_lie_between_zero_and_one_and_average_a_half() {
        let mut draw = Draw::new(1);
        let sum: f64 = (0..10_000).map(|_| draw.unit()).sum();
        assert!((sum / 10_000.0 - 0.5).abs() < 0.02, "{sum}");
    }
}
