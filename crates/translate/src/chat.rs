//! OpenAI's chat completions.

pub(crate) mod answer;
pub(crate) mod content;
pub(crate) mod read;
pub(crate) mod stream_read;
pub(crate) mod stream_write;
pub(crate) mod turns;
pub(crate) mod write;
