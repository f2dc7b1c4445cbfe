//! Executes batches, each to its end, over restarts, waits for keys and empty budgets.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use paceline_batch::{
    Concurrency, Control, Format, InputError, Job, JobOptions, OpenError, Opened, Orders, Problems,
    Report, Run, RunEnd, RunSettings, Source, Stop, StopAt, Target, open,
};

use super::desk::{Desk, now_ms};
use super::finish::finish;
use super::object::{Counts, LineError, Status, StoredBatch};
use crate::shared::Shared;

/// The first pause before a batch that could not go on is tried again; it doubles.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// How long what runs may go on when a batch is cancelled or its time is over.
const GRACE: Duration = Duration::from_secs(10);

/// Most tries of a line, beside those of the data plane itself.
const ATTEMPTS_MAX: u32 = 5;

/// Lines with errors that are told.
const ERRORS_MAX: usize = 100;

/// What came of a try to execute a batch.
enum Came {
    /// Its files are to be made, and it ends like this.
    End(Status),
    /// It cannot be executed.
    Failed(Vec<LineError>),
    /// It is to be tried again later.
    Later(String),
    /// The gateway stops.
    Stopping,
}

/// Drives a batch until it is over or the gateway stops.
pub(super) fn begin(desk: &Arc<Desk>, id: String) -> impl Future<Output = ()> + Send + use<> {
    let driven = Driven::new(desk);
    async move { drive(&driven.0, &id).await }
}

/// Counts a batch that is driven.
struct Driven(Arc<Desk>);

impl Driven {
    fn new(desk: &Arc<Desk>) -> Self {
        desk.driven.send_modify(|count| *count += 1);
        Self(Arc::clone(desk))
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.0
            .driven
            .send_modify(|count| *count = count.saturating_sub(1));
    }
}

async fn drive(desk: &Arc<Desk>, id: &str) {
    let mut pause = PAUSE_FIRST;
    loop {
        let Some(batch) = desk.batch(id) else { return };
        if batch.status.is_over() {
            break desk.drop_keys();
        }
        let came = match attempt(desk, &batch).await {
            Came::End(status) => finish(desk, id, status).await,
            Came::Failed(errors) => fail(desk, id, errors).await,
            Came::Stopping => return,
            Came::Later(reason) => {
                tracing::warn!(batch = id, reason, "a batch cannot go on now");
                wait(desk, pause, id).await;
                pause = (pause * 2).min(PAUSE_MAX);
                Ok(())
            }
        };
        if let Err(error) = came {
            tracing::warn!(batch = id, %error, "a batch cannot be finished now");
            wait(desk, pause, id).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        if desk.is_stopping() {
            return;
        }
    }
}

/// Waits, but for no longer than until the gateway stops or the batch is cancelled.
async fn wait(desk: &Desk, pause: Duration, id: &str) {
    let mut changes = desk.changes.subscribe();
    let ended = async {
        while !desk.is_stopping() && status(desk, id) != Some(Status::Cancelling) {
            drop(changes.changed().await);
        }
    };
    drop(tokio::time::timeout(pause, ended).await);
}

fn status(desk: &Desk, id: &str) -> Option<Status> {
    desk.batch(id).map(|batch| batch.status)
}

async fn fail(desk: &Arc<Desk>, id: &str, errors: Vec<LineError>) -> io::Result<()> {
    desk.change(id, |batch| {
        batch.errors = errors;
        batch.becomes(Status::Failed, now_ms() / 1_000);
    });
    let (keeper, id) = (Arc::clone(desk), id.to_owned());
    on_disk(move || {
        keeper.keep(&id)?;
        std::fs::remove_dir_all(keeper.work_path(&id))
    })
    .await
}

/// Runs what blocks.
pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)?
}

async fn attempt(desk: &Arc<Desk>, batch: &StoredBatch) -> Came {
    if let Some(ending) = &batch.ending {
        return Came::End(ending.status);
    }
    let Some(key) = key_of(desk, batch).await else {
        return ended_early(desk, &batch.id);
    };
    let Some(_permit) = permit(desk, &batch.id).await else {
        return ended_early(desk, &batch.id);
    };
    let job = job(desk, batch);
    let opened = tokio::task::spawn_blocking(move || open(&job)).await;
    let opened = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(OpenError::Input(error))) => return Came::Failed(input_errors(&error)),
        Ok(Err(error)) => return Came::Later(error.to_string()),
        Err(error) => return Came::Later(error.to_string()),
    };
    let opened = match check(desk, batch, opened).await {
        Ok(opened) => opened,
        Err(came) => return came,
    };
    execute(desk, batch, opened, key).await
}

/// What ended the wait of a batch that has not begun to run.
fn ended_early(desk: &Desk, id: &str) -> Came {
    match status(desk, id) {
        _ if desk.is_stopping() => Came::Stopping,
        Some(Status::Cancelling) => Came::End(Status::Cancelled),
        _ => Came::End(Status::Expired),
    }
}

fn is_to_go_on(desk: &Desk, id: &str) -> bool {
    !desk.is_stopping() && status(desk, id).is_some_and(|status| status != Status::Cancelling)
}

fn time_left(batch: &StoredBatch) -> Duration {
    let left = batch.expires_ms.saturating_sub(now_ms()).max(0);
    Duration::from_millis(left.unsigned_abs())
}

/// The key that lines go with, once it is known; `None`: there is no use in waiting any more.
async fn key_of(desk: &Desk, batch: &StoredBatch) -> Option<HeaderMap> {
    let mut changes = desk.changes.subscribe();
    let known = async {
        loop {
            if !is_to_go_on(desk, &batch.id) {
                return None;
            }
            if let Some(key) = desk.key_of(batch) {
                return Some(key);
            }
            drop(changes.changed().await);
        }
    };
    let left = time_left(batch);
    if left.is_zero() {
        return None;
    }
    tokio::time::timeout(left, known).await.ok().flatten()
}

/// A place among the batches that run.
async fn permit<'a>(desk: &'a Desk, id: &str) -> Option<tokio::sync::SemaphorePermit<'a>> {
    let mut changes = desk.changes.subscribe();
    loop {
        if !is_to_go_on(desk, id) {
            return None;
        }
        tokio::select! {
            permit = desk.permits.acquire() => return permit.ok(),
            _ = changes.changed() => {}
        }
    }
}

/// The batch as files.
pub(super) fn job(desk: &Desk, batch: &StoredBatch) -> Job {
    let work = desk.work_path(&batch.id);
    Job {
        input: Source::File(work.join("input.jsonl")),
        output: work.join("results.jsonl"),
        options: JobOptions {
            format: Format::JsonLines,
            url: Some(batch.endpoint.clone()),
            ..JobOptions::default()
        },
    }
}

fn input_errors(error: &InputError) -> Vec<LineError> {
    let one = |code: &str, message: String| {
        vec![LineError {
            code: code.to_owned(),
            line: None,
            message,
            param: None,
        }]
    };
    match error {
        InputError::Invalid { problems } => line_errors(problems),
        InputError::Empty(_) => one("empty_file", "the file holds no requests".to_owned()),
        InputError::TooLong(_) => one(
            "too_many_requests",
            "the file has too many lines".to_owned(),
        ),
        // Their words name folders of this machine.
        InputError::File(_) | InputError::IsFolder(_) | InputError::Options(_) => {
            tracing::error!(%error, "the input of a batch cannot be read");
            one(
                "unreadable_file",
                "the file cannot be read any more".to_owned(),
            )
        }
    }
}

fn line_errors(problems: &Problems) -> Vec<LineError> {
    let each = problems.first.iter().map(|problem| LineError {
        code: "invalid_line".to_owned(),
        line: Some(problem.line),
        message: problem.message.clone(),
        param: problem.custom_id.clone(),
    });
    each.take(ERRORS_MAX).collect()
}

/// Checks what the batch runner does not: how many lines, and that all go to the one endpoint.
async fn check(desk: &Arc<Desk>, batch: &StoredBatch, opened: Opened) -> Result<Opened, Came> {
    let total = opened.found.total;
    let most = desk.settings.requests_max;
    let mut errors = Vec::new();
    if total > most {
        errors.push(LineError {
            code: "too_many_requests".to_owned(),
            line: None,
            message: format!("the file has {total} requests, and {most} are the most of a batch"),
            param: None,
        });
    }
    if batch.status == Status::Validating && errors.is_empty() {
        let (items, ids) = (opened.work.items(), opened.work.all().map(|(id, _)| id));
        let (ids, endpoint) = (ids.collect::<Vec<_>>(), batch.endpoint.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let items = ids.into_iter().filter_map(|id| items.read(id).ok());
            let others = items.filter(|item| item.url != endpoint);
            let each = others.map(|item| LineError {
                code: "mismatched_endpoint".to_owned(),
                line: Some(item.line),
                message: format!(
                    "url {} is not the endpoint of the batch, {endpoint}",
                    item.url
                ),
                param: Some("url".to_owned()),
            });
            each.take(ERRORS_MAX).collect::<Vec<_>>()
        });
        errors = checked
            .await
            .map_err(|error| Came::Later(error.to_string()))?;
    }
    if !errors.is_empty() {
        drop(tokio::task::spawn_blocking(move || drop(opened)).await);
        return Err(Came::Failed(errors));
    }
    desk.change(&batch.id, |batch| {
        batch.counts.total = u64::from(total);
        if batch.status == Status::Validating {
            batch.becomes(Status::InProgress, now_ms() / 1_000);
        }
    });
    let (keeper, id) = (Arc::clone(desk), batch.id.clone());
    on_disk(move || keeper.keep(&id))
        .await
        .map_err(|error| Came::Later(error.to_string()))?;
    Ok(opened)
}

async fn execute(desk: &Arc<Desk>, batch: &StoredBatch, opened: Opened, key: HeaderMap) -> Came {
    let admission = desk.admit(&batch.run_as);
    let Some(settings) = settings(desk, batch, key, admission.header()) else {
        return Came::Later("its headers cannot be sent".to_owned());
    };
    let run = match Run::start(opened, settings) {
        Ok(run) => run,
        Err(error) => return Came::Later(error.to_string()),
    };
    let control = run.control();
    let mut progress = control.watch();
    let mut changes = desk.changes.subscribe();
    let mut ended = std::pin::pin!(run.ended());
    let mut stopping = None;
    let report = loop {
        if stopping.is_none() && (!is_to_go_on(desk, &batch.id) || time_left(batch).is_zero()) {
            control.stop(Stop::WhenDone);
            stopping = Some(tokio::time::Instant::now() + GRACE);
        }
        let patience = match stopping {
            Some(until) => until,
            None => tokio::time::Instant::now() + time_left(batch),
        };
        tokio::select! {
            report = &mut ended => break report,
            _ = changes.changed() => {}
            Ok(()) = progress.changed() => count(desk, &batch.id, &control),
            () = tokio::time::sleep_until(patience) => if stopping.is_some() {
                control.stop(Stop::Now);
                stopping = Some(patience + GRACE);
            },
        }
    };
    count(desk, &batch.id, &control);
    judge(desk, batch, report)
}

/// Shows how far a batch is.
fn count(desk: &Desk, id: &str, control: &Control) {
    let sums = control.progress().sums;
    desk.change(id, |batch| {
        batch.counts = Counts {
            completed: sums.ok,
            failed: sums.failed,
            ..batch.counts
        };
    });
}

fn judge(desk: &Desk, batch: &StoredBatch, report: Report) -> Came {
    let cancelled = status(desk, &batch.id) == Some(Status::Cancelling);
    match report.end {
        RunEnd::Complete if report.error.is_none() => Came::End(Status::Completed),
        _ if cancelled => Came::End(Status::Cancelled),
        _ if time_left(batch).is_zero() => Came::End(Status::Expired),
        _ if desk.is_stopping() => Came::Stopping,
        _ => {
            let error = report.error.map(|error| error.to_string());
            Came::Later(error.or(report.reason).unwrap_or_default())
        }
    }
}

fn settings(
    desk: &Desk,
    batch: &StoredBatch,
    key: HeaderMap,
    (token_name, token): (HeaderName, String),
) -> Option<RunSettings> {
    let mut headers = key;
    let mut token = HeaderValue::try_from(token).ok()?;
    token.set_sensitive(true);
    headers.insert(token_name, token);
    for (name, value) in &batch.run_as.headers {
        let name = HeaderName::try_from(name).ok()?;
        headers.insert(name, HeaderValue::try_from(value).ok()?);
    }
    headers.insert("x-paceline-priority", HeaderValue::from_static("batch"));
    Some(RunSettings {
        target: Target {
            base_url: desk.address.clone(),
            headers,
            ca_file: None,
        },
        orders: Orders {
            concurrency: Concurrency::Auto {
                most: desk.settings.concurrency as usize,
            },
            paused: false,
            stop_at: StopAt {
                time: u64::try_from(batch.expires_ms)
                    .ok()
                    .and_then(|at| UNIX_EPOCH.checked_add(Duration::from_millis(at)))
                    .or_else(|| Some(SystemTime::now())),
                ..StopAt::default()
            },
            stop: None,
        },
        attempts_max: ATTEMPTS_MAX,
        line_deadline: None,
        attempt_timeout: None,
        pricing: desk.pricing.clone(),
        listener: None,
    })
}

/// Takes up batches that an earlier process left, and removes what is old, for as long as the gateway runs.
pub(crate) async fn keep_house(shared: std::sync::Weak<Shared>) {
    const PAUSE: Duration = Duration::from_secs(600);
    let Some(desk) = shared.upgrade().and_then(|shared| shared.batches.clone()) else {
        return;
    };
    for id in desk.open_batches() {
        desk.start(id);
    }
    let mut stopping = desk.stopping.subscribe();
    loop {
        let old = Arc::clone(&desk);
        if let Err(error) = on_disk(move || old.remove_old()).await {
            tracing::warn!(%error, "old files of batches cannot be removed now");
        }
        let stopped = stopping.wait_for(|stopping| *stopping);
        if tokio::time::timeout(PAUSE, stopped).await.is_ok() {
            return;
        }
    }
}
