//! What is read of a request, and what is refused.

use super::{RequestError, RequestFacts};
use crate::{EndpointKind as K, TextProfile};
use proptest::prelude::*;
use serde_json::{Value, json};

fn facts(kind: K, body: &str) -> RequestFacts<'_> {
    RequestFacts::parse(kind, body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

fn refusal(kind: K, body: &[u8]) -> RequestError {
    RequestFacts::parse(kind, body).unwrap_err()
}

/// The message of a refused chat body, with its `param` and `code`.
fn refused(body: &str) -> (String, Option<&'static str>, &'static str) {
    let error = refusal(K::ChatCompletions, body.as_bytes());
    (error.message(), error.param(), error.code())
}

fn characters(texts: &[&str]) -> u64 {
    texts.iter().map(|text| text.chars().count() as u64).sum()
}

#[test]
fn a_chat_request_gives_its_facts() {
    let body = r#"{
        "model": "gpt-4o", "stream": true, "stream_options": {"include_usage": false},
        "max_tokens": 100, "max_completion_tokens": 250, "n": 2, "service_tier": "flex",
        "messages": [
            {"role": "system", "content": "Be terse."},
            {"role": "user", "name": "ann", "content": [
                {"type": "text", "text": "What is this?\n"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "file", "file": {"file_id": "file-1"}}]},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "call_1", "type": "function",
                "function": {"name": "look", "arguments": "{\"x\":1}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a caf\u00e9"}]
    }"#;
    let facts = facts(K::ChatCompletions, body);
    assert_eq!(
        (&*facts.model, facts.stream, facts.include_usage),
        ("gpt-4o", true, Some(false))
    );
    assert_eq!(
        (facts.max_output_tokens, facts.n, facts.best_of),
        (Some(250), 2, 1)
    );
    assert_eq!(facts.service_tier.as_deref(), Some("flex"));
    assert_eq!((facts.message_count, facts.tool_count), (4, 0));
    assert_eq!((facts.image_parts, facts.low_detail_image_parts), (2, 1));
    assert_eq!(
        (facts.audio_parts, facts.file_parts, facts.token_ids),
        (1, 1, 0)
    );
    let counted = [
        "Be terse.",
        "ann",
        "What is this?\n",
        "look",
        r#"{"x":1}"#,
        "a café",
    ];
    assert_eq!(facts.text, TextProfile::of(&counted.concat()));
    assert_eq!(facts.text_characters(), characters(&counted));
    assert_eq!(facts.text_bytes(), counted.concat().len() as u64);
}

#[test]
fn a_responses_request_gives_its_facts() {
    let body = r#"{"model":"gpt-5.6","input":[
        {"role":"user","content":[{"type":"input_text","text":"hi"},{"type":"input_image","image_url":"https://e.com","detail":"low"},
            {"type":"input_image","file_id":"file-1"},{"type":"input_file","file_data":"JVBERi0xLjQ="}]},
        {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
        {"type":"function_call_output","call_id":"c","output":"done"},
        {"type":"reasoning","summary":[{"type":"summary_text","text":"so"}],"encrypted_content":"gAAAA"},
        {"type":"computer_call_output","output":{"type":"computer_screenshot","image_url":"data:image/png;base64,AA"}}],
        "instructions":"short","max_output_tokens":64,"previous_response_id":"resp_1","background":true}"#;
    let facts = facts(K::Responses, body);
    assert_eq!(
        (facts.max_output_tokens, facts.message_count),
        (Some(64), 5)
    );
    assert_eq!(
        (
            facts.image_parts,
            facts.low_detail_image_parts,
            facts.file_parts
        ),
        (3, 1, 1)
    );
    assert!(facts.previous_response && facts.background && !facts.stream);
    assert_eq!(
        facts.text.characters,
        characters(&["hi", "f", "{}", "done", "so", "short"])
    );
}

#[test]
fn a_stored_prompt_may_stand_in_for_the_model() {
    let body = r#"{"prompt":{"id":"pmpt_1","variables":{"city":"Oslo","doc":{"type":"input_text","text":"abc"}}}}"#;
    let facts = facts(K::Responses, body);
    assert_eq!(
        (&*facts.model, facts.text.characters),
        ("", characters(&["Oslo", "abc"]))
    );
    assert_eq!(
        refusal(K::Completions, body.as_bytes()),
        RequestError::ModelMissing
    );
}

#[test]
fn legacy_completions_have_defaults_of_their_own() {
    let read = facts(
        K::Completions,
        r#"{"model":"m","prompt":["ab","c"],"suffix":"d","best_of":3}"#,
    );
    assert_eq!(
        (read.max_output_tokens, read.best_of, read.text.characters),
        (Some(16), 3, 4)
    );
    let read = facts(
        K::Completions,
        r#"{"model":"m","prompt":[[1,2,3],[4]],"max_tokens":0,"best_of":0}"#,
    );
    assert_eq!(
        (read.max_output_tokens, read.best_of, read.token_ids),
        (Some(0), 1, 4)
    );
}

#[test]
fn embeddings_take_texts_and_token_ids() {
    for (input, text, ids) in [
        (r#""hello""#, 5, 0),
        (r#"["hello","you"]"#, 8, 0),
        ("[1,2,3]", 0, 3),
        ("[[1,2],[3]]", 0, 3),
        ("[]", 0, 0),
    ] {
        let body = format!(r#"{{"model":"m","input":{input}}}"#);
        let facts = facts(K::Embeddings, &body);
        assert_eq!(
            (facts.text.characters, facts.token_ids),
            (text, ids),
            "{input}"
        );
        assert_eq!((facts.message_count, facts.max_output_tokens), (0, None));
    }
}

#[test]
fn tools_and_schemas_count_as_compact_json() {
    let tool = json!({"type": "function", "function": {"name": "f", "description": "says \"hi\"\n— é",
        "parameters": {"type": "object", "properties": {"a b": {"type": "string"}}}}});
    let schema = json!({"name": "s", "schema": {"type": "object"}});
    let compact = TextProfile::of(&(tool.to_string() + &schema.to_string()));
    let mut body = json!({"model": "m", "messages": [], "tools": [tool],
        "response_format": {"type": "json_schema", "json_schema": schema}});
    for text in [
        body.to_string(),
        serde_json::to_string_pretty(&body).unwrap(),
    ] {
        let facts = facts(K::ChatCompletions, &text);
        assert_eq!((facts.text, facts.tool_count), (compact, 1));
    }
    let escaped = body
        .to_string()
        .replace('é', "\\u00e9")
        .replace('—', "\\u2014");
    assert_eq!(facts(K::ChatCompletions, &escaped).text, compact);
    body["response_format"] = json!({"type": "text"});
    body["tools"] = Value::Null;
    assert_eq!(
        facts(K::ChatCompletions, &body.to_string()).text,
        TextProfile::default()
    );
    let body = json!({"model": "m", "text": {"verbosity": "low", "format": {"type": "json_schema", "schema": {"a": 1}}}});
    assert_eq!(facts(K::Responses, &body.to_string()).text.characters, 7);
}

#[test]
fn output_limits_are_read_by_the_name_that_the_endpoint_knows() {
    let body = r#"{"model":"m","max_tokens":1,"max_completion_tokens":2,"max_output_tokens":3}"#;
    for (kind, tokens) in [
        (K::ChatCompletions, Some(2)),
        (K::Responses, Some(3)),
        (K::Completions, Some(1)),
        (K::Messages, Some(1)),
        (K::Embeddings, None),
    ] {
        assert_eq!(facts(kind, body).max_output_tokens, tokens, "{kind:?}");
    }
    // What another endpoint reads is none of this one's business.
    let body = r#"{"model":"m","max_output_tokens":"x","n":0}"#;
    assert_eq!(facts(K::Embeddings, body).n, 1);
    for number in ["16.0", "1.6e1", "16"] {
        let body = format!(r#"{{"model":"m","max_tokens":{number}}}"#);
        assert_eq!(facts(K::ChatCompletions, &body).max_output_tokens, Some(16));
    }
}

#[test]
fn the_model_may_be_left_out_where_there_is_a_default() {
    for kind in [K::Moderations, K::ImagesGenerations, K::Videos, K::Unknown] {
        assert_eq!(facts(kind, r#"{"input":"x"}"#).model, "", "{kind:?}");
    }
    let body = br#"{"messages":[]}"#;
    let facts = RequestFacts::parse_for_deployment(K::ChatCompletions, body, "eu-4o").unwrap();
    assert_eq!(facts.model, "eu-4o");
    let body = br#"{"model":"named"}"#;
    let facts = RequestFacts::parse_for_deployment(K::ChatCompletions, body, "eu-4o").unwrap();
    assert_eq!(facts.model, "named");
}

#[test]
fn nulls_mean_not_given() {
    let body = r#"{"model":"m","stream":null,"max_tokens":null,"n":null,"stream_options":null,"messages":null,
        "tools":null,"previous_response_id":null,"conversation":null,"service_tier":null}"#;
    let facts = facts(K::ChatCompletions, body);
    assert_eq!(
        (facts.stream, facts.max_output_tokens, facts.n),
        (false, None, 1)
    );
    assert_eq!(
        (facts.include_usage, facts.service_tier.as_deref()),
        (None, None)
    );
    assert!(!facts.previous_response);
}

#[test]
fn unknown_fields_pass_whatever_they_hold() {
    let body = r#"{"model":"m","x":[1e999,{"y":"\ud83d"}],"temperature":"hot","messages":[{"content":"\ud83d!","z":{"text":"q"}}],
        "stream_options":{"include_usage":"maybe"},"service_tier":5,"background":"yes","x":2}"#;
    let facts = facts(K::ChatCompletions, body);
    assert_eq!(facts.text.characters, 2);
    assert_eq!(
        (
            facts.include_usage,
            facts.service_tier.as_deref(),
            facts.background
        ),
        (None, None, false)
    );
}

/// Field, value, and what the message says of it.
const NEVER_VALID: &[(&str, &str, &str)] = &[
    (
        "model",
        "5",
        "a non-empty string of at most 256 bytes, got 5",
    ),
    (
        "model",
        "null",
        "a non-empty string of at most 256 bytes, got null",
    ),
    (
        "model",
        r#""""#,
        "a non-empty string of at most 256 bytes, got \"\"",
    ),
    ("stream", r#""yes""#, "true or false, got \"yes\""),
    ("stream", "1", "true or false, got 1"),
    ("max_tokens", "-5", "a positive integer, got -5"),
    ("max_tokens", "0", "a positive integer, got 0"),
    ("max_tokens", "1.5", "a positive integer, got 1.5"),
    ("max_tokens", r#""9""#, "a positive integer, got \"9\""),
    ("max_tokens", "[1]", "a positive integer, got [1]"),
    ("max_tokens", "-1e400", "a positive integer, got -1e400"),
    ("max_tokens", "1e400", "at most 100000000, got 1e400"),
    (
        "max_completion_tokens",
        "100000001",
        "at most 100000000, got 100000001",
    ),
    ("n", "0", "an integer from 1 to 1024, got 0"),
    ("n", "1025", "an integer from 1 to 1024, got 1025"),
    ("n", "-1", "an integer from 1 to 1024, got -1"),
];

#[test]
fn what_can_never_be_valid_is_refused_precisely() {
    for (field, value, expected) in NEVER_VALID {
        let model = if *field == "model" {
            ""
        } else {
            r#""model":"m","#
        };
        let body = format!(r#"{{{model}"{field}":{value}}}"#);
        let message = format!("'{field}' must be {expected}");
        assert_eq!(refused(&body), (message, Some(*field), "invalid_value"));
    }
}

#[test]
fn a_long_value_is_not_repeated_in_the_message() {
    let long = "x".repeat(300);
    let (message, ..) = refused(&format!(r#"{{"model":"{long}"}}"#));
    assert!(message.ends_with("got a string of 300 bytes"), "{message}");
    let (message, ..) = refused(&format!(
        r#"{{"model":"m","stream":[{}]}}"#,
        ["1"; 40].join(",")
    ));
    assert!(message.ends_with("got an array"), "{message}");
    let (message, ..) = refused(&format!(
        r#"{{"model":"m","max_tokens":{}}}"#,
        "9".repeat(400)
    ));
    assert!(message.len() < 100, "{message}");
}

#[test]
fn what_is_no_json_object_is_refused_with_its_place() {
    let json_error = |message: &str| (message.to_owned(), None, "invalid_json");
    assert_eq!(
        refused("{\n\"model\": \"m\",\n  \"x\" 1}"),
        json_error("body is not valid JSON at line 3 column 7: expected ':' after a key")
    );
    assert_eq!(
        refused(""),
        json_error(
            "body is not valid JSON at line 1 column 1: the text ends where a value should be"
        )
    );
    assert_eq!(
        refused(r#"{"model":"m"} x"#),
        json_error("body is not valid JSON at line 1 column 15: expected the end of the text")
    );
    for body in ["[]", "\"m\"", "5", "null", " [1] "] {
        assert_eq!(
            refused(body),
            (
                "body must be a JSON object".to_owned(),
                None,
                "body_not_an_object"
            )
        );
    }
    let error = refusal(K::ChatCompletions, b"{\"model\":\"\xff\"}");
    assert_eq!(error, RequestError::NotUtf8 { offset: 10 });
    assert_eq!(error.code(), "invalid_json");
    assert_eq!(refused("{}").1, Some("model"));
    assert_eq!(refused("{}").2, "missing_required_parameter");
}

#[test]
fn hostile_nesting_is_refused() {
    for nested in ["[".repeat(10_000_000), "{\"a\":".repeat(100_000)] {
        assert!(RequestFacts::parse(K::ChatCompletions, nested.as_bytes()).is_err());
    }
    for key in [
        "metadata",
        "messages",
        "tools",
        "response_format",
        "variables",
        "model",
        "stream_options",
    ] {
        let body = format!(
            r#"{{"model2":"m","{key}":{}1{}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        let error = refusal(K::ChatCompletions, body.as_bytes());
        assert_eq!(error, RequestError::TooDeep { limit: 128 }, "{key}");
        assert_eq!(error.code(), "body_too_deep");
    }
}

#[test]
fn a_second_value_cannot_be_smuggled_past_the_pacing() {
    for field in [
        "model",
        "stream",
        "max_tokens",
        "max_completion_tokens",
        "n",
        "stream_options",
    ] {
        let value = if field == "model" { "\"m\"" } else { "null" };
        let body = format!(r#"{{"model2":"m","{field}":{value},"x":1,"{field}":{value}}}"#);
        let message = format!("'{field}' appears more than once; send it once");
        assert_eq!(
            refused(&body),
            (message, Some(field), "duplicate_parameter")
        );
    }
    let (message, ..) = refused(r#"{"model":"cheap","mod\u0065l":"dear"}"#);
    assert_eq!(message, "'model' appears more than once; send it once");
    let (message, ..) = refused(r#"{"max_tokens":1,"model":"m","max_\u0074okens":100000}"#);
    assert_eq!(message, "'max_tokens' appears more than once; send it once");
}

#[test]
fn the_text_can_be_had_in_the_same_pass() {
    let tool = json!({"name": "f", "x": ["a b\n", 1]});
    let body = json!({"model": "m", "tools": [tool], "messages": [{"role": "user", "content": "tab\tdone é"}]});
    let body = serde_json::to_string_pretty(&body).unwrap();
    let mut text = String::new();
    let facts = RequestFacts::parse_with_text(K::ChatCompletions, body.as_bytes(), &mut |piece| {
        text.push_str(piece);
    })
    .unwrap();
    assert_eq!(text, format!("tab\tdone é{tool}"));
    assert_eq!(facts.text, TextProfile::of(&text));
}

/// The same facts by way of a tree, for well-formed chat bodies.
fn characters_by_tree(messages: &Value) -> u64 {
    match messages {
        Value::Array(items) => items.iter().map(characters_by_tree).sum(),
        Value::Object(map) => ["content", "text", "name"]
            .iter()
            .filter_map(|key| map.get(*key))
            .map(characters_by_tree)
            .sum(),
        Value::String(text) => text.chars().count() as u64,
        _ => 0,
    }
}

fn message() -> impl Strategy<Value = Value> {
    let text = "\\PC{0,20}|[\"\\\\\n\t a-z\u{1f600}é日]{0,20}";
    let part =
        text.prop_map(|text| json!({"type": "text", "text": text, "cache_control": {"type": "x"}}));
    let content = prop_oneof![
        text.prop_map(Value::from),
        proptest::collection::vec(part, 0..3).prop_map(Value::from),
        Just(Value::Null),
    ];
    (content, proptest::option::of("[a-z]{0,5}")).prop_map(|(content, name)| match name {
        Some(name) => json!({"role": "user", "content": content, "name": name}),
        None => json!({"role": "user", "content": content}),
    })
}

proptest! {
    #[test]
    fn one_pass_sees_what_a_tree_would(
        messages in proptest::collection::vec(message(), 0..5),
        model in "[a-z0-9\"\\\\é.-]{1,20}",
        stream in any::<bool>(),
        tokens in 1_u64..100_000_000,
        pretty in any::<bool>(),
    ) {
        let body = json!({"model": model, "messages": messages, "stream": stream, "max_tokens": tokens});
        let text = if pretty { serde_json::to_string_pretty(&body).unwrap() } else { body.to_string() };
        let facts = facts(K::ChatCompletions, &text);
        prop_assert_eq!(&*facts.model, model.as_str());
        prop_assert_eq!((facts.stream, facts.max_output_tokens), (stream, Some(tokens)));
        prop_assert_eq!(facts.message_count as usize, messages.len());
        prop_assert_eq!(facts.text.characters, characters_by_tree(&body["messages"]));
    }
}
