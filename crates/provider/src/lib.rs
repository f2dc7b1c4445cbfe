//! What each LLM API means on the wire: paths, requests, limit headers, refusals, usage and streams.
//!
//! Everything here is bytes in, values out. The crate classifies a path, reads the few facts of a
//! request that pacing needs, reads what a provider says about its limits (headers, refusals,
//! usage, events of a stream), computes what the provider will deduct at admission, and writes the
//! provider's own error envelope.
//!
//! It deliberately knows no clock (where a date matters, `now` is an argument), no runtime, no HTTP
//! client and no store, and it takes no pacing decision: it says what a provider meant, not what to
//! do about it. Foreign bytes never panic, and nothing it keeps of them is unbounded.

mod clock;
mod duration;
mod frames;
mod instant;
mod json;
mod limits;
mod metric;
mod openai;
mod pacific;
mod profile;
mod sse;
mod text;

pub use clock::{ClockOffset, ProviderClock};
pub use duration::{go_duration, parse_duration};
pub use instant::rfc3339;
pub use limits::{LimitHeaders, LimitReport, LimitScope, retry_after, should_retry};
pub use metric::LimitMetric;
pub use openai::{
    Answered, BodyKind, ChargeRule, Combine, Endpoint, EndpointKind, Fault, Pacing, Refusal,
    RefusalKind, RequestError, RequestFacts, RetryAdvice, StreamEnd, StreamOutcome, StreamScanner,
    Usage, anthropic_error, bedrock_error, gemini_error, openai_error, with_include_usage,
    with_model,
};
pub use profile::{
    Admission, Charges, Dialect, Expected, KeyHeader, Known, KnownLimit, OutputWeight, PoolScope,
    Profile, Tells, Unset, WindowKind,
};
pub use text::TextProfile;
