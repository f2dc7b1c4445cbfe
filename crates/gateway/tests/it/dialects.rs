//! Callers and providers of different dialects: each speaks its own, and neither sees the other's.

use anyhow::{Context, Result};
use paceline_simulator::{Likeness, OutputLength, Simulator, SimulatorSettings};
use paceline_testkit::{Answer, TestGateway};
use serde_json::{Value, json};

use crate::provider::provider;

/// A provider that is like Anthropic and answers with five tokens.
async fn anthropic() -> Result<Simulator> {
    let settings = SimulatorSettings {
        output_length: OutputLength::Exactly(5),
        ..SimulatorSettings::like(Likeness::Anthropic)
    };
    Ok(Simulator::start(settings).await?)
}

/// A gateway with OpenAI as its upstream and Anthropic as `claude`.
fn gateway(openai: &Simulator, claude: &Simulator) -> Result<TestGateway> {
    gateway_with(openai, claude, "")
}

/// The same with more settings.
fn gateway_with(openai: &Simulator, claude: &Simulator, more: &str) -> Result<TestGateway> {
    let text = format!(
        "[upstream]\nprofile = \"openai\"\napi_key = \"sk-0\"\n[providers.claude]\n\
         profile = \"anthropic\"\nbase_url = \"{}\"\napi_key = \"sk-ant\"\n\
         [models.\"claude-*\"]\nlanes = [{{ provider = \"claude\" }}]\n\
         [models.\"gpt-*\"]\nlanes = [{{}}]\n{more}",
        claude.base_url()
    );
    TestGateway::start(openai.address(), &text)
}

async fn post(gateway: &TestGateway, path: &str, body: &Value) -> Result<Answer> {
    let caller = gateway.caller();
    let headers = [("content-type", "application/json")];
    let request = caller.request(http::Method::POST, path, &headers, body.to_string())?;
    caller.send(request).await
}

fn read(answer: &Answer) -> Result<Value> {
    serde_json::from_slice(&answer.body).with_context(|| answer.text())
}

/// The events of a stream: each `data:` as JSON, and what is none as text.
fn events(answer: &Answer) -> Vec<Value> {
    let text = answer.text();
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .map(|data| serde_json::from_str(data).unwrap_or_else(|_| json!(data)))
        .collect()
}

fn chat(model: &str, stream: bool) -> Value {
    json!({
        "model": model, "max_tokens": 20, "stream": stream,
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "hello"}],
    })
}

fn messages(model: &str, stream: bool) -> Value {
    json!({
        "model": model, "max_tokens": 20, "stream": stream, "system": "Be short.",
        "messages": [{"role": "user", "content": "hello"}],
    })
}

#[tokio::test]
async fn each_dialect_reaches_each_provider_and_is_answered_in_its_own_words() -> Result<()> {
    let (openai, claude) = (provider(vec![]).await?, anthropic().await?);
    let gateway = gateway(&openai, &claude)?;
    for model in ["gpt-4o", "claude-haiku-4-5"] {
        let answer = post(&gateway, "/v1/chat/completions", &chat(model, false)).await?;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        let told = read(&answer)?;
        assert_eq!(told["object"], "chat.completion", "{model}");
        assert_eq!(told["usage"]["completion_tokens"], 5, "{model}");
        let choice = &told["choices"][0];
        assert!(
            choice["message"]["content"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );

        let answer = post(&gateway, "/v1/messages", &messages(model, false)).await?;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        let told = read(&answer)?;
        assert_eq!(told["type"], "message", "{model}");
        assert_eq!(told["usage"]["output_tokens"], 5, "{model}");
        assert_eq!(told["content"][0]["type"], "text", "{model}");
    }
    assert_eq!(
        (
            openai.state().counters.received,
            claude.state().counters.received
        ),
        (2, 2)
    );
    gateway.assert_settled_everywhere().await?;
    Ok(())
}

#[tokio::test]
async fn streams_come_in_the_callers_words_and_end_in_them() -> Result<()> {
    let (openai, claude) = (provider(vec![]).await?, anthropic().await?);
    let gateway = gateway(&openai, &claude)?;
    for model in ["gpt-4o", "claude-haiku-4-5"] {
        let answer = post(&gateway, "/v1/chat/completions", &chat(model, true)).await?;
        let told = events(&answer);
        assert_eq!(
            told.last(),
            Some(&json!("[DONE]")),
            "{model}: {}",
            answer.text()
        );
        assert!(
            told.iter()
                .any(|event| event["choices"][0]["finish_reason"].is_string())
        );
        // Nobody asked for the usage.
        assert!(told.iter().all(|event| event["usage"].is_null()), "{model}");

        let answer = post(&gateway, "/v1/messages", &messages(model, true)).await?;
        let told = events(&answer);
        assert_eq!(
            told[0]["type"],
            "message_start",
            "{model}: {}",
            answer.text()
        );
        assert_eq!(
            told.last().map(|event| &event["type"]),
            Some(&json!("message_stop"))
        );
        let delta = told.iter().find(|event| event["type"] == "message_delta");
        let delta = delta.context("message_delta")?;
        assert_eq!(delta["usage"]["output_tokens"], 5, "{model}");
    }
    gateway.assert_settled_everywhere().await?;
    Ok(())
}

#[tokio::test]
async fn responses_reach_anthropic_too() -> Result<()> {
    let (openai, claude) = (provider(vec![]).await?, anthropic().await?);
    let gateway = gateway(&openai, &claude)?;
    let body = json!({"model": "claude-haiku-4-5", "input": "hello", "max_output_tokens": 20, "store": false});
    let answer = post(&gateway, "/v1/responses", &body).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = read(&answer)?;
    assert_eq!(
        (&told["object"], &told["status"]),
        (&json!("response"), &json!("completed"))
    );
    assert_eq!(told["usage"]["output_tokens"], 5);
    Ok(())
}

#[tokio::test]
async fn the_providers_request_id_is_where_the_callers_client_looks_for_it() -> Result<()> {
    let (openai, claude) = (provider(vec![]).await?, anthropic().await?);
    let gateway = gateway(&openai, &claude)?;
    for stream in [false, true] {
        let body = chat("claude-haiku-4-5", stream);
        let answer = post(&gateway, "/v1/chat/completions", &body).await?;
        assert!(answer.header("x-request-id").starts_with("req_"));
        let answer = post(&gateway, "/v1/messages", &messages("gpt-4o", stream)).await?;
        assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
        assert!(!answer.header("request-id").is_empty());
    }
    claude.set_faults(vec![paceline_simulator::FaultRule {
        fault: "insufficient_quota".to_owned(),
        share: 1.0,
        skip: 0,
        times: None,
        path: None,
        model: None,
    }])?;
    let body = chat("claude-haiku-4-5", false);
    let answer = post(&gateway, "/v1/chat/completions", &body).await?;
    assert!(answer.status.is_client_error(), "{}", answer.text());
    assert!(answer.header("x-request-id").starts_with("req_"));
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_in_the_callers_envelope() -> Result<()> {
    let (openai, claude) = (provider(vec![]).await?, anthropic().await?);
    let gateway = gateway(&openai, &claude)?;
    let mut body = chat("claude-haiku-4-5", false);
    body["n"] = json!(3);
    let answer = post(&gateway, "/v1/chat/completions", &body).await?;
    assert_eq!(
        (answer.status.as_u16(), &*answer.error_code()),
        (400, "untranslatable")
    );
    assert_eq!(read(&answer)?["error"]["param"], "n");
    let mut body = messages("gpt-4o", false);
    body["top_k"] = json!(3);
    let answer = post(&gateway, "/v1/messages", &body).await?;
    let told = read(&answer)?;
    assert_eq!(
        (answer.status.as_u16(), &told["type"]),
        (400, &json!("error")),
        "{told}"
    );
    assert!(
        told["error"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("top_k"))
    );
    assert_eq!(
        (
            openai.state().counters.received,
            claude.state().counters.received
        ),
        (0, 0)
    );
    gateway.assert_settled_everywhere().await?;
    Ok(())
}

#[tokio::test]
async fn the_providers_errors_come_in_the_callers_envelope() -> Result<()> {
    let (openai, claude) = (provider(vec![]).await?, anthropic().await?);
    let gateway = gateway(&openai, &claude)?;
    // Too large for the model's output, which both providers refuse themselves.
    let mut body = chat("claude-haiku-4-5", false);
    body["max_tokens"] = json!(0);
    let answer = post(&gateway, "/v1/chat/completions", &body).await?;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(
        read(&answer)?["error"]["message"].is_string(),
        "{}",
        answer.text()
    );
    assert!(read(&answer)?["type"].is_null(), "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn tokens_are_counted_by_the_provider_or_else_here() -> Result<()> {
    let (openai, claude) = (provider(vec![]).await?, anthropic().await?);
    let gateway = gateway(&openai, &claude)?;
    for (model, counted) in [("claude-haiku-4-5", 1), ("gpt-4o", 0)] {
        let mut body = messages(model, false);
        body.as_object_mut()
            .context("an object")?
            .retain(|key, _| key != "max_tokens" && key != "stream");
        let answer = post(&gateway, "/v1/messages/count_tokens", &body).await?;
        assert_eq!(answer.status, 200, "{model}: {}", answer.text());
        let tokens = read(&answer)?["input_tokens"].as_u64();
        assert!(
            tokens.is_some_and(|tokens| tokens > 0 && tokens < 100),
            "{model}: {tokens:?}"
        );
        let received = openai.state().counters.received + claude.state().counters.received;
        assert_eq!(received > 0, counted == 1 || model == "gpt-4o", "{model}");
    }
    assert_eq!(openai.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn a_call_falls_back_to_a_provider_of_another_dialect() -> Result<()> {
    let (openai, claude) = (provider(vec![]).await?, anthropic().await?);
    openai.set_faults(vec![paceline_simulator::FaultRule {
        fault: "500".to_owned(),
        share: 1.0,
        skip: 0,
        times: None,
        path: None,
        model: None,
    }])?;
    let text = format!(
        "[upstream]\nprofile = \"openai\"\napi_key = \"sk-0\"\n[providers.claude]\n\
         profile = \"anthropic\"\nbase_url = \"{}\"\napi_key = \"sk-ant\"\n\
         [models.fast]\nlanes = [{{ model = \"gpt-4o\" }}, \
         {{ provider = \"claude\", model = \"claude-haiku-4-5\", priority = 2 }}]\n",
        claude.base_url()
    );
    let gateway = TestGateway::start(openai.address(), &text)?;
    let answer = post(&gateway, "/v1/chat/completions", &chat("fast", false)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-paceline-lane"), "claude/claude-haiku-4-5");
    assert_eq!(answer.header("x-paceline-passed"), "upstream/gpt-4o;error");
    assert_eq!(read(&answer)?["object"], "chat.completion");
    gateway.assert_settled_everywhere().await?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_said_is_told_before_the_call_waits_for_its_turn() -> Result<()> {
    let (openai, claude) = (provider(vec![]).await?, anthropic().await?);
    let text = format!(
        "[upstream]\nprofile = \"openai\"\n[providers.claude]\nprofile = \"anthropic\"\n\
         base_url = \"{}\"\napi_key = \"sk-ant\"\n[models.\"claude-*\"]\n\
         lanes = [{{ provider = \"claude\" }}]\n[[domains]]\nname = \"claude\"\n\
         provider = \"claude\"\nmodels = [\"*\"]\nrequests_per_day = 1\nwindow = \"bucket\"\n",
        claude.base_url()
    );
    let gateway = TestGateway::start(openai.address(), &text)?;
    let mut body = chat("claude-haiku-4-5", false);
    let first = post(&gateway, "/v1/chat/completions", &body).await?;
    assert_eq!(first.status, 200, "{}", first.text());
    // The quota of the day is spent: a call that could be said would wait, or be refused for that.
    body["n"] = json!(3);
    let answer = post(&gateway, "/v1/chat/completions", &body).await?;
    assert_eq!(
        (answer.status.as_u16(), &*answer.error_code()),
        (400, "untranslatable")
    );
    gateway.assert_settled_everywhere().await?;
    Ok(())
}

#[tokio::test]
async fn where_the_other_api_leaves_a_choice_the_settings_make_it() -> Result<()> {
    let long = SimulatorSettings {
        output_length: OutputLength::Exactly(50),
        ..SimulatorSettings::like(Likeness::Anthropic)
    };
    let (openai, claude) = (provider(vec![]).await?, Simulator::start(long).await?);
    let late = json!({
        "model": "claude-haiku-4-5",
        "messages": [{"role": "user", "content": "hello"}, {"role": "system", "content": "Be short."}],
    });
    let thought = json!({
        "model": "gpt-4o", "max_tokens": 20,
        "messages": [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "text", "text": "Hi."},
            ]},
            {"role": "user", "content": "again"},
        ],
    });
    let calls = [("/v1/chat/completions", &late), ("/v1/messages", &thought)];
    let strict = gateway(&openai, &claude)?;
    for (path, body) in calls {
        let answer = post(&strict, path, body).await?;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        assert!(
            answer.text().contains("untranslatable"),
            "{}",
            answer.text()
        );
    }
    let more = "[providers.claude.translation]\nlate_system = \"moved_to_start\"\n\
                default_max_tokens = 7\n\
                [upstream.translation]\nearlier_thinking = \"left_out\"\n";
    let lenient = gateway_with(&openai, &claude, more)?;
    for (path, body) in calls {
        let answer = post(&lenient, path, body).await?;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let answer = post(&lenient, "/v1/chat/completions", &late).await?;
    let told = read(&answer)?;
    assert_eq!(told["usage"]["completion_tokens"], 7, "{told}");
    assert_eq!(told["choices"][0]["finish_reason"], "length", "{told}");
    Ok(())
}
