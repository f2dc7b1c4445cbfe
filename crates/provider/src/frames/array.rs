//! A JSON array whose elements arrive one by one, or a single JSON object.

use super::{BUFFER_BYTES_KEPT, FRAME_BYTES_MAX};

/// Finds the objects of an array in a stream that arrives in arbitrary pieces.
#[derive(Debug, Default)]
pub(crate) struct ArrayFrames {
    buffer: Vec<u8>,
    depth: usize,
    /// The depth that the objects stand at: one inside an array.
    base: usize,
    has_begun: bool,
    in_string: bool,
    is_escaped: bool,
    is_too_large: bool,
}

impl ArrayFrames {
    /// Takes the next piece; `each` gets every object that is complete then, or `None` for one that
    /// is too large to look at.
    pub(crate) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Option<&[u8]>)) {
        for byte in bytes {
            if self.in_string {
                self.inside_string(*byte);
                continue;
            }
            match byte {
                b'"' => {
                    self.in_string = true;
                    self.keep(*byte);
                }
                b'[' if !self.has_begun => {
                    self.has_begun = true;
                    self.depth = 1;
                    self.base = 1;
                }
                b'{' | b'[' => {
                    self.has_begun = true;
                    self.depth += 1;
                    self.keep(*byte);
                }
                b'}' | b']' => {
                    self.keep(*byte);
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == self.base && !self.buffer.is_empty() {
                        each((!self.is_too_large).then_some(self.buffer.as_slice()));
                        self.begin_anew();
                    }
                }
                _ => self.keep(*byte),
            }
        }
    }

    fn inside_string(&mut self, byte: u8) {
        self.keep(byte);
        if self.is_escaped {
            self.is_escaped = false;
        } else if byte == b'\\' {
            self.is_escaped = true;
        } else if byte == b'"' {
            self.in_string = false;
        }
    }

    /// Keeps a byte of an object; what stands between two is dropped.
    fn keep(&mut self, byte: u8) {
        if self.depth <= self.base {
            return;
        }
        if self.buffer.len() < FRAME_BYTES_MAX {
            self.buffer.push(byte);
        } else {
            self.is_too_large = true;
        }
    }

    fn begin_anew(&mut self) {
        self.is_too_large = false;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
    }
}
