//! Forms as they come: `multipart/form-data` (RFC 7578) in pieces, with bounded memory.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

/// Longest head of a part, and longest text before the first.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Longest boundary (RFC 2046, 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// What comes next in a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A part begins.
    Part {
        name: String,
        filename: Option<String>,
    },
    /// Some of its content.
    Content(Bytes),
    /// The part is over.
    PartEnd,
    /// The form is over; what follows is of no interest.
    End,
}

/// What is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("its content-type names no boundary")]
    NoBoundary,
    #[error("it does not begin with its boundary")]
    NoBeginning,
    #[error("the head of a part is over 8 KiB or names no field")]
    Head,
    #[error("something else follows a boundary")]
    Boundary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble,
    Boundary,
    Head,
    Content,
    End,
}

/// Reads a form that is handed over piece by piece.
#[derive(Debug)]
pub(crate) struct Multipart {
    /// The boundary with what stands before it.
    delimiter: Vec<u8>,
    buffer: BytesMut,
    state: State,
    /// How much of the body was handed over, in bytes.
    pushed: usize,
}

impl Multipart {
    /// A form of this content type.
    pub(crate) fn new(content_type: &str) -> Result<Self, Malformed> {
        let (kind, parameters) = content_type.split_once(';').ok_or(Malformed::NoBoundary)?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return Err(Malformed::NoBoundary);
        }
        let boundary = parameter(parameters, "boundary").ok_or(Malformed::NoBoundary)?;
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
            return Err(Malformed::NoBoundary);
        }
        Ok(Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first boundary has no line before it.
            buffer: BytesMut::from(&b"\r\n"[..]),
            state: State::Preamble,
            pushed: 0,
        })
    }

    /// Takes more of the body.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.state != State::End {
            self.buffer.extend_from_slice(bytes);
            self.pushed += bytes.len();
        }
    }

    /// Where in the body the pieces end that were told, in bytes.
    pub(crate) fn offset(&self) -> usize {
        self.pushed.saturating_sub(self.buffer.len())
    }

    /// The next piece; `None`: more of the body is needed.
    pub(crate) fn next(&mut self) -> Result<Option<Piece>, Malformed> {
        loop {
            match self.state {
                State::Preamble => {
                    let Some(at) = memmem::find(&self.buffer, &self.delimiter) else {
                        return self.short_of(HEAD_BYTES_MAX, Malformed::NoBeginning);
                    };
                    self.buffer.advance(at + self.delimiter.len());
                    self.state = State::Boundary;
                }
                State::Boundary => {
                    if self.buffer.len() < 2 {
                        return Ok(None);
                    }
                    if self.buffer.starts_with(b"--") {
                        self.state = State::End;
                        self.buffer.clear();
                        return Ok(Some(Piece::End));
                    }
                    // The line feed stays: a head may have no line at all.
                    if !self.buffer.starts_with(b"\r\n") {
                        return Err(Malformed::Boundary);
                    }
                    self.state = State::Head;
                }
                State::Head => {
                    let Some(at) = memmem::find(&self.buffer, b"\r\n\r\n") else {
                        return self.short_of(HEAD_BYTES_MAX, Malformed::Head);
                    };
                    let head = self.buffer.split_to(at + 4);
                    self.state = State::Content;
                    return part(&head).map(Some);
                }
                State::Content => return Ok(self.content()),
                State::End => return Ok(Some(Piece::End)),
            }
        }
    }

    fn content(&mut self) -> Option<Piece> {
        match memmem::find(&self.buffer, &self.delimiter) {
            Some(0) => {
                self.buffer.advance(self.delimiter.len());
                self.state = State::Boundary;
                Some(Piece::PartEnd)
            }
            Some(at) => Some(Piece::Content(self.buffer.split_to(at).freeze())),
            None => {
                // The end may be the beginning of a boundary.
                let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
                (sure > 0).then(|| Piece::Content(self.buffer.split_to(sure).freeze()))
            }
        }
    }

    fn short_of(&self, most: usize, otherwise: Malformed) -> Result<Option<Piece>, Malformed> {
        if self.buffer.len() > most {
            return Err(otherwise);
        }
        Ok(None)
    }
}

fn part(head: &[u8]) -> Result<Piece, Malformed> {
    if head.len() > HEAD_BYTES_MAX {
        return Err(Malformed::Head);
    }
    let head = String::from_utf8_lossy(head);
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    });
    let (kind, parameters) = disposition
        .and_then(|value| value.split_once(';'))
        .ok_or(Malformed::Head)?;
    let name = parameter(parameters, "name").ok_or(Malformed::Head)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(Malformed::Head);
    }
    Ok(Piece::Part {
        name,
        filename: parameter(parameters, "filename"),
    })
}

/// A parameter's value, in quotes or without.
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_matches(|c: char| c == ';' || c.is_whitespace());
        let (value, after) = value(after);
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

fn value(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.trim().to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => match characters.next() {
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"x-y\"";

    /// What a body is read as when it comes in pieces of this size.
    fn read(body: &[u8], size: usize) -> Result<Vec<Piece>, Malformed> {
        let mut form = Multipart::new(TYPE)?;
        let mut pieces: Vec<Piece> = Vec::new();
        for chunk in body.chunks(size) {
            form.push(chunk);
            while let Some(piece) = form.next()? {
                match (pieces.last_mut(), piece) {
                    (Some(Piece::Content(before)), Piece::Content(more)) => {
                        *before = [&before[..], &more].concat().into();
                    }
                    (_, Piece::End) => return Ok(pieces),
                    (_, piece) => pieces.push(piece),
                }
            }
        }
        pieces.push(Piece::End);
        Ok(pieces)
    }

    #[test]
    fn a_form_is_the_same_however_it_is_cut() {
        let body = b"--x-y\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--x-y\r\n\
            content-disposition: form-data; name=file; filename=\"a \\\"b\\\";c.jsonl\"\r\n\
            Content-Type: application/octet-stream\r\n\r\n{}\r\n--x-\r\n--x\r\n\r\n--x-y--\r\nepilogue";
        let part = |name: &str, filename: Option<&str>| Piece::Part {
            name: name.to_owned(),
            filename: filename.map(str::to_owned),
        };
        let expected = vec![
            part("purpose", None),
            Piece::Content(Bytes::from_static(b"batch")),
            Piece::PartEnd,
            part("file", Some("a \"b\";c.jsonl")),
            Piece::Content(Bytes::from_static(b"{}\r\n--x-\r\n--x\r\n")),
            Piece::PartEnd,
        ];
        for size in 1..body.len() {
            assert_eq!(read(body, size), Ok(expected.clone()), "{size}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused_before_it_takes_memory() {
        let long = vec![b'a'; 20_000];
        assert_eq!(read(&long, 1_000), Err(Malformed::NoBeginning));
        let head = [b"--x-y\r\nx: ".as_slice(), &long].concat();
        assert_eq!(read(&head, 1_000), Err(Malformed::Head));
        assert_eq!(read(b"--x-yz\r\n", 3), Err(Malformed::Boundary));
        assert_eq!(
            read(b"--x-y\r\n\r\nabc\r\n--x-y--", 5),
            Err(Malformed::Head)
        );
        for wrong in [
            "text/plain",
            "multipart/form-data",
            "multipart/form-data; boundary=",
        ] {
            assert!(Multipart::new(wrong).is_err(), "{wrong}");
        }
        let cut = b"--x-y\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabc";
        assert_eq!(
            read(cut, 7).map(|pieces| pieces.len()),
            Ok(2),
            "it has no end"
        );
    }
}
