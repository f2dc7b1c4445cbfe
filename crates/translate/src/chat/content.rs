//! Pieces of a turn as chat completions and responses write them: data URLs, pictures, files, calls.

use crate::conversation::{Call, Document, Part, Piece, Source};
use crate::error::RequestError;
use crate::json::{Object, Place, as_text};
use serde_json::value::RawValue;
use std::borrow::Cow;

const PDF: &str = "application/pdf";
pub(crate) const UPLOADED: &str = "the file was uploaded to another provider";
pub(crate) const SEND_INLINE: &str = "send its content as a data: URL";

/// Where a URL points: into itself, or elsewhere.
fn source<'a>(url: Cow<'a, str>, place: &Place<'_>) -> Result<Source<'a>, RequestError> {
    if url.starts_with("https://") {
        return Ok(Source::Url(url));
    }
    let is_data = url
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    let marker = url.find(";base64,").filter(|_| is_data);
    let Some(marker) = marker else {
        return Err(place.refuse(
            "only https: URLs and data: URLs with base64 have a counterpart",
            "use one of these",
        ));
    };
    let content = marker + ";base64,".len();
    Ok(match url {
        Cow::Borrowed(url) => Source::Inline {
            media_type: Cow::Borrowed(&url[5..marker]),
            base64: Cow::Borrowed(&url[content..]),
        },
        Cow::Owned(url) => Source::Inline {
            media_type: Cow::Owned(url[5..marker].to_owned()),
            base64: Cow::Owned(url[content..].to_owned()),
        },
    })
}

/// A picture. How finely it is to be seen (`detail`) is a hint that Anthropic's API does not take.
pub(crate) fn image<'a>(url: Cow<'a, str>, place: &Place<'_>) -> Result<Part<'a>, RequestError> {
    let source = source(url, place)?;
    let known = ["image/jpeg", "image/png", "image/gif", "image/webp"];
    if let Source::Inline { media_type, .. } = &source
        && !known.contains(&media_type.as_ref())
    {
        return Err(place.refuse(
            "the other API takes pictures as JPEG, PNG, GIF or WebP",
            "convert the picture",
        ));
    }
    Ok(Part::Image(source))
}

/// A file, from the object with `file_data`, `filename`, `file_id` and `file_url`.
pub(crate) fn file<'a>(file: &mut Object<'a, '_>) -> Result<Part<'a>, RequestError> {
    let place = file.place();
    need_nothing(file, "file_id", UPLOADED, SEND_INLINE)?;
    let name = file.text("filename")?;
    let (field, url) = match file.text("file_url")? {
        Some(url) => ("file_url", url),
        None => ("file_data", file.need_text("file_data")?),
    };
    let place = place.field(field);
    let source = source(url, &place)?;
    if let Source::Inline { media_type, .. } = &source
        && media_type != PDF
    {
        return Err(place.refuse(
            "of files only PDFs have a counterpart in the other API",
            "send the file's text as text",
        ));
    }
    Ok(Part::Document(Document {
        source,
        name,
        place: place.to_string(),
    }))
}

/// A call from its id, its name and its arguments, which are JSON in a string.
pub(crate) fn call<'a>(
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
    place: &Place<'_>,
) -> Result<Piece<'a>, RequestError> {
    let input =
        input_object(arguments).ok_or_else(|| place.malformed("a JSON object in a string"))?;
    Ok(Piece::new(Part::Call(Call { id, name, input })))
}

/// Arguments as a JSON object; none at all are an empty one.
pub(crate) fn input_object(arguments: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if arguments.trim().is_empty() {
        return Some(Cow::Borrowed("{}"));
    }
    let is_json = serde_json::from_str::<&RawValue>(&arguments).is_ok();
    (is_json && arguments.trim_start().starts_with('{')).then_some(arguments)
}

/// The texts of a content that may be a string, or an array of parts with `text`.
pub(crate) fn only_texts<'a>(
    raw: &'a RawValue,
    place: &Place<'_>,
    kinds: &[&str],
) -> Result<Vec<Piece<'a>>, RequestError> {
    if let Some(text) = as_text(raw) {
        return Ok(text_unless_empty(text));
    }
    let items = crate::json::as_list(raw)
        .ok_or_else(|| place.malformed("a string or an array of parts"))?;
    let mut pieces = Vec::new();
    for (index, raw) in items.into_iter().enumerate() {
        let place = place.item(index);
        let mut part = Object::read(raw, &place)?;
        let kind = part.need_text("type")?;
        if !kinds.contains(&kind.as_ref()) {
            return Err(place.field("type").refuse(
                "only text can be translated here",
                "send text, or put other content into a user message",
            ));
        }
        let field = if kind == "refusal" { "refusal" } else { "text" };
        let text = part.need_text(field)?;
        let cache = part.verbatim_object("cache_control")?;
        part.end(&["annotations", "logprobs"])?;
        pieces.extend(
            text_unless_empty(text)
                .into_iter()
                .map(|piece| Piece { cache, ..piece }),
        );
    }
    Ok(pieces)
}

/// Anthropic's API refuses empty texts, which say nothing.
pub(crate) fn text_unless_empty(text: Cow<'_, str>) -> Vec<Piece<'_>> {
    if text.is_empty() {
        return Vec::new();
    }
    vec![Piece::text(text)]
}

/// Refuses a field unless it is absent or null.
pub(crate) fn need_nothing(
    object: &mut Object<'_, '_>,
    field: &str,
    why: &'static str,
    remedy: &'static str,
) -> Result<(), RequestError> {
    match object.take(field) {
        None => Ok(()),
        Some(_) => Err(object.place().field(field).refuse(why, remedy)),
    }
}
