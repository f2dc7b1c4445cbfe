//! Prints what several gateways make of one quota that they share through Redis, with real minutes,
//! real processes and a real store, while something goes wrong:
//!
//! ```sh
//! cargo build --release -p paceline-cli
//! cargo run --release -p paceline-testkit --example shared_quota -- \
//!     [--kind KIND,…] [--fault FAULT,…] [--tpm TOKENS,…] [--learned | --all] [--minutes COUNT] \
//!     [--gateways COUNT] [--callers COUNT] [--rest SECONDS] [--weights] [--away WHAT] \
//!     [--without-store] [--fault-at SECONDS] [--parallel COUNT] [--write FILE] [--records FOLDER] \
//!     [--binary PATH]
//! ```
//!
//! Every combination of what is named is one cell: a provider, a store, gateways and their callers.
//! `--all` is every kind and every fault, with configured and with learned limits. `--rest` lets
//! callers rest between their calls, so that there need be no backlog and their waits show what a
//! store costs. `--records` keeps the gateways' logs and the provider's journal. The command is
//! looked for where cargo builds it, unless `--binary` names it. A run lasts for three minutes, or longer
//! where its fault needs that.

#![expect(
    clippy::print_stdout,
    reason = "the figures are what the example is for"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use paceline_testkit::{Counting, SharedFault, SharedReport, SharedRun, Store};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Cells begin one after the other, so that their first bursts do not compete for the processor.
const STAGGER: Duration = Duration::from_secs(2);

/// A cell may take so much longer than its requests are made: to start, to wait for the beginning of a
/// window, to stop. One that takes longer hangs.
const SLACK: Duration = Duration::from_secs(240);

/// How long a run is at least, and how long it goes on after the fault.
const LEAST: Duration = Duration::from_secs(180);
const AFTER_FAULT: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> Result<()> {
    let matrix = Matrix::read(std::env::args().skip(1))?;
    println!("{}", SharedReport::head());
    matrix.run().await
}

/// What is to be run.
struct Matrix {
    kinds: Vec<Counting>,
    faults: Vec<SharedFault>,
    tokens_per_minute: Vec<u64>,
    learned: Vec<bool>,
    minutes: Option<u64>,
    gateways: usize,
    callers: usize,
    rest: Duration,
    weights: bool,
    away: Option<String>,
    store: Store,
    fault_at: Option<Duration>,
    parallel: usize,
    write: Option<PathBuf>,
    records: Option<PathBuf>,
    binary: PathBuf,
}

impl Matrix {
    fn new() -> Result<Self> {
        Ok(Self {
            kinds: vec![Counting::Bucket],
            faults: vec![SharedFault::None],
            tokens_per_minute: vec![30_000],
            learned: vec![false],
            minutes: None,
            gateways: 4,
            callers: 64,
            rest: Duration::ZERO,
            weights: false,
            away: None,
            store: Store::Redis,
            fault_at: None,
            parallel: 1,
            write: None,
            records: None,
            binary: built_command()?,
        })
    }

    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut matrix = Self::new()?;
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--learned" => matrix.learned = vec![true],
                "--weights" => matrix.weights = true,
                "--without-store" => matrix.store = Store::Nothing,
                "--all" => {
                    matrix.kinds = Counting::ALL.to_vec();
                    matrix.faults = SharedFault::ALL.to_vec();
                    matrix.learned = vec![false, true];
                }
                _ => {
                    let value = arguments.next();
                    let value = value.with_context(|| format!("{name} needs a value"))?;
                    matrix.set(&name, &value)?;
                }
            }
        }
        Ok(matrix)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "--kind" => self.kinds = named(value, &Counting::ALL, Counting::name)?,
            "--fault" => self.faults = named(value, &SharedFault::ALL, SharedFault::name)?,
            "--tpm" => {
                let numbers = value.split(',').map(|number| self::number(name, number));
                self.tokens_per_minute = numbers.collect::<Result<_>>()?;
            }
            "--minutes" => self.minutes = Some(number(name, value)?),
            "--gateways" => self.gateways = usize::try_from(number(name, value)?)?,
            "--callers" => self.callers = usize::try_from(number(name, value)?)?,
            "--rest" => self.rest = Duration::from_secs(number(name, value)?),
            "--away" => self.away = Some(value.to_owned()),
            "--fault-at" => self.fault_at = Some(Duration::from_secs(number(name, value)?)),
            "--parallel" => self.parallel = usize::try_from(number(name, value)?)?.max(1),
            "--write" => self.write = Some(value.into()),
            "--records" => self.records = Some(value.into()),
            "--binary" => self.binary = value.into(),
            _ => bail!("unknown option {name}"),
        }
        Ok(())
    }

    fn cells(&self) -> Vec<SharedRun> {
        let mut cells = Vec::new();
        for &learned in &self.learned {
            for &tokens_per_minute in &self.tokens_per_minute {
                for &counting in &self.kinds {
                    for &fault in &self.faults {
                        cells.push(self.cell(counting, fault, tokens_per_minute, learned));
                    }
                }
            }
        }
        cells
    }

    fn cell(
        &self,
        counting: Counting,
        fault: SharedFault,
        tokens_per_minute: u64,
        learned: bool,
    ) -> SharedRun {
        let fault_at = self.fault_at.unwrap_or_else(|| fault_at(counting));
        let time = match self.minutes {
            Some(minutes) => Duration::from_secs(60 * minutes),
            None => time(fault_at, fault),
        };
        let limits = if learned { "learned" } else { "configured" };
        let folder = format!(
            "{}-{tokens_per_minute}-{limits}-{}",
            counting.name(),
            fault.name()
        );
        SharedRun {
            binary: self.binary.clone(),
            counting,
            tokens_per_minute,
            learned,
            gateways: self.gateways,
            callers: self.callers,
            rest: self.rest,
            weights: self.weights,
            store: self.store,
            when_store_is_away: self.away.clone(),
            fault,
            fault_at,
            time,
            records: self.records.as_ref().map(|records| records.join(folder)),
        }
    }

    async fn run(&self) -> Result<()> {
        let room = Arc::new(Semaphore::new(self.parallel));
        let mut running = JoinSet::new();
        let cells = self.cells();
        let mut rows = vec![None; cells.len()];
        for (index, run) in cells.into_iter().enumerate() {
            let room = Arc::clone(&room);
            let late = STAGGER * u32::try_from(index % self.parallel)?;
            running.spawn(async move {
                let _place = room.acquire_owned().await;
                sleep(late).await;
                (index, row(&run).await)
            });
        }
        while let Some(finished) = running.join_next().await {
            let (index, row) = finished?;
            println!("{row}");
            if let Some(place) = rows.get_mut(index) {
                *place = Some(row);
            }
            if let Some(file) = &self.write {
                write(file, &rows)?;
            }
        }
        Ok(())
    }
}

/// A fault in a bucket's steady flow comes at any time; windows are spent at their beginning, which is
/// when a fault has to be there.
fn fault_at(counting: Counting) -> Duration {
    Duration::from_secs(match counting {
        Counting::Bucket => 90,
        Counting::Fixed | Counting::Sliding => 110,
    })
}

/// Whole minutes that are enough to see what follows from a fault.
fn time(fault_at: Duration, fault: SharedFault) -> Duration {
    let needed = fault.lasts().map(|lasts| fault_at + lasts + AFTER_FAULT);
    let minutes = needed.unwrap_or(LEAST).max(LEAST).as_secs().div_ceil(60);
    Duration::from_secs(60 * minutes)
}

async fn row(run: &SharedRun) -> String {
    let name = SharedReport::name(run);
    match timeout(run.time + SLACK, run.run()).await {
        Ok(Ok(report)) => name + &report.row(),
        Ok(Err(error)) => format!("{name} did not run: {error:#} |"),
        Err(_) => format!("{name} did not end in time |"),
    }
}

/// Writes the rows that are there, in the order of the cells.
fn write(file: &Path, rows: &[Option<String>]) -> Result<()> {
    let mut table = SharedReport::head();
    for row in rows.iter().flatten() {
        table.push('\n');
        table.push_str(row);
    }
    table.push('\n');
    fs::write(file, table).with_context(|| format!("{} cannot be written", file.display()))
}

/// Beside the folder of this example.
fn built_command() -> Result<PathBuf> {
    let example = std::env::current_exe()?;
    let folder = example.parent().and_then(Path::parent);
    Ok(folder.context("this runs in a folder")?.join("paceline"))
}

fn number(name: &str, value: &str) -> Result<u64> {
    value
        .parse()
        .with_context(|| format!("{name} takes a whole number, not {value:?}"))
}

/// Those of `all` whose names are listed.
fn named<T: Copy>(list: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<Vec<T>> {
    let find = |wanted: &str| {
        let found = all.iter().copied().find(|one| name(*one) == wanted);
        found.with_context(|| {
            let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
            format!("{wanted:?} is none of {}", names.join(", "))
        })
    };
    list.split(',').map(find).collect()
}
