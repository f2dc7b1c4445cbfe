//! The bodies of Google's and Amazon's own calls.

#[cfg(test)]
mod tests;

use super::super::{CHOICES_MAX, OUTPUT_TOKENS_MAX};
use super::Reader;
use crate::json::{JsonResult, Kind, Skimmer};

/// What a body says in the places where these dialects say it. A key that is there twice counts
/// with its larger value, so that it cannot evade the pacing.
#[derive(Default)]
pub(super) struct Native {
    pub(super) max_output_tokens: Option<u64>,
    pub(super) choices: u32,
}

impl<'a> Reader<'a, '_> {
    /// Gemini accepts each name in camel case and with underscores.
    pub(super) fn gemini(&mut self, json: &mut Skimmer<'a>, name: &[u8]) -> JsonResult {
        match name {
            b"contents" | b"content" | b"systemInstruction" | b"system_instruction" => {
                self.gemini_contents(json, name == b"contents")
            }
            // The requests of a batch of embeddings, and the request whose tokens are counted.
            b"requests" => match json.peek()? {
                Kind::Array => json.array(|inner| self.gemini_request(inner)),
                _ => json.skip().map(drop),
            },
            b"generateContentRequest" | b"generate_content_request" => self.gemini_request(json),
            b"tools" => self.tools(json),
            b"generationConfig" | b"generation_config" => self.generation_config(json),
            _ => json.skip().map(drop),
        }
    }

    fn gemini_request(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        match json.peek()? {
            Kind::Object => json.object(|inner, key| self.gemini(inner, &key.name())),
            _ => json.skip().map(drop),
        }
    }

    fn generation_config(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        if json.peek()? != Kind::Object {
            return json.skip().map(drop);
        }
        json.object(|inner, key| match &*key.name() {
            b"maxOutputTokens" | b"max_output_tokens" => self.allow(inner),
            b"candidateCount" | b"candidate_count" => {
                let count = number(inner.skip()?)
                    .unwrap_or(1)
                    .min(u64::from(CHOICES_MAX));
                let count = u32::try_from(count).unwrap_or(CHOICES_MAX);
                self.native.choices = self.native.choices.max(count);
                Ok(())
            }
            b"responseSchema" | b"response_schema" | b"responseJsonSchema" => {
                let raw = inner.skip()?;
                self.count_json(raw);
                Ok(())
            }
            b"thinkingConfig" | b"thinking_config" => {
                self.thinking = true;
                inner.skip().map(drop)
            }
            _ => inner.skip().map(drop),
        })
    }

    /// One content or a list of them.
    fn gemini_contents(&mut self, json: &mut Skimmer<'a>, are_messages: bool) -> JsonResult {
        match json.peek()? {
            Kind::Array => json.array(|inner| self.gemini_contents(inner, are_messages)),
            Kind::Object => {
                self.messages = self.messages.saturating_add(u32::from(are_messages));
                json.object(|inner, key| match &*key.name() {
                    b"parts" => self.gemini_parts(inner),
                    b"text" => self.content(inner),
                    _ => inner.skip().map(drop),
                })
            }
            // A bare text is accepted as a content by some of Google's libraries.
            _ => self.content(json),
        }
    }

    fn gemini_parts(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        match json.peek()? {
            Kind::Array => json.array(|inner| self.gemini_parts(inner)),
            Kind::Object => json.object(|inner, key| match &*key.name() {
                b"text" => self.content(inner),
                b"inlineData" | b"inline_data" | b"fileData" | b"file_data" => self.blob(inner),
                b"functionCall"
                | b"function_call"
                | b"functionResponse"
                | b"function_response"
                | b"executableCode"
                | b"executable_code"
                | b"codeExecutionResult"
                | b"code_execution_result" => {
                    let raw = inner.skip()?;
                    self.count_json(raw);
                    Ok(())
                }
                _ => inner.skip().map(drop),
            }),
            _ => self.content(json),
        }
    }

    /// Data or a file, told by its media type.
    fn blob(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        if json.peek()? != Kind::Object {
            return json.skip().map(drop);
        }
        let mut place = &mut self.files;
        let (images, audio) = (&mut self.images, &mut self.audio);
        let mut media: &[u8] = b"";
        json.object(|inner, key| {
            let raw = inner.skip()?;
            if matches!(&*key.name(), b"mimeType" | b"mime_type") {
                media = raw;
            }
            Ok(())
        })?;
        if media.starts_with(b"\"image/") {
            place = images;
        } else if media.starts_with(b"\"audio/") {
            place = audio;
        }
        *place = place.saturating_add(1);
        Ok(())
    }

    /// Bedrock's `Converse`, and the request whose tokens are counted.
    pub(super) fn converse(&mut self, json: &mut Skimmer<'a>, name: &[u8]) -> JsonResult {
        match name {
            b"messages" => self.converse_messages(json),
            b"system" => self.converse_blocks(json),
            b"toolConfig" => self.object_of(json, |reader, inner, key| match key {
                b"tools" => reader.tools(inner),
                _ => inner.skip().map(drop),
            }),
            b"inferenceConfig" => self.object_of(json, |reader, inner, key| match key {
                b"maxTokens" => reader.allow(inner),
                _ => inner.skip().map(drop),
            }),
            b"input" | b"converse" => {
                self.object_of(json, |reader, inner, key| reader.converse(inner, key))
            }
            _ => json.skip().map(drop),
        }
    }

    fn converse_messages(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        if json.peek()? != Kind::Array {
            return json.skip().map(drop);
        }
        json.array(|inner| {
            self.messages = self.messages.saturating_add(1);
            self.object_of(inner, |reader, message, key| match key {
                b"content" => reader.converse_blocks(message),
                _ => message.skip().map(drop),
            })
        })
    }

    /// A block, or a list of them.
    fn converse_blocks(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        match json.peek()? {
            Kind::Array => json.array(|inner| self.converse_blocks(inner)),
            Kind::Object => json.object(|inner, key| match &*key.name() {
                b"text" | b"reasoningContent" | b"reasoningText" | b"guardContent"
                | b"toolResult" | b"content" => self.converse_blocks(inner),
                b"image" => {
                    self.images = self.images.saturating_add(1);
                    inner.skip().map(drop)
                }
                b"document" | b"video" => {
                    self.files = self.files.saturating_add(1);
                    inner.skip().map(drop)
                }
                b"toolUse" | b"json" => {
                    let raw = inner.skip()?;
                    self.count_json(raw);
                    Ok(())
                }
                _ => inner.skip().map(drop),
            }),
            Kind::String => self.content(json),
            _ => json.skip().map(drop),
        }
    }

    /// Calls `each` with every key of an object; anything else is skipped.
    fn object_of(
        &mut self,
        json: &mut Skimmer<'a>,
        each: impl Fn(&mut Self, &mut Skimmer<'a>, &[u8]) -> JsonResult,
    ) -> JsonResult {
        if json.peek()? != Kind::Object {
            return json.skip().map(drop);
        }
        json.object(|inner, key| each(self, inner, &key.name()))
    }

    /// The output that the request allows.
    pub(super) fn allow(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        let allowed = number(json.skip()?).map(|tokens| tokens.min(OUTPUT_TOKENS_MAX));
        self.native.max_output_tokens = self.native.max_output_tokens.max(allowed);
        Ok(())
    }
}

/// A whole number, which Google's JSON also allows as a string; `None` for anything else.
fn number(raw: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(raw).ok()?;
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let number: f64 = text.parse().ok()?;
    // The conversion saturates, and what is no number becomes zero.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    (number >= 0.0).then_some(number.ceil() as u64)
}
