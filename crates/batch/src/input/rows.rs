//! Rows of a table as RFC 4180 has them: commas, line feeds with or without carriage return, quotes around
//! fields that hold any of these, and a quote in quotes written twice.
//!
//! Rows have to be found again at their place in the file, and must not be held when they are too long; what
//! is left to do is small.

use std::borrow::Cow;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside of quotes: it ends them, or is one half of two.
    Quote,
}

impl At {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::Quote,
            (Self::Quoted, _) | (Self::FieldStart | Self::Quote, b'"') => Self::Quoted,
            (_, b',' | b'\n') => Self::FieldStart,
            _ => Self::Plain,
        }
    }
}

/// Finds where rows end.
#[derive(Debug, Default)]
pub(super) struct RowEnds {
    at: At,
}

impl RowEnds {
    /// The line feed that ends the row, in bytes that follow those it was given before.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, byte) in bytes.iter().enumerate() {
            let is_end = *byte == b'\n' && self.at != At::Quoted;
            self.at = self.at.after(*byte);
            if is_end {
                return Some(index);
            }
        }
        None
    }
}

/// The fields of a row; `None`: a quote is not closed, or something follows one that is.
pub(super) fn fields(row: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut fields = Vec::new();
    let mut rest = row;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (Cow::Borrowed(&rest[..end]), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(fields),
        }
    }
}

/// What is in the quotes that were opened, and what follows them.
fn quoted_field(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut from = 0;
    loop {
        let quote = from + text[from..].find('"')?;
        let after = &text[quote + 1..];
        if !after.starts_with('"') {
            let inside = &text[..quote];
            let field = match inside.contains('"') {
                true => Cow::Owned(inside.replace("\"\"", "\"")),
                false => Cow::Borrowed(inside),
            };
            return Some((field, after));
        }
        from = quote + 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        let mut ends = RowEnds::default();
        let mut rest = text;
        let mut rows = Vec::new();
        while let Some(end) = ends.find(rest.as_bytes()) {
            let row = rest[..end].trim_end_matches('\r');
            rows.push(
                fields(row)
                    .unwrap()
                    .into_iter()
                    .map(Cow::into_owned)
                    .collect(),
            );
            rest = &rest[end + 1..];
        }
        assert_eq!(rest, "");
        rows
    }

    #[test]
    fn quotes_hold_commas_line_feeds_and_quotes() {
        let text = "a,\"b,\"\"c\"\"\nd\",\r\n\"\",5\" pipe,x\n";
        assert_eq!(rows(text), [["a", "b,\"c\"\nd", ""], ["", "5\" pipe", "x"]]);
    }

    #[test]
    fn a_quote_that_is_not_closed_or_goes_on_is_no_row() {
        assert_eq!(fields("a,\"b"), None);
        assert_eq!(fields("\"a\"b,c"), None);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(table in prop::collection::vec(prop::collection::vec("[a\",\r\n ]{0,6}", 1..4), 0..5)) {
            let mut text = String::new();
            for row in &table {
                let quoted: Vec<_> = row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
                text += &format!("{}\r\n", quoted.join(","));
            }
            prop_assert_eq!(rows(&text), table);
        }
    }
}
