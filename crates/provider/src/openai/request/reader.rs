//! The pass over the body.

mod native;

use super::super::endpoint::EndpointKind;
use super::fields::{Field, Fields};
use super::{LEGACY_OUTPUT_TOKENS, RequestError, RequestFacts};
use crate::json::{JsonError, JsonResult, JsonString, Kind, Piece, Skimmer};
use crate::text::TextProfile;
use memchr::memchr;
use native::Native;
use std::borrow::Cow;

/// Receives each counted piece of text.
type TextSink<'t> = &'t mut dyn FnMut(&str);

pub(super) fn read<'a>(
    kind: EndpointKind,
    body: &'a [u8],
    deployment: Option<&'a str>,
    each_text: Option<TextSink<'_>>,
) -> Result<RequestFacts<'a>, RequestError> {
    if let Err(error) = std::str::from_utf8(body) {
        return Err(RequestError::NotUtf8 {
            offset: error.valid_up_to(),
        });
    }
    let mut reader = Reader {
        kind,
        each_text,
        ..Reader::default()
    };
    let not_json = |error: JsonError| RequestError::from_json(error, body);
    let mut skimmer = Skimmer::new(body);
    if skimmer.peek().map_err(not_json)? == Kind::Object {
        skimmer
            .object(|inner, key| reader.top_level(inner, key))
            .map_err(not_json)?;
        skimmer.end().map_err(not_json)?;
        return reader.facts(deployment);
    }
    skimmer
        .skip()
        .and_then(|_| skimmer.end())
        .map_err(not_json)?;
    Err(RequestError::NotAnObject)
}

/// What the pass has gathered so far.
#[derive(Default)]
struct Reader<'a, 't> {
    kind: EndpointKind,
    each_text: Option<TextSink<'t>>,
    fields: Fields<'a>,
    text: TextProfile,
    numbers: u64,
    messages: u32,
    images: u32,
    low_detail_images: u32,
    audio: u32,
    files: u32,
    tools: u32,
    stored_prompt: bool,
    thinking: bool,
    native: Native,
}

impl<'a> Reader<'a, '_> {
    fn top_level(&mut self, json: &mut Skimmer<'a>, key: JsonString<'a>) -> JsonResult {
        let name = key.name();
        match self.kind {
            kind if kind.is_gemini() => return self.gemini(json, &name),
            EndpointKind::BedrockConverse
            | EndpointKind::BedrockConverseStream
            | EndpointKind::BedrockCountTokens => return self.converse(json, &name),
            _ => {}
        }
        if let Some(field) = Field::named(&name) {
            let raw = json.skip()?;
            self.fields.put(field, raw);
            return Ok(());
        }
        match &*name {
            b"messages" => self.items(json, true),
            b"input" => self.items(json, self.kind == EndpointKind::Responses),
            b"prompt" => {
                self.stored_prompt |=
                    self.kind == EndpointKind::Responses && json.peek()? == Kind::Object;
                self.content(json)
            }
            b"instructions" | b"suffix" | b"system" => self.content(json),
            b"tools" | b"functions" => self.tools(json),
            b"response_format" | b"text" | b"output_format" => self.schema(json),
            b"thinking" => {
                self.thinking = is_thinking(json)?;
                Ok(())
            }
            // Amazon's and Meta's models on Bedrock.
            b"inputText" if self.kind.is_bedrock() => self.content(json),
            b"max_gen_len" if self.kind.is_bedrock() => self.allow(json),
            _ => json.skip().map(drop),
        }
    }

    /// A list of messages, texts or token ids; a single text stands for a list of one.
    fn items(&mut self, json: &mut Skimmer<'a>, are_messages: bool) -> JsonResult {
        let message = u32::from(are_messages);
        match json.peek()? {
            Kind::Array => json.array(|inner| {
                self.messages = self.messages.saturating_add(message);
                self.content(inner)
            }),
            Kind::String => {
                self.messages = self.messages.saturating_add(message);
                self.content(json)
            }
            _ => self.content(json),
        }
    }

    /// Anything that may hold text: a string, a part, or lists of these.
    fn content(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        match json.peek()? {
            Kind::String => {
                let string = json.string()?;
                self.count(string);
                Ok(())
            }
            Kind::Array => json.array(|inner| self.content(inner)),
            Kind::Object => self.part(json),
            Kind::Number => {
                self.numbers += 1;
                json.skip().map(drop)
            }
            Kind::True | Kind::False | Kind::Null => json.skip().map(drop),
        }
    }

    /// A message, a part of one, or an item of `input`. Only keys known to hold text are counted:
    /// to take the data of an image for text would be far worse than to miss a rare key.
    fn part(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        let mut part = Part::default();
        json.object(|inner, key| match &*key.name() {
            // What a tool is called with, in Anthropic's words.
            b"input" if inner.peek()? == Kind::Object => {
                let raw = inner.skip()?;
                self.count_json(raw);
                Ok(())
            }
            b"content" | b"text" | b"name" | b"arguments" | b"output" | b"refusal" | b"input"
            | b"summary" | b"instructions" | b"tool_calls" | b"function_call" | b"function"
            | b"custom" | b"code" | b"query" | b"queries" | b"results" | b"reasoning_content"
            | b"thinking" | b"title" | b"context" => self.content(inner),
            b"variables" => self.variables(inner),
            b"tools" => self.tools(inner),
            b"type" => part.kind(inner),
            b"detail" => part.detail(inner),
            b"image_url" => part.image(inner),
            b"input_audio" => {
                part.audio = true;
                inner.skip().map(drop)
            }
            _ => inner.skip().map(drop),
        })?;
        self.images = self.images.saturating_add(u32::from(part.image));
        self.low_detail_images = self
            .low_detail_images
            .saturating_add(u32::from(part.image && part.low_detail));
        self.audio = self.audio.saturating_add(u32::from(part.audio));
        self.files = self.files.saturating_add(u32::from(part.file));
        Ok(())
    }

    /// The values that fill a stored prompt, under names of the caller's choice.
    fn variables(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        if json.peek()? != Kind::Object {
            return json.skip().map(drop);
        }
        json.object(|inner, _| self.content(inner))
    }

    fn tools(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        if json.peek()? != Kind::Array {
            return json.skip().map(drop);
        }
        json.array(|inner| {
            self.tools = self.tools.saturating_add(1);
            let raw = inner.skip()?;
            self.count_json(raw);
            Ok(())
        })
    }

    /// The schema that the answer has to follow, which the provider puts into the prompt.
    fn schema(&mut self, json: &mut Skimmer<'a>) -> JsonResult {
        match json.peek()? {
            Kind::Object => json.object(|inner, key| match &*key.name() {
                b"format" => self.schema(inner),
                b"json_schema" | b"schema" => {
                    let raw = inner.skip()?;
                    self.count_json(raw);
                    Ok(())
                }
                _ => inner.skip().map(drop),
            }),
            _ => json.skip().map(drop),
        }
    }

    fn count(&mut self, string: JsonString<'a>) {
        self.text += string.profile();
        let Some(each_text) = &mut self.each_text else {
            return;
        };
        string.each_piece(|piece| match piece {
            Piece::Plain(bytes) => each_text(&String::from_utf8_lossy(bytes)),
            Piece::Short(character) | Piece::Unicode(character) => {
                each_text(character.encode_utf8(&mut [0; 4]));
            }
        });
    }

    /// Counts a value as the compact JSON that it would be.
    fn count_json(&mut self, raw: &'a [u8]) {
        let mut rest = raw;
        while let Some(quote) = memchr(b'"', rest) {
            self.count_structure(&rest[..=quote]);
            let mut string = Skimmer::new(&rest[quote..]);
            // The value has been read before, so its strings are sound.
            let Ok(inside) = string.string() else {
                return;
            };
            self.count_string_in_json(inside);
            rest = &rest[quote + string.offset() - 1..];
            self.count_structure(&rest[..1]);
            rest = &rest[1..];
        }
        self.count_structure(rest);
    }

    fn count_structure(&mut self, bytes: &[u8]) {
        self.text += TextProfile::of_bytes(bytes).without_whitespace();
        if let Some(each_text) = &mut self.each_text {
            String::from_utf8_lossy(bytes)
                .split_ascii_whitespace()
                .for_each(each_text);
        }
    }

    /// Inside JSON a short escape keeps its two characters.
    fn count_string_in_json(&mut self, string: JsonString<'a>) {
        string.each_piece(|piece| {
            let mut buffer = [0; 4];
            let text: Cow<'_, str> = match piece {
                Piece::Plain(bytes) => String::from_utf8_lossy(bytes),
                Piece::Short(character) => Cow::Borrowed(short_escape(character)),
                Piece::Unicode(character) => Cow::Borrowed(character.encode_utf8(&mut buffer)),
            };
            self.text += TextProfile::of(&text);
            if let Some(each_text) = &mut self.each_text {
                each_text(&text);
            }
        });
    }

    fn facts(self, deployment: Option<&'a str>) -> Result<RequestFacts<'a>, RequestError> {
        self.fields.check_duplicates()?;
        let kind = self.kind;
        let in_body = self.fields.model()?;
        let in_path = deployment.map(Cow::Borrowed);
        let model = if kind.is_gemini() || kind.is_bedrock() {
            in_path.or(in_body)
        } else {
            in_body.or(in_path)
        };
        let model = match model {
            Some(model) => model,
            None if needs_model(kind) && !self.stored_prompt => {
                return Err(RequestError::ModelMissing);
            }
            None => Cow::Borrowed(""),
        };
        let legacy = kind == EndpointKind::Completions;
        let default_output = legacy.then_some(LEGACY_OUTPUT_TOKENS);
        let has_choices = takes_choices(kind);
        Ok(RequestFacts {
            kind,
            model,
            stream: kind.streams_by_path() || self.fields.flag(Field::Stream)?,
            include_usage: self.fields.include_usage(),
            max_output_tokens: self
                .fields
                .max_output_tokens(kind)?
                .max(self.native.max_output_tokens)
                .or(default_output),
            n: if has_choices {
                self.fields.choices(Field::N, 1)?
            } else {
                self.native.choices.max(1)
            },
            best_of: if legacy {
                self.fields.choices(Field::BestOf, 0)?
            } else {
                1
            },
            text: self.text,
            token_ids: if takes_token_ids(kind) {
                self.numbers
            } else {
                0
            },
            message_count: self.messages,
            image_parts: self.images,
            low_detail_image_parts: self.low_detail_images,
            audio_parts: self.audio,
            file_parts: self.files,
            tool_count: self.tools,
            service_tier: self.fields.service_tier(),
            previous_response: self.fields.is_given(Field::PreviousResponseId)
                || self.fields.is_given(Field::Conversation),
            previous_response_id: self.fields.previous_response_id(),
            background: self.fields.is_true(Field::Background),
            thinking: self.thinking,
        })
    }
}

/// Whether Anthropic's `thinking` is on.
fn is_thinking(json: &mut Skimmer<'_>) -> JsonResult<bool> {
    if json.peek()? != Kind::Object {
        json.skip()?;
        return Ok(false);
    }
    let mut is_on = false;
    json.object(|inner, key| {
        let value = inner.skip()?;
        if &*key.name() == b"type" {
            is_on = value != b"\"disabled\"";
        }
        Ok(())
    })?;
    Ok(is_on)
}

/// What the keys of one object have told about it.
#[derive(Default)]
struct Part {
    image: bool,
    low_detail: bool,
    audio: bool,
    file: bool,
}

impl Part {
    fn kind(&mut self, json: &mut Skimmer<'_>) -> JsonResult {
        match json.skip()? {
            b"\"image_url\"" | b"\"input_image\"" | b"\"image\"" | b"\"computer_screenshot\"" => {
                self.image = true;
            }
            b"\"input_audio\"" => self.audio = true,
            b"\"file\"" | b"\"input_file\"" | b"\"document\"" => self.file = true,
            _ => {}
        }
        Ok(())
    }

    fn detail(&mut self, json: &mut Skimmer<'_>) -> JsonResult {
        self.low_detail |= json.skip()? == b"\"low\"";
        Ok(())
    }

    /// An address, or an object that holds it together with the detail.
    fn image(&mut self, json: &mut Skimmer<'_>) -> JsonResult {
        self.image = true;
        if json.peek()? != Kind::Object {
            return json.skip().map(drop);
        }
        json.object(|inner, key| match &*key.name() {
            b"detail" => self.detail(inner),
            _ => inner.skip().map(drop),
        })
    }
}

const fn short_escape(character: char) -> &'static str {
    match character {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        // The only other character with a short escape, which compact JSON does not escape.
        _ => "/",
    }
}

const fn needs_model(kind: EndpointKind) -> bool {
    use EndpointKind as K;
    matches!(
        kind,
        K::ChatCompletions
            | K::Responses
            | K::Completions
            | K::Embeddings
            | K::Decisions
            | K::AudioSpeech
            | K::Messages
            | K::MessagesCountTokens
    )
}

const fn takes_choices(kind: EndpointKind) -> bool {
    use EndpointKind as K;
    matches!(
        kind,
        K::ChatCompletions
            | K::Completions
            | K::ImagesGenerations
            | K::ImagesEdits
            | K::ImagesVariations
    )
}

const fn takes_token_ids(kind: EndpointKind) -> bool {
    matches!(kind, EndpointKind::Embeddings | EndpointKind::Completions)
}
