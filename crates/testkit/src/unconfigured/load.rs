//! The traffic: many callers, each with its next request ready, and sizes that vary.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use paceline_simulator::{ChargeFormula, RequestSize};

use super::UnconfiguredRun;
use crate::Caller;

/// The mean charge of a request where it is not bounded, as a share of the minute: 0.2 s of it.
const MEAN_CHARGE_PART: u64 = 300;
const MEAN_CHARGE_MAX: u64 = 1_900;

/// Callers enough to spend a minute's quota in a few seconds.
const CALLERS: usize = 64;
const CALLERS_OF_LARGE_QUOTAS: usize = 192;
const LARGE_QUOTA: u64 = 1_000_000;

/// How long a caller whose call has failed rests.
const REST: Duration = Duration::from_secs(1);

/// When no more requests are made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    Time(Instant),
    /// When so many tokens are charged by all requests.
    Charged(u64),
}

/// The mean of each part of a request, estimate and token limit, so that the charge has its mean.
pub(super) fn mean_part(run: &UnconfiguredRun) -> u64 {
    let charge = (run.tokens_per_minute / MEAN_CHARGE_PART).min(MEAN_CHARGE_MAX);
    match run.formula {
        // Of two even draws from 0.1 to 1.9, the larger is 1.3 on average.
        ChargeFormula::MaxOfEstimateAndLimit => charge * 10 / 13,
        ChargeFormula::EstimatePlusLimit | ChargeFormula::EstimatePlusLimitTimesChoices => {
            charge / 2
        }
        ChargeFormula::InputOnly => charge,
    }
}

/// The requests of one run.
#[derive(Clone, Debug)]
pub(super) struct Load {
    formula: ChargeFormula,
    mean_part: u64,
    callers: usize,
    made: Arc<AtomicU64>,
    charged: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl Load {
    pub(super) fn new(run: &UnconfiguredRun) -> Self {
        let large = run.tokens_per_minute >= LARGE_QUOTA;
        Self {
            formula: run.formula,
            mean_part: mean_part(run),
            callers: if large {
                CALLERS_OF_LARGE_QUOTAS
            } else {
                CALLERS
            },
            made: Arc::default(),
            charged: Arc::default(),
            failed: Arc::default(),
        }
    }

    /// Sends requests until it is time; how many were not answered with success.
    pub(super) async fn run(self, caller: Caller, until: Until) -> u64 {
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..self.callers {
            callers.spawn(self.clone().call(caller, until));
        }
        match until {
            Until::Charged(_) => drop(callers.join_all().await),
            Until::Time(end) => {
                tokio::time::sleep_until(end.into()).await;
                // What still waits then has not failed.
                callers.shutdown().await;
            }
        }
        self.failed.load(Ordering::Relaxed)
    }

    async fn call(self, caller: Caller, until: Until) {
        while let Some(body) = self.next_request(until) {
            let answer = caller.chat(&[], body).await;
            if !answer.is_ok_and(|answer| answer.status == 200) {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(REST).await;
            }
        }
    }

    /// A request of its own size, unless it is time to end.
    fn next_request(&self, until: Until) -> Option<String> {
        let index = self.made.fetch_add(1, Ordering::Relaxed);
        let estimate = part(self.mean_part, 2 * index);
        let max_tokens = part(self.mean_part, 2 * index + 1);
        let size = RequestSize {
            characters: 4 * estimate,
            max_tokens: Some(max_tokens),
            choices: 1,
            images: 0,
        };
        let charge = self.formula.charge(&size, 0).tokens;
        let charged = self.charged.fetch_add(charge, Ordering::Relaxed);
        let more = match until {
            Until::Time(end) => Instant::now() < end,
            Until::Charged(total) => charged + charge <= total,
        };
        more.then(|| body(&size, index))
    }
}

/// An even draw from 0.1 to 1.9 of the mean, the same for the same number.
fn part(mean: u64, number: u64) -> u64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let draw = (mixed ^ (mixed >> 32)) % 1_000;
    (mean * (100 + draw * 9 / 5) / 1_000).max(2)
}

fn body(size: &RequestSize, index: u64) -> String {
    let width = usize::try_from(size.characters).unwrap_or_default();
    let max_tokens = size.max_tokens.unwrap_or_default();
    let mut content = format!("{index} ");
    content.push_str(&"lorem ipsum dolor sit amet ".repeat(width / 27 + 1));
    content.truncate(width);
    format!(
        r#"{{"model":"gpt-4o-mini","max_tokens":{max_tokens},"messages":[{{"role":"user","content":"{content}"}}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use paceline_simulator::QuotaKind;

    use super::*;

    #[test]
    fn charges_have_their_mean_under_both_formulas() {
        for formula in [
            ChargeFormula::MaxOfEstimateAndLimit,
            ChargeFormula::EstimatePlusLimit,
        ] {
            let load = Load::new(&UnconfiguredRun {
                kind: QuotaKind::Bucket,
                tokens_per_minute: 300_000,
                formula,
                refund: false,
                output_percent: 33,
                arrival: Default::default(),
            });
            for _ in 0..2_000 {
                let body = load.next_request(Until::Charged(u64::MAX));
                assert!(body.is_some_and(|body| body.contains("lorem")));
            }
            let mean = load.charged.load(Ordering::Relaxed) / 2_000;
            assert!((950..=1_050).contains(&mean), "{formula:?}: {mean}");
        }
    }
}
