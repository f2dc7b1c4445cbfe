//! `/v1/batches`: what is to be executed, and what became of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;

use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::desk::{Desk, now_ms, random_id};
use super::object::{Counts, RunAs, Status, StoredBatch, Times};
use super::{Owner, Parameters, blocking, files, json, page};
use crate::body::ReplyBody;
use crate::respond::Problem;

/// Where lines may go.
const ENDPOINTS: [&str; 7] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/completions",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/messages",
];

/// The only completion window there is.
const WINDOW_MS: i64 = 24 * 3_600_000;

/// Batches of all owners that are not over.
const OPEN_MAX: usize = 1_000;

/// Bounds of metadata (OpenAI's API reference).
const PAIRS_MAX: usize = 16;
const KEY_CHARACTERS_MAX: usize = 64;
const VALUE_CHARACTERS_MAX: usize = 512;

/// Batches of a page, where nothing is said.
const PAGE: usize = 20;

#[derive(Debug, Deserialize)]
struct Asked {
    input_file_id: String,
    endpoint: String,
    completion_window: String,
    metadata: Option<BTreeMap<String, String>>,
    output_expires_after: Option<ExpiresAfter>,
}

#[derive(Debug, Deserialize)]
struct ExpiresAfter {
    seconds: i64,
}

pub(super) fn list(
    desk: &Desk,
    owner: &str,
    parameters: &Parameters,
) -> Result<Response<ReplyBody>, Problem> {
    let batches: Vec<(String, Value)> = desk
        .batches_of(owner)
        .iter()
        .map(|batch| (batch.id.clone(), batch.view()))
        .collect();
    page(batches, parameters, PAGE)
}

fn find(desk: &Desk, owner: &str, id: &str) -> Result<StoredBatch, Problem> {
    let batch = desk.batch(id).filter(|batch| batch.owner == owner);
    batch.ok_or_else(|| Problem::no_such("Batch", id))
}

pub(super) fn get(desk: &Desk, owner: &str, id: &str) -> Result<Response<ReplyBody>, Problem> {
    Ok(json(StatusCode::OK, &find(desk, owner, id)?.view()))
}

pub(super) async fn cancel(
    desk: &Arc<Desk>,
    owner: &str,
    id: &str,
) -> Result<Response<ReplyBody>, Problem> {
    let id = find(desk, owner, id)?.id;
    let cancelled = desk.change(&id, |batch| {
        // What is being finished gets its files; nothing of it runs any more.
        if batch.status.is_over() || batch.ending.is_some() {
            return batch.status == Status::Cancelled || batch.status == Status::Cancelling;
        }
        batch.becomes(Status::Cancelling, now_ms() / 1_000);
        true
    });
    if cancelled == Some(false) {
        let status = desk.batch(&id).map_or("over", |batch| batch.status.name());
        let what = format!("the batch {id} is {status} and cannot be cancelled any more");
        return Err(Problem::conflict(what));
    }
    let (keeper, kept) = (Arc::clone(desk), id.clone());
    blocking(move || keeper.keep(&kept)).await?;
    desk.tell();
    get(desk, owner, &id)
}

pub(super) async fn create(
    desk: &Arc<Desk>,
    owner: &Owner,
    body: &[u8],
) -> Result<Response<ReplyBody>, Problem> {
    let batch = read(desk, owner, body)?;
    let view = batch.view();
    let id = batch.id.clone();
    let (keeper, input) = (Arc::clone(desk), desk.content_path(&batch.input_file_id));
    blocking(move || -> io::Result<()> {
        // A name of its own for the input: it stays when the file is deleted meanwhile.
        let work = keeper.work_path(&batch.id);
        fs::create_dir(&work)?;
        fs::hard_link(input, work.join("input.jsonl"))?;
        keeper.add_batch(batch)
    })
    .await?;
    if owner.run_as.needs_key {
        desk.note_key(&owner.name, &owner.key);
    }
    desk.start(id);
    Ok(json(StatusCode::OK, &view))
}

fn read(desk: &Desk, owner: &Owner, body: &[u8]) -> Result<StoredBatch, Problem> {
    let asked: Asked = serde_json::from_slice(body).map_err(|error| {
        Problem::invalid_request(format!("the batch is not understood: {error}"), None)
    })?;
    let wrong = |param: &'static str, expected: &str| {
        let what = format!("{param:?} has to be {expected}");
        Err(Problem::invalid_request(what, Some(param)))
    };
    if !ENDPOINTS.contains(&&*asked.endpoint) {
        return wrong("endpoint", &format!("one of {}", ENDPOINTS.join(", ")));
    }
    if asked.completion_window != "24h" {
        return wrong("completion_window", "24h");
    }
    let input = files::find(desk, &owner.name, &asked.input_file_id);
    if !input.is_ok_and(|file| file.purpose == "batch") {
        return wrong("input_file_id", "the id of a file with the purpose batch");
    }
    let is_bounded = |(key, value): (&String, &String)| {
        key.chars().count() <= KEY_CHARACTERS_MAX && value.chars().count() <= VALUE_CHARACTERS_MAX
    };
    let metadata = asked.metadata.unwrap_or_default();
    if metadata.len() > PAIRS_MAX || !metadata.iter().all(is_bounded) {
        return wrong("metadata", "16 pairs at most, of 64 and 512 characters");
    }
    let retention_s = i64::from(desk.settings.retention_days) * 86_400;
    let output_kept_s = match asked.output_expires_after {
        Some(ExpiresAfter { seconds }) if !(3_600..=2_592_000).contains(&seconds) => {
            return wrong("output_expires_after", "3600 to 2592000 seconds");
        }
        Some(ExpiresAfter { seconds }) => seconds.min(retention_s),
        None => retention_s,
    };
    if desk.is_full() || desk.open_batches().len() >= OPEN_MAX {
        return Err(Problem::too_many_batches(OPEN_MAX));
    }
    let created_ms = now_ms();
    Ok(StoredBatch {
        id: random_id("batch_"),
        owner: owner.name.clone(),
        run_as: RunAs::clone(&owner.run_as),
        endpoint: asked.endpoint,
        input_file_id: asked.input_file_id,
        metadata: (!metadata.is_empty()).then_some(metadata),
        created_ms,
        expires_ms: created_ms.saturating_add(WINDOW_MS),
        output_kept_s,
        status: Status::Validating,
        times: Times::default(),
        errors: Vec::new(),
        counts: Counts::default(),
        usage: None,
        ending: None,
        output_file_id: None,
        error_file_id: None,
    })
}
