//! Reads the few parts of a JSON text that matter, and skims over the rest.
//!
//! A provider's bodies are large and little of them matters, so nothing is built: the reader walks
//! the bytes once, hands out slices of them, and knows at each place where it is, which is what a
//! rewrite by splicing needs. Depth is bounded, so hostile nesting cannot exhaust the stack.

mod string;
#[cfg(test)]
mod tests;

use string::Escapes;
pub(crate) use string::{JsonString, Piece};

/// Levels of arrays and objects that are followed.
pub(crate) const DEPTH_MAX: usize = 128;

/// Where and why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JsonError {
    pub(crate) offset: usize,
    pub(crate) reason: &'static str,
}

impl JsonError {
    /// The one reason that does not mean a mistake in the text.
    pub(crate) const TOO_DEEP: &'static str = "nested too deeply";
}

pub(crate) type JsonResult<T = ()> = Result<T, JsonError>;

/// What kind of value comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// A reader at some place of a JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Skimmer<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Skimmer<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            depth: 0,
        }
    }

    /// Where the reader is, in bytes from the start.
    pub(crate) const fn offset(&self) -> usize {
        self.at
    }

    /// The kind of the next value; the reader stands at its first byte then.
    pub(crate) fn peek(&mut self) -> JsonResult<Kind> {
        self.whitespace();
        match self.bytes.get(self.at) {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => self.fail("expected a value"),
            None => self.fail("the text ends where a value should be"),
        }
    }

    /// Reads an object; `each` is called with every key and has to read that key's value.
    pub(crate) fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, JsonString<'a>) -> JsonResult,
    ) -> JsonResult {
        self.enter(b'{', "expected an object")?;
        if self.leave(b'}') {
            return Ok(());
        }
        loop {
            self.whitespace();
            if self.bytes.get(self.at) != Some(&b'"') {
                return self.fail("expected a key in double quotes");
            }
            let key = self.string()?;
            self.expect(b':', "expected ':' after a key")?;
            each(self, key)?;
            if self.leave(b'}') {
                return Ok(());
            }
            self.expect(b',', "expected ',' or '}' in an object")?;
        }
    }

    /// Reads an array; `each` is called at every element and has to read it.
    pub(crate) fn array(&mut self, mut each: impl FnMut(&mut Self) -> JsonResult) -> JsonResult {
        self.enter(b'[', "expected an array")?;
        if self.leave(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            if self.leave(b']') {
                return Ok(());
            }
            self.expect(b',', "expected ',' or ']' in an array")?;
        }
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> JsonResult<JsonString<'a>> {
        self.expect(b'"', "expected a string")?;
        let start = self.at;
        let mut escapes = Escapes::default();
        loop {
            self.at += string::plain_length(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let raw = &self.bytes[start..self.at];
                    self.at += 1;
                    return Ok(JsonString::new(raw, escapes));
                }
                Some(b'\\') => {
                    self.escape(&mut escapes)?;
                }
                Some(_) => {
                    return self.fail("control character in a string; write it as an escape");
                }
                None => return self.fail("the text ends inside a string"),
            }
        }
    }

    /// Reads any value, checking it in full, and gives its bytes.
    pub(crate) fn skip(&mut self) -> JsonResult<&'a [u8]> {
        let kind = self.peek()?;
        let start = self.at;
        match kind {
            Kind::Object => self.object(|inner, _| inner.skip().map(drop))?,
            Kind::Array => self.array(|inner| inner.skip().map(drop))?,
            Kind::String => drop(self.string()?),
            Kind::Number => self.number()?,
            Kind::True => self.literal(b"true")?,
            Kind::False => self.literal(b"false")?,
            Kind::Null => self.literal(b"null")?,
        }
        Ok(&self.bytes[start..self.at])
    }

    /// Skips any value without checking what is inside arrays and objects: for answers of a
    /// provider, which can be very large and are forwarded whatever they are.
    pub(crate) fn skip_unchecked(&mut self) -> JsonResult<&'a [u8]> {
        if !matches!(self.peek()?, Kind::Object | Kind::Array) {
            return self.skip();
        }
        let start = self.at;
        let mut depth = 0_usize;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(&self.bytes[start..self.at]);
            }
        }
        self.fail("the text ends inside an array or object")
    }

    /// Checks that nothing but whitespace follows.
    pub(crate) fn end(&mut self) -> JsonResult {
        self.whitespace();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            self.fail("expected the end of the text")
        }
    }

    fn number(&mut self) -> JsonResult {
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> JsonResult {
        let count = self.bytes[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        self.at += count;
        if count == 0 {
            self.fail("expected a digit")
        } else {
            Ok(())
        }
    }

    fn literal(&mut self, word: &'static [u8]) -> JsonResult {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        self.fail("expected true, false or null")
    }

    /// Checks the escape that the reader stands at, and steps over it.
    fn escape(&mut self, escapes: &mut Escapes) -> JsonResult {
        let length = match self.bytes.get(self.at + 1) {
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.fail("expected four hexadecimal digits after '\\u'");
                }
                escapes.unicode += 1;
                6
            }
            Some(letter) if escapes.count_short(*letter) => 2,
            Some(_) => return self.fail("unknown escape in a string"),
            None => return self.fail("the text ends inside a string"),
        };
        self.at += length;
        Ok(())
    }

    fn enter(&mut self, open: u8, reason: &'static str) -> JsonResult {
        self.expect(open, reason)?;
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.fail(JsonError::TOO_DEEP)
        } else {
            Ok(())
        }
    }

    fn leave(&mut self, close: u8) -> bool {
        self.whitespace();
        let closed = self.bytes.get(self.at) == Some(&close);
        if closed {
            self.at += 1;
            self.depth -= 1;
        }
        closed
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> JsonResult {
        self.whitespace();
        match self.bytes.get(self.at) {
            Some(found) if *found == byte => {
                self.at += 1;
                Ok(())
            }
            Some(_) => self.fail(reason),
            None => self.fail("the text ends too early"),
        }
    }

    fn whitespace(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn fail<T>(&self, reason: &'static str) -> JsonResult<T> {
        Err(JsonError {
            offset: self.at,
            reason,
        })
    }
}
