//! Inputs as they are on the wire, from which mutations start.

pub(crate) const REQUESTS: &[&str] = &[
    r#"{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":false},"max_tokens":100,"n":2,"messages":[{"role":"user","name":"ann","content":[{"type":"text","text":"What \u00e9\n\ud83d\ude00?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA","detail":"low"}}]}]}"#,
    r#"{"model":"gpt-5.6","input":[{"role":"user","content":[{"type":"input_text","text":"日本語"}]}],"instructions":"x","max_output_tokens":64,"previous_response_id":"resp_1","background":true,"tools":[ {"type":"function","name":"f","parameters":{"a b" : "\\n\"" }} ]}"#,
    "{ \"model\" : \"davinci-002\",\n \"prompt\":[[1,2.5e3],\"ab\"] , \"best_of\": 3, \"max_tokens\":0, \"stream\":true }",
    r#"{"model":"m","input":[[1,2],[3]],"encoding_format":"base64"}"#,
    r#"{"model":"claude","max_tokens":9,"system":[{"type":"text","text":"x"}],"thinking":{"type":"enabled"},"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"image","source":{}}]},{"type":"tool_use","input":{"a":[1]}}]}]}"#,
    r#"{"systemInstruction":{"parts":[{"text":"x"}]},"contents":[{"parts":[{"text":"é"},{"inlineData":{"mimeType":"image/png","data":"AA"}},{"functionCall":{"name":"f","args":{"a":"b"}}}]}],"generationConfig":{"maxOutputTokens":"64","candidateCount":2},"requests":[{"content":{"parts":[{"text":"y"}]}}]}"#,
    r#"{"system":[{"text":"x"}],"messages":[{"content":[{"text":"é"},{"image":{}},{"toolResult":{"content":[{"json":{"a":1}}]}}]}],"inferenceConfig":{"maxTokens":64},"toolConfig":{"tools":[{"toolSpec":{}}]}}"#,
    r#"{"mod\u0065l":"m","messages":[],"stream":true,"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{}}}}"#,
];

pub(crate) const HEADERS: &[&str] = &[
    "x-ratelimit-limit-requests: 10000\nx-ratelimit-remaining-requests: 9999\nx-ratelimit-reset-requests: 8.64s\nx-ratelimit-limit-tokens: 1500000\nx-ratelimit-remaining-tokens: 43244\nx-ratelimit-reset-tokens: 23h18m29.144s",
    "x-ratelimit-limit-project-tokens: 60,000\nx-ratelimit-remaining-tokens_usage_based: -27689\nx-ratelimit-renewalperiod-tokens: 60\nx-ratelimit-reset-tokens-day: 6m 11.52s",
    "ratelimit-policy: \"burst\";q=100;w=60, \"daily\";q=1000;w=86400;qu=\"tokens\"\nratelimit: \"burst\";r=50;t=30;pk=:cGFydA==:",
    "ratelimit: limit=100, remaining=50, reset=5\nratelimit-policy: 100;w=60;comment=\"a\\\"b\"",
    "x-tokenlimit-limit: 60000\nx-ratelimit-reset: 1795341660000\nanthropic-priority-input-tokens-reset: 2026-11-22T10:00:26Z\nx-trial-endpoint-call-remaining: 17\nx-ratelimit-tokens-query-cost: 12",
    "retry-after-ms: 570.5\nretry-after: Mon, 28 Sep 2026 10:05:00 GMT\nx-should-retry: true",
];

pub(crate) const REFUSALS: &[&str] = &[
    r#"{"error":{"message":"Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 10000, Used 9689, Requested 333. Please try again in 132ms. Visit https://x","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
    r#"[{"error":{"code":429,"message":"Request too large for m (for limit m-long-context) on tokens per min (TPM): Limit: 10000.000000 / min. Current: 10020.5 / min."}}]"#,
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded \u00e9. Please retry after 86400 seconds."}}"#,
    r#"{"error":{"code":429,"message":"You exceeded your current quota. limit: 0, model: g","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"XPerDay","quotaMetric":"a/input_token_count","quotaValue":"9","quotaDimensions":{"model":"g"}}]},{"retryDelay":"3.5s"},{"reason":"API_KEY_INVALID"}]}}"#,
    r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"x","headers":{"X-RateLimit-Limit":"20","X-RateLimit-Reset":"1795341660000"},"reasons":[]}}}"#,
    r#"{"type":"error","error":{"type":"rate_limit_error","details":{"error_code":"enforced_spend_limit_reached"},"message":"maximum usage increase rate. Your current limit is 58,276 input tokens per minute"}}"#,
    r#"{"__type":"ThrottlingException","Message":"Too many tokens per day, limited to 20 API calls / minute"}"#,
    "<html><title>502 Bad Gateway</title></html>",
    r#"{"error":"exceeded token rate limit 1,000 input tokens per minute try again in 6m 11.52s"}"#,
];

pub(crate) const ANSWERS: &[&str] = &[
    r#"{"model":"m","choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":19,"completion_tokens":10.0,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":null}}"#,
    r#"{"usage":{"input_tokens":36,"output_tokens":87,"output_tokens_details":{"reasoning_tokens":8}}}"#,
    r#"{"response":{"usage":{"input_tokens":1,"type":"duration","seconds":9.5}}}"#,
    r#"[{"candidates":[],"modelVersion":"g","usageMetadata":{"promptTokenCount":9,"thoughtsTokenCount":2,"promptTokensDetails":[{"modality":"IMAGE","tokenCount":4}]}},{"usageMetadata":{"totalTokenCount":20}}]"#,
    r#"{"usage":{"inputTokens":9,"outputTokens":2,"totalTokens":11,"cacheReadInputTokens":5},"amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}"#,
    r#"{"data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#,
];

pub(crate) const STREAMS: &[&str] = &[
    "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"Hi \\u00e9\"},\"finish_reason\":null}],\"usage\":null}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":7}}\n\ndata: [DONE]\n\n",
    "event: response.created\r\ndata: {\"type\":\"response.created\",\"response\":{\"model\":\"m\",\"usage\":null}}\r\n\r\nevent: response.completed\r\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":5}}}\r\n\r\n",
    ": ping\r\rdata: {\"choices\":[],\rdata: \"usage\":{\"prompt_tokens\":7}}\r\rdata: {\"error\":{\"message\":\"no\"}}\r\r",
    "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a]}\\\"\"}]},\"finishReason\":\"STOP\"}]\n,\r\n{\"usageMetadata\":{\"promptTokenCount\":7}},{\"error\":{\"status\":\"UNAVAILABLE\"}}]",
    "  \ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"é\"}]}}],\"usageMetadata\":{\"promptTokenCount\":7}}\r\n\r\n",
    "data: {\"x_groq\":{\"usage\":{\"prompt_tokens\":7}},\"choices\":[]}\n\n",
    "event: error\ndata: {\"type\":\"error\",\"code\":\"slow_down\"}\n\n\n\ndata: {\"type\":\"x.delta\",\"delta\":\"日本\"}\n\n",
];

/// A length, headers of that length, a payload.
pub(crate) const FRAMES: &[&str] = &[
    "\x1c\x0b:event-type\x07\x00\x0dcontentBlock{\"delta\":{\"text\":\"a\"}}",
    "\x26\x0f:exception-type\x07\x00\x13throttlingException{\"message\":\"Too many tokens\"}",
    "\x13\x0b:event-type\x07\x00\x05chunk{\"bytes\":\"eyJhIjoxfQ==\"}",
    "\x07\x01a\x06\x00\x02bc\x01d\x09{}",
];
