//! Blocks of content in a messages request.

use crate::conversation::{Call, CallResult, Document, Part, Piece, Source};
use crate::error::RequestError;
use crate::json::{NotCarried, Object, Place, as_list, as_text};
use crate::options::{EarlierThinking, RequestOptions};
use serde_json::value::RawValue;
use std::borrow::Cow;

const CITATIONS: NotCarried = NotCarried {
    field: "citations",
    harmless: &["{\"enabled\":false}", "[]"],
    why: "OpenAI's API does not cite from documents",
    remedy: "do not ask for citations",
};

/// Reads a string or an array of blocks.
pub(crate) fn read_content<'a>(
    raw: &'a RawValue,
    place: &Place<'_>,
    options: &RequestOptions,
) -> Result<Vec<Piece<'a>>, RequestError> {
    if let Some(text) = as_text(raw) {
        return Ok(vec![Piece::text(text)]);
    }
    read_blocks(raw, place, Some(options))
}

/// Reads an array of blocks; without `options` those inside of a result, which hold no further calls.
fn read_blocks<'a>(
    raw: &'a RawValue,
    place: &Place<'_>,
    options: Option<&RequestOptions>,
) -> Result<Vec<Piece<'a>>, RequestError> {
    let blocks = as_list(raw).ok_or_else(|| place.malformed("a string or an array of blocks"))?;
    let mut pieces = Vec::new();
    for (index, raw) in blocks.into_iter().enumerate() {
        let place = place.item(index);
        let mut block = Object::read(raw, &place)?;
        let cache = cache_mark(&mut block)?;
        if let Some(part) = read_block(&mut block, options)? {
            pieces.push(Piece { part, cache });
        }
        block.end(&[])?;
    }
    Ok(pieces)
}

/// Where the caller wants the prompt to be cached up to.
pub(crate) fn cache_mark<'a>(object: &mut Object<'a, '_>) -> Result<Option<&'a str>, RequestError> {
    object.verbatim_object("cache_control")
}

fn read_block<'a>(
    block: &mut Object<'a, '_>,
    options: Option<&RequestOptions>,
) -> Result<Option<Part<'a>>, RequestError> {
    let kind = block.need_text("type")?;
    Ok(Some(match kind.as_ref() {
        "text" => {
            // Citations of an earlier answer point out where its text came from; the text stays.
            block.take("citations");
            Part::Text(block.need_text("text")?)
        }
        "image" => Part::Image(image(block)?),
        "document" => document(block)?,
        _ => return read_spoken_block(&kind, block, options),
    }))
}

/// Blocks that stand in turns only.
fn read_spoken_block<'a>(
    kind: &str,
    block: &mut Object<'a, '_>,
    options: Option<&RequestOptions>,
) -> Result<Option<Part<'a>>, RequestError> {
    let place = block.place().field("type");
    let own = || {
        place.refuse(
            "this kind of block is Anthropic's own",
            "say it as text, or leave it out",
        )
    };
    let options = options.ok_or_else(own)?;
    Ok(Some(match kind {
        "tool_use" => {
            block.take("caller");
            let input = block.verbatim_object("input")?.unwrap_or("{}");
            Part::Call(Call {
                id: block.need_text("id")?,
                name: block.need_text("name")?,
                input: Cow::Borrowed(input),
            })
        }
        "tool_result" => Part::Result(result(block)?),
        "thinking" | "redacted_thinking" => return thinking(block, options),
        _ => return Err(own()),
    }))
}

/// Thinking that was never signed came from this translation, and nobody needs it back.
fn thinking<'a>(
    block: &mut Object<'a, '_>,
    options: &RequestOptions,
) -> Result<Option<Part<'a>>, RequestError> {
    let signature = block.text("signature")?.unwrap_or_default();
    let is_redacted = block.take("data").is_some();
    block.take("thinking");
    let is_ours = signature.is_empty() && !is_redacted;
    if is_ours || options.earlier_thinking == EarlierThinking::LeftOut {
        return Ok(None);
    }
    Err(block.place().field("type").refuse(
        "no other provider's model can take up Anthropic's signed thinking",
        "leave the thinking blocks of earlier turns out",
    ))
}

/// `source` as an object with its type.
fn source_object<'a, 'p>(
    block: &mut Object<'a, '_>,
    place: &'p Place<'p>,
) -> Result<(Object<'a, 'p>, Cow<'a, str>), RequestError> {
    let raw = block
        .take("source")
        .ok_or_else(|| place.malformed("an object"))?;
    let mut source = Object::read(raw, place)?;
    let kind = source.need_text("type")?;
    if kind == "file" {
        return Err(place.field("type").refuse(
            "the file was uploaded to another provider",
            "send its content as base64",
        ));
    }
    Ok((source, kind))
}

fn base64_or_url<'a>(source: &mut Object<'a, '_>, kind: &str) -> Result<Source<'a>, RequestError> {
    match kind {
        "base64" => Ok(Source::Inline {
            media_type: source.need_text("media_type")?,
            base64: source.need_text("data")?,
        }),
        "url" => Ok(Source::Url(source.need_text("url")?)),
        _ => Err(source.place().field("type").refuse(
            "this kind of source has no counterpart in chat completions",
            "send the content as base64, or as text",
        )),
    }
}

fn image<'a>(block: &mut Object<'a, '_>) -> Result<Source<'a>, RequestError> {
    let place = block.place().field("source");
    let (mut source, kind) = source_object(block, &place)?;
    let image = base64_or_url(&mut source, &kind)?;
    source.end(&[])?;
    Ok(image)
}

/// A PDF as a document; a plain text, with its title and context before it, as text.
fn document<'a>(block: &mut Object<'a, '_>) -> Result<Part<'a>, RequestError> {
    block.refuse_each(&[CITATIONS])?;
    let place = block.place().field("source");
    let (mut source, kind) = source_object(block, &place)?;
    let title = block.text("title")?;
    let context = block.text("context")?;
    if kind == "text" {
        let data = source.need_text("data")?;
        source.end(&["media_type"])?;
        let before = [title, context].into_iter().flatten();
        let lines: Vec<_> = before.chain([data]).collect();
        return Ok(Part::Text(match <[_; 1]>::try_from(lines) {
            Ok([only]) => only,
            Err(lines) => Cow::Owned(lines.join("\n\n")),
        }));
    }
    if context.is_some() {
        return Err(block.place().field("context").refuse(
            "files in chat completions have no context",
            "say it in a text before the document",
        ));
    }
    let document = Document {
        source: base64_or_url(&mut source, &kind)?,
        name: title,
        place: place.to_string(),
    };
    source.end(&[])?;
    Ok(Part::Document(document))
}

fn result<'a>(block: &mut Object<'a, '_>) -> Result<CallResult<'a>, RequestError> {
    let place = block.place().field("content");
    let content = match block.take("content") {
        None => Vec::new(),
        Some(raw) => match as_text(raw) {
            Some(text) => vec![Piece::text(text)],
            None => read_blocks(raw, &place, None)?,
        },
    };
    Ok(CallResult {
        call_id: block.need_text("tool_use_id")?,
        content,
        is_error: block.flag("is_error")?.unwrap_or(false),
    })
}
