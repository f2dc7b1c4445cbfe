//! Writing to standard output and standard error: the one place that does it, but for the whole screen of `top`.

use std::io::{self, IsTerminal, Write};

use crate::exit::Failure;

/// Columns where the terminal does not say.
const COLUMNS_DEFAULT: usize = 80;

/// One of the two output streams.
#[derive(Debug)]
pub(crate) struct Terminal {
    stream: Stream,
    interactive: bool,
    style: Style,
}

#[derive(Debug)]
enum Stream {
    Out(io::Stdout),
    Err(io::Stderr),
}

impl Terminal {
    /// Standard output: what was asked for.
    pub(crate) fn stdout() -> Self {
        let stream = io::stdout();
        let interactive = stream.is_terminal();
        Self::new(Stream::Out(stream), interactive)
    }

    /// Standard error: everything that is said about it.
    pub(crate) fn stderr() -> Self {
        let stream = io::stderr();
        let interactive = stream.is_terminal();
        Self::new(Stream::Err(stream), interactive)
    }

    fn new(stream: Stream, interactive: bool) -> Self {
        let style = Style {
            coloured: interactive && colour_is_welcome(),
        };
        Self {
            stream,
            interactive,
            style,
        }
    }

    /// Whether a person is looking at it.
    pub(crate) fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// How text is set off.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Whether a whole screen can be drawn on it.
    pub(crate) fn can_be_drawn_on(&self) -> bool {
        self.interactive && !is_dumb()
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> (usize, usize) {
        let size = match &self.stream {
            Stream::Out(stream) => rustix::termios::tcgetwinsize(stream),
            Stream::Err(stream) => rustix::termios::tcgetwinsize(stream),
        };
        match size {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => (COLUMNS_DEFAULT, usize::MAX),
        }
    }

    /// Writes text as it is.
    pub(crate) fn write(&mut self, text: &str) -> Result<(), Failure> {
        let written = match &mut self.stream {
            Stream::Out(stream) => write_all(stream.lock(), text),
            Stream::Err(stream) => write_all(stream.lock(), text),
        };
        Ok(written?)
    }

    /// Writes text and ends the line.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.write(&format!("{text}\n"))
    }
}

fn write_all(mut stream: impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    stream.flush()
}

/// Colour is for terminals that can show it and people who want it (see no-color.org).
fn colour_is_welcome() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb")
}

/// How text is set off, or not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    coloured: bool,
}

impl Style {
    /// Whether there are colours.
    pub(crate) fn is_coloured(self) -> bool {
        self.coloured
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.coloured && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Text that came from elsewhere, without anything that a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    let visible = |c: char| if acts(c) { '\u{fffd}' } else { c };
    text.chars().map(visible).collect()
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

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(
            plain("gpt\x1b[2J\n4o\u{9b}"),
            "gpt\u{fffd}[2J\u{fffd}4o\u{fffd}"
        );
        assert_eq!(
            plain("a\u{202e}gpj.exe\u{2066}"),
            "a\u{fffd}gpj.exe\u{fffd}"
        );
    }

    #[test]
    fn without_colour_text_stays_as_it_is() {
        assert_eq!(Style::default().red("x"), "x");
        assert_eq!(Style { coloured: true }.red("x"), "\x1b[31mx\x1b[0m");
    }
}
