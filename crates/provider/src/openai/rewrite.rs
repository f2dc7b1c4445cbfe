//! The rewrites of a body, by splicing a few bytes: asking for the usage of a stream, and naming
//! another model.

use crate::json::{JsonResult, Kind, Skimmer};
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// Makes a streaming body of chat or legacy completions ask for its usage, by setting
/// `stream_options.include_usage` to `true`. Everything else stays byte for byte.
///
/// The provider then sends one more chunk with the usage, which a caller who did not ask for it
/// should not see: [`StreamScanner`](crate::StreamScanner) can withhold it.
///
/// `None` where nothing is to be rewritten: the usage is asked for already, the body does not
/// stream, or its `stream_options` are something that only the provider should answer.
#[must_use]
pub fn with_include_usage(body: &Bytes) -> Option<Bytes> {
    let splice = find_splice(body)?;
    let mut rewritten = BytesMut::with_capacity(body.len() + splice.text.len());
    rewritten.extend_from_slice(body.get(..splice.range.start)?);
    rewritten.extend_from_slice(splice.text);
    rewritten.extend_from_slice(body.get(splice.range.end..)?);
    Some(rewritten.freeze())
}

/// The body with the `model` at its top replaced, and every other byte as it was; a body without one
/// gets it in front. Where it is there several times, which servers read differently, all are
/// replaced.
///
/// `None` where the body is no JSON object.
///
/// ```
/// use paceline_provider::with_model;
///
/// let body = br#"{ "n": 1, "model" : "fast" }"#;
/// assert_eq!(with_model(body, "gpt-4o-mini").unwrap(), br#"{ "n": 1, "model" : "gpt-4o-mini" }"#);
/// ```
#[must_use]
pub fn with_model(body: &[u8], new_model: &str) -> Option<Vec<u8>> {
    let mut json = Skimmer::new(body);
    if json.peek().ok()? != Kind::Object {
        return None;
    }
    let first_key = json.offset() + 1;
    let mut is_empty = true;
    let mut models = Vec::new();
    json.object(|inner, key| {
        is_empty = false;
        let (_, range) = value_range(inner)?;
        if &*key.name() == b"model" {
            models.push(range);
        }
        Ok(())
    })
    .and_then(|()| json.end())
    .ok()?;
    let value = serde_json::Value::from(new_model).to_string();
    let mut written = Vec::with_capacity(body.len() + value.len() + 16);
    let mut done = 0;
    if models.is_empty() {
        done = first_key;
        written.extend_from_slice(body.get(..done)?);
        written.extend_from_slice(format!(r#""model":{value}"#).as_bytes());
        written.extend_from_slice(if is_empty { b"" } else { b"," });
    }
    for range in models {
        written.extend_from_slice(body.get(done..range.start)?);
        written.extend_from_slice(value.as_bytes());
        done = range.end;
    }
    written.extend_from_slice(body.get(done..)?);
    Some(written)
}

/// A text that takes the place of a range of the body.
struct Splice {
    range: Range<usize>,
    text: &'static [u8],
}

impl Splice {
    const fn insert(at: usize, text: &'static [u8]) -> Self {
        Self {
            range: at..at,
            text,
        }
    }
}

/// Where `stream_options` of a body is, and what it is.
#[derive(Default)]
struct Options {
    streams: bool,
    value: Option<(Kind, Range<usize>)>,
    is_repeated: bool,
}

fn find_splice(body: &[u8]) -> Option<Splice> {
    let mut json = Skimmer::new(body);
    if json.peek().ok()? != Kind::Object {
        return None;
    }
    let first_key = json.offset() + 1;
    let mut options = Options::default();
    json.object(|inner, key| match &*key.name() {
        b"stream" => {
            options.streams = inner.skip()? == b"true";
            Ok(())
        }
        b"stream_options" => {
            options.is_repeated |= options.value.is_some();
            options.value = Some(value_range(inner)?);
            Ok(())
        }
        _ => inner.skip().map(drop),
    })
    .ok()?;
    if !options.streams || options.is_repeated {
        return None;
    }
    match options.value {
        // The body has at least the key `stream`, so a comma is right.
        None => Some(Splice::insert(
            first_key,
            br#""stream_options":{"include_usage":true},"#,
        )),
        Some((Kind::Null, range)) => Some(Splice {
            range,
            text: br#"{"include_usage":true}"#,
        }),
        Some((Kind::Object, range)) => splice_in_options(body, range),
        Some(_) => None,
    }
}

fn splice_in_options(body: &[u8], options: Range<usize>) -> Option<Splice> {
    let start = options.start;
    let mut json = Skimmer::new(body.get(options)?);
    let mut is_empty = true;
    let mut flag = None;
    json.object(|inner, key| {
        is_empty = false;
        let value = value_range(inner)?;
        if &*key.name() == b"include_usage" {
            flag = Some(value);
        }
        Ok(())
    })
    .ok()?;
    match flag {
        None if is_empty => Some(Splice::insert(start + 1, br#""include_usage":true"#)),
        None => Some(Splice::insert(start + 1, br#""include_usage":true,"#)),
        Some((Kind::False | Kind::Null, range)) => Some(Splice {
            range: start + range.start..start + range.end,
            text: b"true",
        }),
        Some(_) => None,
    }
}

/// The kind and the place of the next value.
fn value_range(json: &mut Skimmer<'_>) -> JsonResult<(Kind, Range<usize>)> {
    let kind = json.peek()?;
    let start = json.offset();
    json.skip()?;
    Ok((kind, start..json.offset()))
}

#[cfg(test)]
mod tests {
    use super::{with_include_usage, with_model};
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn rewrite(body: &str) -> Option<String> {
        let rewritten = with_include_usage(&Bytes::copy_from_slice(body.as_bytes()))?;
        Some(String::from_utf8(rewritten.to_vec()).unwrap())
    }

    #[test]
    fn the_option_is_spliced_in_and_the_rest_is_untouched() {
        for (body, rewritten) in [
            (
                r#"{"stream":true}"#,
                r#"{"stream_options":{"include_usage":true},"stream":true}"#,
            ),
            (
                " {\n  \"model\": \"m\",\n  \"stream\": true }\n",
                " {\"stream_options\":{\"include_usage\":true},\n  \"model\": \"m\",\n  \"stream\": true }\n",
            ),
            (
                r#"{"stream_options":null,"stream":true}"#,
                r#"{"stream_options":{"include_usage":true},"stream":true}"#,
            ),
            (
                r#"{"stream":true,"stream_options": { } }"#,
                r#"{"stream":true,"stream_options": {"include_usage":true } }"#,
            ),
            (
                r#"{"stream":true,"stream_options":{"include_obfuscation":false}}"#,
                r#"{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
            ),
            (
                r#"{"stream":true,"stream_options":{"include_usage" : false , "x":1}}"#,
                r#"{"stream":true,"stream_options":{"include_usage" : true , "x":1}}"#,
            ),
            (
                r#"{"stream":true,"stream_options":{"include_usage":null}}"#,
                r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                r#"{"str\u0065am":true,"x":{"stream_options":{"include_usage":true}}}"#,
                r#"{"stream_options":{"include_usage":true},"str\u0065am":true,"x":{"stream_options":{"include_usage":true}}}"#,
            ),
        ] {
            assert_eq!(rewrite(body).as_deref(), Some(rewritten), "{body}");
        }
    }

    #[test]
    fn what_needs_no_rewrite_or_is_the_providers_to_answer_is_left_alone() {
        for body in [
            r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
            r#"{"stream":false}"#,
            r#"{"model":"m"}"#,
            "{}",
            r#"{"stream":true,"stream_options":"yes"}"#,
            r#"{"stream":true,"stream_options":{"include_usage":"yes"}}"#,
            r#"{"stream":true,"stream_options":null,"stream_options":null}"#,
            r#"[{"stream":true}]"#,
            r#"{"stream":true"#,
            "",
        ] {
            assert_eq!(rewrite(body), None, "{body}");
        }
    }

    #[test]
    fn the_model_alone_is_replaced() {
        for (body, rewritten) in [
            (r#"{"model":"a"}"#, r#"{"model":"b\"c"}"#),
            ("{}", r#"{"model":"b\"c"}"#),
            (" { } ", r#" {"model":"b\"c" } "#),
            (
                "{\n  \"n\": 1.0e0 }",
                "{\"model\":\"b\\\"c\",\n  \"n\": 1.0e0 }",
            ),
            (
                r#"{"model" : null, "x":{"model":"a"}, "m\u006fdel":["a"]}"#,
                r#"{"model" : "b\"c", "x":{"model":"a"}, "m\u006fdel":"b\"c"}"#,
            ),
        ] {
            let written = with_model(body.as_bytes(), "b\"c").unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), rewritten, "{body}");
        }
        for body in [
            "",
            "[]",
            r#"{"model":"a""#,
            r#"{"model":"a"} x"#,
            "\"model\"",
            "{model:1}",
        ] {
            assert_eq!(with_model(body.as_bytes(), "b"), None, "{body}");
        }
    }

    proptest! {
        #[test]
        fn naming_a_model_changes_nothing_else(
            keys in proptest::collection::btree_map("[a-z\"\\\\é]{1,6}", "\\PC{0,8}", 0..5),
            old in proptest::option::of("\\PC{0,8}"),
            new in "\\PC{0,12}",
        ) {
            let mut body = json!(keys);
            if let Some(old) = old {
                body["model"] = json!(old);
            }
            let written = with_model(body.to_string().as_bytes(), &new).unwrap();
            body["model"] = json!(new);
            prop_assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), body);
        }

        #[test]
        fn the_rewrite_changes_nothing_but_the_option(
            keys in proptest::collection::btree_map("[a-z\"\\\\é]{1,6}", "\\PC{0,8}", 0..5),
            options in proptest::option::of(any::<bool>()),
        ) {
            let mut body = json!(keys);
            body["stream"] = json!(true);
            if let Some(flag) = options {
                body["stream_options"] = json!({"a": 1, "include_usage": flag});
            }
            let rewritten = rewrite(&body.to_string());
            prop_assert_eq!(rewritten.is_none(), options == Some(true));
            if let Some(rewritten) = rewritten {
                body["stream_options"]["include_usage"] = json!(true);
                prop_assert_eq!(serde_json::from_str::<Value>(&rewritten).unwrap(), body);
            }
        }
    }
}
