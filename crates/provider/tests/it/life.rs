//! The life of a call, as a gateway walks it through this crate.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use paceline_provider::{
    ChargeRule, Endpoint, LimitHeaders, LimitMetric, Pacing, Refusal, RequestFacts, RetryAdvice,
    StreamScanner, with_include_usage,
};
use std::time::Duration;

#[test]
fn a_caller_who_did_not_ask_for_usage_does_not_see_it_though_it_is_read() {
    let endpoint = Endpoint::classify(&Method::POST, "/v1/chat/completions");
    assert_eq!(endpoint.pacing, Pacing::RequestsAndTokens);
    let body = Bytes::from_static(
        br#"{"model":"gpt-4o","messages":[{"role":"user","content":"Say hi"}],"stream":true,"max_tokens":50}"#,
    );
    let facts = RequestFacts::parse(endpoint.kind, &body).unwrap();
    assert_eq!(ChargeRule::OPENAI.tokens(&facts), 50);
    assert_eq!((facts.stream, facts.include_usage), (true, None));

    let rewritten = with_include_usage(&body).unwrap();
    let asked = RequestFacts::parse(endpoint.kind, &rewritten).unwrap();
    assert_eq!(asked.include_usage, Some(true));

    let hi = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}\n\n";
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n";
    let done = "data: [DONE]\n\n";
    let mut seen = Vec::new();
    let mut scanner = StreamScanner::new(endpoint.kind, facts.include_usage != Some(true));
    for chunk in [hi, &usage[..20], &usage[20..], done] {
        let chunk = Bytes::copy_from_slice(chunk.as_bytes());
        scanner.scan(chunk, &mut |bytes| seen.extend_from_slice(&bytes));
    }
    let outcome = scanner.finish(&mut |bytes| seen.extend_from_slice(&bytes));
    assert_eq!(String::from_utf8(seen).unwrap(), [hi, done].concat());
    assert_eq!(outcome.usage.unwrap().total_tokens, 11);
    assert!(outcome.complete);
}

#[test]
fn a_refusal_tells_the_limit_and_the_wait() {
    let mut headers = HeaderMap::new();
    headers.insert(
        "x-ratelimit-limit-tokens",
        HeaderValue::from_static("10000"),
    );
    headers.insert(
        "x-ratelimit-remaining-tokens",
        HeaderValue::from_static("311"),
    );
    headers.insert("retry-after", HeaderValue::from_static("1"));
    let body = br#"{"error":{"message":"Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 10000, Used 9689, Requested 333. Please try again in 132ms.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#;
    let refusal = Refusal::from_response(429, &headers, body).unwrap();
    assert_eq!(
        refusal.retry(),
        RetryAdvice::After(Some(Duration::from_millis(132)))
    );
    let limits = LimitHeaders::parse(&headers);
    let tokens = limits.account(LimitMetric::Tokens).unwrap();
    assert_eq!(
        (tokens.limit, tokens.limit.zip(refusal.used)),
        (refusal.limit, Some((10_000, 9_689)))
    );
    assert_eq!(tokens.remaining, Some(10_000 - 9_689));
}
