//! The end of a batch: its results become files, each once, whatever happens meanwhile.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use paceline_batch::{LineState, OpenError, errors_path, open};
use serde_json::json;

use super::desk::{Desk, create, now_ms, random_id, sync_folder};
use super::drive::{job, on_disk};
use super::object::{Ending, Status, StoredBatch, StoredFile, Usage};

/// Ends a batch whose lines are not sent any more.
pub(super) async fn finish(desk: &Arc<Desk>, id: &str, status: Status) -> io::Result<()> {
    let (desk, id) = (Arc::clone(desk), id.to_owned());
    on_disk(move || {
        let Some(batch) = decide(&desk, &id, status)? else {
            return Ok(());
        };
        make(&desk, &batch)
    })
    .await
}

/// Writes down how the batch ends and what its files are called.
fn decide(desk: &Desk, id: &str, status: Status) -> io::Result<Option<StoredBatch>> {
    desk.change(id, |batch| {
        if batch.ending.is_none() {
            batch.ending = Some(Ending {
                status,
                output_file_id: random_id("file-"),
                error_file_id: random_id("file-"),
            });
        }
        if status == Status::Completed {
            batch.becomes(Status::Finalizing, now_ms() / 1_000);
        }
    });
    desk.keep(id)?;
    Ok(desk.batch(id))
}

fn make(desk: &Desk, batch: &StoredBatch) -> io::Result<()> {
    let Some(ending) = &batch.ending else {
        return Ok(());
    };
    let work = desk.work_path(&batch.id);
    let job = job(desk, batch);
    let results = job.output.clone();
    let errors = errors_path(&results);
    // Nothing can be open any more but after a crash in the middle of the clearing below.
    let opened = match work.exists().then(|| open(&job)) {
        None => None,
        Some(Ok(opened)) => Some(opened),
        // Cancelled or expired before anybody looked at its lines, which are none that can be sent.
        Some(Err(OpenError::Input(_))) => None,
        Some(Err(error)) => return Err(io::Error::other(error)),
    };
    if let Some(opened) = opened {
        let found = &opened.found;
        let tokens = found.totals.tokens;
        desk.change(&batch.id, |batch| {
            batch.counts.total = u64::from(found.total);
            batch.counts.completed = u64::from(found.done_ok);
            batch.counts.failed = u64::from(found.done_failed);
            batch.usage = Some(Usage {
                input: tokens.input,
                cached: tokens.cached,
                output: tokens.output,
                reasoning: tokens.reasoning,
            });
        });
        let all = work.join("errors.all");
        let mut out = BufWriter::new(create(&all)?);
        if errors.exists() {
            io::copy(&mut File::open(&errors)?, &mut out)?;
        }
        for (line, state) in opened.work.all() {
            if !matches!(state, LineState::DoneOk | LineState::DoneFailed) {
                let item = opened.work.read(line).map_err(io::Error::other)?;
                undone(&mut out, ending.status, &item.custom_id)?;
            }
        }
        let file = out.into_inner();
        file.map_err(io::IntoInnerError::into_error)?.sync_all()?;
        put(desk, batch, &results, &ending.output_file_id, "output")?;
        put(desk, batch, &all, &ending.error_file_id, "error")?;
    }
    let is_there = |id: &String| desk.file(id).is_some().then(|| id.clone());
    let (output, error) = (
        is_there(&ending.output_file_id),
        is_there(&ending.error_file_id),
    );
    desk.change(&batch.id, |batch| {
        batch.output_file_id = output;
        batch.error_file_id = error;
        batch.becomes(ending.status, now_ms() / 1_000);
    });
    desk.keep(&batch.id)?;
    tracing::info!(batch = %batch.id, status = ending.status.name(), "a batch is over");
    match fs::remove_dir_all(&work) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The line of a request that was not executed.
fn undone(out: &mut impl Write, status: Status, custom_id: &str) -> io::Result<()> {
    let (code, message) = match status {
        Status::Cancelled => (
            "batch_cancelled",
            "This request was not executed before the batch was cancelled.",
        ),
        _ => (
            "batch_expired",
            "This request could not be executed before the completion window expired.",
        ),
    };
    let line = json!({
        "id": random_id("batch_req_"),
        "custom_id": custom_id,
        "response": null,
        "error": { "code": code, "message": message },
    });
    writeln!(out, "{line}")
}

/// Makes a file of results, unless it is empty or was made already.
fn put(desk: &Desk, batch: &StoredBatch, from: &Path, id: &str, kind: &str) -> io::Result<()> {
    let bytes = match fs::metadata(from) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    if bytes == 0 || desk.file(id).is_some() {
        return Ok(());
    }
    let place = desk.content_path(id);
    super::desk::remove_if_there(&place)?;
    fs::set_permissions(from, fs::Permissions::from_mode(0o600))?;
    fs::hard_link(from, &place)?;
    sync_folder(&desk.settings.folder.join("files"))?;
    // Results are kept even where there is no room: they are paid for.
    desk.count_bytes(bytes);
    let created_ms = now_ms();
    desk.add_file(StoredFile {
        id: id.to_owned(),
        owner: batch.owner.clone(),
        purpose: "batch_output".to_owned(),
        filename: format!("{}_{kind}.jsonl", batch.id),
        bytes,
        created_ms,
        expires_ms: created_ms.saturating_add(batch.output_kept_s.saturating_mul(1_000)),
    })
}
