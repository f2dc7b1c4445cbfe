//! Google's API at its three addresses.

use paceline_simulator::{Likeness, Metric, Quota, Simulator};
use serde_json::{Value, json};

use super::{chat, start_like, with_limit};
use crate::client::{Call, Reply, start};

const MINUTE: u64 = Quota::MINUTE_MS;

fn body() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Say something short."}]}]})
}

fn call(verb: &str, body: &Value) -> Call {
    Call::post(&format!("/v1beta/models/gemini-2.5-flash:{verb}"), body)
        .without("authorization")
        .header("x-goog-api-key", "AIza-0123456789")
}

async fn generate(simulator: &Simulator) -> Reply {
    call("generateContent", &body())
        .send(simulator.address())
        .await
}

fn text(responses: &[Value]) -> String {
    let parts = responses
        .iter()
        .map(|response| &response["candidates"][0]["content"]["parts"][0]);
    parts.map(|part| part["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn content_is_generated_whole_as_events_and_as_a_list() {
    let simulator = start_like(Likeness::Gemini).await;
    let reply = generate(&simulator).await;
    let whole = reply.json();
    assert_eq!(reply.status, 200);
    assert_eq!(whole["candidates"][0]["finishReason"], "STOP");
    let usage = &whole["usageMetadata"];
    assert_eq!(
        (&usage["promptTokenCount"], &usage["candidatesTokenCount"]),
        (&json!(6), &json!(10))
    );
    assert_eq!(usage["totalTokenCount"], 16);
    assert_eq!(reply.header("x-gemini-service-tier"), Some("standard"));
    assert!(
        !reply
            .headers
            .iter()
            .any(|(name, _)| name.contains("ratelimit"))
    );

    let stream = call("streamGenerateContent?alt=sse", &body());
    let reply = stream.send(simulator.address()).await;
    assert!(reply.text().ends_with("\r\n\r\n"));
    let events = reply.events();
    assert_eq!(
        text(&events),
        whole["candidates"][0]["content"]["parts"][0]["text"]
    );
    assert_eq!(events.last().unwrap()["usageMetadata"], *usage);
    assert_eq!(events[2]["usageMetadata"]["candidatesTokenCount"], 3);
    assert!(events[0]["candidates"][0].get("finishReason").is_none());

    let list = call("streamGenerateContent", &body())
        .send(simulator.address())
        .await;
    assert_eq!(
        list.header("content-type"),
        Some("application/json; charset=UTF-8")
    );
    assert_eq!(list.json(), Value::Array(events));
    let counted = call("countTokens", &body()).send(simulator.address()).await;
    assert_eq!(counted.json()["totalTokens"], 6);
}

#[tokio::test]
async fn a_demanded_function_is_called() {
    let simulator = start_like(Likeness::Gemini).await;
    let mut asked = body();
    asked["tools"] = json!([{"functionDeclarations": [
        {"name": "other"}, {"name": "weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}},
        }},
    ]}]);
    asked["toolConfig"] = json!({"functionCallingConfig": {
        "mode": "ANY", "allowedFunctionNames": ["weather"],
    }});
    let answer = call("generateContent", &asked)
        .send(simulator.address())
        .await
        .json();
    let part = &answer["candidates"][0]["content"]["parts"][0]["functionCall"];
    assert_eq!(part["name"], "weather");
    assert!(part["args"]["city"].is_string());
}

#[tokio::test]
async fn a_refusal_names_quota_and_wait_in_its_details() {
    let settings = with_limit(Likeness::Gemini, Metric::Requests, 1, MINUTE);
    let simulator = start(settings).await;
    assert_eq!(generate(&simulator).await.status, 200);
    // The minute may end between the two.
    let mut reply = generate(&simulator).await;
    if reply.status == 200 {
        reply = generate(&simulator).await;
    }
    let error = reply.json()["error"].clone();
    assert_eq!(
        (reply.status, &error["code"], &error["status"]),
        (429, &json!(429), &json!("RESOURCE_EXHAUSTED"))
    );
    let details = error["details"].as_array().unwrap();
    let detail = |kind: &str| {
        let kind = format!("type.googleapis.com/google.rpc.{kind}");
        details
            .iter()
            .find(|detail| detail["@type"] == *kind)
            .unwrap()
    };
    assert_eq!(
        detail("QuotaFailure")["violations"],
        json!([{
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
            "quotaDimensions": {"location": "global", "model": "gemini-2.5-flash"},
            "quotaValue": "1",
        }])
    );
    let delay = detail("RetryInfo")["retryDelay"].as_str().unwrap();
    let seconds: u64 = delay.strip_suffix('s').unwrap().parse().unwrap();
    assert!(seconds < 60, "{delay}");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("\nPlease retry in {seconds}.")),
        "{message}"
    );
    assert_eq!(reply.header("retry-after"), None);
}

#[tokio::test]
async fn a_days_quota_is_told_by_its_id_alone() {
    let mut settings = with_limit(Likeness::Gemini, Metric::Requests, 1, Quota::DAY_MS);
    settings.set_limit(Metric::Requests, 100, MINUTE);
    let simulator = start(settings).await;
    generate(&simulator).await;
    let error = generate(&simulator).await.json();
    let failure = &error["error"]["details"][1]["violations"][0]["quotaId"];
    assert_eq!(
        *failure,
        "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
    );
}

#[tokio::test]
async fn the_compatible_address_wraps_its_errors_into_a_list() {
    let settings = with_limit(Likeness::GeminiCompatible, Metric::InputTokens, 5, MINUTE);
    let simulator = start(settings).await;
    let asked = json!({
        "model": "gemini-2.5-flash",
        "messages": [{"role": "user", "content": "A text of more than five tokens."}],
    });
    let reply = chat(&simulator, &asked).await;
    let error = &reply.json()[0]["error"];
    assert_eq!(
        (reply.status, &error["status"]),
        (429, &json!("RESOURCE_EXHAUSTED"))
    );
    assert_eq!(
        error["details"][1]["violations"][0]["quotaId"],
        "GenerateContentInputTokensPerModelPerMinute-FreeTier"
    );
    let shorter =
        json!({"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "Hi"}]});
    assert_eq!(
        chat(&simulator, &shorter).await.json()["object"],
        "chat.completion"
    );
}

#[tokio::test]
async fn vertex_tells_nothing_but_that_there_is_no_room() {
    let mut settings = super::like(Likeness::Vertex);
    if let Some(ramp) = &mut settings.limits.ramp {
        // A period that no test outlasts.
        (ramp.floor, ramp.step_ms, ramp.period_ms) =
            (6, Quota::DAY_MS * 100_000, Quota::DAY_MS * 100_000);
    }
    let simulator = start(settings).await;
    let path = "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash";
    let ask = |verb: &str| Call::post(&format!("{path}:{verb}"), &body()).send(simulator.address());
    let served = ask("generateContent").await.json();
    assert_eq!(served["usageMetadata"]["trafficType"], "ON_DEMAND");
    let reply = ask("generateContent").await;
    let message = "Resource exhausted. Please try again later. Please refer to \
                   https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.";
    let expected = json!({"error": {
        "code": 429, "message": message,
        "errors": [{"message": message, "domain": "global", "reason": "rateLimitExceeded"}],
        "status": "RESOURCE_EXHAUSTED",
    }});
    assert_eq!((reply.status, reply.json()), (429, expected.clone()));
    let streamed = ask("streamGenerateContent?alt=sse").await;
    assert_eq!((streamed.status, streamed.json()), (429, json!([expected])));
}

#[tokio::test]
async fn keys_and_failures_read_as_googles() {
    let simulator = start_like(Likeness::Gemini).await;
    let reply = call("generateContent", &body())
        .without("x-goog-api-key")
        .send(simulator.address())
        .await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["status"]),
        (403, &json!("PERMISSION_DENIED"))
    );
    let wrong = call("generateContent?key=sk-invalid", &body()).without("x-goog-api-key");
    let error = wrong.send(simulator.address()).await.json()["error"].clone();
    assert_eq!(
        error["message"],
        "API key not valid. Please pass a valid API key."
    );
    assert_eq!(error["details"][0]["reason"], "API_KEY_INVALID");
    let reply = call("generateContent", &body())
        .fault("503")
        .send(simulator.address())
        .await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["status"]),
        (503, &json!("UNAVAILABLE"))
    );
    let stream = call("streamGenerateContent?alt=sse", &body()).fault("error_in_stream;after=2");
    let events = stream.send(simulator.address()).await.events();
    assert_eq!(
        (events.len(), &events[2]["error"]["status"]),
        (3, &json!("INTERNAL"))
    );
}
