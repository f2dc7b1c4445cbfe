//! What lines are requests, and what is said of the others.

use proptest::prelude::*;

use super::*;

fn fault(line: &str) -> String {
    parse(line.as_bytes(), None).unwrap_err().fault.to_string()
}

fn parsed(line: &str) -> Parsed<'_> {
    parse(line.as_bytes(), None).unwrap()
}

#[test]
fn a_batch_line_keeps_its_body_byte_for_byte_and_other_keys_are_passed_over() {
    let line = r#" {"custom_id":"a\u00e9","method":"POST","metadata":{"x":1},"url":"/v1/chat/completions","body":{ "n" : 1.50, "é":"\ud83d\ude00" }} "#;
    let parsed = parsed(line);
    assert_eq!(parsed.custom_id.as_deref(), Some("aé"));
    assert_eq!(parsed.url, "/v1/chat/completions");
    assert_eq!(parsed.body, r#"{ "n" : 1.50, "é":"\ud83d\ude00" }"#);
}

#[test]
fn a_bare_body_goes_where_its_keys_say() {
    for (line, url) in [
        (r#"{"model":"m","messages":[]}"#, "/v1/chat/completions"),
        (r#"{"prompt":"x"}"#, "/v1/completions"),
        (r#"{"model":"m","input":"x"}"#, "/v1/responses"),
        (
            r#"{"model":"text-Embedding-3","input":"x"}"#,
            "/v1/embeddings",
        ),
    ] {
        let parsed = parsed(line);
        assert_eq!(
            (parsed.custom_id, &*parsed.url, &*parsed.body),
            (None, url, line)
        );
    }
    let given = parse(br#"{"messages":[]}"#, Some("/v1/messages")).unwrap();
    assert_eq!(given.url, "/v1/messages");
    assert!(fault(r#"{"model":"m"}"#).contains("where it goes"));
}

#[test]
fn what_is_wrong_with_a_line_is_told_with_its_remedy() {
    let body = r#""body":{}"#;
    let post = r#""method":"POST","url":"/v1/responses""#;
    for (line, expected) in [
        ("{", "not JSON (EOF while parsing an object, byte 1)"),
        ("{} {}", "not JSON (trailing characters, byte 4)"),
        ("[1]", "not an object"),
        ("text", "not JSON"),
        (&format!("{{{post},{body}}}"), "no \"custom_id\""),
        (
            &format!(r#"{{"custom_id":"",{post},{body}}}"#),
            "no \"custom_id\"",
        ),
        (&format!(r#"{{"custom_id":7,{post},{body}}}"#), "is no text"),
        (
            &format!(r#"{{"custom_id":null,{post},{body}}}"#),
            "is no text",
        ),
        (
            &format!(r#"{{"custom_id":"a\u0000",{post},{body}}}"#),
            "control characters",
        ),
        (
            &format!(r#"{{"custom_id":"{}",{post},{body}}}"#, "x".repeat(513)),
            "has 513 bytes: 512",
        ),
        (
            r#"{"custom_id":"a","url":"/v1/responses","body":{}}"#,
            "no \"method\"",
        ),
        (
            r#"{"custom_id":"a","method":"GET","url":"/v1/responses","body":{}}"#,
            "method GET: \"POST\"",
        ),
        (
            r#"{"custom_id":"a","method":"POST","body":{}}"#,
            "where it goes",
        ),
        (
            r#"{"custom_id":"a","method":"POST","url":"https://x/v1/responses","body":{}}"#,
            "url https://x/v1/responses: one of",
        ),
        (
            r#"{"custom_id":"a","method":"POST","url":"/v1/files","body":{}}"#,
            "url /v1/files: one of",
        ),
        (&format!(r#"{{"custom_id":"a",{post}}}"#), "no \"body\""),
        (
            &format!(r#"{{"custom_id":"a",{post},"body":[]}}"#),
            "\"body\" is not an object",
        ),
        (
            &format!(r#"{{"custom_id":"a",{post},"body":{{"stream": true}}}}"#),
            "\"stream\" is true",
        ),
        (
            &format!(r#"{{"custom_id":"a",{post},"body":{{"s\u0074ream":true}}}}"#),
            "\"stream\" is true",
        ),
        (r#"{"messages":[],"stream":true}"#, "\"stream\" is true"),
        (
            r#"{"custom_id":"a","custom_id":"b"}"#,
            "duplicate field `custom_id`",
        ),
    ] {
        let fault = fault(line);
        assert!(fault.contains(expected), "{line}: {fault}");
    }
    let fault = parse(b"{\"messages\":\"\xFF\"}", None).unwrap_err().fault;
    assert_eq!(fault, Fault::NotUtf8 { byte: 14 });
}

#[test]
fn the_name_of_a_rejected_line_is_known_where_it_can_be_read() {
    let rejected = parse(br#"{"custom_id":"a","method":"GET"}"#, None).unwrap_err();
    assert_eq!(rejected.custom_id.as_deref(), Some("a"));
}

#[test]
fn only_a_stream_at_the_top_that_is_true_matters() {
    parsed(r#"{"messages":[{"stream":true}],"stream":false}"#);
    parsed(r#"{"messages":["\"stream\":true \u0061"]}"#);
}

proptest! {
    #[test]
    fn foreign_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        drop(parse(&bytes, None));
        drop(parse(&[b"{\"custom_id\":\"", &bytes[..], b"\"}"].concat(), None));
    }

    #[test]
    fn any_name_and_any_text_come_out_as_they_went_in(name in "\\PC{1,100}", text: String) {
        let body = serde_json::json!({"input": text, "stream": false});
        let line = serde_json::json!({"custom_id": name, "method": "POST", "url": "/v1/responses", "body": body});
        let line = line.to_string();
        let parsed = parse(line.as_bytes(), None).unwrap();
        prop_assert_eq!(parsed.custom_id.as_deref(), Some(name.as_str()));
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&parsed.body).unwrap(), body);
    }
}
