//! `application/vnd.amazon.eventstream`.
//!
//! A frame is: its whole length and the length of its headers (big-endian, four bytes each), the
//! CRC-32 of these eight bytes, headers, payload, and the CRC-32 of everything before. A header is:
//! length of the name (one byte), name, type of the value (one byte), value.

use super::{BUFFER_BYTES_KEPT, FRAME_BYTES_MAX};

const PRELUDE_BYTES: usize = 12;

/// Prelude and closing checksum: what a frame has at the least.
const FRAME_BYTES_MIN: usize = 16;

/// The only type of value that matters here: a string with a length of two bytes.
const STRING: u8 = 7;

/// What one frame holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// `:event-type`.
    pub(crate) event: &'a [u8],
    /// `:exception-type`, or `:error-code`; empty where nothing went wrong.
    pub(crate) exception: &'a [u8],
    /// `:error-message`, which stands in for a payload.
    pub(crate) error_message: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// Finds frames in a stream that arrives in arbitrary pieces.
#[derive(Debug, Default)]
pub(crate) struct AmazonFrames {
    buffer: Vec<u8>,
    /// Bytes of a frame that is too large, still to come.
    passing: usize,
    /// After a broken prelude nobody knows where the next frame begins.
    is_broken: bool,
}

impl AmazonFrames {
    /// Takes the next piece; `each` gets every frame that is complete then, or `None` for one that
    /// is too large to look at.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Option<Frame<'_>>)) {
        while !bytes.is_empty() && !self.is_broken {
            let passed = self.passing.min(bytes.len());
            self.passing -= passed;
            bytes = &bytes[passed..];
            let wanted = self.wanted();
            let taken = wanted.saturating_sub(self.buffer.len()).min(bytes.len());
            self.buffer.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.buffer.len() < wanted {
                return;
            }
            self.complete(&mut each);
        }
    }

    /// How many bytes the buffer needs for the next step: the prelude, then the frame.
    fn wanted(&self) -> usize {
        match prelude(&self.buffer) {
            Some((length, _)) => length,
            None => PRELUDE_BYTES,
        }
    }

    /// The buffer holds a prelude, or a whole frame.
    fn complete(&mut self, each: &mut impl FnMut(Option<Frame<'_>>)) {
        let Some((length, headers)) = prelude(&self.buffer) else {
            self.is_broken = true;
            return;
        };
        let is_sound = length >= FRAME_BYTES_MIN && headers <= length - FRAME_BYTES_MIN;
        if !is_sound || checksum(&self.buffer[..8]) != number(&self.buffer[8..]) {
            self.is_broken = true;
            return;
        }
        if length > FRAME_BYTES_MAX {
            self.passing = length - self.buffer.len();
            each(None);
        } else if self.buffer.len() < length {
            // Only the prelude is there so far.
            return;
        } else {
            let payload = &self.buffer[PRELUDE_BYTES + headers..length - 4];
            let headers = &self.buffer[PRELUDE_BYTES..PRELUDE_BYTES + headers];
            each(Some(frame(headers, payload)));
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
    }
}

/// The length of a frame and of its headers, once its prelude is there.
fn prelude(bytes: &[u8]) -> Option<(usize, usize)> {
    if bytes.len() < PRELUDE_BYTES {
        return None;
    }
    let length = usize::try_from(number(bytes)).ok()?;
    let headers = usize::try_from(number(&bytes[4..])).ok()?;
    // What is too large needs no more than its prelude in the buffer.
    Some((length, headers))
}

fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

fn frame<'a>(headers: &'a [u8], payload: &'a [u8]) -> Frame<'a> {
    let mut frame = Frame {
        payload,
        ..Frame::default()
    };
    let mut rest = headers;
    while let Some((name, value, after)) = header(rest) {
        match name {
            b":event-type" => frame.event = value,
            b":exception-type" | b":error-code" => frame.exception = value,
            b":error-message" => frame.error_message = value,
            _ => {}
        }
        rest = after;
    }
    frame
}

/// The first header: its name, its value (empty unless it is a string), and what follows.
fn header(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let length = match *kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | STRING => {
            let (length, rest) = rest.split_at_checked(2)?;
            let length = usize::from(length[0]) << 8 | usize::from(length[1]);
            let (value, rest) = rest.split_at_checked(length)?;
            let value: &[u8] = if *kind == STRING { value } else { b"" };
            return Some((name, value, rest));
        }
        _ => return None,
    };
    let (_, rest) = rest.split_at_checked(length)?;
    Some((name, b"", rest))
}

/// CRC-32 as in gzip, bit by bit: eight bytes of each frame are worth no table.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let lowest = crc & 1;
            crc = (crc >> 1) ^ (lowest * 0xedb8_8320);
        }
    }
    !crc
}
