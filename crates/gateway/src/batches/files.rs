//! `/v1/files`: what is there, and its content.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json as object};

use super::desk::Desk;
use super::object::StoredFile;
use super::{Parameters, blocking, json, page};
use crate::body::ReplyBody;
use crate::respond::Problem;

/// How much of a file is read at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// Files of a page, where nothing is said.
const PAGE: usize = 10_000;

pub(super) fn list(
    desk: &Desk,
    owner: &str,
    parameters: &Parameters,
) -> Result<Response<ReplyBody>, Problem> {
    let mut files = desk.files_of(owner);
    if let Some(purpose) = parameters.text("purpose") {
        files.retain(|file| file.purpose == purpose);
    }
    match parameters.text("order").as_deref() {
        None | Some("desc") => {}
        Some("asc") => files.reverse(),
        Some(_) => {
            let what = "\"order\" has to be asc or desc".to_owned();
            return Err(Problem::invalid_request(what, Some("order")));
        }
    }
    let files: Vec<(String, Value)> = files
        .iter()
        .map(|file| (file.id.clone(), file.view()))
        .collect();
    page(files, parameters, PAGE)
}

/// A file of this owner.
pub(super) fn find(desk: &Desk, owner: &str, id: &str) -> Result<StoredFile, Problem> {
    let file = desk.file(id).filter(|file| file.owner == owner);
    file.ok_or_else(|| Problem::no_such("File", id))
}

pub(super) async fn delete(
    desk: &Arc<Desk>,
    owner: &str,
    id: &str,
) -> Result<Response<ReplyBody>, Problem> {
    let file = find(desk, owner, id)?;
    let (desk, id) = (Arc::clone(desk), file.id.clone());
    blocking(move || desk.remove_file(&file.id)).await?;
    let gone = object!({ "id": id, "object": "file", "deleted": true });
    Ok(json(StatusCode::OK, &gone))
}

pub(super) async fn content(
    desk: &Arc<Desk>,
    owner: &str,
    id: &str,
) -> Result<Response<ReplyBody>, Problem> {
    let file = find(desk, owner, id)?;
    let path = desk.content_path(&file.id);
    let (open, length) = blocking(move || {
        let open = File::open(path)?;
        let length = open.metadata()?.len();
        Ok((open, length))
    })
    .await?;
    let chunks =
        futures_util::stream::try_unfold((Arc::new(open), 0_u64), |(open, at)| async move {
            let reading = Arc::clone(&open);
            let read = tokio::task::spawn_blocking(move || read_at(&reading, at)).await;
            let chunk = read.map_err(io::Error::other)??;
            let next = at + chunk.len() as u64;
            io::Result::Ok((!chunk.is_empty()).then_some((chunk, (open, next))))
        });
    let body = axum::body::Body::from_stream(chunks);
    let mut response = Response::new(ReplyBody::Admin(body));
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(response)
}

fn read_at(file: &File, at: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let count = file.read_at(&mut buffer, at)?;
    buffer.truncate(count);
    Ok(Bytes::from(buffer))
}
