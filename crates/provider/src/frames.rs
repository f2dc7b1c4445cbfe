//! Streams that are no server-sent events: Amazon's binary frames, and a list of JSON values.

mod amazon;
mod array;
#[cfg(test)]
mod tests;

pub(crate) use amazon::{AmazonFrames, Frame};
pub(crate) use array::ArrayFrames;

/// Bytes of one frame that are looked at; a larger one is counted and passed over.
const FRAME_BYTES_MAX: usize = 1 << 20;

/// Memory for unfinished frames that is kept from one to the next.
const BUFFER_BYTES_KEPT: usize = 64 << 10;
