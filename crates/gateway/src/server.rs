//! Threads that accept connections and serve them.
//!
//! Each thread has its own runtime, its own listener on the shared address and its own connections
//! to the provider, so that a request never leaves the thread that read it.

mod connection;
mod conversation;
mod listener;
mod stream;
mod worker;

pub(crate) use conversation::CallerBody;
pub use listener::ListenError;
pub(crate) use listener::bind;
pub(crate) use worker::{Worker, run};
