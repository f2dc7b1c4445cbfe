//! `async-openai`, paced: every call that its client makes goes through the tower layer.
//!
//! The provider is a simulated one that is started here, so that the example needs no key. Run it
//! with `cargo run -p paceline --example async_openai`.

#![expect(clippy::print_stdout, reason = "an example tells what happens")]

use anyhow::Result;
use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::types::chat::{
    ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequestArgs,
};
use futures_util::future::try_join_all;
use paceline::tower::PaceLayer;
use paceline::{Call, Pacer};
use paceline_simulator::{EnforcerSettings, Quota, Simulator, SimulatorSettings};
use tower::{Layer, ServiceExt, service_fn};

/// A client whose calls wait for their turn. Streams are paced too: a call is in flight until its
/// body has ended.
fn paced_client(pacer: &Pacer, config: OpenAIConfig) -> Client<OpenAIConfig> {
    let http = reqwest::Client::new();
    let send = service_fn(move |request: http::Request<reqwest::Body>| {
        let http = http.clone();
        async move {
            let answer = http.execute(request.try_into()?).await?;
            Ok::<_, reqwest::Error>(http::Response::<reqwest::Body>::from(answer))
        }
    });
    let charge = |request: &http::Request<reqwest::Body>| {
        let body = request.body().as_bytes().unwrap_or_default();
        Call::of_openai(request.uri().path(), body)
    };
    let paced = PaceLayer::new(pacer.clone(), charge).layer(send);
    let service = service_fn(move |factory: HttpRequestFactory| {
        let paced = paced.clone();
        async move {
            let request = factory.build().await?.try_into()?;
            let answer = paced.oneshot(request).await;
            let answer = answer.map_err(|error| OpenAIError::Boxed(error.into()))?;
            Ok::<_, OpenAIError>(reqwest::Response::from(answer.map(reqwest::Body::wrap)))
        }
    });
    Client::with_config(config).with_http_service(service)
}

async fn ask(client: &Client<OpenAIConfig>, question: String) -> Result<String> {
    let message = ChatCompletionRequestUserMessageArgs::default()
        .content(question)
        .build()?;
    let request = CreateChatCompletionRequestArgs::default()
        .model("gpt-5.4-mini")
        .max_completion_tokens(60_u32)
        .messages([message.into()])
        .build()?;
    let mut answer = client.chat().create(request).await?;
    let first = answer.choices.pop();
    Ok(first
        .and_then(|choice| choice.message.content)
        .unwrap_or_default())
}

/// Runs the example.
#[tokio::main]
pub async fn main() -> Result<()> {
    let provider = Simulator::start(SimulatorSettings {
        limits: EnforcerSettings {
            quotas: vec![
                Quota::requests_per_minute(3_000),
                Quota::tokens_per_minute(120_000),
            ],
            ..EnforcerSettings::default()
        },
        ..SimulatorSettings::default()
    })
    .await?;

    let pacer = Pacer::builder().build()?;
    let config = OpenAIConfig::new()
        .with_api_base(provider.base_url())
        .with_api_key("sk-example");
    let client = paced_client(&pacer, config);
    let questions = (0..20).map(|number| format!("What is {number} times {number}?"));
    let answers = try_join_all(questions.map(|question| ask(&client, question))).await?;

    for limit in pacer.limits() {
        println!(
            "learned: {} {} in {:?}, {} used",
            limit.amount, limit.metric, limit.window, limit.used
        );
    }
    let refused = provider.state().counters.refused_in_total();
    println!("{} answers, {refused} refusals", answers.len());
    anyhow::ensure!(answers.len() == 20 && refused == 0 && pacer.in_flight() == 0);
    Ok(())
}
