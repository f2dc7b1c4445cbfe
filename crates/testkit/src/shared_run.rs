//! The shared run: several gateways spend one quota, and something goes wrong.
//!
//! Real `paceline serve` processes share a real Redis, each over a link of its own that can be cut;
//! more callers than the quota can serve keep all of them busy. The provider enforces its limits and
//! keeps a journal, and every request can be found in it again: the report compares what callers were
//! told with what the provider did, and judges the provider itself by the definition of its limits.

mod fault;
mod load;
mod oracle;
mod report;
mod stage;
mod supply;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use paceline_simulator::Simulator;
use tokio::task::block_in_place;
use tokio::time::{sleep, sleep_until};

pub use fault::SharedFault;
pub use oracle::{Counting, Peak};
pub use report::{Refused, SharedReport, Slice, TenantShare, Waits};
pub use supply::Use;

use load::{Load, Sizes};
use report::{Evidence, Span};
use stage::{Stage, TENANTS};

const MINUTE: Duration = Duration::from_secs(60);

/// What gateways share a quota through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Redis, or sentinels with a master and a replica where the fault needs them.
    Redis,
    /// Nothing: each takes the quota for its own.
    Nothing,
}

/// One run.
#[derive(Clone, Debug)]
pub struct SharedRun {
    /// The command `paceline`.
    pub binary: PathBuf,
    /// How the provider counts.
    pub counting: Counting,
    /// Its limit on tokens; a sixtieth of it is the limit on requests.
    pub tokens_per_minute: u64,
    /// Whether the gateways are told nothing of the limits.
    pub learned: bool,
    /// How many gateways.
    pub gateways: usize,
    /// Callers at each gateway.
    pub callers: usize,
    /// How long a caller waits between an answer and its next request.
    pub rest: Duration,
    /// Whether callers at every second gateway are of a tenant with twice the weight of the others.
    pub weights: bool,
    /// What they share through.
    pub store: Store,
    /// `limits.when_store_is_away`, where it is not to be the default.
    pub when_store_is_away: Option<String>,
    /// What goes wrong.
    pub fault: SharedFault,
    /// When it does, from the first request on.
    pub fault_at: Duration,
    /// How long requests are made.
    pub time: Duration,
    /// A folder that logs and journal are kept in.
    pub records: Option<PathBuf>,
}

impl SharedRun {
    /// Runs it, on a runtime with several threads.
    ///
    /// # Errors
    /// When something cannot be started or the fault cannot be made.
    pub async fn run(&self) -> Result<SharedReport> {
        self.check()?;
        let stage = Stage::set(self).await?;
        let (start, start_ns) = self.start(&stage.simulator).await;
        let load = self.load(&stage);
        let mut callers = load.start();
        let fault = self.make_fault(&stage, start).await?;
        sleep_until((start + self.time).into()).await;
        callers.shutdown().await;
        if let Some(folder) = &self.records {
            stage.keep_records(folder)?;
        }
        let calls = std::mem::take(&mut *load.calls.lock());
        ensure!(
            (calls.len() as u64) < load.sizes.pairs(),
            "more requests were made than can be told apart"
        );
        let evidence = Evidence {
            run: self,
            journal: stage.simulator.journal(0),
            calls,
            sizes: load.sizes,
            start,
            start_ns,
            fault,
        };
        let report = evidence.report();
        block_in_place(|| drop(stage));
        Ok(report)
    }

    /// When the run starts, by our clock and by the provider's. With fixed windows that is the beginning
    /// of one, so that the first minute is a window, and the last one too after whole minutes.
    async fn start(&self, simulator: &Simulator) -> (Instant, u64) {
        let minute_ns = nanoseconds(MINUTE);
        if self.counting != Counting::Fixed {
            return (Instant::now(), simulator.state().time_ns);
        }
        let into_ns = simulator.state().time_ns % minute_ns;
        sleep(MINUTE - Duration::from_nanos(into_ns)).await;
        let time_ns = simulator.state().time_ns;
        let start = Instant::now() - Duration::from_nanos(time_ns % minute_ns);
        (start, time_ns - time_ns % minute_ns)
    }

    fn check(&self) -> Result<()> {
        ensure!(
            self.store == Store::Redis || !self.fault.needs_store(),
            "{} needs a store",
            self.fault.name()
        );
        let lasts = self.fault.lasts().unwrap_or_default();
        ensure!(
            self.fault_at + lasts < self.time,
            "{} does not end within the run",
            self.fault.name()
        );
        ensure!(
            self.binary.is_file(),
            "there is no {}; build it with `cargo build --release -p paceline-cli`",
            self.binary.display()
        );
        Ok(())
    }

    fn load(&self, stage: &Stage) -> Load {
        let gateways: Vec<_> = stage.gateways.members().iter().collect();
        let tenants = (0..gateways.len()).filter_map(|place| self.tenant(place));
        Load {
            gateways: gateways.iter().map(|gateway| gateway.address()).collect(),
            callers_per_gateway: self.callers,
            rest: self.rest,
            sizes: Sizes::of_quota(self.tokens_per_minute),
            tenants: tenants.collect(),
            calls: Arc::default(),
        }
    }

    /// The tenant of those who begin at a gateway.
    fn tenant(&self, gateway: usize) -> Option<&'static str> {
        let (name, _) = TENANTS.get(gateway % TENANTS.len())?;
        self.weights.then_some(name)
    }

    /// Has the fault come and go; when it did.
    async fn make_fault(&self, stage: &Stage, start: Instant) -> Result<Option<Span>> {
        let Some(lasts) = self.fault.lasts() else {
            return Ok(None);
        };
        sleep_until((start + self.fault_at).into()).await;
        let from_ns = stage.simulator.state().time_ns;
        block_in_place(|| self.fault.begin(stage))?;
        sleep_until((start + self.fault_at + lasts).into()).await;
        block_in_place(|| self.fault.end(stage))?;
        let to_ns = stage.simulator.state().time_ns;
        Ok(Some(Span { from_ns, to_ns }))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
