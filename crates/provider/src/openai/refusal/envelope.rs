//! Finds the error in an answer, whatever stands around it.

use super::details::Details;
use super::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX};
use crate::json::{JsonResult, JsonString, Kind, Skimmer};

/// Bytes of a body without JSON that are looked at.
const TEXT_BYTES_MAX: usize = 4_096;

/// The members of an error, from wherever they were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorObject {
    pub(super) message: String,
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) details: Details,
}

impl ErrorObject {
    /// Reads OpenAI's envelope, its many copies (flat, wrapped in an array, a bare string, problem
    /// details), and as much as is there of one that was cut off. Of anything else the text is the
    /// message.
    pub(super) fn from_body(body: &[u8]) -> Self {
        let mut error = Self::default();
        let mut json = Skimmer::new(body);
        let whole = error.any(&mut json).and_then(|()| json.end()).is_ok();
        if error.message.is_empty() && (!whole || error.kind.is_none() && error.code.is_none()) {
            error.message = shortened(&plain_text(body), MESSAGE_BYTES_MAX);
        }
        error
    }

    fn any(&mut self, json: &mut Skimmer<'_>) -> JsonResult {
        match json.peek()? {
            Kind::Object => self.object(json),
            // Gemini wraps its envelope in an array; more than one error was never seen.
            Kind::Array => json.array(|inner| self.any(inner)),
            Kind::String => {
                self.message = shortened(&json.string()?.text(), MESSAGE_BYTES_MAX);
                Ok(())
            }
            _ => json.skip().map(drop),
        }
    }

    fn object(&mut self, json: &mut Skimmer<'_>) -> JsonResult {
        json.object(|inner, key| self.member(inner, key))
    }

    fn member(&mut self, json: &mut Skimmer<'_>, key: JsonString<'_>) -> JsonResult {
        match &*key.name() {
            b"error" => self.any(json),
            b"message" | b"Message" => {
                if let Some(text) = scalar(json, MESSAGE_BYTES_MAX)? {
                    self.message = text;
                }
                Ok(())
            }
            b"detail" | b"title" => {
                let text = scalar(json, MESSAGE_BYTES_MAX)?;
                if self.message.is_empty() {
                    self.message = text.unwrap_or_default();
                }
                Ok(())
            }
            // The envelope of an event calls itself an error, which says nothing.
            b"type" | b"__type" => {
                let kind = scalar(json, NAME_BYTES_MAX)?.filter(|kind| kind != "error");
                self.kind = kind.or(self.kind.take());
                Ok(())
            }
            b"code" => {
                let code = scalar(json, NAME_BYTES_MAX)?;
                self.code = code.or(self.code.take());
                Ok(())
            }
            b"status" => {
                // Elsewhere the status of the answer stands here, as a number.
                if json.peek()? == Kind::String {
                    self.details.status = scalar(json, NAME_BYTES_MAX)?;
                    return Ok(());
                }
                json.skip_unchecked().map(drop)
            }
            b"details" => self.details(json),
            b"metadata" => self.metadata(json),
            _ => json.skip_unchecked().map(drop),
        }
    }
}

/// A string or a number as text; `None` for everything else.
pub(super) fn scalar(json: &mut Skimmer<'_>, bytes_max: usize) -> JsonResult<Option<String>> {
    Ok(match json.peek()? {
        Kind::String => Some(shortened(&json.string()?.text(), bytes_max)),
        Kind::Number => Some(shortened(&String::from_utf8_lossy(json.skip()?), bytes_max)),
        _ => {
            json.skip_unchecked()?;
            None
        }
    })
}

/// The text of a body that is no JSON: the title of a page, or its words with single blanks.
fn plain_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(TEXT_BYTES_MAX)]);
    let text = title(&text).unwrap_or(&text);
    let mut words = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    words
}

fn title(text: &str) -> Option<&str> {
    // Lower case in ASCII keeps every byte in its place.
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let length = lower[start..].find("</title>")?;
    Some(&text[start..start + length])
}

fn shortened(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}
