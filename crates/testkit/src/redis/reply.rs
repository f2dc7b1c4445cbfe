//! What a server answers, as the Redis serialization protocol, version 2, puts it.

use std::io::{self, BufRead};

/// The longest string that is believed; the protocol's own bound.
const MAX_STRING_BYTES: usize = 512 * 1024 * 1024;

/// The deepest nesting that is believed.
const MAX_DEPTH: usize = 16;

/// An answer of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A short word, such as `OK`.
    Simple(String),
    /// A refusal inside an array; one that is a whole answer is an `Err` of the command.
    Error(String),
    /// A number.
    Integer(i64),
    /// Any bytes.
    Bulk(Vec<u8>),
    /// Several answers.
    Array(Vec<Self>),
    /// Nothing there.
    Nil,
}

impl Reply {
    /// A word, bytes or a number as text; empty for everything else.
    pub fn text(&self) -> String {
        match self {
            Self::Simple(text) | Self::Error(text) => text.clone(),
            Self::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Integer(number) => number.to_string(),
            Self::Array(_) | Self::Nil => String::new(),
        }
    }

    /// A number, also one that is written as text.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            other => other.text().parse().ok(),
        }
    }

    /// The answers in an array; none in everything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// The value after `name` in an array of names and values.
    pub fn field(&self, name: &str) -> Option<&Self> {
        let pairs = self.items().chunks_exact(2);
        let mut pairs = pairs.filter(|pair| pair[0].text() == name);
        pairs.next().map(|pair| &pair[1])
    }

    /// Reads one.
    ///
    /// # Errors
    /// When the connection fails or ends, or when the bytes are not the protocol's.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Self> {
        Self::read_nested(from, 0)
    }

    fn read_nested(from: &mut impl BufRead, depth: usize) -> io::Result<Self> {
        if depth > MAX_DEPTH {
            return Err(garbled("arrays are nested too deeply"));
        }
        let line = read_line(from)?;
        let Some((kind, rest)) = line.split_at_checked(1) else {
            return Err(garbled("an empty line"));
        };
        match kind {
            "+" => Ok(Self::Simple(rest.to_owned())),
            "-" => Ok(Self::Error(rest.to_owned())),
            ":" => Ok(Self::Integer(number(rest)?)),
            "$" => Ok(match length(rest)? {
                Some(length) => Self::Bulk(read_bulk(from, length)?),
                None => Self::Nil,
            }),
            "*" => {
                let Some(count) = length(rest)? else {
                    return Ok(Self::Nil);
                };
                let items = (0..count).map(|_| Self::read_nested(from, depth + 1));
                Ok(Self::Array(items.collect::<io::Result<_>>()?))
            }
            _ => Err(garbled(&line)),
        }
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    match line.strip_suffix("\r\n") {
        Some(text) => Ok(text.to_owned()),
        None => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("the server closed the connection after `{line}`"),
        )),
    }
}

fn read_bulk(from: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    if length > MAX_STRING_BYTES {
        return Err(garbled("a string is too long"));
    }
    let mut bytes = vec![0; length + 2];
    from.read_exact(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn number(text: &str) -> io::Result<i64> {
    text.parse().map_err(|_| garbled(text))
}

/// A length; none for -1, which stands for nothing there.
fn length(text: &str) -> io::Result<Option<usize>> {
    let number = number(text)?;
    Ok(usize::try_from(number).ok())
}

fn garbled(what: &str) -> io::Error {
    let message = format!("the server's answer is not understood: {what}");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> io::Result<Reply> {
        Reply::read(&mut bytes)
    }

    #[test]
    fn every_kind_of_answer_is_read() {
        let reply = read(b"*5\r\n+OK\r\n-ERR no\r\n:-3\r\n$4\r\na\r\nb\r\n$-1\r\n").unwrap();
        let expected = [
            Reply::Simple("OK".into()),
            Reply::Error("ERR no".into()),
            Reply::Integer(-3),
            Reply::Bulk(b"a\r\nb".to_vec()),
            Reply::Nil,
        ];
        assert_eq!(reply.items(), expected);
    }

    #[test]
    fn an_answer_that_is_cut_or_garbled_is_an_error() {
        for bytes in [&b""[..], b"+OK", b"$5\r\nab", b"*2\r\n:1\r\n", b"?\r\n"] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        let deep = "*1\r\n".repeat(100);
        assert!(read(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let reply = read(b"*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n").unwrap();
        assert_eq!(reply.field("b").and_then(Reply::integer), Some(2));
        assert_eq!(reply.field("1"), None);
    }
}
