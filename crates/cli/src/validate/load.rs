//! The simulated provider, and callers that always have something to ask.

use std::net::SocketAddr;
use std::time::Duration;

use paceline_simulator::{
    Decision, EnforcerSettings, JournalEntry, Latency, Metric, OutputLength, Quota, Simulator,
    SimulatorSettings,
};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::caller::{Caller, KEY, request_of};

/// A provider with these limits.
pub(super) async fn provider(
    quotas: Vec<Quota>,
    first_token: Duration,
) -> Result<Simulator, String> {
    let settings = SimulatorSettings {
        // On threads of its own: what it does is nothing of the gateway's time.
        worker_threads: 1,
        limits: EnforcerSettings {
            quotas,
            ..EnforcerSettings::default()
        },
        output_length: OutputLength::Exactly(8),
        latency: Latency {
            first_token,
            ..Latency::default()
        },
        ..SimulatorSettings::default()
    };
    let started = Simulator::start(settings).await;
    started.map_err(|error| error.to_string())
}

/// Callers that ask one thing after the other until they are dropped.
#[derive(Debug)]
pub(super) struct Load(JoinSet<()>);

impl Load {
    /// `count` callers at each address, whose requests are charged one of `sizes` in turn.
    pub(super) fn start(addresses: &[SocketAddr], count: usize, sizes: &'static [u64]) -> Self {
        let mut callers = JoinSet::new();
        for address in addresses {
            for place in 0..count {
                callers.spawn(keep_asking(*address, place, sizes));
            }
        }
        Self(callers)
    }

    /// Has all of them leave, whether they wait or not.
    pub(super) async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

async fn keep_asking(address: SocketAddr, place: usize, sizes: &'static [u64]) {
    loop {
        if let Ok(mut caller) = Caller::connect(address, Some(KEY)).await {
            for size in sizes.iter().cycle().skip(place) {
                // What the provider did is in its journal; whoever waits too long asks again.
                if caller.chat(request_of(*size)).await.is_err() {
                    break;
                }
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// What a provider has let in.
pub(super) fn admitted(
    journal: &[JournalEntry],
    metric: Metric,
) -> impl Iterator<Item = (u64, u64)> {
    journal
        .iter()
        .filter_map(move |entry| match entry.decision {
            Decision::Admitted { .. } => Some((entry.time_ns, entry.charge.of(metric))),
            _ => None,
        })
}
