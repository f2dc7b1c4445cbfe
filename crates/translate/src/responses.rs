//! OpenAI's responses, for callers only.

pub(crate) mod answer;
mod items;
pub(crate) mod read;
pub(crate) mod stream_write;
