//! Where the providers that speak OpenAI's API have its endpoints.

use http::{Method, StatusCode};

use super::{Input, Prepared, Route, chat, openai};
use crate::{
    answer::Answer,
    json::{Json, object},
    likeness::Likeness,
    provider::Provider,
    refusal::ApiError,
};

pub(super) fn route(likeness: Likeness, method: &Method, parts: &[&str]) -> Option<Route> {
    if likeness == Likeness::Azure
        && let ["openai", "deployments", deployment, rest @ ..] = parts
    {
        let (endpoint, id) = openai(method, rest)?;
        let endpoint = match rest {
            ["chat", "completions"] => azure_chat,
            _ => endpoint,
        };
        return Some(Route {
            model: Some((*deployment).to_owned()),
            ..Route::to(endpoint, id)
        });
    }
    if likeness == Likeness::OpenRouter && method == Method::GET && parts == ["api", "v1", "key"] {
        return Some(Route::to(openrouter_key, ""));
    }
    let prefixes: &[&str] = match likeness {
        Likeness::Azure => &["openai/v1"],
        Likeness::GeminiCompatible => &["v1beta/openai"],
        Likeness::Groq => &["openai/v1"],
        Likeness::OpenRouter => &["api/v1"],
        Likeness::Cohere => &["compatibility/v1"],
        Likeness::DeepSeek => &["v1", ""],
        _ => &["v1"],
    };
    let rest = prefixes.iter().find_map(|prefix| after(prefix, parts))?;
    let (endpoint, id) = openai(method, rest)?;
    Some(Route::to(endpoint, id))
}

/// The parts of a path after a prefix.
fn after<'p, 'a>(prefix: &str, parts: &'p [&'a str]) -> Option<&'p [&'a str]> {
    let mut rest = parts;
    for wanted in prefix.split('/').filter(|part| !part.is_empty()) {
        let (first, others) = rest.split_first()?;
        if *first != wanted {
            return None;
        }
        rest = others;
    }
    Some(rest)
}

/// A deployment answers only those who say which version of the API they speak.
fn azure_chat(provider: &Provider, input: &Input<'_>, id: &str) -> Result<Prepared, ApiError> {
    let query = input.query.unwrap_or_default().as_bytes();
    let mut pairs = url::form_urlencoded::parse(query);
    if !pairs.any(|(name, value)| name == "api-version" && !value.is_empty()) {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "", "Resource not found").code("404"));
    }
    chat::create(provider, input, id)
}

/// `GET /api/v1/key`: what `OpenRouter` tells a caller of its key.
fn openrouter_key(
    provider: &Provider,
    _input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let quotas = provider.court().quotas();
    let daily = quotas
        .iter()
        .find(|quota| quota.window_ms >= crate::quota::Quota::DAY_MS);
    let daily = daily.map(|quota| {
        let served = provider.state().counters.admitted.min(quota.amount);
        object! {
            "used": served,
            "limit": quota.amount,
            "remaining": quota.amount - served,
        }
    });
    let data = object! {
        "label": "sk-or-v1-sim...ulator",
        "limit": Json::Null,
        "limit_remaining": Json::Null,
        "usage": 0_u64,
        "usage_daily": 0_u64,
        "usage_weekly": 0_u64,
        "usage_monthly": 0_u64,
        "is_free_tier": true,
        "free_model_daily_requests": daily,
    };
    Ok(Prepared::free(Answer::json(&object! { "data": data })))
}
