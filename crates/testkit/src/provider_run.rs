//! The run in front of one provider: its paths, limits, charges, headers and refusals, and a gateway
//! that was told nothing but its profile.
//!
//! More callers than the quota can serve, each with its next request ready, in the provider's own
//! words. The provider's journal tells what was refused and what of the quota was used; the gateway's
//! own pool tells what it believes at the end.

mod binding;
mod traffic;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use paceline_limiter::DomainSnapshot;
use paceline_simulator::{
    JournalEntry, Latency, Likeness, Metric, OutputLength, Quota, Simulator, SimulatorSettings,
};

use crate::TestGateway;
use crate::journal::{first_admission, judged, nanoseconds};
pub use binding::Binding;
pub use traffic::Learned;
pub(crate) use traffic::Traffic;

/// What is told apart: the time in which a provider is found out, and the time after it.
const FIRST: Duration = Duration::from_secs(60);

/// One provider and the sizes of the requests to it.
#[derive(Clone, Debug)]
pub struct ProviderRun {
    /// Which provider.
    pub likeness: Likeness,
    /// Tokens of each prompt, about.
    pub input_tokens: u64,
    /// The output that each request allows.
    pub max_tokens: u64,
    /// The mean length of answers in tokens.
    pub output_tokens: u64,
    /// Callers that each have a request ready at any time.
    pub callers: usize,
    /// The time to the first token; it varies by half.
    pub answers_after: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct ProviderReport {
    /// Calls that were answered with success.
    pub answered: u64,
    /// Calls that were answered otherwise.
    pub failed: u64,
    /// What the provider judged and what it refused, in the first minute.
    pub first: (u64, u64),
    /// The same after the first minute.
    pub after: (u64, u64),
    /// The limit of which the largest part was used after the first minute, and that part of it;
    /// none where the provider limits nothing.
    pub binding: Option<Binding>,
    /// What the gateway believes at the end, the limits in the order in which they were learned.
    pub learned: Vec<Learned>,
    /// The bound on requests in flight that it came to believe in.
    pub in_flight_max: Option<u32>,
}

impl ProviderReport {
    /// Refusals for each thousand requests that the provider judged.
    pub fn per_thousand((judged, refused): (u64, u64)) -> f64 {
        refused as f64 * 1_000.0 / judged.max(1) as f64
    }
}

impl ProviderRun {
    /// A run with requests of such a size that a limit of the minute binds, and not one of the day.
    pub fn of(likeness: Likeness) -> Self {
        let run = |input_tokens, max_tokens, output_tokens, callers| Self {
            likeness,
            input_tokens,
            max_tokens,
            output_tokens,
            callers,
            answers_after: Duration::from_millis(300),
        };
        match likeness {
            Likeness::OpenAi | Likeness::Azure => run(100, 150, 50, 64),
            Likeness::Anthropic => run(1_000, 500, 100, 32),
            Likeness::Vertex => run(600, 200, 50, 64),
            Likeness::Bedrock => run(1_000, 600, 120, 64),
            Likeness::Groq => run(500, 600, 100, 24),
            Likeness::Mistral => run(200, 300, 100, 64),
            Likeness::Together => run(100, 100, 30, 64),
            Likeness::DeepSeek => Self {
                answers_after: Duration::from_secs(1),
                ..run(100, 100, 30, 64)
            },
            Likeness::XAi => run(50, 60, 20, 64),
            Likeness::Vllm => run(100, 100, 30, 16),
            Likeness::Gemini
            | Likeness::GeminiCompatible
            | Likeness::Cerebras
            | Likeness::OpenRouter
            | Likeness::Cohere => run(100, 100, 30, 24),
        }
    }

    /// The same with requests so small that limits on requests bind.
    #[must_use]
    pub fn small(self) -> Self {
        Self {
            input_tokens: 20,
            max_tokens: 20,
            output_tokens: 5,
            ..self
        }
    }

    /// Keeps a constant backlog for `time`.
    ///
    /// # Errors
    /// When simulator or gateway cannot start, or nothing was admitted.
    pub async fn run(&self, time: Duration) -> Result<ProviderReport> {
        let settings = self.simulator_settings();
        let simulator = Simulator::start(settings.clone()).await?;
        let configuration = format!("[upstream]\nprofile = \"{}\"\n", self.likeness.name());
        let gateway = TestGateway::start_at(&simulator.base_url(), &configuration)?;
        let model = settings.models.first().context("a model")?;
        let traffic = Traffic::new(self, model);
        let until = Instant::now() + time;
        let (answered, failed) = traffic.run(gateway.caller(), until).await;
        let snapshot = gateway.snapshot()?;
        let journal = simulator.journal(0);
        let report = report(&settings, &journal, &snapshot, (answered, failed, time))?;
        gateway.stop().await?;
        simulator.shutdown().await;
        Ok(report)
    }

    fn simulator_settings(&self) -> SimulatorSettings {
        let mut settings = SimulatorSettings {
            output_length: OutputLength::Mean(self.output_tokens),
            latency: Latency {
                first_token: self.answers_after,
                jitter_percent: 50,
                arrival_min: Duration::from_millis(5),
                arrival_max: Duration::from_millis(100),
                ..Latency::default()
            },
            ..SimulatorSettings::like(self.likeness)
        };
        if self.likeness == Likeness::OpenRouter {
            // With 50 requests a day nothing could be said of the minute.
            settings.set_limit(Metric::Requests, 1_000, Quota::DAY_MS);
        }
        settings
    }
}

fn report(
    settings: &SimulatorSettings,
    journal: &[JournalEntry],
    snapshot: &DomainSnapshot,
    (answered, failed, time): (u64, u64, Duration),
) -> Result<ProviderReport> {
    let first_ns = first_admission(journal)?;
    let split_ns = first_ns + nanoseconds(FIRST);
    let end_ns = first_ns + nanoseconds(time);
    Ok(ProviderReport {
        answered,
        failed,
        first: judged(journal, 0, split_ns),
        after: judged(journal, split_ns, u64::MAX),
        binding: binding::of(settings, journal, (split_ns, end_ns)),
        learned: Learned::of(snapshot),
        in_flight_max: snapshot.concurrency_learned,
    })
}
