//! What the provider says that a call used.

use super::endpoint::EndpointKind;
use crate::json::{JsonResult, Kind, Skimmer};
use http::HeaderMap;

#[cfg(test)]
mod tests;

/// Bytes of a name that are kept.
const NAME_BYTES_MAX: usize = 256;

/// What the provider says that a call used. Tokens, where the name does not say otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All input, cached input included.
    pub input_tokens: u64,
    /// Input that was read from the cache.
    pub cached_input_tokens: u64,
    /// Input that was written to the cache.
    pub cache_write_tokens: u64,
    /// Of what was written to the cache, what stays there for an hour, which costs more (Anthropic).
    pub cache_write_1h_tokens: u64,
    /// All output, reasoning included.
    pub output_tokens: u64,
    /// Output that was spent on reasoning.
    pub reasoning_tokens: u64,
    /// Input and output; their sum where the provider gives no total.
    pub total_tokens: u64,
    /// Audio among the input.
    pub audio_input_tokens: u64,
    /// Audio among the output.
    pub audio_output_tokens: u64,
    /// Images among the input.
    pub image_input_tokens: u64,
    /// Images among the output.
    pub image_output_tokens: u64,
    /// Audio that is billed by its length, in milliseconds.
    pub audio_ms: u64,
}

/// What a whole JSON answer says of how it came about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// What it used.
    pub usage: Option<Usage>,
    /// The model that answered.
    pub model: Option<String>,
    /// The service tier that answered, which may be another than was asked for.
    pub service_tier: Option<String>,
    /// The id of a response of the Responses API, which the provider may keep.
    pub response_id: Option<String>,
}

impl Answered {
    /// Reads a whole JSON answer, at its top or in its `response`; the last of each counts. What is
    /// not there, or behind the place where the answer is cut off, is `None`. Gemini streams a list
    /// of answers where no events are asked for, which is read as well.
    ///
    /// Nulls and missing counts are zero, and numbers may be written with decimals.
    #[must_use]
    pub fn from_body(kind: EndpointKind, body: &[u8]) -> Self {
        let mut answered = Self::default();
        let mut json = Skimmer::new(body);
        // An answer that is cut off after its usage has still told it.
        let _ = match json.peek() {
            Ok(Kind::Object) => answered.object(kind, &mut json),
            Ok(Kind::Array) if kind.is_gemini() => json.array(|inner| match inner.peek()? {
                Kind::Object => answered.object(kind, inner),
                _ => inner.skip_unchecked().map(drop),
            }),
            _ => return answered,
        };
        answered
    }

    fn object(&mut self, kind: EndpointKind, json: &mut Skimmer<'_>) -> JsonResult {
        json.object(|inner, key| match &*key.name() {
            b"response" if inner.peek()? == Kind::Object => {
                inner.object(|response, key| self.member(kind, response, &key.name()))
            }
            name => self.member(kind, inner, name),
        })
    }

    fn member(&mut self, kind: EndpointKind, json: &mut Skimmer<'_>, key: &[u8]) -> JsonResult {
        match key {
            b"usage" | b"usageMetadata" => {
                read(kind, json, &mut self.usage, &mut self.service_tier)
            }
            b"model" | b"modelVersion" => name(json, &mut self.model),
            b"service_tier" => name(json, &mut self.service_tier),
            b"id" if kind == EndpointKind::Responses => name(json, &mut self.response_id),
            _ => json.skip_unchecked().map(drop),
        }
    }
}

impl Usage {
    /// Reads the usage of a whole JSON answer; see [`Answered::from_body`].
    #[must_use]
    pub fn from_body(kind: EndpointKind, body: &[u8]) -> Option<Self> {
        Answered::from_body(kind, body).usage
    }

    /// Reads the counts that Bedrock tells in the headers of an `InvokeModel` answer, whose body is
    /// the model's own (`x-amzn-bedrock-input-token-count`, `-output-token-count`).
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse().ok();
        let input_tokens: Option<u64> = value("x-amzn-bedrock-input-token-count");
        let output_tokens: Option<u64> = value("x-amzn-bedrock-output-token-count");
        if input_tokens.is_none() && output_tokens.is_none() {
            return None;
        }
        let (input_tokens, output_tokens) = (
            input_tokens.unwrap_or_default(),
            output_tokens.unwrap_or_default(),
        );
        Some(Self {
            input_tokens,
            output_tokens,
            total_tokens: input_tokens.saturating_add(output_tokens),
            ..Self::default()
        })
    }

    /// The larger of each count, for usage that comes in parts.
    pub(super) fn merged(self, other: Self) -> Self {
        let input_tokens = self.input_tokens.max(other.input_tokens);
        let output_tokens = self.output_tokens.max(other.output_tokens);
        Self {
            input_tokens,
            cached_input_tokens: self.cached_input_tokens.max(other.cached_input_tokens),
            cache_write_tokens: self.cache_write_tokens.max(other.cache_write_tokens),
            cache_write_1h_tokens: self.cache_write_1h_tokens.max(other.cache_write_1h_tokens),
            output_tokens,
            reasoning_tokens: self.reasoning_tokens.max(other.reasoning_tokens),
            total_tokens: input_tokens.saturating_add(output_tokens),
            audio_input_tokens: self.audio_input_tokens.max(other.audio_input_tokens),
            audio_output_tokens: self.audio_output_tokens.max(other.audio_output_tokens),
            image_input_tokens: self.image_input_tokens.max(other.image_input_tokens),
            image_output_tokens: self.image_output_tokens.max(other.image_output_tokens),
            audio_ms: self.audio_ms.max(other.audio_ms),
        }
    }
}

/// Reads the value of a key `usage`; what the value says nothing of is left as it is. Anthropic tells
/// the service tier there.
pub(super) fn read(
    kind: EndpointKind,
    json: &mut Skimmer<'_>,
    into: &mut Option<Usage>,
    service_tier: &mut Option<String>,
) -> JsonResult {
    if json.peek()? != Kind::Object {
        return json.skip_unchecked().map(drop);
    }
    let mut draft = Draft::default();
    json.object(|inner, key| match &*key.name() {
        b"service_tier" => name(inner, service_tier),
        other => draft.member(inner, other),
    })?;
    if draft.is_known {
        *into = Some(draft.usage(kind));
    }
    Ok(())
}

/// Takes over a name, and allocates only where it has changed.
pub(super) fn name(json: &mut Skimmer<'_>, into: &mut Option<String>) -> JsonResult {
    if json.peek()? != Kind::String {
        return json.skip_unchecked().map(drop);
    }
    let string = json.string()?;
    let text = string.text();
    let text = &text[..text.floor_char_boundary(NAME_BYTES_MAX)];
    if into.as_deref() != Some(text) {
        *into = Some(text.to_owned());
    }
    Ok(())
}

/// A usage while it is read.
#[derive(Default)]
struct Draft {
    usage: Usage,
    total: Option<u64>,
    /// Anthropic's counts beside its `input_tokens`, which leave them out.
    cache_read: u64,
    cache_creation: u64,
    /// Gemini's counts beside its `promptTokenCount` and `candidatesTokenCount`.
    tool_use_prompt: u64,
    thoughts: u64,
    is_known: bool,
}

impl Draft {
    fn member(&mut self, json: &mut Skimmer<'_>, name: &[u8]) -> JsonResult {
        match name {
            b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
                return details(json, |name, tokens| self.input_detail(name, tokens));
            }
            b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
                return details(json, |name, tokens| self.output_detail(name, tokens));
            }
            b"cache_creation" => {
                return details(json, |name, tokens| {
                    if name == b"ephemeral_1h_input_tokens" {
                        self.usage.cache_write_1h_tokens = tokens;
                    }
                });
            }
            b"promptTokensDetails" => {
                return modalities(json, |modality, tokens| match modality {
                    b"\"AUDIO\"" => self.usage.audio_input_tokens = tokens,
                    b"\"IMAGE\"" => self.usage.image_input_tokens = tokens,
                    _ => {}
                });
            }
            b"candidatesTokensDetails" => {
                return modalities(json, |modality, tokens| match modality {
                    b"\"AUDIO\"" => self.usage.audio_output_tokens = tokens,
                    b"\"IMAGE\"" => self.usage.image_output_tokens = tokens,
                    _ => {}
                });
            }
            b"seconds" => {
                self.usage.audio_ms = thousandfold(json.skip_unchecked()?);
                self.is_known = true;
                return Ok(());
            }
            _ => {}
        }
        let Some(tokens) = count(json.skip_unchecked()?) else {
            return Ok(());
        };
        let place = match name {
            b"prompt_tokens"
            | b"input_tokens"
            | b"inputTokens"
            | b"promptTokenCount"
            | b"inputTokenCount"
            | b"prompt_token_count"
            | b"inputTextTokenCount" => &mut self.usage.input_tokens,
            b"completion_tokens"
            | b"output_tokens"
            | b"outputTokens"
            | b"candidatesTokenCount"
            | b"outputTokenCount"
            | b"generation_token_count" => &mut self.usage.output_tokens,
            b"total_tokens" | b"totalTokens" | b"totalTokenCount" => self.total.insert(0),
            b"cache_read_input_tokens" | b"cacheReadInputTokens" | b"cacheReadInputTokenCount" => {
                &mut self.cache_read
            }
            b"cache_creation_input_tokens"
            | b"cacheWriteInputTokens"
            | b"cacheWriteInputTokenCount" => &mut self.cache_creation,
            // DeepSeek's, beside `prompt_tokens`, which holds them.
            b"prompt_cache_hit_tokens" | b"cachedContentTokenCount" => {
                &mut self.usage.cached_input_tokens
            }
            b"toolUsePromptTokenCount" => &mut self.tool_use_prompt,
            b"thoughtsTokenCount" => &mut self.thoughts,
            _ => return Ok(()),
        };
        *place = tokens;
        self.is_known = true;
        Ok(())
    }

    fn input_detail(&mut self, name: &[u8], tokens: u64) {
        match name {
            b"cached_tokens" => self.usage.cached_input_tokens = tokens,
            b"cache_write_tokens" => self.usage.cache_write_tokens = tokens,
            b"audio_tokens" => self.usage.audio_input_tokens = tokens,
            b"image_tokens" => self.usage.image_input_tokens = tokens,
            _ => {}
        }
    }

    fn output_detail(&mut self, name: &[u8], tokens: u64) {
        match name {
            b"reasoning_tokens" | b"thinking_tokens" => self.usage.reasoning_tokens = tokens,
            b"audio_tokens" => self.usage.audio_output_tokens = tokens,
            b"image_tokens" => self.usage.image_output_tokens = tokens,
            _ => {}
        }
    }

    fn usage(self, kind: EndpointKind) -> Usage {
        let mut usage = self.usage;
        if kind == EndpointKind::Messages || kind.is_bedrock() {
            usage.cached_input_tokens = self.cache_read;
            usage.cache_write_tokens = self.cache_creation;
            usage.input_tokens = usage
                .input_tokens
                .saturating_add(self.cache_read)
                .saturating_add(self.cache_creation);
        }
        if kind.is_gemini() {
            usage.reasoning_tokens = self.thoughts;
            usage.input_tokens = usage.input_tokens.saturating_add(self.tool_use_prompt);
            usage.output_tokens = usage.output_tokens.saturating_add(self.thoughts);
        }
        let sum = usage.input_tokens.saturating_add(usage.output_tokens);
        // xAI leaves reasoning out of its output; the total shows it.
        let with_reasoning = sum.saturating_add(usage.reasoning_tokens);
        if usage.reasoning_tokens > 0 && self.total == Some(with_reasoning) {
            usage.output_tokens = usage.output_tokens.saturating_add(usage.reasoning_tokens);
        }
        usage.total_tokens = match self.total {
            // Bedrock's total leaves the cache out or not, by model.
            Some(total) if !kind.is_bedrock() => total,
            _ => sum,
        };
        usage
    }
}

/// Gemini's counts by kind of content: `[{"modality": "AUDIO", "tokenCount": 7}]`.
fn modalities(json: &mut Skimmer<'_>, mut each: impl FnMut(&[u8], u64)) -> JsonResult {
    if json.peek()? != Kind::Array {
        return json.skip_unchecked().map(drop);
    }
    json.array(|inner| {
        if inner.peek()? != Kind::Object {
            return inner.skip_unchecked().map(drop);
        }
        let (mut modality, mut tokens): (&[u8], _) = (b"", None);
        inner.object(|member, key| {
            let value = member.skip_unchecked()?;
            match &*key.name() {
                b"modality" => modality = value,
                b"tokenCount" => tokens = count(value),
                _ => {}
            }
            Ok(())
        })?;
        each(modality, tokens.unwrap_or_default());
        Ok(())
    })
}

fn details(json: &mut Skimmer<'_>, mut each: impl FnMut(&[u8], u64)) -> JsonResult {
    if json.peek()? != Kind::Object {
        return json.skip_unchecked().map(drop);
    }
    json.object(|inner, key| {
        if let Some(tokens) = count(inner.skip_unchecked()?) {
            each(&key.name(), tokens);
        }
        Ok(())
    })
}

/// A count that may be written as `12`, `12.0` or `1.2e1`; below zero it is zero.
fn count(raw: &[u8]) -> Option<u64> {
    number(raw, 1.0)
}

fn thousandfold(raw: &[u8]) -> u64 {
    number(raw, 1_000.0).unwrap_or(0)
}

fn number(raw: &[u8], scale: f64) -> Option<u64> {
    let text = std::str::from_utf8(raw).ok()?;
    if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    if let (Ok(whole), true) = (text.parse(), scale == 1.0) {
        return Some(whole);
    }
    // The conversion saturates, and what is below zero becomes zero.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    text.parse::<f64>()
        .ok()
        .map(|number| (number * scale).round() as u64)
}
