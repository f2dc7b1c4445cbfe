//! Decides which line goes next, and when the run ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};

use super::allowance::Short;
use super::answer::Cause;
use super::attempt::{Context, Done, Tried, Try};
use super::control::{Event, Orders, Progress, Stop, milliseconds};
use super::tally::{Sums, Tally};
use super::window::Windows;
use super::{Report, RunError};
use crate::{Group, Journal, Opened, RunEnd, Work};

/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(100);

/// Lines that may pause before another try while new ones go on; with more, something is wrong with
/// what is behind, and new lines would only share its fate.
const RETRYING_MAX: usize = 1_000;

/// A line that pauses, by the time when it goes on.
#[derive(Clone, Copy, Debug)]
struct Pausing {
    until: Instant,
    next: Try,
}

impl PartialEq for Pausing {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Pausing {}

impl PartialOrd for Pausing {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pausing {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.until, self.next.id).cmp(&(other.until, other.next.id))
    }
}

/// Why the run ends although lines are left.
#[derive(Debug)]
struct Ending {
    end: RunEnd,
    reason: String,
    error: Option<RunError>,
}

/// Hands out lines until there are none, or until it is to stop.
#[derive(Debug)]
pub(super) struct Conductor {
    context: Arc<Context>,
    work: Work,
    journal: Journal,
    orders: watch::Receiver<Orders>,
    progress: watch::Sender<Progress>,
    tasks: JoinSet<(Group, Tried)>,
    windows: Windows,
    pausing: BinaryHeap<Reverse<Pausing>>,
    /// Lines that have no room in the bounds of cost and tokens as long as others are under way.
    waiting: Vec<Try>,
    tally: Tally,
    ending: Option<Ending>,
    total: u64,
    invalid: u64,
    binds: Option<String>,
    /// Why nobody can be reached: as long as that is so, no new line is sent.
    trouble: Option<String>,
    started: Instant,
}

impl Conductor {
    pub(super) fn new(
        opened: Opened,
        context: Arc<Context>,
        orders: watch::Receiver<Orders>,
        progress: watch::Sender<Progress>,
        now: Instant,
    ) -> Self {
        let found = &opened.found;
        let before = Sums {
            ok: u64::from(found.done_ok),
            failed: u64::from(found.done_failed),
            input_tokens: found.totals.tokens.input,
            output_tokens: found.totals.tokens.output,
            cost_nanousd: found.totals.cost_nanousd,
            unpriced: u64::from(found.totals.unpriced),
        };
        let first = *orders.borrow();
        context.allowance.bound(first.stop_at);
        Self {
            context,
            total: u64::from(found.total),
            invalid: u64::from(found.invalid),
            windows: Windows::new(first.concurrency, opened.work.groups()),
            work: opened.work,
            journal: opened.journal,
            orders,
            progress,
            tasks: JoinSet::new(),
            pausing: BinaryHeap::new(),
            waiting: Vec::new(),
            tally: Tally::new(before, now),
            ending: None,
            binds: None,
            trouble: None,
            started: now,
        }
    }

    pub(super) async fn run(mut self) -> Report {
        let mut ticks = interval(PROGRESS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.publish();
        loop {
            self.check_time();
            self.launch();
            if self.is_over() {
                break;
            }
            self.step(&mut ticks).await;
        }
        self.close().await
    }

    /// Waits for the next thing to happen, and takes it.
    async fn step(&mut self, ticks: &mut Interval) {
        let due = self.pausing.peek().map(|Reverse(first)| first.until);
        let may_go_on = self.may_launch();
        tokio::select! {
            Some(ended) = self.tasks.join_next(), if !self.tasks.is_empty() => match ended {
                Ok((group, tried)) => self.take(group, tried),
                Err(error) if error.is_cancelled() => {}
                Err(error) => self.fail(RunError::Broken(error.to_string())),
            },
            changed = self.orders.changed() => match changed {
                Ok(()) => self.obey(),
                // Nobody is left who could ask for anything: the run goes on by itself.
                Err(_) => std::future::pending().await,
            },
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() && may_go_on => {}
            _ = ticks.tick() => self.publish(),
        }
    }

    fn take(&mut self, group: Group, tried: Tried) {
        let full = self.windows.ended(group);
        match tried {
            Tried::Done(done) => self.done(group, full, *done),
            Tried::Again {
                next,
                after,
                cause,
                reason,
            } => {
                if cause == Cause::Crowded {
                    self.windows.crowded(group);
                }
                self.trouble = (cause == Cause::Unreachable).then(|| reason.clone());
                self.tell(&Event::Again {
                    index: next.id.0,
                    attempt: next.attempt,
                    pause_ms: milliseconds(after),
                    reason,
                });
                let until = Instant::now() + after;
                self.pausing.push(Reverse(Pausing { until, next }));
            }
            Tried::NoRoom(this, short) => {
                self.waiting.push(this);
                if self.tasks.is_empty() {
                    self.end(RunEnd::Limit, out_of(short));
                }
            }
            Tried::Failed(error) => self.fail(error),
        }
    }

    fn done(&mut self, group: Group, full: bool, done: Done) {
        self.trouble = None;
        let taken = &done.taken;
        self.windows.answered(group, taken.waited, taken.took, full);
        self.tally.done(taken, Instant::now());
        if taken.limited_by.is_some() {
            self.binds.clone_from(&taken.limited_by);
        }
        self.tell(&Event::Done {
            custom_id: done.custom_id,
            status: done.status,
            error: taken.error.clone(),
            tokens: taken.input_tokens.saturating_add(taken.output_tokens),
            cost_nanousd: taken.cost_nanousd,
            attempts: taken.attempts,
            wait_ms: milliseconds(taken.waited),
            duration_ms: milliseconds(taken.took),
        });
        let most = self.orders.borrow().stop_at.errors;
        if most.is_some_and(|most| self.tally.here.failed >= most) {
            let failed = self.tally.here.failed;
            self.end(
                RunEnd::Limit,
                format!("{failed} lines have failed, which is the bound"),
            );
        }
    }

    /// Takes what is asked for.
    fn obey(&mut self) {
        let orders = *self.orders.borrow_and_update();
        self.windows.retune(orders.concurrency);
        self.context.allowance.bound(orders.stop_at);
        match orders.stop {
            None => {}
            Some(Stop::WhenDone) => {
                self.end(RunEnd::Interrupted, "it was asked to stop".to_owned());
            }
            Some(Stop::Now) => {
                self.end(
                    RunEnd::Interrupted,
                    "it was asked to stop at once".to_owned(),
                );
                self.tasks.abort_all();
            }
        }
        let paused = self.progress.borrow().paused;
        if paused != orders.paused {
            self.tell(&Event::Paused {
                paused: orders.paused,
            });
        }
        self.publish();
    }

    fn check_time(&mut self) {
        let at = self.orders.borrow().stop_at.time;
        if at.is_some_and(|at| SystemTime::now() >= at) {
            self.end(RunEnd::Limit, "its time is up".to_owned());
        }
    }

    fn may_launch(&self) -> bool {
        self.ending.is_none() && !self.orders.borrow().paused
    }

    /// Hands over as many lines as there is room for.
    fn launch(&mut self) {
        while self.may_launch() && self.windows.have_room() {
            let Some(next) = self.next() else { break };
            self.windows.began(next.group);
            let attempt = Arc::clone(&self.context).attempt(next);
            let group = next.group;
            self.tasks.spawn(async move { (group, attempt.await) });
        }
    }

    /// The next line: one whose pause is over, one that had no room, or a new one.
    fn next(&mut self) -> Option<Try> {
        let now = Instant::now();
        if self
            .pausing
            .peek()
            .is_some_and(|Reverse(first)| first.until <= now)
        {
            return self.pausing.pop().map(|Reverse(pausing)| pausing.next);
        }
        if !self.waiting.is_empty() {
            // What is under way may leave room when it is settled: one try at a time.
            return if self.tasks.is_empty() {
                self.waiting.pop()
            } else {
                None
            };
        }
        let holds = self.trouble.is_some() && !self.pausing.is_empty();
        if holds || self.pausing.len() >= RETRYING_MAX {
            return None;
        }
        let (group, id) = self.windows.choose(&mut self.work)?;
        Some(Try {
            id,
            group,
            attempt: 1,
            first: now,
            waited: Duration::ZERO,
        })
    }

    fn is_over(&self) -> bool {
        let nothing_left =
            self.work.left() == 0 && self.pausing.is_empty() && self.waiting.is_empty();
        self.tasks.is_empty() && (self.ending.is_some() || nothing_left)
    }

    fn fail(&mut self, error: RunError) {
        let reason = error.to_string();
        if self
            .ending
            .as_ref()
            .is_none_or(|ending| ending.error.is_none())
        {
            self.tell(&Event::Stopping {
                reason: reason.clone(),
            });
            self.ending = Some(Ending {
                end: RunEnd::Failed,
                reason,
                error: Some(error),
            });
        }
    }

    fn end(&mut self, end: RunEnd, reason: String) {
        if self.ending.is_none() {
            self.tell(&Event::Stopping {
                reason: reason.clone(),
            });
            self.ending = Some(Ending {
                end,
                reason,
                error: None,
            });
        }
    }

    async fn close(mut self) -> Report {
        let ending = self.ending.take();
        let end = ending
            .as_ref()
            .map_or(RunEnd::Complete, |ending| ending.end);
        let finished = self.journal.finish(end).await;
        let progress = self.seen();
        let (manifest, failed) = match finished {
            Ok(manifest) => (Some(manifest), None),
            Err(error) => (None, Some(RunError::Journal(error))),
        };
        let (reason, error) = match ending {
            Some(ending) => (Some(ending.reason), ending.error.or(failed)),
            None => (None, failed),
        };
        Report {
            end: if error.is_some() { RunEnd::Failed } else { end },
            reason,
            error,
            progress,
            manifest,
        }
    }

    fn tell(&self, event: &Event) {
        if let Some(listener) = &self.context.settings.listener {
            listener(event);
        }
    }

    fn publish(&mut self) {
        let seen = self.seen();
        self.progress.send_replace(seen);
    }

    fn seen(&mut self) -> Progress {
        let now = Instant::now();
        let speed = self.tally.speed(now);
        let sums = self.tally.all.clone();
        let left = self.total.saturating_sub(self.invalid + sums.done());
        let here = self.tally.here.done();
        let wait = self
            .tally
            .waited
            .checked_div(u32::try_from(here).unwrap_or(u32::MAX));
        Progress {
            total: self.total,
            invalid: self.invalid,
            left,
            in_flight: self.tasks.len() as u64,
            retrying: self.pausing.len() as u64,
            concurrency: self.windows.size() as u64,
            retries: self.tally.retries,
            eta_ms: eta(left, speed.lines_per_minute),
            projected_nanousd: projected(&sums, left),
            speed,
            sums,
            elapsed_ms: milliseconds(now.saturating_duration_since(self.started)),
            wait_ms: milliseconds(wait.unwrap_or_default()),
            errors: self.tally.errors.clone(),
            limited_by: self.tally.limited_by.clone(),
            binds: self.binds.clone(),
            paused: self.orders.borrow().paused,
            trouble: self.trouble.clone(),
            stopping: self.ending.as_ref().map(|ending| ending.reason.clone()),
        }
    }
}

fn out_of(short: Short) -> String {
    match short {
        Short::Money => "the next line might cost more than what is left of the bound of cost",
        Short::Tokens => "the next line might take more than what is left of the bound of tokens",
    }
    .to_owned()
}

fn eta(left: u64, lines_per_minute: f64) -> Option<u64> {
    #[expect(clippy::cast_precision_loss, reason = "a time to be shown")]
    let minutes = left as f64 / lines_per_minute;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded and positive"
    )]
    minutes
        .is_finite()
        .then_some((minutes * 60_000.0).min(1e15) as u64)
}

/// What all will have cost, if what is left costs as much by line as what is done.
fn projected(sums: &Sums, left: u64) -> Option<u64> {
    let done = sums
        .done()
        .checked_sub(sums.unpriced)
        .filter(|done| *done > 0)?;
    let rest = u128::from(sums.cost_nanousd) * u128::from(left) / u128::from(done);
    u64::try_from(u128::from(sums.cost_nanousd) + rest).ok()
}
