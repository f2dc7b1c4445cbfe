//! The batch runner: a file of requests in, a file of results out, however often it is interrupted.
//!
//! Requests come as OpenAI's batch lines, as bare bodies or as rows of a table; every one of them gets exactly
//! one line of result. What was sent and what came back is in a journal, so that the same batch started
//! again goes on where it was, also after kill -9, and also where its input was edited meanwhile.
//!
//! It speaks to a data plane over HTTP, and that is where the pace is kept: it deliberately knows no
//! limits, no queues and no provider's quota, and does not know whose process the data plane is in. It
//! writes on no terminal.

mod item;

pub use item::{Item, LineId};
