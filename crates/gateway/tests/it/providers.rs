//! Each provider in its own words, with its own limits, before a gateway that knows nothing but whose
//! words they are. The first seconds are enough to find out what is limited; how well that is then
//! kept to is for virtual time, and for the example `providers` of the test kit.

use std::time::Duration;

use anyhow::{Result, ensure};
use paceline_limiter::Metric;
use paceline_simulator::Likeness;
use paceline_testkit::{ProviderReport, ProviderRun};

const TIME: Duration = Duration::from_secs(4);
const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

/// Runs it; nothing may fail, and no more than so many may be refused.
async fn found_out(likeness: Likeness, refused_max: u64) -> Result<ProviderReport> {
    let report = ProviderRun::of(likeness).run(TIME).await?;
    ensure!(report.failed == 0, "calls failed: {report:?}");
    ensure!(report.answered > 0, "nothing was answered: {report:?}");
    ensure!(
        report.first.1 <= refused_max,
        "too much was refused: {report:?}"
    );
    Ok(report)
}

fn knows(report: &ProviderReport, limits: &[(Metric, u64, u64)]) -> Result<()> {
    for &(metric, amount, window_s) in limits {
        let is_it = |learned: &&paceline_testkit::Learned| {
            (learned.metric, learned.amount, learned.window.as_secs()) == (metric, amount, window_s)
        };
        let found = report.learned.iter().find(is_it);
        ensure!(
            found.is_some(),
            "{amount} {metric:?} in {window_s} s is not known: {report:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn openai_tells_its_limits_on_every_answer() -> Result<()> {
    let report = found_out(Likeness::OpenAi, 0).await?;
    knows(
        &report,
        &[
            (Metric::Tokens, 60_000, MINUTE),
            (Metric::Requests, 500, MINUTE),
        ],
    )
}

#[tokio::test]
async fn azure_tells_its_limits_where_a_base_url_without_a_path_leads() -> Result<()> {
    let report = found_out(Likeness::Azure, 0).await?;
    knows(&report, &[(Metric::Tokens, 60_000, MINUTE)])
}

#[tokio::test]
async fn anthropic_tells_input_and_output_apart() -> Result<()> {
    let report = found_out(Likeness::Anthropic, 2).await?;
    knows(
        &report,
        &[
            (Metric::Requests, 50, MINUTE),
            (Metric::InputTokens, 30_000, MINUTE),
            (Metric::OutputTokens, 8_000, MINUTE),
        ],
    )
}

#[tokio::test]
async fn gemini_tells_its_limit_when_it_refuses() -> Result<()> {
    let report = found_out(Likeness::Gemini, 16).await?;
    knows(&report, &[(Metric::Requests, 15, MINUTE)])
}

#[tokio::test]
async fn gemini_tells_the_same_in_the_words_of_openai() -> Result<()> {
    let report = found_out(Likeness::GeminiCompatible, 16).await?;
    knows(&report, &[(Metric::Requests, 15, MINUTE)])
}

#[tokio::test]
async fn vertex_has_no_limit_that_could_be_known() -> Result<()> {
    let report = ProviderRun::of(Likeness::Vertex).run(TIME).await?;
    assert!(report.answered > 0, "{report:?}");
    assert!(report.learned.is_empty(), "{report:?}");
    Ok(())
}

#[tokio::test]
async fn bedrock_names_no_amount_and_is_taken_at_what_it_let_in() -> Result<()> {
    let report = found_out(Likeness::Bedrock, 64).await?;
    let learned = report.learned.first();
    // A window that began in between lets in parts of two, and a slow machine does not get there.
    let is_near = |amount: u64| (150_000..=420_000).contains(&amount);
    assert!(
        learned.is_none_or(|it| it.metric == Metric::Tokens && is_near(it.amount)),
        "{report:?}"
    );
    assert!(learned.is_some() || report.first.1 == 0, "{report:?}");
    Ok(())
}

#[tokio::test]
async fn groq_tells_requests_of_a_day_and_tokens_of_a_minute() -> Result<()> {
    let report = found_out(Likeness::Groq, 0).await?;
    knows(
        &report,
        &[
            (Metric::Tokens, 12_000, MINUTE),
            (Metric::Requests, 14_400, DAY),
        ],
    )
}

#[tokio::test]
async fn mistral_tells_what_is_left_of_a_minute() -> Result<()> {
    let report = found_out(Likeness::Mistral, 2).await?;
    knows(
        &report,
        &[
            (Metric::Tokens, 100_000, MINUTE),
            (Metric::Requests, 60, MINUTE),
        ],
    )
}

#[tokio::test]
async fn cerebras_tells_six_limits_of_which_two_have_the_same_amount() -> Result<()> {
    let report = found_out(Likeness::Cerebras, 0).await?;
    knows(
        &report,
        &[
            (Metric::Requests, 30, MINUTE),
            (Metric::Requests, 900, 60 * MINUTE),
            (Metric::Requests, 14_400, DAY),
            (Metric::Tokens, 60_000, MINUTE),
            (Metric::Tokens, 1_000_000, 60 * MINUTE),
            (Metric::Tokens, 1_000_000, DAY),
        ],
    )
}

#[tokio::test]
async fn togethers_moving_limit_is_told_on_every_answer() -> Result<()> {
    let report = found_out(Likeness::Together, 0).await?;
    assert!(!report.learned.is_empty(), "{report:?}");
    Ok(())
}

#[tokio::test]
async fn deepseek_names_the_number_in_flight_when_it_refuses() -> Result<()> {
    let report = found_out(Likeness::DeepSeek, 44).await?;
    let most = report.in_flight_max;
    let is_known = most.is_some_and(|most| (15..=20).contains(&most));
    assert!(is_known || report.first.1 == 0, "{report:?}");
    Ok(())
}

#[tokio::test]
async fn openrouter_tells_its_limit_when_it_refuses() -> Result<()> {
    let report = found_out(Likeness::OpenRouter, 16).await?;
    knows(&report, &[(Metric::Requests, 20, MINUTE)])
}

#[tokio::test]
async fn xai_counts_requests_by_the_second() -> Result<()> {
    let report = found_out(Likeness::XAi, 8).await?;
    knows(
        &report,
        &[(Metric::Requests, 5, 1), (Metric::Tokens, 100_000, MINUTE)],
    )
}

#[tokio::test]
async fn cohere_tells_the_calls_that_are_left() -> Result<()> {
    let report = found_out(Likeness::Cohere, 0).await?;
    knows(&report, &[(Metric::Requests, 20, MINUTE)])
}

#[tokio::test]
async fn vllm_limits_nothing() -> Result<()> {
    let report = found_out(Likeness::Vllm, 0).await?;
    assert!(report.learned.is_empty(), "{report:?}");
    Ok(())
}
