//! Whether estimates of tokens are close to what is counted.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use paceline_config::Settings;
use paceline_gateway::check_upstream;
use paceline_tokens::{
    Calibrations, ChatMessage, EstimateInput, Estimator, Family, TextProfile, count_chat,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::caller::{Answer, Caller};
use super::check::{Check, Name, Verdict};
use super::stage::Stage;
use super::texts::{self, Text};
use crate::figures::span;

const NAME: Name = Name {
    key: "estimation_accuracy",
    title: "estimation accuracy",
};

/// How far estimates may be off, as a part of the truth: half of them, and 95 of 100.
const MEDIAN_MAX: f64 = 0.05;
const P95_MAX: f64 = 0.15;

/// The size of a request, in bytes.
const REQUEST_BYTES: usize = 800;

/// Answers from which a correction is learned before it is judged.
const LEARNED_FROM: usize = 3;

/// What a provider is asked: so many texts of each of these kinds, each no longer than this.
const LIVE_KINDS: [&str; 6] = ["English", "German", "Chinese", "Rust", "Python", "JSON"];
const LIVE_REQUESTS: usize = 2;
const LIVE_BYTES: usize = 400;
/// Answers may be this long; no token of the input has less than a byte, and ten frame it.
const LIVE_ANSWER_TOKENS: usize = 16;
const LIVE_REQUEST_TOKENS_MAX: usize = LIVE_BYTES + 10 + LIVE_ANSWER_TOKENS;

/// The longest time that all of them may take.
const LIVE_TIME_MAX: Duration = Duration::from_secs(60);

/// Of how many requests, and of how many tokens at the most, a provider is asked.
pub(super) fn cost_at_most() -> (u64, u64) {
    // One may have to be asked again, with the newer name of the bound on its answer.
    let requests = LIVE_KINDS.len() * LIVE_REQUESTS + 1;
    (requests as u64, (requests * LIVE_REQUEST_TOKENS_MAX) as u64)
}

/// Sizes of errors, as parts of the truth.
#[derive(Debug, Default)]
struct Errors {
    fresh: Vec<f64>,
    learned: Vec<f64>,
}

impl Errors {
    /// Judges the estimate for one request, and learns from the count: `kind` names whose requests are
    /// corrected together.
    fn judge(
        &mut self,
        calibrations: &mut Calibrations,
        kind: &str,
        of: &EstimateInput,
        tokens: u64,
    ) {
        let fresh = Estimator::Calibrated.estimate(of).input_tokens;
        let learned = calibrations.estimate(kind, Estimator::Calibrated, of);
        self.fresh.push(error(fresh, tokens));
        let seen = calibrations.accuracy(kind);
        let seen = seen.map_or(0, |accuracy| accuracy.corrected.count());
        if seen >= LEARNED_FROM as u64 {
            self.learned.push(error(learned.input_tokens, tokens));
        }
        calibrations.observe(kind, of, tokens);
    }

    fn check(&self, counted_by: &str) -> Check {
        let judged = if self.learned.is_empty() {
            &self.fresh
        } else {
            &self.learned
        };
        let (median, p95) = (quantile(judged, 0.5), quantile(judged, 0.95));
        let holds = median <= MEDIAN_MAX && p95 <= P95_MAX;
        let figure = format!("median {}, p95 {} off", part(median), part(p95));
        Check::new(NAME, Verdict::pass_if(holds), figure)
            .bound(format!("{}, {}", part(MEDIAN_MAX), part(P95_MAX)))
            .value("median_error", rounded(median))
            .value("p95_error", rounded(p95))
            .value("median_error_before_learning", rounded(quantile(&self.fresh, 0.5)))
            .value("p95_error_before_learning", rounded(quantile(&self.fresh, 0.95)))
            .value("requests", self.fresh.len())
            .value("judged", judged.len())
            .value("counted_by", counted_by)
            .remedy(
                "the vocabulary of this model is not known well: estimates correct themselves as \
                 answers come; if they stay off, set limits on `tokens` alone, which are charged by \
                 the provider's own formula (docs/limits.md)",
            )
    }
}

/// Judges by the real vocabulary.
pub(super) fn by_vocabulary(model: &str) -> Check {
    let mut errors = Errors::default();
    let mut calibrations = Calibrations::default();
    for Text { kind, text } in texts::all() {
        for request in texts::requests(&text, REQUEST_BYTES) {
            let message = ChatMessage {
                role: "user",
                content_texts: vec![request],
                name: None,
            };
            let tokens = count_chat(model, &[message], None);
            errors.judge(&mut calibrations, kind, &input(model, request), tokens);
        }
    }
    errors.check("vocabulary")
}

/// Judges by what the provider counts, through a gateway that is set as the user has set it.
pub(super) async fn by_provider(stage: &Stage, settings: &Settings, model: &str) -> Check {
    let asked = async {
        let upstream = &settings.upstream;
        let reached = check_upstream(upstream).await;
        reached.map_err(|error| format!("{} does not answer: {error}", upstream.base_url))?;
        let address = stage.gateway_as_set(settings).await?;
        ask_all(address, model).await
    };
    let asked = timeout(LIVE_TIME_MAX, asked).await;
    let late = || format!("not done within {}", span(LIVE_TIME_MAX));
    match asked.unwrap_or_else(|_| Err(late())) {
        Ok(errors) => errors.check("provider"),
        Err(why) => Check::failed(
            NAME,
            &why,
            "look at upstream.base_url and the key (OPENAI_API_KEY or upstream.api_key), and choose a \
             chat model that it may use with --model",
        ),
    }
}

async fn ask_all(address: SocketAddr, model: &str) -> Result<Errors, String> {
    let mut errors = Errors::default();
    let mut calibrations = Calibrations::default();
    let mut caller = Caller::connect(address, None).await?;
    let mut bound = "max_tokens";
    let texts = texts::all().into_iter();
    for Text { text, .. } in texts.filter(|text| LIVE_KINDS.contains(&text.kind)) {
        for request in texts::requests(&text, LIVE_BYTES)
            .iter()
            .take(LIVE_REQUESTS)
        {
            let mut answer = caller.chat(body(model, request, bound)).await?;
            if wants_the_newer_name(&answer) && bound == "max_tokens" {
                bound = "max_completion_tokens";
                answer = caller.chat(body(model, request, bound)).await?;
            }
            let tokens = prompt_tokens(&answer)?;
            errors.judge(&mut calibrations, model, &input(model, request), tokens);
        }
    }
    Ok(errors)
}

fn body(model: &str, text: &str, bound: &str) -> Bytes {
    let body = json!({
        "model": model,
        "messages": [{ "role": "user", "content": text }],
        bound: LIVE_ANSWER_TOKENS,
    });
    Bytes::from(body.to_string())
}

/// Newer models refuse `max_tokens` and name what they take.
fn wants_the_newer_name(answer: &Answer) -> bool {
    answer.status == 400 && String::from_utf8_lossy(&answer.body).contains("max_completion_tokens")
}

fn prompt_tokens(answer: &Answer) -> Result<u64, String> {
    if !answer.status.is_success() {
        return Err(answer.complaint());
    }
    let told: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let tokens = told.and_then(|told| told.pointer("/usage/prompt_tokens")?.as_u64());
    tokens.ok_or_else(|| "the answer tells no usage".to_owned())
}

fn input(model: &str, text: &str) -> EstimateInput {
    EstimateInput {
        profile: TextProfile::of(text),
        message_count: 1,
        family: Family::for_model(model),
        ..EstimateInput::default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred tokens")]
fn error(estimate: u64, tokens: u64) -> f64 {
    estimate.abs_diff(tokens) as f64 / tokens.max(1) as f64
}

/// The error that this part of them do not pass.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a few hundred errors"
)]
fn quantile(errors: &[f64], part: f64) -> f64 {
    let mut sorted = errors.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

fn part(of_one: f64) -> String {
    format!("{:.1} %", of_one * 100.0)
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_of_known_vocabularies_hold() {
        for model in ["gpt-4o", "gpt-4"] {
            let check = by_vocabulary(model);
            assert_eq!(check.verdict, Verdict::Pass, "{model}: {check:?}");
        }
    }

    #[test]
    fn estimates_that_are_far_off_fail_with_a_remedy() {
        let mut errors = Errors::default();
        let mut calibrations = Calibrations::default();
        for round in 0..20 {
            // What changes from one request to the next cannot be corrected.
            let tokens = if round % 2 == 0 { 20 } else { 90 };
            let input = input("gpt-4o", &"word ".repeat(40));
            errors.judge(&mut calibrations, "odd", &input, tokens);
        }
        let check = errors.check("vocabulary");
        assert_eq!(check.verdict, Verdict::Fail, "{check:?}");
        assert!(check.remedy.is_some());
    }

    #[test]
    fn no_request_to_a_provider_takes_more_than_is_said_beforehand() {
        let (_, tokens_max) = cost_at_most();
        let mut tokens = 0;
        for Text { kind, text } in texts::all() {
            let requests = texts::requests(&text, LIVE_BYTES);
            let requests = requests.iter().take(LIVE_REQUESTS);
            for request in requests.filter(|_| LIVE_KINDS.contains(&kind)) {
                let of_one = input("gpt-4", request);
                let most = Estimator::Generous.estimate(&of_one).input_tokens;
                assert!(request.len() <= LIVE_BYTES, "{kind}");
                assert!(most <= LIVE_REQUEST_TOKENS_MAX as u64, "{kind}: {most}");
                tokens += most + LIVE_ANSWER_TOKENS as u64;
            }
        }
        assert!(tokens <= tokens_max, "{tokens} of {tokens_max}");
    }
}
