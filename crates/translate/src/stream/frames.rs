//! Server-sent events, from bytes that may be cut anywhere.

use memchr::memchr2;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a blank line ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The value of `data:`; several are joined by line feeds.
    Data(Vec<u8>),
    /// A comment alone, which keeps the connection open.
    Comment,
}

/// A line or an event is longer than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The current line and the current event of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Frames {
    longest: usize,
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    has_comment: bool,
    after_carriage_return: bool,
    at_start: bool,
}

impl Frames {
    pub(crate) const fn new(longest: usize) -> Self {
        Self {
            longest,
            line: Vec::new(),
            data: None,
            has_comment: false,
            after_carriage_return: false,
            at_start: true,
        }
    }

    /// Takes bytes up to the end of the next event; `None` where they do not hold one.
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Frame>, TooLong> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_carriage_return) && bytes[0] == b'\n' {
                *bytes = &bytes[1..];
                continue;
            }
            let Some(length) = memchr2(b'\n', b'\r', bytes) else {
                self.extend_line(bytes)?;
                *bytes = &[];
                return Ok(None);
            };
            self.extend_line(&bytes[..length])?;
            self.after_carriage_return = bytes[length] == b'\r';
            *bytes = &bytes[length + 1..];
            if let Some(frame) = self.end_line()? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    /// The event that the stream's end left without its blank line.
    pub(crate) fn rest(&mut self) -> Option<Frame> {
        match self.end_line().ok()? {
            Some(frame) => Some(frame),
            None => self.data.take().map(Frame::Data),
        }
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + bytes.len() > self.longest {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Frame>, TooLong> {
        let mut line = self.line.as_slice();
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            self.line.clear();
            let comment = std::mem::take(&mut self.has_comment).then_some(Frame::Comment);
            return Ok(self.data.take().map(Frame::Data).or(comment));
        }
        if line[0] == b':' {
            self.has_comment = true;
        } else if let Some(value) = line.strip_prefix(b"data") {
            // `data` alone is a line with an empty value; `database:` is another field.
            let value = match value {
                [] => Some(value),
                [b':', rest @ ..] => Some(rest.strip_prefix(b" ").unwrap_or(rest)),
                _ => None,
            };
            if let Some(value) = value {
                append(&mut self.data, value, self.longest)?;
            }
        }
        self.line.clear();
        Ok(None)
    }
}

fn append(data: &mut Option<Vec<u8>>, value: &[u8], longest: usize) -> Result<(), TooLong> {
    let Some(data) = data else {
        *data = Some(value.to_vec());
        return Ok(());
    };
    if data.len() + 1 + value.len() > longest {
        return Err(TooLong);
    }
    data.push(b'\n');
    data.extend_from_slice(value);
    Ok(())
}
