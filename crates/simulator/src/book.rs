//! What a request is billed: the provider's own books, for requests that have a name.
//!
//! A caller names a request with the header `x-client-request-id`, as OpenAI suggests for support;
//! all attempts of one call may have the same. Every attempt that was admitted is one line.

use std::sync::Arc;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// The header that names a request.
const HEADER: &str = "x-client-request-id";

/// The longest name that is kept, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Lines that are kept; beyond them the oldest go.
pub(crate) const BOOK_ENTRIES_MAX: usize = 262_144;

/// What one attempt of a named request is billed.
///
/// An answer that was given is billed in full. Of a stream that was cut, and of one whose caller left, the
/// input is billed and the output that was sent. Of an answer that was lost on its way all is billed, and of
/// one that nobody waited for the input. Refusals, errors and answers that fail cost nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BilledRequest {
    /// What the caller calls the request.
    pub request: Arc<str>,
    /// The model asked for.
    pub model: Arc<str>,
    /// Whether the answer was given to its end.
    pub served: bool,
    /// Input, cached input among it.
    pub input_tokens: u64,
    /// Input read from the cache.
    pub cached_tokens: u64,
    /// Output, reasoning among it.
    pub output_tokens: u64,
    /// Output spent on reasoning.
    pub reasoning_tokens: u64,
    /// Images made.
    pub images: u64,
}

/// What the caller calls a request, if anything.
pub(crate) fn name(headers: &HeaderMap) -> Option<Arc<str>> {
    let name = headers.get(HEADER)?.to_str().ok()?;
    (!name.is_empty() && name.len() <= NAME_BYTES_MAX).then(|| Arc::from(name))
}
