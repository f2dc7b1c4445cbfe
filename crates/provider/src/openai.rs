//! OpenAI's API and the dialects that copy it.

mod charge;
mod endpoint;
mod error_body;
mod refusal;
mod request;
mod rewrite;
mod stream;
mod usage;

pub use charge::{ChargeRule, Combine};
pub use endpoint::{BodyKind, Endpoint, EndpointKind, Pacing};
pub use error_body::{anthropic_error, bedrock_error, gemini_error, openai_error};
pub use refusal::{Fault, Refusal, RefusalKind, RetryAdvice};
pub use request::{RequestError, RequestFacts};
pub use rewrite::{with_include_usage, with_model};
pub use stream::{StreamEnd, StreamOutcome, StreamScanner};
pub use usage::{Answered, Usage};
