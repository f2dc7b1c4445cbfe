//! Requests in each provider's own words, and what the gateway came to believe.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use paceline_limiter::{DomainSnapshot, Metric, WindowKind};
use paceline_simulator::Likeness;

use super::ProviderRun;
use crate::Caller;

/// How long a caller whose call has failed rests.
const REST: Duration = Duration::from_secs(1);

/// What is believed of one limit.
#[derive(Clone, Copy, Debug)]
pub struct Learned {
    /// What is counted.
    pub metric: Metric,
    /// Units per window.
    pub amount: u64,
    /// The window.
    pub window: Duration,
    /// How it is counted; `None` where that is not known.
    pub kind: Option<WindowKind>,
}

impl Learned {
    pub(super) fn of(snapshot: &DomainSnapshot) -> Vec<Self> {
        let limits = snapshot.limits.iter();
        let learned = limits.map(|limit| Self {
            metric: limit.metric,
            amount: limit.amount,
            window: limit.window,
            kind: limit.belief.and_then(|belief| belief.kind),
        });
        learned.collect()
    }
}

/// Callers that each send one request after the other.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    likeness: Likeness,
    model: Arc<str>,
    input_tokens: u64,
    max_tokens: u64,
    callers: usize,
    made: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Traffic {
    pub(crate) fn new(run: &ProviderRun, model: &str) -> Self {
        Self {
            likeness: run.likeness,
            model: Arc::from(model),
            input_tokens: run.input_tokens,
            max_tokens: run.max_tokens,
            callers: run.callers,
            made: Arc::default(),
            answered: Arc::default(),
            failed: Arc::default(),
        }
    }

    /// Sends requests until it is time; how many were answered with success, and how many otherwise.
    /// What waits then counts as neither.
    pub(crate) async fn run(self, caller: Caller, until: Instant) -> (u64, u64) {
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..self.callers {
            callers.spawn(self.clone().call(caller));
        }
        tokio::time::sleep_until(until.into()).await;
        callers.shutdown().await;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.answered), count(&self.failed))
    }

    async fn call(self, caller: Caller) {
        let path = self.path();
        loop {
            let number = self.made.fetch_add(1, Ordering::Relaxed);
            let answer = caller.post(&path, &[], self.body(number)).await;
            if answer.is_ok_and(|answer| answer.status == 200) {
                self.answered.fetch_add(1, Ordering::Relaxed);
            } else {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(REST).await;
            }
        }
    }

    fn path(&self) -> String {
        match self.likeness {
            Likeness::Anthropic => "/v1/messages".to_owned(),
            Likeness::Gemini | Likeness::Vertex => {
                format!("/v1/models/{}:generateContent", self.model)
            }
            Likeness::Bedrock => format!("/v1/model/{}/converse", self.model),
            _ => "/v1/chat/completions".to_owned(),
        }
    }

    /// A request whose size is from a half to three halves of the mean.
    fn body(&self, number: u64) -> String {
        let (input, most) = (
            spread(self.input_tokens, 2 * number),
            spread(self.max_tokens, 2 * number + 1),
        );
        let text = prompt(number, input);
        match self.likeness {
            Likeness::Gemini | Likeness::Vertex => format!(
                r#"{{"contents":[{{"role":"user","parts":[{{"text":"{text}"}}]}}],"generationConfig":{{"maxOutputTokens":{most}}}}}"#
            ),
            Likeness::Bedrock => format!(
                r#"{{"messages":[{{"role":"user","content":[{{"text":"{text}"}}]}}],"inferenceConfig":{{"maxTokens":{most}}}}}"#
            ),
            _ => format!(
                r#"{{"model":"{}","max_tokens":{most},"messages":[{{"role":"user","content":"{text}"}}]}}"#,
                self.model
            ),
        }
    }
}

/// A text of about so many tokens.
fn prompt(number: u64, tokens: u64) -> String {
    let width = usize::try_from(4 * tokens).unwrap_or_default();
    let mut text = format!("{number} ");
    text.push_str(&"lorem ipsum dolor sit amet ".repeat(width / 27 + 1));
    text.truncate(width);
    text
}

/// An even draw from a half to three halves of the mean, the same for the same number.
fn spread(mean: u64, number: u64) -> u64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let draw = (mixed ^ (mixed >> 32)) % 1_000;
    (mean * (500 + draw) / 1_000).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_asked_in_words_that_are_json() {
        for likeness in Likeness::ALL {
            let traffic = Traffic::new(&ProviderRun::of(likeness), "a-model");
            let body: serde_json::Value = serde_json::from_str(&traffic.body(7)).unwrap();
            assert!(body.is_object(), "{likeness}");
            assert!(traffic.path().starts_with("/v1/"), "{likeness}");
        }
    }

    #[test]
    fn sizes_have_their_mean() {
        let mean = (0..2_000).map(|number| spread(1_000, number)).sum::<u64>() / 2_000;
        assert!((970..=1_030).contains(&mean), "{mean}");
    }
}
