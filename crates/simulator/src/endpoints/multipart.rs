//! Reads `multipart/form-data` bodies (RFC 7578) without copying their parts.

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use memchr::memmem;

use crate::refusal::ApiError;

/// The parts of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Form(Vec<Part>);

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// Absent for a part that is not a file.
    pub(super) filename: Option<String>,
    pub(super) content: Bytes,
}

impl Form {
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, ApiError> {
        let boundary = boundary(headers).ok_or_else(|| {
            ApiError::invalid("Expected a multipart/form-data body with a boundary.")
        })?;
        parts(&boundary, body).map(Self).ok_or_else(|| {
            ApiError::invalid("Could not parse multipart form: the body does not keep to it.")
        })
    }

    /// A part that is a file.
    pub(super) fn file(&self, name: &'static str) -> Result<&Part, ApiError> {
        let file = self
            .0
            .iter()
            .find(|part| part.name == name && part.filename.is_some());
        file.ok_or_else(|| ApiError::missing(name))
    }

    /// The text of a part.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let part = self
            .0
            .iter()
            .find(|part| part.name == name && part.filename.is_none())?;
        std::str::from_utf8(&part.content).ok()
    }
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameter(parameters, "boundary").filter(|boundary| !boundary.is_empty())
}

/// A parameter of a header value, with or without quotes.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([' ', ';', '\t']);
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after.get(..end)?.trim().to_owned(), after.get(end..)?)
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = next;
    }
    None
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(index + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn parts(boundary: &str, body: &Bytes) -> Option<Vec<Part>> {
    let opening = format!("--{boundary}");
    let delimiter = format!("\r\n--{boundary}");
    let mut at = memmem::find(body, opening.as_bytes())? + opening.len();
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..)?;
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        // Spaces may pad a delimiter line.
        let line = memmem::find(rest, b"\r\n")?;
        if rest
            .get(..line)?
            .iter()
            .any(|byte| !matches!(byte, b' ' | b'\t'))
        {
            return None;
        }
        let start = at + line + 2;
        let length = memmem::find(body.get(start..)?, delimiter.as_bytes())?;
        parts.push(part(&body.slice(start..start + length))?);
        at = start + length + delimiter.len();
    }
}

fn part(bytes: &Bytes) -> Option<Part> {
    let end = memmem::find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    let (_, parameters) = disposition.split_once(';')?;
    Some(Part {
        name: parameter(parameters, "name")?,
        filename: parameter(parameters, "filename"),
        content: bytes.slice(end + 4..),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_read_byte_for_byte() {
        let body = Bytes::from_static(
            b"preamble\r\n--xyz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
              --xyz \r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".bin\"\r\n\
              Content-Type: application/octet-stream\r\n\r\n\x00\r\n--xy\xff\r\n\r\n--xyz--\r\n",
        );
        let parts = parts("xyz", &body).unwrap();
        assert_eq!(parts[0].name, "purpose");
        assert_eq!(&parts[0].content[..], b"batch");
        assert_eq!(parts[1].filename.as_deref(), Some("a \"b\".bin"));
        assert_eq!(&parts[1].content[..], b"\x00\r\n--xy\xff\r\n");
    }

    #[test]
    fn the_boundary_may_be_quoted() {
        let mut headers = HeaderMap::new();
        let value = "multipart/form-data; charset=utf-8; boundary=\"a;b\"";
        headers.insert(CONTENT_TYPE, value.parse().unwrap());
        assert_eq!(boundary(&headers).as_deref(), Some("a;b"));
        headers.insert(
            CONTENT_TYPE,
            "application/json; boundary=a".parse().unwrap(),
        );
        assert_eq!(boundary(&headers), None);
    }

    proptest! {
        #[test]
        fn any_content_survives_and_any_bytes_are_read_without_panic(
            content in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut body = b"--B0\r\ncontent-disposition: form-data; name=\"f\"\r\n\r\n".to_vec();
            body.extend_from_slice(&content);
            body.extend_from_slice(b"\r\n--B0--");
            let read = parts("B0", &body.into());
            if memmem::find(&content, b"\r\n--B0").is_none() {
                prop_assert_eq!(&read.unwrap()[0].content[..], &content[..]);
            }
            let _ = parts("B0", &content.into());
        }
    }
}
