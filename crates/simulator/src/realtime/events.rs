//! The members of the events that a realtime session sends.

use crate::{
    court::Usage,
    enforcer::QuotaLevel,
    json::{Json, object},
    quota::{Metric, NANOS_PER_SECOND},
    refusal::ApiError,
};

/// `rate_limits` of `rate_limits.updated`: the tightest limits on requests and on tokens.
pub(super) fn rate_limits(levels: &[QuotaLevel]) -> Json {
    let tightest = |metric| {
        let concerned = levels.iter().filter(|level| level.quota.metric == metric);
        concerned.min_by_key(|level| level.remaining)
    };
    let named = [("requests", Metric::Requests), ("tokens", Metric::Tokens)];
    let shown = named.into_iter().filter_map(|(name, metric)| {
        let level = tightest(metric)?;
        Some(object! {
            "name": name,
            "limit": level.quota.amount,
            "remaining": level.remaining,
            "reset_seconds": level.reset_ns as f64 / NANOS_PER_SECOND as f64,
        })
    });
    object! { "rate_limits": shown.collect::<Vec<_>>() }
}

/// Usage as `response.done` reports it.
pub(super) fn usage(usage: &Usage) -> Json {
    object! {
        "total_tokens": usage.prompt + usage.completion,
        "input_tokens": usage.prompt,
        "output_tokens": usage.completion,
        "input_token_details": object! {
            "text_tokens": usage.prompt,
            "audio_tokens": 0_u64,
            "image_tokens": 0_u64,
            "cached_tokens": 0_u64,
        },
        "output_token_details": object! {
            "text_tokens": usage.completion,
            "audio_tokens": 0_u64,
        },
    }
}

/// `status_details` of a response that failed.
pub(super) fn failure(error: &ApiError) -> Json {
    let inner =
        object! { "type": error.kind, "code": error.code, "message": error.message.as_str() };
    object! { "type": "failed", "error": inner }
}

/// The message item that a response consists of.
pub(super) fn item(id: &str, status: &str, text: Option<&str>) -> Json {
    let content = text.map(text_part).into_iter().collect::<Vec<_>>();
    object! {
        "id": id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }
}

pub(super) fn text_part(text: &str) -> Json {
    object! { "type": "output_text", "text": text }
}
