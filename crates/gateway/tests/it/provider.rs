//! Simulated providers as the tests need them.

use anyhow::Result;
use paceline_simulator::{
    EnforcerSettings, Latency, OutputLength, Quota, Simulator, SimulatorSettings,
};

/// A provider with these quotas that answers at once with five tokens.
pub(crate) async fn provider(quotas: Vec<Quota>) -> Result<Simulator> {
    Ok(Simulator::start(settings(quotas)).await?)
}

/// The settings of [`provider`], for tests that change some.
pub(crate) fn settings(quotas: Vec<Quota>) -> SimulatorSettings {
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas,
            ..EnforcerSettings::default()
        },
        output_length: OutputLength::Exactly(5),
        latency: Latency::default(),
        ..SimulatorSettings::default()
    }
}
