//! `GET /monitoring/requests` and `GET /monitoring/requests/{id}`: the record of each call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Records of calls, the latest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RequestsPage {
    /// The records.
    pub requests: Vec<CallRecord>,
    /// To be given as `cursor` for the page that follows; `None`: this was the last.
    pub next: Option<String>,
}

/// What is kept of one call: figures and names. No prompt, no answer, no key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallRecord {
    /// Its id in the ledger, 32 hexadecimal digits; with `pl-` in front that of `x-paceline-request-id`.
    pub id: String,
    /// When it ended, in milliseconds since 1970.
    pub ended_at_ms: i64,
    /// Who is accountable.
    pub tenant: String,
    /// The session, if one was named.
    pub session: Option<String>,
    /// The id of the caller's key; never the key.
    pub key_id: Option<String>,
    /// What the caller files it under.
    pub tags: Vec<String>,
    /// The endpoint, such as `chat_completions`.
    pub route: String,
    /// Whose API.
    pub provider: String,
    /// The model that was asked for.
    pub model: String,
    /// The model that answered, as the answer names it.
    pub model_answered: Option<String>,
    /// The provider's tier of service, such as `flex`.
    pub service_tier: Option<String>,
    /// The priority in the queue.
    pub priority: Option<String>,
    /// Input tokens, cached ones and those of audio and images among them.
    pub input_tokens: u64,
    /// Input tokens that were read from the provider's cache.
    pub cached_tokens: u64,
    /// Input tokens that were written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Output tokens, reasoning and those of audio and images among them.
    pub output_tokens: u64,
    /// Output tokens of reasoning.
    pub reasoning_tokens: u64,
    /// Input tokens of audio.
    pub audio_in_tokens: u64,
    /// Output tokens of audio.
    pub audio_out_tokens: u64,
    /// Input tokens of images.
    pub image_in_tokens: u64,
    /// Output tokens of images.
    pub image_out_tokens: u64,
    /// Images that were made.
    pub images: u64,
    /// Audio that was billed by its length.
    pub audio_ms: u64,
    /// The version of the prices that the cost follows.
    pub price_version: Option<String>,
    /// The cost in billionths of a dollar, without that of a second attempt; `None`: the price is not
    /// known, which is not 0.
    pub cost_nanousd: Option<u64>,
    /// How many input tokens were expected; 0: there was no estimate.
    pub estimate_tokens: u64,
    /// What the provider's limit was charged for it, in tokens.
    pub charge_tokens: u64,
    /// How long it waited for its turn.
    pub wait_ms: u64,
    /// How often it was sent; 0: never.
    pub attempts: u64,
    /// From the last sending to the first byte of the answer.
    pub first_byte_ms: Option<u64>,
    /// From its arrival to its end.
    pub duration_ms: u64,
    /// `ok`, `provider_error`, `refused`, `upstream_failed` or `caller_gone`.
    pub outcome: String,
    /// The HTTP status that the caller saw.
    pub status: u16,
    /// The error code that the caller saw.
    pub error_code: Option<String>,
    /// The limit that made it wait.
    pub binding_limit: Option<String>,
    /// The limit pool that it went through.
    pub pool: Option<String>,
    /// The instance that served it.
    pub instance: String,
    /// The lane that answered, or was tried last: a provider entry and the model's name there, as in
    /// `claude/claude-haiku-4-5`.
    pub lane: Option<String>,
    /// The lanes that it went on from and why, in order, as in
    /// `upstream/gpt-4o-mini;overload, second/gpt-4o-mini;error`.
    pub passed: Option<String>,
    /// The lane of a second attempt that was made beside the first, whichever answered.
    pub hedged: Option<String>,
    /// What that second attempt cost besides, in billionths of a dollar; `None`: there was none, or its
    /// price is not known. Sums and budgets count both costs.
    pub hedge_cost_nanousd: Option<u64>,
}
