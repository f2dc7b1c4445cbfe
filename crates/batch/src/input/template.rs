//! Bodies made of rows: JSON text whose strings name columns in double braces.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// A template, cut into what stays and what comes from a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// As it is.
    Text(String),
    /// The field of this column, as the content of a JSON string.
    Column(usize),
}

impl Template {
    /// Reads a template for a table of these columns; an error says what is wrong with it.
    pub(super) fn new(text: &str, columns: &[Cow<'_, str>]) -> Result<Self, String> {
        let text = text.trim();
        let is_object = text.starts_with('{');
        match serde_json::from_str::<&RawValue>(text) {
            Err(error) => return Err(format!("the template is not JSON ({error})")),
            Ok(_) if !is_object => {
                return Err("the template is not an object: it is the body of a request".to_owned());
            }
            Ok(_) => {}
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        // Outside of strings JSON has no two opening braces next to each other.
        while let Some(at) = rest.find("{{") {
            literal.push_str(&rest[..at]);
            let after = &rest[at + 2..];
            if let Some(after) = after.strip_prefix("{{") {
                literal.push_str("{{");
                rest = after;
                continue;
            }
            let (name, after) = name(after)?;
            let Some(column) = columns.iter().position(|column| *column == name) else {
                let columns = columns.join(", ");
                return Err(format!(
                    "the template names the column {name}, and the table has {columns}"
                ));
            };
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
            pieces.push(Piece::Column(column));
            rest = after;
        }
        literal.push_str(rest);
        pieces.push(Piece::Text(literal));
        Ok(Self { pieces })
    }

    /// The body of a row that has all columns.
    pub(super) fn fill(&self, fields: &[Cow<'_, str>]) -> String {
        let mut body = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => body.push_str(text),
                Piece::Column(column) => {
                    if let Some(field) = fields.get(*column) {
                        push_escaped(&mut body, field);
                    }
                }
            }
        }
        body
    }
}

/// A name up to its closing braces, and what follows them.
fn name(text: &str) -> Result<(String, &str), String> {
    let unclosed = || {
        "the template opens a column with {{ and does not close it with }}: write {{{{ for braces that stay".to_owned()
    };
    let (raw, after) = text.split_once("}}").ok_or_else(unclosed)?;
    // A quote that is not escaped ends the string, which parsing it as one finds out.
    let name: String = serde_json::from_str(&format!("\"{raw}\"")).map_err(|_| unclosed())?;
    Ok((name.trim().to_owned(), after))
}

fn push_escaped(body: &mut String, field: &str) {
    for character in field.chars() {
        match character {
            '"' => body.push_str("\\\""),
            '\\' => body.push_str("\\\\"),
            '\n' => body.push_str("\\n"),
            '\r' => body.push_str("\\r"),
            '\t' => body.push_str("\\t"),
            control if control < ' ' => {
                body.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            plain => body.push(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn columns<'a>(names: &[&'a str]) -> Vec<Cow<'a, str>> {
        names.iter().map(|name| Cow::Borrowed(*name)).collect()
    }

    #[test]
    fn columns_are_put_into_strings_and_four_braces_are_two() {
        let text = r#"{"model":"m-{{size}}","a":{"b":{"{{ size }}":"{{{{x}} {{the \"name\"}}"}}}"#;
        let template = Template::new(text, &columns(&["the \"name\"", "size"])).unwrap();
        let body = template.fill(&columns(&["Ann \\ \"B\"", "xl"]));
        let value: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            value,
            json!({"model": "m-xl", "a": {"b": {"xl": "{{x}} Ann \\ \"B\""}}})
        );
    }

    #[test]
    fn what_is_wrong_with_a_template_is_told() {
        let error = |text: &str| Template::new(text, &columns(&["a", "b"])).unwrap_err();
        assert!(error("{").contains("not JSON"));
        assert!(error("[]").contains("not an object"));
        assert!(error(r#"{"x":"{{c}}"}"#).contains("column c, and the table has a, b"));
        assert!(error(r#"{"x":"{{a","y":{"z":{}}}"#).contains("does not close"));
    }

    proptest! {
        #[test]
        fn any_text_comes_out_as_it_went_in(field in any::<String>()) {
            let template = Template::new(r#"{"x":"<{{a}}>"}"#, &columns(&["a"])).unwrap();
            let value: Value = serde_json::from_str(&template.fill(&[field.clone().into()])).unwrap();
            prop_assert_eq!(value, json!({ "x": format!("<{field}>") }));
        }
    }
}
