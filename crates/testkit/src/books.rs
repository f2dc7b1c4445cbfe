//! The ledger against the provider's own books: calls of all kinds through a real gateway, each by a name of
//! its own, and then record by record what the one has and the other billed.

mod audit;
mod kind;
mod load;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use paceline_ledger::{Entry, Filter, Ledger, Location};
use paceline_simulator::{
    BilledRequest, EnforcerSettings, Latency, OutputLength, PoolScope, Quota, Simulator,
    SimulatorSettings,
};
use tokio::time::sleep;

use self::audit::Audit;
use self::load::{Called, Load};
use crate::{GatewayCommand, GatewayProcess};

pub use self::audit::{Rule, Sums, Tally};
pub use self::kind::CallKind;
pub use self::report::{BooksReport, KilledReport};

/// Within so long before a kill an answer's record may still have been in memory.
const GRACE: Duration = Duration::from_secs(1);

/// How long is waited for requests that nobody waits for any more to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Far more than any run uses: nothing here is about waiting.
const TOKENS_PER_MINUTE: u64 = 900_000_000;

const CONFIGURATION: &str = "\
[limits]\n\
tokens_per_minute = 900_000_000\n\
window = \"bucket\"\n\
[retry]\n\
base_delay = \"5ms\"\n\
jitter = \"5ms\"\n\
retries_max = 2\n\
stabilisation = \"0s\"\n\
[prices]\n\
provider = \"openai\"\n\
[log]\n\
level = \"error\"\n";

/// A run.
#[derive(Clone, Debug)]
pub struct BooksRun {
    /// The command.
    pub binary: PathBuf,
    /// How many calls.
    pub calls: usize,
    /// How many of them at once.
    pub at_once: usize,
    /// Whether the gateway is killed in the middle and started again.
    pub kill: bool,
}

impl BooksRun {
    /// Makes all calls and compares.
    ///
    /// # Errors
    /// When something does not start, or a ledger cannot be read.
    pub async fn run(&self) -> Result<BooksReport> {
        let simulator = Simulator::start(provider()).await?;
        let gateway = GatewayCommand::new(&self.binary, simulator.address());
        let gateway = Arc::new(gateway.configuration(CONFIGURATION).start()?);
        let load = Load::new(gateway.caller(), self.calls, self.at_once);
        let (called, killed_at) = self.call(&gateway, load).await?;
        until_idle(&simulator).await?;
        gateway.terminate()?;
        let records = records(&gateway).await?;
        let book = simulator.book();
        simulator.shutdown().await;
        Ok(self.report(&called, killed_at, &records, &book))
    }

    async fn call(
        &self,
        gateway: &Arc<GatewayProcess>,
        load: Load,
    ) -> Result<(Vec<Called>, Option<Instant>)> {
        if !self.kill {
            return Ok((load.run().await, None));
        }
        let done = load.done();
        let half = self.calls / 2;
        let running = tokio::spawn(load.run());
        while done.count() < half {
            sleep(Duration::from_millis(1)).await;
        }
        let killing = Arc::clone(gateway);
        let killed = tokio::task::spawn_blocking(move || -> Result<Instant> {
            killing.kill()?;
            // Whatever was answered was answered before this.
            let killed_at = Instant::now();
            killing.restart()?;
            Ok(killed_at)
        });
        let killed_at = killed.await??;
        Ok((running.await?, Some(killed_at)))
    }

    fn report(
        &self,
        called: &[Called],
        killed_at: Option<Instant>,
        records: &[Entry],
        book: &[BilledRequest],
    ) -> BooksReport {
        let audit = Audit::of(called, records, book);
        let killed = killed_at.map(|at| audit.after_kill(called, at, GRACE));
        BooksReport {
            calls: called.len(),
            records: records.len(),
            tallies: audit.tallies,
            missing: audit.missing,
            twice: audit.twice,
            unexplained: audit.unexplained,
            killed,
        }
    }
}

fn provider() -> SimulatorSettings {
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas: vec![Quota::tokens_per_minute(TOKENS_PER_MINUTE)],
            ..EnforcerSettings::default()
        },
        pool_scope: PoolScope::Key,
        output_length: OutputLength::Mean(24),
        latency: Latency {
            first_token: Duration::from_millis(10),
            per_token: Duration::from_millis(4),
            jitter_percent: 50,
            ..Latency::default()
        },
        ..SimulatorSettings::default()
    }
}

/// Waits until the provider has noticed that nobody waits for its answers any more.
async fn until_idle(simulator: &Simulator) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let in_flight: u64 = simulator
            .state()
            .pools
            .iter()
            .map(|pool| pool.in_flight)
            .sum();
        if in_flight == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < end, "{in_flight} requests do not end");
        sleep(Duration::from_millis(10)).await;
    }
}

/// All records of a gateway that has ended.
async fn records(gateway: &GatewayProcess) -> Result<Vec<Entry>> {
    let file = gateway.folder().join(".local/state/paceline/ledger.db");
    let ledger = Ledger::open_to_read(Location::Sqlite(file)).await;
    let ledger = ledger.context("the ledger of the gateway")?;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.entries(&Filter::default(), after, 1_000).await?;
        all.extend(page.entries);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}
