//! The one rewrite of a body: asking for the usage of a stream, by splicing a few bytes.

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
    use super::with_include_usage;
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

    proptest! {
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
