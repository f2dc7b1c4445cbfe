//! The JSON body of a request, and what all endpoints check in it.

use http::StatusCode;
use serde_json::{Map, Value};

use super::Input;
use crate::{provider::Provider, refusal::ApiError};

/// A JSON body with a model that exists.
#[derive(Debug)]
pub(super) struct Ask {
    /// The body without `stream` and `stream_options`.
    pub(super) body: Value,
    pub(super) model: String,
    pub(super) stream: bool,
    /// Whether a stream ends with usage.
    pub(super) include_usage: bool,
    /// Identifies the path and the body: a streamed answer has the same content as a whole one.
    pub(super) digest: u64,
}

impl Ask {
    pub(super) fn read(provider: &Provider, input: &Input<'_>) -> Result<Self, ApiError> {
        let mut body = parse(&input.body)?;
        let model = match (input.model, body.get("model")) {
            (Some(model), _) => model.to_owned(),
            (None, None | Some(Value::Null)) => return Err(missing_model()),
            (None, Some(Value::String(model))) if !model.is_empty() => model.clone(),
            (None, Some(_)) => return Err(wrong_type("model", "a string")),
        };
        check_model(provider, &model)?;
        let stream = body.remove("stream");
        let options = body.remove("stream_options");
        let included = options
            .as_ref()
            .and_then(|options| options.get("include_usage"));
        let include_usage = included.and_then(Value::as_bool).unwrap_or(false);
        let body = Value::Object(body);
        let mut digest = provider.digest();
        digest.add(input.path.as_bytes());
        // A digest takes any bytes.
        let _ = serde_json::to_writer(&mut digest, &body);
        let stream = stream.and_then(|stream| stream.as_bool()).unwrap_or(false);
        Ok(Self {
            body,
            model,
            stream,
            include_usage,
            digest: digest.value(),
        })
    }

    /// A member, unless it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.body.get(name).filter(|value| !value.is_null())
    }

    /// The part of a prompt that is read from the cache. As the answer follows from the request alone,
    /// there is no first time: a prompt that names a cache key and is long enough (OpenAI: 1024 tokens,
    /// in steps of 128) is taken to have been there before.
    pub(super) fn cached(&self, prompt_tokens: u64) -> u64 {
        let is_kept = self.get("prompt_cache_key").is_some() && prompt_tokens >= 1_024;
        if is_kept {
            prompt_tokens / 128 * 128
        } else {
            0
        }
    }

    /// Tokens of reasoning before the answer, by the effort that is asked for; at most half of the
    /// limit, so that an answer is left.
    pub(super) fn reasoning(&self, limit: u64) -> u64 {
        let effort = self.get("reasoning_effort");
        let effort = effort.or_else(|| self.get("reasoning").and_then(|asked| asked.get("effort")));
        let tokens = match effort.and_then(Value::as_str) {
            Some("low") => 64,
            Some("medium") => 256,
            Some("high") => 1_024,
            _ => 0,
        };
        tokens.min(limit / 2)
    }

    /// A member that is a whole number in a range.
    pub(super) fn whole(
        &self,
        name: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let number = value
            .as_u64()
            .ok_or_else(|| wrong_type(name, "a non-negative integer"))?;
        if range.contains(&number) {
            return Ok(Some(number));
        }
        let (least, most) = range.into_inner();
        let bound = if number < least {
            format!("a value >= {least}")
        } else {
            format!("a value <= {most}")
        };
        Err(ApiError::invalid(format!(
            "Invalid '{name}': integer out of range. Expected {bound}, but got {number} instead."
        ))
        .param(name)
        .code("integer_out_of_range"))
    }
}

/// Reads a body as a JSON object.
pub(super) fn parse(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(ApiError::invalid(
            "We could not parse the JSON body of your request. (HINT: This likely means you \
             aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but \
             what was sent was not valid JSON. If you have trouble figuring out how to fix this, \
             please contact us through our help center at help.openai.com.)",
        )),
    }
}

pub(crate) fn missing_model() -> ApiError {
    ApiError::invalid("you must provide a model parameter")
}

pub(crate) fn check_model(provider: &Provider, model: &str) -> Result<(), ApiError> {
    if !provider
        .settings()
        .unknown_models
        .iter()
        .any(|unknown| unknown == model)
    {
        return Ok(());
    }
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    Err(
        ApiError::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
            .code("model_not_found"),
    )
}

pub(super) fn wrong_type(name: &'static str, expected: &str) -> ApiError {
    ApiError::invalid(format!("Invalid type for '{name}': expected {expected}."))
        .param(name)
        .code("invalid_type")
}

/// How many answer tokens a prompt leaves room for, at most the limit of the request.
pub(super) fn room(
    provider: &Provider,
    prompt_tokens: u64,
    limit: Option<u64>,
    param: &'static str,
) -> Result<u64, ApiError> {
    let context = provider.settings().context_tokens;
    let wanted = prompt_tokens.saturating_add(limit.unwrap_or(1));
    if wanted <= context {
        return Ok(limit.unwrap_or(context - prompt_tokens));
    }
    let message = match limit {
        Some(limit) => format!(
            "This model's maximum context length is {context} tokens. However, you requested \
             {wanted} tokens ({prompt_tokens} in the {param}, {limit} in the completion). Please \
             reduce the length of the {param} or completion."
        ),
        None => format!(
            "This model's maximum context length is {context} tokens. However, your {param} \
             resulted in {prompt_tokens} tokens. Please reduce the length of the {param}."
        ),
    };
    Err(ApiError::invalid(message)
        .param(param)
        .code("context_length_exceeded"))
}
