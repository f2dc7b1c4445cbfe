//! The simulated providers as they are seen on the wire.

mod anthropic;
mod azure;
mod bedrock;
mod compatible;
mod google;
mod switched;

use paceline_simulator::{Likeness, Metric, OutputLength, Simulator, SimulatorSettings};
use serde_json::Value;

use crate::client::{Call, Reply, start};

/// A provider whose answers have ten tokens.
fn like(likeness: Likeness) -> SimulatorSettings {
    SimulatorSettings {
        output_length: OutputLength::Exactly(10),
        ..SimulatorSettings::like(likeness)
    }
}

/// The same with another amount of one limit.
fn with_limit(
    likeness: Likeness,
    metric: Metric,
    amount: u64,
    window_ms: u64,
) -> SimulatorSettings {
    let mut settings = like(likeness);
    settings.set_limit(metric, amount, window_ms);
    settings
}

/// A chat with a provider that speaks OpenAI's API, at its own path.
async fn chat(simulator: &Simulator, body: &Value) -> Reply {
    let base = simulator.base_url();
    let path = base.splitn(4, '/').nth(3).unwrap_or_default();
    let path = format!("/{path}/chat/completions").replace("//", "/");
    Call::post(&path, body).send(simulator.address()).await
}

async fn start_like(likeness: Likeness) -> Simulator {
    start(like(likeness)).await
}
