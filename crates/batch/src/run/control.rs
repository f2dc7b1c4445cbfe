//! What can be asked of a run while it goes on, and what it shows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::tally::{Speed, Sums};
use super::window::Concurrency;

/// Where a run ends although lines are left. What runs then may finish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopAt {
    /// Cost of the whole batch, in billionths of a dollar. It is not passed, as far as requests bound
    /// their answers; those that do not are taken to cost what the dearest answer so far did.
    pub cost_nanousd: Option<u64>,
    /// Input and output tokens of the whole batch, in the same way.
    pub tokens: Option<u64>,
    /// Lines that failed in this run.
    pub errors: Option<u64>,
    /// When.
    pub time: Option<SystemTime>,
}

/// How a run is to be.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    /// How many requests at once.
    pub concurrency: Concurrency,
    /// Nothing new is sent.
    pub paused: bool,
    /// Where it ends.
    pub stop_at: StopAt,
    /// Whether it is to end.
    pub stop: Option<Stop>,
}

/// Ways to end a run. What is left can be done later in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What runs finishes.
    WhenDone,
    /// At once: what runs may be billed, and is done again later.
    Now,
}

/// Asks things of a run; cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    pub(super) orders: Arc<watch::Sender<Orders>>,
    pub(super) progress: watch::Receiver<Progress>,
}

impl Control {
    /// How it is to be at present.
    pub fn orders(&self) -> Orders {
        *self.orders.borrow()
    }

    /// Changes how it is to be.
    pub fn change(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(change);
    }

    /// Sends nothing new until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.change(|orders| orders.paused = true);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.change(|orders| orders.paused = false);
    }

    /// Ends the run; a second, stronger wish takes the place of the first.
    pub fn stop(&self, stop: Stop) {
        self.change(|orders| {
            if orders.stop != Some(Stop::Now) {
                orders.stop = Some(stop);
            }
        });
    }

    /// Where the run stands.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Tells when it stands elsewhere.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

/// Where a run stands.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Lines of the input.
    pub total: u64,
    /// Lines that are done, by this run and those before, and what they took.
    pub sums: Sums,
    /// Lines that cannot be sent.
    pub invalid: u64,
    /// Lines to do, those under way among them.
    pub left: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Lines that pause before another try.
    pub retrying: u64,
    /// The most requests at once at present.
    pub concurrency: u64,
    /// Tries beyond the first that this run's lines took.
    pub retries: u64,
    /// The present speed.
    pub speed: Speed,
    /// Time that is left at the present speed, in milliseconds.
    pub eta_ms: Option<u64>,
    /// Cost of the whole batch if the rest costs what the lines so far did, in billionths of a dollar.
    pub projected_nanousd: Option<u64>,
    /// Since this run began, in milliseconds.
    pub elapsed_ms: u64,
    /// Time that this run's lines waited for their turns, on average, in milliseconds.
    pub wait_ms: u64,
    /// Lines of this run that failed, by code.
    pub errors: BTreeMap<String, u64>,
    /// What held this run's lines back, and how many of them.
    pub limited_by: BTreeMap<String, u64>,
    /// What held the last line back that had to wait.
    pub binds: Option<String>,
    /// Whether nothing new is sent.
    pub paused: bool,
    /// Why nobody can be reached, while that is so: lines wait, and none is lost.
    pub trouble: Option<String>,
    /// Why it ends, if it does before all is done.
    pub stopping: Option<String>,
}

/// Something that happened, as it is told to programs.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A line is done.
    Done {
        /// Its name.
        custom_id: String,
        /// The status of its answer; absent: there was none.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// Input and output tokens.
        tokens: u64,
        /// What it cost, in billionths of a dollar.
        cost_nanousd: Option<u64>,
        /// How often it was sent.
        attempts: u32,
        /// Milliseconds that it waited for its turn.
        wait_ms: u64,
        /// Milliseconds from the first sending to the end.
        duration_ms: u64,
    },
    /// A line is tried again after a pause.
    Again {
        /// Which line of the input, counted from 0.
        index: u32,
        /// The coming try, counted from 1.
        attempt: u32,
        /// The pause, in milliseconds.
        pause_ms: u64,
        /// Why.
        reason: String,
    },
    /// The run ends although lines are left.
    Stopping {
        /// Why.
        reason: String,
    },
    /// Nothing new is sent, or it goes on.
    Paused {
        /// Which of both.
        paused: bool,
    },
}

/// Takes what happens.
pub type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Milliseconds, as they are shown.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
