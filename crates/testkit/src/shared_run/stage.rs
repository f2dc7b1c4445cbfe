//! Everything that runs: the provider, the store, the links to it, and the gateways.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use paceline_simulator::{
    EnforcerSettings, Latency, OutputLength, Quota, QuotaKind, Simulator, SimulatorSettings,
};

use super::fault::VICTIM;
use super::{Counting, SharedFault, SharedRun, Store};
use crate::fault::{Behaviour, FaultProxy};
use crate::redis::{RedisServer, SentinelSet};
use crate::{GatewayCommand, GatewayProcess, ProcessGroup};

/// Names of the tenants, and the weight of each.
pub(super) const TENANTS: [(&str, u64); 2] = [("light", 1), ("heavy", 2)];

const HOUR_S: i64 = 3600;

/// The store, which ends after the gateways that use it.
#[derive(Debug)]
enum Shared {
    Nothing,
    /// A server, and a link to it for each gateway.
    Redis(Box<RedisServer>, Vec<FaultProxy>),
    Sentinels(Box<SentinelSet>),
}

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) gateways: ProcessGroup,
    shared: Shared,
    pub(super) simulator: Simulator,
}

impl Stage {
    /// Starts everything. Blocks a thread of a runtime with several.
    pub(super) async fn set(run: &SharedRun) -> Result<Self> {
        let simulator = Simulator::start(provider(run)).await?;
        let address = simulator.address();
        tokio::task::block_in_place(|| {
            let shared = Shared::start(run)?;
            let commands = (0..run.gateways).map(|place| {
                let command =
                    GatewayCommand::new(&run.binary, address).configuration(&configuration(run));
                let is_off = run.fault == SharedFault::ClockOff && place == VICTIM;
                let command = command.clock_offset_s(if is_off { HOUR_S } else { 0 });
                match shared.url(place) {
                    Some(url) => command.argument("--redis").argument(&url),
                    None => command,
                }
            });
            let commands: Vec<_> = commands.collect();
            Ok(Self {
                gateways: ProcessGroup::start(&commands)?,
                shared,
                simulator,
            })
        })
    }

    pub(super) fn victim(&self) -> Result<&GatewayProcess> {
        self.gateways.members().get(VICTIM).context("no gateway")
    }

    pub(super) fn redis(&self) -> Result<&RedisServer> {
        match &self.shared {
            Shared::Redis(server, _) => Some(server.as_ref()),
            _ => None,
        }
        .context("there is no single server")
    }

    pub(super) fn sentinels(&self) -> Result<&SentinelSet> {
        match &self.shared {
            Shared::Sentinels(set) => Some(set.as_ref()),
            _ => None,
        }
        .context("there are no sentinels")
    }

    pub(super) fn link(&self, place: usize) -> Result<&FaultProxy> {
        self.links().get(place).context("there is no such link")
    }

    pub(super) fn set_links(&self, behaviour: Behaviour) -> Result<()> {
        self.links().iter().try_for_each(|link| link.set(behaviour))
    }

    fn links(&self) -> &[FaultProxy] {
        match &self.shared {
            Shared::Redis(_, links) => links,
            _ => &[],
        }
    }

    /// Writes the gateways' logs and the provider's journal into a folder.
    pub(super) fn keep_records(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        for (place, gateway) in self.gateways.members().iter().enumerate() {
            fs::write(
                folder.join(format!("gateway-{place}.log")),
                gateway.log().text(),
            )?;
        }
        let mut journal = String::new();
        for entry in self.simulator.journal(0) {
            journal.push_str(&serde_json::to_string(&entry)?);
            journal.push('\n');
        }
        Ok(fs::write(folder.join("journal.jsonl"), journal)?)
    }
}

impl Shared {
    fn start(run: &SharedRun) -> Result<Self> {
        if run.store == Store::Nothing {
            return Ok(Self::Nothing);
        }
        if run.fault == SharedFault::FailOver {
            return Ok(Self::Sentinels(Box::new(SentinelSet::start(3)?)));
        }
        let server = RedisServer::start()?;
        let links = (0..run.gateways).map(|_| FaultProxy::start(server.address()));
        let links = links.collect::<Result<_>>()?;
        Ok(Self::Redis(Box::new(server), links))
    }

    /// What a gateway is told. Sentinels tell addresses of their own, so no link leads to those.
    fn url(&self, place: usize) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Redis(server, links) => Some(server.url_through(links.get(place)?.address())),
            Self::Sentinels(set) => {
                let addresses = set.sentinel_addresses();
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                let addresses = addresses.join(",");
                let master = set.master_name();
                Some(format!("redis+sentinel://{addresses}?master={master}"))
            }
        }
    }
}

/// The limits of a run: tokens, and requests that are never the scarcer ones.
pub(super) fn limits(run: &SharedRun) -> (u64, u64) {
    (run.tokens_per_minute, run.tokens_per_minute / 60)
}

fn provider(run: &SharedRun) -> SimulatorSettings {
    let kind = match run.counting {
        Counting::Bucket => QuotaKind::Bucket,
        Counting::Fixed => QuotaKind::Fixed,
        Counting::Sliding => QuotaKind::Sliding,
    };
    let (tokens, requests) = limits(run);
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas: vec![
                Quota::tokens_per_minute(tokens).kept_as(kind),
                Quota::requests_per_minute(requests).kept_as(kind),
            ],
            ..EnforcerSettings::default()
        },
        output_length: OutputLength::Mean(tokens / 1_000),
        latency: Latency {
            first_token: Duration::from_millis(200),
            jitter_percent: 50,
            arrival_min: Duration::from_millis(5),
            arrival_max: Duration::from_millis(100),
            ..Latency::default()
        },
        ..SimulatorSettings::default()
    }
}

fn configuration(run: &SharedRun) -> String {
    // The callers of a run are patient: how long they wait is not what it is about.
    let mut toml = "[queue]\nmax_wait = \"20m\"\n\n[limits]\n".to_owned();
    if !run.learned {
        let (tokens, requests) = limits(run);
        let window = run.counting.name();
        toml.push_str(&format!(
            "tokens_per_minute = {tokens}\nrequests_per_minute = {requests}\n\
             window = \"{window}\"\ncharge = \"max\"\nsettle = \"at_admission\"\n"
        ));
    }
    if let Some(away) = &run.when_store_is_away {
        toml.push_str(&format!("when_store_is_away = \"{away}\"\n"));
    }
    if run.weights {
        for (name, weight) in TENANTS {
            toml.push_str(&format!("[tenants.{name}]\nweight = {weight}\n"));
        }
    }
    toml
}
