//! Against a provider that enforces its limits, over real connections.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use paceline::{Call, Metric, Pacer, Usage, Window};
use paceline_simulator::{
    EnforcerSettings, Latency, OutputLength, Quota, Simulator, SimulatorSettings,
};
use reqwest::Client;

const PATH: &str = "/chat/completions";
const BODY: &str = r#"{"model":"gpt-5.4-mini","max_completion_tokens":100,
    "messages":[{"role":"user","content":"Why is the sky blue?"}]}"#;

/// A provider that refills so many tokens a second, and holds as many.
async fn provider(tokens_per_second: u64) -> Simulator {
    let tokens = paceline_simulator::Metric::Tokens;
    let settings = SimulatorSettings {
        limits: EnforcerSettings {
            quotas: vec![Quota::bucket(tokens, tokens_per_second, 1_000)],
            ..EnforcerSettings::default()
        },
        output_length: OutputLength::Exactly(5),
        latency: Latency::default(),
        ..SimulatorSettings::default()
    };
    Simulator::start(settings).await.unwrap()
}

/// Makes so many calls at once; how many had to wait.
async fn call(provider: &Simulator, pacer: &Pacer, count: usize) -> usize {
    let http = Client::new();
    let base = provider.base_url();
    let calls = (0..count).map(|_| async {
        let turn = pacer
            .reserve(&Call::of_openai(PATH, BODY.as_bytes()))
            .await
            .unwrap();
        let waited = turn.limited_by().is_some();
        let request = http.post(format!("{base}{PATH}")).body(BODY);
        let request = request.header("content-type", "application/json");
        let answer = request.bearer_auth("sk-test").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        turn.observe_headers(answer.headers());
        let body = answer.bytes().await.unwrap();
        turn.settle(Usage::of_openai(PATH, &body).unwrap());
        usize::from(waited)
    });
    join_all(calls).await.into_iter().sum()
}

/// 80 calls of 100 tokens are four times what the provider holds.
async fn refuses_nothing(pacer: &Pacer) {
    let provider = provider(2_000).await;
    let waited = call(&provider, pacer, 80).await;
    let counters = provider.state().counters;
    assert_eq!(counters.refused_in_total(), 0, "{:?}", pacer.limits());
    assert_eq!(counters.served, 80);
    assert!(waited >= 40, "{waited} waited");
    assert_eq!((pacer.in_flight(), pacer.waiting()), (0, 0));
}

#[tokio::test]
async fn a_provider_whose_limits_are_given_refuses_nothing() {
    let second = Duration::from_secs(1);
    let builder = Pacer::builder().limit(Metric::Tokens, 2_000, second);
    refuses_nothing(&builder.window(Window::Bucket).build().unwrap()).await;
}

#[tokio::test]
async fn a_provider_whose_limits_nobody_told_refuses_nothing() {
    let pacer = Pacer::builder().build().unwrap();
    refuses_nothing(&pacer).await;
    let limits = pacer.limits();
    assert!(limits.iter().all(|limit| limit.is_learned));
    assert_eq!(limits[0].amount, 2_000);
}
