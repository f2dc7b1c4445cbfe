//! The race: all contestants at once, each with the same work and the same hidden quota.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::board::Board;
use super::contestant::Contestant;
use super::history::History;
use super::report::{Report, Standing};
use super::score::{Meter, Score};
use super::stage::{Limits, Stage};
use super::workload::Workload;
use crate::exit::Failure;

/// How often the counters are read and shown.
const TICK: Duration = Duration::from_millis(200);

/// Everything in its place, and nobody running yet.
#[derive(Debug)]
pub(super) struct Race {
    length: Duration,
    limits: Limits,
    runners: [Runner; Contestant::ALL.len()],
}

/// One contestant, and what is known of how it does.
#[derive(Debug)]
struct Runner {
    stage: Stage,
    board: Arc<Board>,
    meter: Meter,
    history: History,
}

impl Race {
    pub(super) async fn prepare(length: Duration, limits: Limits) -> Result<Self, Failure> {
        let [retries_only, fixed_rate, paceline] = Contestant::ALL;
        let runners = [
            Runner::prepare(retries_only, length, limits).await?,
            Runner::prepare(fixed_rate, length, limits).await?,
            Runner::prepare(paceline, length, limits).await?,
        ];
        Ok(Self {
            length,
            limits,
            runners,
        })
    }

    /// The report before the start.
    pub(super) fn before(&self) -> Report {
        let standings = self
            .runners
            .each_ref()
            .map(|runner| runner.standing(self.limits));
        Report::new(self.length, Duration::ZERO, self.limits, standings)
    }

    /// Lets all run, shows how they do, and returns how it ended.
    pub(super) async fn run(
        mut self,
        mut show: impl FnMut(&Report) -> Result<(), Failure>,
    ) -> Result<Report, Failure> {
        let begun = Instant::now();
        let workloads = self.runners.each_ref().map(Runner::start);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let report = loop {
            ticks.tick().await;
            let elapsed = begun.elapsed();
            for runner in &mut self.runners {
                runner.sample(elapsed);
            }
            let standings = self
                .runners
                .each_ref()
                .map(|runner| runner.standing(self.limits));
            let report = Report::new(self.length, elapsed, self.limits, standings);
            show(&report)?;
            if report.verdict.is_some() {
                break report;
            }
        };
        for workload in workloads {
            workload.stop().await;
        }
        for runner in self.runners {
            runner.stage.close().await?;
        }
        Ok(report)
    }
}

impl Runner {
    async fn prepare(
        contestant: Contestant,
        length: Duration,
        limits: Limits,
    ) -> Result<Self, Failure> {
        Ok(Self {
            stage: Stage::build(contestant, limits).await?,
            board: Arc::default(),
            meter: Meter::new(length),
            history: History::default(),
        })
    }

    fn start(&self) -> Workload {
        Workload::start(self.stage.route(), &self.board)
    }

    fn sample(&mut self, elapsed: Duration) {
        let counters = self.stage.counters();
        self.meter.sample(elapsed, counters.charged.tokens);
        self.history.sample(elapsed, &counters);
    }

    fn standing(&self, limits: Limits) -> Standing {
        let score = Score::now(&self.board, &self.meter, &self.stage.counters());
        Standing::new(self.stage.contestant(), limits, score, self.history.clone())
    }
}
