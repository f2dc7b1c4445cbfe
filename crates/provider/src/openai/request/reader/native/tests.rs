use crate::{EndpointKind as K, RequestError, RequestFacts};

fn facts(kind: K, body: &str) -> RequestFacts<'_> {
    RequestFacts::parse_call(kind, body.as_bytes(), Some("in-path"), None).unwrap()
}

#[test]
fn the_path_names_the_model_whatever_the_body_says() {
    let gemini = facts(K::GeminiEmbed, r#"{"model":"models/other","content":{}}"#);
    assert_eq!(gemini.model, "in-path");
    let bedrock = facts(K::BedrockInvoke, r#"{"model":"other"}"#);
    assert_eq!(bedrock.model, "in-path");
    assert_eq!(facts(K::ChatCompletions, r#"{"model":"m"}"#).model, "m");
    assert_eq!(facts(K::ChatCompletions, "{}").model, "in-path");
    let unnamed = RequestFacts::parse(K::GeminiGenerate, b"{}").unwrap();
    assert_eq!(unnamed.model, "");
    let unnamed = RequestFacts::parse(K::ChatCompletions, b"{}");
    assert_eq!(unnamed, Err(RequestError::ModelMissing));
}

#[test]
fn the_larger_of_two_maxima_counts() {
    for (body, expected) in [
        (r#"{"generationConfig":{"maxOutputTokens":64}}"#, Some(64)),
        (
            r#"{"generation_config":{"max_output_tokens":"64"}}"#,
            Some(64),
        ),
        (
            r#"{"generationConfig":{"maxOutputTokens":64,"max_output_tokens":9}}"#,
            Some(64),
        ),
        (
            r#"{"generationConfig":{"maxOutputTokens":9},"generation_config":{"maxOutputTokens":64}}"#,
            Some(64),
        ),
        (
            r#"{"generationConfig":{"maxOutputTokens":1e99}}"#,
            Some(100_000_000),
        ),
        (r#"{"generationConfig":{"maxOutputTokens":-1}}"#, None),
        (r#"{"generationConfig":{"maxOutputTokens":null}}"#, None),
        (r#"{"generationConfig":[]}"#, None),
        (r#"{"maxOutputTokens":64}"#, None),
    ] {
        let max = facts(K::GeminiGenerate, body).max_output_tokens;
        assert_eq!(max, expected, "{body}");
    }
    let converse = r#"{"inferenceConfig":{"maxTokens":64,"maxTokens":7}}"#;
    assert_eq!(
        facts(K::BedrockConverse, converse).max_output_tokens,
        Some(64)
    );
    let invoke = r#"{"max_gen_len":7,"prompt":"abc"}"#;
    let invoke = facts(K::BedrockInvoke, invoke);
    assert_eq!(
        (invoke.max_output_tokens, invoke.text_characters()),
        (Some(7), 3)
    );
}

#[test]
fn streams_are_asked_for_by_the_path() {
    assert!(facts(K::GeminiStream, "{}").stream);
    assert!(facts(K::BedrockConverseStream, "{}").stream);
    assert!(!facts(K::GeminiGenerate, r#"{"stream":true}"#).stream);
    assert!(!facts(K::BedrockInvoke, "{}").stream);
}

#[test]
fn choices_are_bounded() {
    let n = |count: &str| {
        let body = format!(r#"{{"generationConfig":{{"candidateCount":{count}}}}}"#);
        facts(K::GeminiGenerate, &body).n
    };
    assert_eq!((n("3"), n("0"), n("null"), n("1e30")), (3, 1, 1, 1_024));
}

#[test]
fn text_counts_and_data_does_not() {
    let data = "x".repeat(1_000);
    let gemini = format!(
        r#"{{"system_instruction":{{"parts":{{"text":"ab"}}}},
            "contents":[{{"role":"user","parts":[{{"text":"cd"}},
                {{"inline_data":{{"mime_type":"image/png","data":"{data}"}}}},
                {{"fileData":{{"mimeType":"audio/mp3","fileUri":"{data}"}}}},
                {{"fileData":{{"mimeType":"application/pdf","fileUri":"{data}"}}}},
                {{"functionResponse":{{"name":"f"}}}}]}}]}}"#
    );
    let read = facts(K::GeminiGenerate, &gemini);
    // The answer of a function counts as the JSON that it is.
    assert_eq!(read.text_characters(), 4 + r#"{"name":"f"}"#.len() as u64);
    let media = (read.image_parts, read.audio_parts, read.file_parts);
    assert_eq!((media, read.message_count), ((1, 1, 1), 1));

    let converse = format!(
        r#"{{"messages":[{{"role":"user","content":[{{"text":"ab"}},
            {{"image":{{"format":"png","source":{{"bytes":"{data}"}}}}}},
            {{"document":{{"name":"{data}"}}}},{{"cachePoint":{{"type":"default"}}}},
            {{"reasoningContent":{{"reasoningText":{{"text":"cd","signature":"{data}"}}}}}},
            {{"toolResult":{{"toolUseId":"{data}","content":[{{"text":"ef"}}]}}}}]}}]}}"#
    );
    let read = facts(K::BedrockConverse, &converse);
    assert_eq!(read.text_characters(), 6);
    assert_eq!((read.image_parts, read.file_parts), (1, 1));
    let counted = format!(r#"{{"input":{{"converse":{converse}}}}}"#);
    assert_eq!(facts(K::BedrockCountTokens, &counted).text_characters(), 6);
    let counted = format!(r#"{{"generateContentRequest":{gemini}}}"#);
    assert_eq!(facts(K::GeminiCountTokens, &counted).text_characters(), 16);
}

#[test]
fn what_tools_of_anthropics_are_called_with_counts() {
    let body = r#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[
        {"type":"tool_use","id":"t","name":"f","input":{"town": "Linz"}}]}]}"#;
    let facts = RequestFacts::parse(K::Messages, body.as_bytes()).unwrap();
    assert_eq!(
        facts.text_characters(),
        1 + r#"{"town":"Linz"}"#.len() as u64
    );
    assert!(!facts.thinking);
    let off = br#"{"model":"m","thinking":{"type":"disabled"}}"#;
    assert!(!RequestFacts::parse(K::Messages, off).unwrap().thinking);
    let on = br#"{"model":"m","thinking":{"type":"adaptive"}}"#;
    assert!(RequestFacts::parse(K::Messages, on).unwrap().thinking);
}
