//! Hashes that names and bodies are known by: XXH3, 128 bits. It protects from mistakes and not from malice,
//! and two of a million million million lines have the same one with a chance of about one in a thousand.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// A hash of 128 bits, in two halves so that it needs no alignment of 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Hash {
    pub(crate) high: u64,
    pub(crate) low: u64,
}

impl Hash {
    /// Of a name.
    pub(crate) fn of_name(custom_id: &str) -> Self {
        xxh3_128(custom_id.as_bytes()).into()
    }

    /// Of what is sent, and where to.
    pub(crate) fn of_request(url: &str, body: &[u8]) -> Self {
        let mut hasher = Xxh3::new();
        hasher.update(url.as_bytes());
        hasher.update(&[0]);
        hasher.update(body);
        hasher.digest128().into()
    }

    /// Of a line that cannot be sent.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        xxh3_128(bytes).into()
    }

    /// The name of a line that cannot be sent, for the journal: it changes when the line moves, because the
    /// number of the line is in what is said of it.
    pub(crate) fn of_invalid(line: u32, content: Self) -> Self {
        let mut bytes = [0; 21];
        bytes[0] = 0xFF;
        bytes[1..5].copy_from_slice(&line.to_le_bytes());
        bytes[5..].copy_from_slice(&content.to_bytes());
        xxh3_128(&bytes).into()
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.high) << 64 | u128::from(self.low)).to_le_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        u128::from_le_bytes(bytes).into()
    }
}

impl From<u128> for Hash {
    fn from(value: u128) -> Self {
        Self {
            high: (value >> 64) as u64,
            low: value as u64,
        }
    }
}
