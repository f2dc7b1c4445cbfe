//! The simulated providers with their hidden quota, and what stands in front of each.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use paceline_config::{Overrides, Secret, Settings, SourceFile, Sources};
use paceline_gateway::Gateway;
use paceline_simulator::{
    Counters, EnforcerSettings, Latency, OutputLength, Quota, QuotaKind, Simulator,
    SimulatorSettings,
};
use paceline_telemetry::Metrics;
use tempfile::TempDir;
use tokio::time::Instant;

use super::contestant::Contestant;
use super::fixed_rate::FixedRate;
use super::workload::{Route, Tenant};
use crate::exit::Failure;

/// The hidden quota, which each contestant has for itself.
pub(super) const TOKENS_PER_MINUTE: u64 = 60_000;
pub(super) const REQUESTS_PER_MINUTE: u64 = 300;

/// A minute's amount is enforced in pieces, as providers do without saying so in their headers:
/// only so much of it may go at once.
pub(super) const PIECE: Duration = Duration::from_secs(3);

/// Answers take a quarter to three quarters of a second.
const LATENCY: Latency = Latency {
    first_token: Duration::from_millis(200),
    per_token: Duration::from_millis(5),
    jitter_percent: 50,
    arrival_min: Duration::ZERO,
    arrival_max: Duration::ZERO,
};
const ANSWER_TOKENS: u64 = 60;

/// How the gateway comes to know the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limits {
    /// It is told.
    Configured,
    /// It learns from the provider's answers.
    Learned,
}

impl Limits {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::Learned => "learned",
        }
    }

    /// The most that the provider may refuse behind the gateway. That a limit is enforced in pieces
    /// only shows by refusals: three for each of the two limits.
    pub(super) const fn refusals_max(self) -> u64 {
        match self {
            Self::Configured => 0,
            Self::Learned => 6,
        }
    }
}

/// Where one contestant runs: a provider of its own, and what stands in front of it.
#[derive(Debug)]
pub(super) struct Stage {
    contestant: Contestant,
    simulator: Simulator,
    route: Route,
    gateway: Option<PacedGateway>,
}

#[derive(Debug)]
struct PacedGateway {
    gateway: Gateway,
    /// Removed with everything in it at the end.
    _state: TempDir,
}

impl Stage {
    pub(super) async fn build(contestant: Contestant, limits: Limits) -> Result<Self, Failure> {
        let simulator = Simulator::start(provider())
            .await
            .map_err(|error| Failure::other(error.to_string()))?;
        let gateway = match contestant {
            Contestant::Paceline => Some(PacedGateway::start(&simulator.base_url(), limits)?),
            Contestant::RetriesOnly | Contestant::FixedRate => None,
        };
        let limiter = (contestant == Contestant::FixedRate)
            .then(|| FixedRate::new(TOKENS_PER_MINUTE, REQUESTS_PER_MINUTE, Instant::now()));
        let route = Route {
            address: gateway
                .as_ref()
                .map_or(simulator.address(), |paced| paced.gateway.address()),
            names_tenant: gateway.is_some(),
            limiter: limiter.map(Arc::new),
        };
        Ok(Self {
            contestant,
            simulator,
            route,
            gateway,
        })
    }

    pub(super) fn contestant(&self) -> Contestant {
        self.contestant
    }

    /// Where requests go.
    pub(super) fn route(&self) -> &Route {
        &self.route
    }

    /// What the provider has counted.
    pub(super) fn counters(&self) -> Counters {
        self.simulator.state().counters
    }

    pub(super) async fn close(self) -> Result<(), Failure> {
        let Some(PacedGateway { gateway, _state }) = self.gateway else {
            return Ok(());
        };
        tokio::task::spawn_blocking(|| gateway.stop())
            .await
            .map_err(|error| Failure::other(format!("stopping the gateway failed: {error}")))
    }
}

impl PacedGateway {
    fn start(base_url: &str, limits: Limits) -> Result<Self, Failure> {
        let state = tempfile::tempdir()
            .map_err(|error| Failure::other(format!("cannot make a temporary folder: {error}")))?;
        let settings = settings(base_url, &state, limits)?;
        let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
        // Nothing asks for the token: the admin plane is switched off.
        let gateway = Gateway::start(settings, metrics, Secret::new(""))
            .map_err(|error| Failure::other(error.to_string()))?;
        Ok(Self {
            gateway,
            _state: state,
        })
    }
}

/// The provider, which is the same for everyone.
fn provider() -> SimulatorSettings {
    let kind = QuotaKind::Quantised {
        quantum_ms: u64::try_from(PIECE.as_millis()).unwrap_or(u64::MAX),
    };
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas: vec![
                Quota::requests_per_minute(REQUESTS_PER_MINUTE).kept_as(kind),
                Quota::tokens_per_minute(TOKENS_PER_MINUTE).kept_as(kind),
            ],
            ..EnforcerSettings::default()
        },
        latency: LATENCY,
        output_length: OutputLength::Exactly(ANSWER_TOKENS),
        journal_capacity: 0,
        ..SimulatorSettings::default()
    }
}

/// Settings as an operator would write them.
fn settings(base_url: &str, state: &TempDir, limits: Limits) -> Result<Settings, Failure> {
    let mut toml = format!(
        "server = {{ listen = \"127.0.0.1:0\", threads = 1, shutdown_grace = \"500ms\" }}\n\
         upstream = {{ base_url = \"{base_url}\", check = false }}\n\
         admin = {{ enabled = false }}\n"
    );
    // Writing into a string does not fail.
    for tenant in Tenant::ALL {
        let (name, weight) = (tenant.name(), tenant.weight());
        let _ = writeln!(toml, "tenants.{name}.weight = {weight}");
    }
    if limits == Limits::Configured {
        let _ = writeln!(
            toml,
            "limits.tokens_per_minute = {TOKENS_PER_MINUTE}\n\
             limits.requests_per_minute = {REQUESTS_PER_MINUTE}\n\
             limits.window = \"quantised\"\n\
             limits.quantum = \"{}s\"",
            PIECE.as_secs()
        );
    }
    let overrides = Overrides {
        state_dir: Some(state.path().display().to_string()),
        ..Overrides::default()
    };
    let sources = Sources {
        file: Some(SourceFile {
            name: "demo.toml".into(),
            content: toml.into_bytes(),
        }),
        env: &[].into(),
        overrides,
    };
    let loaded =
        Settings::load(sources).map_err(|problems| Failure::other(problems.to_string()))?;
    Ok(loaded.settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_told_the_limits_or_left_to_learn_them() {
        let state = tempfile::tempdir().unwrap();
        let load = |limits| settings("http://127.0.0.1:1/v1", &state, limits).unwrap();
        assert_eq!(load(Limits::Configured).default_domain.limits.len(), 2);
        let learning = load(Limits::Learned);
        assert!(learning.default_domain.limits.is_empty() && learning.default_domain.learn);
        assert_eq!(learning.tenant("batch-b").weight, 3);
    }
}
