//! Several keys behind one name, and a gateway that is told no limits: whether two projects have twice
//! the quota of one, and two keys of one project no more than its quota.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use paceline_simulator::{
    EnforcerSettings, JournalEntry, Latency, Likeness, OutputLength, PoolScope, Quota, Simulator,
    SimulatorSettings,
};

use super::{MODEL, NAME, SECOND};
use crate::journal::{first_admission, is_refusal, judged, nanoseconds, net_tokens};
use crate::provider_run::Traffic;
use crate::{ProviderRun, TestGateway};

/// So many requests that only the limit on tokens binds.
const REQUESTS_PER_MINUTE: u64 = 10_000;

/// How the ends of the keys differ: the journal shows no more of them.
const ENDS: [&str; 2] = ["0001", "0002"];

/// Whose keys the lanes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// One lane with one key.
    One,
    /// Two lanes with keys of two projects.
    TwoProjects,
    /// Two lanes with keys of one project; only the answers tell.
    OneProject,
    /// The same, and the configuration tells.
    OneAccount,
}

impl Keys {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::One,
        Self::TwoProjects,
        Self::OneProject,
        Self::OneAccount,
    ];

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::One => "one key",
            Self::TwoProjects => "two keys of two projects",
            Self::OneProject => "two keys of one project",
            Self::OneAccount => "two keys of one project, `account` set",
        }
    }

    /// The gateway's configuration.
    fn configuration(self, base_url: &str) -> String {
        let account = match self {
            Self::OneAccount => "account = \"acme\"\n",
            _ => "",
        };
        let second_project = match self {
            Self::TwoProjects => "blue",
            _ => "red",
        };
        let [first_end, second_end] = ENDS;
        let mut text = format!(
            "[upstream]\nprofile = \"openai\"\napi_key = \"sk-proj-red-{first_end}\"\n{account}"
        );
        let mut lanes = format!("{{ model = \"{MODEL}\" }}");
        if self != Self::One {
            // Writing into a string does not fail.
            let _ = write!(
                text,
                "[providers.{SECOND}]\nprofile = \"openai\"\nbase_url = \"{base_url}\"\n\
                 api_key = \"sk-proj-{second_project}-{second_end}\"\n{account}"
            );
            let _ = write!(
                lanes,
                ", {{ provider = \"{SECOND}\", model = \"{MODEL}\" }}"
            );
        }
        format!("{text}[models.{NAME}]\nlanes = [{lanes}]\n")
    }
}

/// A constant backlog over one or two lanes.
#[derive(Clone, Copy, Debug)]
pub struct KeysRun {
    /// Whose keys.
    pub keys: Keys,
    /// The quota of each project.
    pub tokens_per_minute: u64,
    /// The time in which the gateway finds out what there is, which is counted apart.
    pub first: Duration,
    /// The time after it.
    pub after: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct KeysReport {
    /// What the provider judged and what it refused in the first part.
    pub first: (u64, u64),
    /// The same after it.
    pub after: (u64, u64),
    /// The last refusal, from the first admission on.
    pub last_refusal: Option<Duration>,
    /// Tokens that were admitted after the first part, with each key.
    pub tokens_after: [i64; 2],
    /// The same for both, over what the quota of one project gives in that time.
    pub quotas_used: f64,
    /// Limit pools at the end.
    pub pools: usize,
    /// Calls that were answered with success, and otherwise.
    pub calls: (u64, u64),
}

impl KeysRun {
    /// Keeps the backlog for both parts.
    ///
    /// # Errors
    /// When simulator or gateway cannot start, or nothing was admitted.
    pub async fn run(&self) -> Result<KeysReport> {
        let simulator = Simulator::start(self.simulator_settings()).await?;
        let base_url = simulator.base_url();
        let gateway = TestGateway::start_at(&base_url, &self.keys.configuration(&base_url))?;
        let traffic = Traffic::new(&ProviderRun::of(Likeness::OpenAi), NAME);
        // A little longer, so that the last part is whole although the first admission is late.
        let until = Instant::now() + self.first + self.after + Duration::from_secs(1);
        let calls = traffic.run(gateway.caller(), until).await;
        let pools = gateway.pools().await?.len();
        let report = self.report(&simulator.journal(0), pools, calls)?;
        gateway.stop().await?;
        simulator.shutdown().await;
        Ok(report)
    }

    fn simulator_settings(&self) -> SimulatorSettings {
        SimulatorSettings {
            limits: EnforcerSettings {
                quotas: vec![
                    Quota::requests_per_minute(REQUESTS_PER_MINUTE),
                    Quota::tokens_per_minute(self.tokens_per_minute),
                ],
                ..EnforcerSettings::default()
            },
            pool_scope: PoolScope::Project,
            output_length: OutputLength::Mean(50),
            latency: Latency {
                first_token: Duration::from_millis(300),
                jitter_percent: 50,
                arrival_min: Duration::from_millis(5),
                arrival_max: Duration::from_millis(100),
                ..Latency::default()
            },
            ..SimulatorSettings::like(Likeness::OpenAi)
        }
    }

    fn report(
        &self,
        journal: &[JournalEntry],
        pools: usize,
        calls: (u64, u64),
    ) -> Result<KeysReport> {
        let first_ns = first_admission(journal)?;
        let split_ns = first_ns + nanoseconds(self.first);
        let end_ns = split_ns + nanoseconds(self.after);
        let with_key = |end| {
            let entries = journal.iter().filter(move |entry| entry.key.ends_with(end));
            net_tokens(entries, split_ns, end_ns)
        };
        let tokens_after = ENDS.map(with_key);
        let minutes = self.after.as_secs_f64() / 60.0;
        let last_refusal = journal.iter().rfind(is_refusal);
        Ok(KeysReport {
            first: judged(journal, 0, split_ns),
            after: judged(journal, split_ns, end_ns),
            last_refusal: last_refusal
                .map(|entry| Duration::from_nanos(entry.time_ns.saturating_sub(first_ns))),
            tokens_after,
            quotas_used: tokens_after.iter().sum::<i64>() as f64
                / (minutes * self.tokens_per_minute as f64),
            pools,
            calls,
        })
    }
}
