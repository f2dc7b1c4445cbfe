//! The pacing run: twice a window's quota through the gateway, against a provider that enforces it.
//!
//! 300 requests, a tenth of them eight times larger, 64 under way at a time. The provider's own
//! journal tells when each was admitted; the figure of merit is the last admission against the
//! earliest time that any client could have reached with this kind of limiter.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use paceline_simulator::{
    Decision, EnforcerSettings, Latency, Metric, OutputLength, Quota, QuotaKind, Simulator,
    SimulatorSettings,
};

use crate::{TestGateway, chat};

const REQUESTS: u64 = 300;
const SMALL_TOKENS: u64 = 100;
const LARGE_TOKENS: u64 = 800;
const CALLERS: usize = 64;

/// Half of what the requests are charged together.
const QUOTA_TOKENS: u64 = 25_500;

/// One run.
#[derive(Clone, Debug)]
pub struct PacingRun {
    /// How the provider counts.
    pub provider: QuotaKind,
    /// `limits.window` of the gateway, and what belongs to it, as TOML.
    pub gateway_window: String,
    /// The window's length.
    pub window: Duration,
    /// How long the provider takes to answer; its headers tell the state at admission.
    pub latency: Duration,
    /// `limits.guard` of the gateway.
    pub guard: Duration,
    /// What the gateway may spend at once, as a share of the window's amount, where it paces
    /// smoothly; the best possible time follows from it. `None` where the provider's kind decides.
    pub smooth_burst: Option<f64>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct PacingReport {
    /// Requests that the provider admitted.
    pub admitted: u64,
    /// Requests that the provider refused.
    pub refused: u64,
    /// Calls that were answered with success.
    pub answered: u64,
    /// From the first admission to the last.
    pub last_admission: Duration,
    /// The earliest that the last admission could have been.
    pub best: Duration,
}

impl PacingReport {
    /// The last admission over the best possible: 1.02 is 2 % later.
    pub fn ratio(&self) -> f64 {
        self.last_admission.as_secs_f64() / self.best.as_secs_f64()
    }
}

impl PacingRun {
    /// Runs it.
    ///
    /// # Errors
    /// When simulator or gateway cannot start, or the journal is empty.
    pub async fn run(&self) -> Result<PacingReport> {
        let simulator = Simulator::start(self.simulator_settings()).await?;
        let gateway = self.gateway(&simulator)?;
        if matches!(self.provider, QuotaKind::Fixed) {
            wait_for_boundary(self.window).await;
        }
        let answered = call_all(&gateway).await;
        let journal = simulator.journal(0);
        let mut admissions = journal
            .iter()
            .filter(|entry| matches!(entry.decision, Decision::Admitted { .. }))
            .map(|entry| entry.time_ns);
        let first = admissions.next().context("the provider admitted nothing")?;
        let last = admissions
            .next_back()
            .context("the provider admitted one request")?;
        let report = PacingReport {
            admitted: simulator.state().counters.admitted,
            refused: simulator.state().counters.refused_in_total(),
            answered,
            last_admission: Duration::from_nanos(last - first),
            best: self.best(first),
        };
        gateway.assert_settled().await?;
        gateway.stop().await?;
        simulator.shutdown().await;
        Ok(report)
    }

    fn simulator_settings(&self) -> SimulatorSettings {
        let window_ms = u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX);
        let quota = Quota::bucket(Metric::Tokens, QUOTA_TOKENS, window_ms).kept_as(self.provider);
        SimulatorSettings {
            limits: EnforcerSettings {
                quotas: vec![quota],
                ..EnforcerSettings::default()
            },
            output_length: OutputLength::Exactly(5),
            latency: Latency {
                first_token: self.latency,
                per_token: Duration::ZERO,
                jitter_percent: 50,
                ..Latency::default()
            },
            ..SimulatorSettings::default()
        }
    }

    fn gateway(&self, simulator: &Simulator) -> Result<TestGateway> {
        let configuration = format!(
            "[limits]\n{}\nguard = \"{}ms\"\nsettle = \"at_admission\"\n",
            self.gateway_window,
            self.guard.as_millis()
        );
        let env = [
            ("OPENAI_TOKEN_LIMIT_TOKENS", QUOTA_TOKENS.to_string()),
            (
                "OPENAI_TOKEN_LIMIT_PERIOD",
                self.window.as_secs().to_string(),
            ),
        ];
        TestGateway::start_with(simulator.address(), &configuration, &env)
    }

    fn best(&self, first_ns: u64) -> Duration {
        if let Some(burst) = self.smooth_burst {
            return self.window.mul_f64(2.0 - burst);
        }
        match self.provider {
            QuotaKind::Quantised { quantum_ms } => {
                self.window * 2 - Duration::from_millis(quantum_ms)
            }
            QuotaKind::Fixed => {
                let window_ns = u64::try_from(self.window.as_nanos()).unwrap_or(u64::MAX);
                Duration::from_nanos(window_ns - first_ns % window_ns)
            }
            _ => self.window,
        }
    }
}

async fn call_all(gateway: &TestGateway) -> u64 {
    let next = Arc::new(AtomicU64::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (next, caller) = (Arc::clone(&next), gateway.caller());
        callers.spawn(async move {
            let mut answered = 0;
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= REQUESTS {
                    return answered;
                }
                let body = chat(tokens(index), false);
                let answer = caller.chat(&[], body).await;
                answered += u64::from(answer.is_ok_and(|answer| answer.status == 200));
            }
        });
    }
    callers.join_all().await.into_iter().sum()
}

/// Every fourth of the first and of the last sixty requests is large, none between them: calls that
/// run beside each other arrive in any order, and whichever it is, the first window is used up by
/// small ones, to the token.
fn tokens(index: u64) -> u64 {
    let is_outer = !(60..REQUESTS - 60).contains(&index);
    match is_outer && index % 4 == 3 {
        true => LARGE_TOKENS,
        false => SMALL_TOKENS,
    }
}

/// Sleeps until a window of the wall clock has just begun.
async fn wait_for_boundary(window: Duration) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let into_ns = now.as_nanos() % window.as_nanos();
    let left = window.saturating_sub(Duration::from_nanos(u64::try_from(into_ns).unwrap_or(0)));
    tokio::time::sleep(left).await;
}
