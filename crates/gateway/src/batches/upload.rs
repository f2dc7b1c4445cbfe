//! `POST /v1/files`: a form, written to disk as it comes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use http_body::Body as _;

use super::desk::{Desk, create, now_ms, random_id};
use super::object::StoredFile;
use super::{blocking, json};
use crate::body::ReplyBody;
use crate::intake::{IntakeError, next_piece};
use crate::multipart::{Malformed, Multipart, Piece};
use crate::respond::Problem;
use crate::server::CallerBody;

/// What is gathered before it is written.
const CHUNK_BYTES: usize = 256 * 1024;

/// Longest value of a field that is no file, and most parts of a form.
const FIELD_BYTES_MAX: usize = 1_024;
const PARTS_MAX: usize = 32;

/// Longest name of a file that is kept, in characters.
const NAME_CHARACTERS_MAX: usize = 255;

/// A file that is being written; dropped before it is kept, it is removed and its room given back.
struct Upload {
    desk: Arc<Desk>,
    id: String,
    path: PathBuf,
    file: Option<File>,
    gathered: BytesMut,
    bytes: u64,
    is_kept: bool,
}

impl Upload {
    async fn begin(desk: &Arc<Desk>) -> Result<Self, Problem> {
        let id = random_id("file-");
        let path = desk.content_path(&id).with_extension("part");
        let place = path.clone();
        let file = blocking(move || create(&place)).await?;
        Ok(Self {
            desk: Arc::clone(desk),
            id,
            path,
            file: Some(file),
            gathered: BytesMut::new(),
            bytes: 0,
            is_kept: false,
        })
    }

    async fn take(&mut self, content: &[u8]) -> Result<(), Problem> {
        let more = content.len() as u64;
        let most = self.desk.settings.file_bytes_max;
        if self.bytes.saturating_add(more) > most {
            return Err(Problem::file_too_large(most));
        }
        if !self.desk.take_room(more) {
            return Err(Problem::no_room_for_files());
        }
        self.bytes += more;
        self.gathered.extend_from_slice(content);
        if self.gathered.len() >= CHUNK_BYTES {
            self.write().await?;
        }
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Problem> {
        let gathered = self.gathered.split().freeze();
        let Some(mut file) = self.file.take() else {
            return Err(Problem::internal());
        };
        let written = blocking(move || file.write_all(&gathered).map(|()| file)).await?;
        self.file = Some(written);
        Ok(())
    }

    async fn keep(mut self, form: Form, owner: &str) -> Result<StoredFile, Problem> {
        self.write().await?;
        let Some(file) = self.file.take() else {
            return Err(Problem::internal());
        };
        let created_ms = now_ms();
        let retention_s = i64::from(self.desk.settings.retention_days) * 86_400;
        let kept_s = form.kept_s.unwrap_or(retention_s).min(retention_s);
        let stored = StoredFile {
            id: self.id.clone(),
            owner: owner.to_owned(),
            purpose: "batch".to_owned(),
            filename: form.filename,
            bytes: self.bytes,
            created_ms,
            expires_ms: created_ms.saturating_add(kept_s.saturating_mul(1_000)),
        };
        let (desk, path) = (Arc::clone(&self.desk), self.path.clone());
        let description = stored.clone();
        blocking(move || -> io::Result<()> {
            file.sync_all()?;
            fs::rename(&path, desk.content_path(&description.id))?;
            desk.add_file(description)
        })
        .await?;
        self.is_kept = true;
        Ok(stored)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        self.desk.give_room(self.bytes);
        for path in [self.path.clone(), self.desk.content_path(&self.id)] {
            if let Err(error) = super::desk::remove_if_there(&path) {
                tracing::warn!(path = %path.display(), %error, "an unfinished upload stays");
            }
        }
    }
}

/// The fields of a form.
#[derive(Debug, Default)]
struct Form {
    purpose: Option<String>,
    filename: String,
    kept_s: Option<i64>,
}

impl Form {
    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), Problem> {
        let value = String::from_utf8_lossy(value);
        match name {
            "purpose" => {
                check_purpose(&value)?;
                self.purpose = Some(value.into_owned());
            }
            "expires_after[seconds]" => {
                let seconds = value
                    .parse()
                    .ok()
                    .filter(|s| (3_600..=2_592_000).contains(s));
                let wrong = || wrong("expires_after", "3600 to 2592000 seconds");
                self.kept_s = Some(seconds.ok_or_else(wrong)?);
            }
            "expires_after[anchor]" if value != "created_at" => {
                return Err(wrong("expires_after", "anchored at created_at"));
            }
            _ => {}
        }
        Ok(())
    }
}

pub(super) async fn answer(
    desk: &Arc<Desk>,
    owner: &str,
    request: Request<CallerBody>,
    pause_max: Duration,
) -> Result<Response<ReplyBody>, IntakeError> {
    let announced = request.body().size_hint().exact().unwrap_or(0);
    let most = desk.settings.file_bytes_max;
    if announced > most.saturating_add(64 * 1024) {
        return Err(IntakeError::Problem(Problem::file_too_large(most)));
    }
    if desk.is_full() {
        return Err(IntakeError::Problem(Problem::no_room_for_files()));
    }
    let stored = receive(desk, owner, request, pause_max).await?;
    Ok(json(StatusCode::OK, &stored.view()))
}

async fn receive(
    desk: &Arc<Desk>,
    owner: &str,
    request: Request<CallerBody>,
    pause_max: Duration,
) -> Result<StoredFile, IntakeError> {
    let content_type = request.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let mut multipart = Multipart::new(content_type.unwrap_or_default()).map_err(malformed)?;
    let mut body = request.into_body();
    let mut form = Form::default();
    let mut upload: Option<Upload> = None;
    let (mut field, mut value, mut parts) = (String::new(), Vec::new(), 0);
    loop {
        let Some(piece) = multipart.next().map_err(malformed)? else {
            let Some(bytes) = next_piece(&mut body, pause_max).await? else {
                let cut = "the form ends before its last boundary".to_owned();
                return Err(refuse(Problem::invalid_request(cut, None)));
            };
            multipart.push(&bytes);
            continue;
        };
        match piece {
            Piece::Part { name, filename } => {
                parts += 1;
                if parts > PARTS_MAX || name == "file" && upload.is_some() {
                    return Err(refuse(wrong("file", "the only one of its form")));
                }
                if name == "file" {
                    form.filename = plain(&filename.unwrap_or_else(|| "upload.jsonl".to_owned()));
                    upload = Some(Upload::begin(desk).await.map_err(refuse)?);
                }
                (field, value) = (name, Vec::new());
            }
            Piece::Content(content) => match upload.as_mut().filter(|_| field == "file") {
                Some(upload) => upload.take(&content).await.map_err(refuse)?,
                None if value.len() + content.len() > FIELD_BYTES_MAX => {
                    return Err(refuse(wrong("purpose", "short, like every field but file")));
                }
                None => value.extend_from_slice(&content),
            },
            Piece::PartEnd => form.take(&field, &value).map_err(refuse)?,
            Piece::End => break,
        }
    }
    if form.purpose.is_none() {
        return Err(refuse(wrong("purpose", "given: batch")));
    }
    let Some(upload) = upload else {
        return Err(refuse(wrong("file", "given")));
    };
    // What follows the last boundary is nothing, but has to be read for the connection to live on.
    let mut beyond = 0;
    while let Some(bytes) = next_piece(&mut body, pause_max).await? {
        beyond += bytes.len();
        if beyond > CHUNK_BYTES {
            return Err(refuse(wrong("file", "the last of its body")));
        }
    }
    upload.keep(form, owner).await.map_err(refuse)
}

fn refuse(problem: Problem) -> IntakeError {
    IntakeError::Problem(problem)
}

fn malformed(error: Malformed) -> IntakeError {
    let message = format!("the body is no form of multipart/form-data: {error}");
    refuse(Problem::invalid_request(message, Some("file")))
}

fn wrong(param: &'static str, expected: &str) -> Problem {
    Problem::invalid_request(format!("{param:?} has to be {expected}"), Some(param))
}

fn check_purpose(purpose: &str) -> Result<(), Problem> {
    if purpose == "batch" {
        return Ok(());
    }
    let expected = "batch: this gateway keeps files for its own batches, and none for the provider \
                    (batches.enabled)";
    Err(wrong("purpose", expected))
}

/// A name without what could be a path or a control character.
fn plain(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = name.chars().filter(|c| !c.is_control());
    kept.take(NAME_CHARACTERS_MAX).collect()
}
