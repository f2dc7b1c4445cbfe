//! Running a batch: hands lines over, waits for answers, puts them down.

mod allowance;
mod answer;
mod attempt;
mod client;
mod conductor;
mod control;
mod cost;
mod remote;
mod tally;
mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{JournalError, Manifest, Opened, ReadError, RunEnd};

use allowance::{Allowance, Amount};
use attempt::Context;
use client::Client;
use conductor::Conductor;
use remote::Remote;

pub(crate) use cost::tier;
pub(crate) use window::{Lines, Windows};

pub use client::{Target, TargetError};
pub use control::{Control, Event, Listener, Orders, Progress, Stop, StopAt};
pub use cost::Pricing;
pub use remote::{Ask, AskError, Change, ask};
pub use tally::{Speed, Sums};
pub use window::Concurrency;

/// How a batch is run.
#[derive(Clone)]
pub struct RunSettings {
    /// Where requests go.
    pub target: Target,
    /// How many at once, and where the run ends before all is done.
    pub orders: Orders,
    /// Most tries of a line; refusals and failures that may pass are worth another one.
    pub attempts_max: u32,
    /// The longest that a line may take from its first try to its end, waiting included.
    pub line_deadline: Option<Duration>,
    /// The longest that the provider may take to begin an answer, waiting not included.
    pub attempt_timeout: Option<Duration>,
    /// What answers cost.
    pub pricing: Pricing,
    /// Is told what happens.
    pub listener: Option<Listener>,
}

impl std::fmt::Debug for RunSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RunSettings")
            .field("orders", &self.orders)
            .finish_non_exhaustive()
    }
}

/// Why a run ended before all was done, where nobody asked for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// The disk did not take what has to be on it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The input cannot be read any more, or was edited.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No line can go well until somebody does something.
    #[error("{0}")]
    Hopeless(String),
    /// A task of the run panicked.
    #[error("the run broke: {0}")]
    Broken(String),
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// Why.
    pub end: RunEnd,
    /// In words, where lines are left.
    pub reason: Option<String>,
    /// What went wrong, where something did.
    pub error: Option<RunError>,
    /// Where it stood at the end.
    pub progress: Progress,
    /// The manifest, as it was written; `None` where the disk did not take it.
    pub manifest: Option<Manifest>,
}

/// A batch that runs.
#[derive(Debug)]
pub struct Run {
    control: Control,
    task: JoinHandle<Report>,
    _remote: Option<Remote>,
}

impl Run {
    /// Starts a batch on the present runtime.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn start(opened: Opened, settings: RunSettings) -> Result<Self, TargetError> {
        let client = Client::new(&settings.target)?;
        let (progress_sender, progress) = watch::channel(Progress::default());
        let (orders_sender, orders) = watch::channel(settings.orders);
        let totals = opened.found.totals;
        let spent = Amount {
            nanousd: totals.cost_nanousd,
            tokens: totals.tokens.input.saturating_add(totals.tokens.output),
        };
        let context = Arc::new(Context {
            client,
            items: opened.work.items(),
            journal: opened.journal.clone(),
            allowance: Allowance::new(spent),
            settings,
        });
        let folder = opened.journal.folder().to_owned();
        let conductor = Conductor::new(opened, context, orders, progress_sender, Instant::now());
        let control = Control {
            orders: Arc::new(orders_sender),
            progress,
        };
        let remote = Remote::listen(&folder, control.clone());
        if let Err(error) = &remote {
            // Paths of sockets are short; the run does not need one.
            tracing::warn!(%error, "the batch cannot be asked anything while it runs");
        }
        Ok(Self {
            control,
            task: tokio::spawn(conductor.run()),
            _remote: remote.ok(),
        })
    }

    /// To ask things of it.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Waits for its end. What is asked for in the meantime goes by [`control`](Self::control).
    pub async fn ended(self) -> Report {
        let progress = self.control.clone();
        self.task.await.unwrap_or_else(|error| Report {
            end: RunEnd::Failed,
            reason: None,
            error: Some(RunError::Broken(error.to_string())),
            progress: progress.progress(),
            manifest: None,
        })
    }
}
