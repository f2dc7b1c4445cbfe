//! One line for each event, whatever the texts in it are: names come from callers, messages from providers.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes events on, each of which comes in one piece with a line break at its end.
///
/// Characters that break a line, act on a terminal or turn the direction of a text are written as JSON
/// writes them (`\\u009b`). In JSON they stand in strings alone, so that it stays what it was.
pub(super) struct Lines<W> {
    to: W,
    /// Colours begin with an escape, which the formatter takes out of the texts themselves.
    is_coloured: bool,
}

impl<W: Write> Lines<W> {
    pub(super) fn new(to: W, is_coloured: bool) -> Self {
        Self { to, is_coloured }
    }

    fn one_line<'a>(&self, event: &'a str) -> Cow<'a, str> {
        let line = event.strip_suffix('\n').unwrap_or(event);
        let is_plain = |c: char| !acts(c) || (self.is_coloured && c == '\u{1b}');
        if line.chars().all(is_plain) {
            return Cow::Borrowed(event);
        }
        let mut written = String::with_capacity(event.len() + 64);
        for c in line.chars() {
            match c {
                c if is_plain(c) => written.push(c),
                '\n' => written.push_str("\\n"),
                c => drop(write!(written, "\\u{:04x}", u32::from(c))),
            }
        }
        written.push_str(&event[line.len()..]);
        Cow::Owned(written)
    }
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        self.to.write_all(self.one_line(&text).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Whether a character does more than to be seen: controls, line and paragraph breaks, and marks that turn
/// the direction of what follows.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &str, is_coloured: bool) -> String {
        let mut to = Vec::new();
        Lines::new(&mut to, is_coloured)
            .write_all(event.as_bytes())
            .unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        assert_eq!(written("plain «é»\n", false), "plain «é»\n");
        assert_eq!(written("a\nb\rc\n", false), "a\\nb\\u000dc\n");
        assert_eq!(
            written("\u{1b}[2J\u{9b}31m\u{7f}\t\0\n", false),
            "\\u001b[2J\\u009b31m\\u007f\\u0009\\u0000\n"
        );
        assert_eq!(
            written("\u{2028}\u{202e}gpj.exe\u{200f}\n", false),
            "\\u2028\\u202egpj.exe\\u200f\n"
        );
    }

    #[test]
    fn colours_are_left_where_there_are_any() {
        let event = "\u{1b}[32m INFO\u{1b}[0m \u{9b}31m\n";
        assert_eq!(
            written(event, true),
            "\u{1b}[32m INFO\u{1b}[0m \\u009b31m\n"
        );
    }

    #[test]
    fn json_says_the_same_as_before() {
        let value = serde_json::json!({"model": "a\u{2028}b\u{7f}\u{202e}\u{85}"});
        let line = written(&format!("{value}\n"), false);
        assert!(line.is_ascii());
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read, value);
    }
}
