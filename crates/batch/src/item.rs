//! One request of a batch.

use bytes::Bytes;

/// Which of a batch's requests: they are counted from 0 in the order of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineId(pub u32);

/// One request, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Which one it is.
    pub id: LineId,
    /// The line of the input where it begins, counted from 1.
    pub line: u64,
    /// Its name in the results, unique in a batch.
    pub custom_id: String,
    /// Path that it goes to, from the version on, as in `/v1/chat/completions`.
    pub url: String,
    /// The JSON that is sent, byte for byte as it is in the input where that is possible.
    pub body: Bytes,
}
