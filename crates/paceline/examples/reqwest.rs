//! Twenty calls with `reqwest` against a provider whose limits nobody told.
//!
//! The provider is a simulated one that is started here, so that the example needs no key; any
//! address of OpenAI's API does in its place. Run it with `cargo run -p paceline --example reqwest`.

#![expect(clippy::print_stdout, reason = "an example tells what happens")]

use anyhow::{Result, bail};
use futures_util::future::try_join_all;
use paceline::{Call, Pacer, RetryAdvice, Usage};
use paceline_simulator::{EnforcerSettings, Quota, Simulator, SimulatorSettings};
use serde_json::json;

const PATH: &str = "/chat/completions";

/// One paced call: waits for its turn, and tells the pacer all that the answer says.
async fn ask(http: &reqwest::Client, pacer: &Pacer, base: &str, question: &str) -> Result<String> {
    let body = serde_json::to_vec(&json!({
        "model": "gpt-5.4-mini",
        "max_completion_tokens": 60,
        "messages": [{"role": "user", "content": question}],
    }))?;
    let mut call = Call::of_openai(PATH, &body);
    loop {
        let turn = pacer.reserve(&call).await?;
        let answer = http
            .post(format!("{base}{PATH}"))
            .bearer_auth("sk-example")
            .header("content-type", "application/json")
            .body(body.clone())
            .send()
            .await?; // An error drops the turn, which then counts as spent.
        let (status, headers) = (answer.status(), answer.headers().clone());
        if !status.is_success() {
            let body = answer.bytes().await?;
            match turn.refused(status, &headers, &body) {
                Some(refusal) if refusal.retry() != RetryAdvice::Never => call = call.again(),
                _ => bail!("{status}: {}", String::from_utf8_lossy(&body)),
            }
            continue;
        }
        turn.observe_headers(&headers);
        let body = answer.bytes().await?;
        match Usage::of_openai(PATH, &body) {
            Some(usage) => turn.settle(usage),
            None => turn.served(),
        }
        return Ok(String::from_utf8_lossy(&body).into_owned());
    }
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
    let http = reqwest::Client::new();
    let base = provider.base_url();
    let calls = (0..20).map(|number| {
        let question = format!("What is {number} times {number}?");
        let (http, pacer, base) = (&http, &pacer, &base);
        async move { ask(http, pacer, base, &question).await }
    });
    let answers = try_join_all(calls).await?;

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
