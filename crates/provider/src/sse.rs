//! Server-sent events as they pass by: where one ends, and what it holds.

use memchr::{memchr, memchr2};
use std::borrow::Cow;

#[cfg(test)]
mod tests;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Finds the ends of events in a stream that arrives in arbitrary pieces.
///
/// An event ends with a blank line, and a line with LF, CR LF or CR (HTML standard, server-sent
/// events). A CR at the end of a piece ends its line at once: the LF that may follow is told apart
/// by [`Framer::owes_line_feed`].
#[derive(Debug)]
pub(crate) struct Framer {
    line_is_empty: bool,
    event_is_empty: bool,
    after_carriage_return: bool,
}

impl Framer {
    pub(crate) const fn new() -> Self {
        Self {
            line_is_empty: true,
            event_is_empty: true,
            after_carriage_return: false,
        }
    }

    /// Whether a line feed at the start of the next piece belongs to the event before.
    pub(crate) const fn owes_line_feed(&self) -> bool {
        self.after_carriage_return && self.event_is_empty
    }

    /// Forgets the carriage return, after its line feed was taken.
    pub(crate) const fn line_feed_taken(&mut self) {
        self.after_carriage_return = false;
    }

    /// The length of the current event's rest, or `None` where it does not end in `bytes`.
    pub(crate) fn event_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = self.skip_owed_line_feed(bytes);
        while let Some(length) = memchr2(b'\n', b'\r', &bytes[at..]) {
            self.line_is_empty &= length == 0;
            at += length;
            let is_carriage_return = bytes[at] == b'\r';
            at += 1;
            if is_carriage_return {
                match bytes.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => self.after_carriage_return = true,
                }
            }
            if self.line_is_empty {
                self.event_is_empty = true;
                return Some(at);
            }
            self.line_is_empty = true;
            self.event_is_empty = false;
        }
        if at < bytes.len() {
            self.line_is_empty = false;
            self.event_is_empty = false;
        }
        None
    }

    fn skip_owed_line_feed(&mut self, bytes: &[u8]) -> usize {
        if bytes.is_empty() {
            return 0;
        }
        let owed = std::mem::take(&mut self.after_carriage_return);
        usize::from(owed && bytes[0] == b'\n')
    }
}

/// What one event holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// The value of `event:`, empty where there is none.
    pub(crate) name: &'a [u8],
    /// The value of `data:`; several are joined by line feeds.
    pub(crate) data: Option<Cow<'a, [u8]>>,
}

impl<'a> Event<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Self {
        let mut event = Event {
            name: b"",
            data: None,
        };
        let mut rest = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        while !rest.is_empty() {
            let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            event.line(&rest[..end]);
            rest = rest.get(end + 1..).unwrap_or(b"");
        }
        event
    }

    /// Takes in one line. The empty line between CR and LF is harmless.
    fn line(&mut self, line: &'a [u8]) {
        let colon = memchr(b':', line).unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or(b"");
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"event" => self.name = value,
            b"data" => match &mut self.data {
                None => self.data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            _ => {}
        }
    }
}
