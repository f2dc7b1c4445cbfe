//! Anthropic's messages.

pub(crate) mod answer;
mod blocks;
pub(crate) mod read;
pub(crate) mod stream_read;
pub(crate) mod stream_write;
pub(crate) mod write;
