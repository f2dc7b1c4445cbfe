//! As much of structured fields (RFC 9651) as the rate limit fields need.

/// A bare item. Strings with escapes keep them: no policy is named so.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bare<'a> {
    Integer(i64),
    Text(&'a str),
    Token(&'a str),
    /// Byte sequences, booleans, decimals and dates, which no known parameter needs.
    Other,
}

/// A member of a list, or of a dictionary where it has a value.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) bare: Bare<'a>,
    pub(super) value: Option<Bare<'a>>,
    parameters: Vec<(&'a str, Bare<'a>)>,
}

impl<'a> Item<'a> {
    /// The last parameter of that key, which is the one that counts.
    pub(super) fn parameter(&self, key: &str) -> Option<&Bare<'a>> {
        self.parameters
            .iter()
            .rev()
            .find(|(found, _)| *found == key)
            .map(|(_, bare)| bare)
    }
}

/// Reads a list; `None` where it is malformed.
pub(super) fn list(text: &str) -> Option<Vec<Item<'_>>> {
    let mut cursor = Cursor {
        rest: text.trim_matches([' ', '\t']),
    };
    let mut items = Vec::new();
    while !cursor.rest.is_empty() {
        items.push(cursor.item()?);
        cursor.blanks();
        if cursor.rest.is_empty() {
            break;
        }
        cursor.take(',')?;
        cursor.blanks();
        if cursor.rest.is_empty() {
            return None;
        }
    }
    Some(items)
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn item(&mut self) -> Option<Item<'a>> {
        let bare = self.bare()?;
        let value = match self.take('=') {
            Some(()) => Some(self.bare()?),
            None => None,
        };
        let mut parameters = Vec::new();
        while self.take(';').is_some() {
            self.blanks();
            let key = self.take_while(|c| c.is_ascii_alphanumeric() || "_-.*".contains(c))?;
            let bare = match self.take('=') {
                Some(()) => self.bare()?,
                None => Bare::Other,
            };
            parameters.push((key, bare));
        }
        Some(Item {
            bare,
            value,
            parameters,
        })
    }

    fn bare(&mut self) -> Option<Bare<'a>> {
        match self.rest.chars().next()? {
            '"' => self.text(),
            ':' => self.between(':'),
            '?' | '@' => {
                self.rest = &self.rest[1..];
                self.take_while(|c| c.is_ascii_digit() || c == '-')
                    .map(|_| Bare::Other)
            }
            '-' | '0'..='9' => {
                let number = self.take_while(|c| c.is_ascii_digit() || "-.".contains(c))?;
                Some(number.parse().map_or(Bare::Other, Bare::Integer))
            }
            'a'..='z' | 'A'..='Z' | '*' => self
                .take_while(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c))
                .map(Bare::Token),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<Bare<'a>> {
        let inside = &self.rest[1..];
        let mut escaped = false;
        let end = inside.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })?;
        self.rest = &inside[end + 1..];
        Some(Bare::Text(&inside[..end]))
    }

    fn between(&mut self, mark: char) -> Option<Bare<'a>> {
        let end = self.rest[1..].find(mark)?;
        self.rest = &self.rest[end + 2..];
        Some(Bare::Other)
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.rest.find(|c| !accept(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!taken.is_empty()).then_some(taken)
    }

    fn take(&mut self, expected: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(expected)?;
        Some(())
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }
}
