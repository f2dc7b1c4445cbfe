//! `/v1/files`: exact bytes in, exact bytes out; outside all limits.

use http::StatusCode;

use super::{Input, Prepared, multipart::Form};
use crate::{
    answer::Answer,
    json::{Json, object},
    provider::{KeptFile, Provider},
    refusal::ApiError,
};

pub(super) fn upload(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let form = Form::read(input.headers, &input.body)?;
    let purpose = form
        .text("purpose")
        .ok_or_else(|| ApiError::missing("purpose"))?;
    let part = form.file("file")?;
    // Two uploads are two files, even of the same bytes.
    let mut digest = provider.digest();
    digest.add(&provider.serial().to_le_bytes());
    digest.add(&part.content);
    let seal = provider.seal(digest.value());
    let id = seal.part_id("file-", 0);
    let file = KeptFile {
        // A copy, so that the rest of the form is not kept with it.
        content: part.content.to_vec().into(),
        filename: part.filename.clone().unwrap_or_default(),
        purpose: purpose.to_owned(),
        created: seal.created,
    };
    let answer = Answer::json(&file_json(&id, &file));
    provider.files().lock().put(id, file);
    Ok(Prepared::free(answer))
}

pub(super) fn list(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let query = input.query.unwrap_or_default().as_bytes();
    let wanted = url::form_urlencoded::parse(query).find(|(name, _)| name == "purpose");
    let mut files = provider.files().lock().list();
    files.retain(|(_, file)| {
        wanted
            .as_ref()
            .is_none_or(|(_, purpose)| *purpose == file.purpose)
    });
    let list = object! {
        "object": "list",
        "data": files.iter().map(|(id, file)| file_json(id, file)).collect::<Vec<_>>(),
        "first_id": files.first().map(|(id, _)| id.as_str()),
        "last_id": files.last().map(|(id, _)| id.as_str()),
        "has_more": false,
    };
    Ok(Prepared::free(Answer::json(&list)))
}

pub(super) fn retrieve(
    provider: &Provider,
    _input: &Input<'_>,
    id: &str,
) -> Result<Prepared, ApiError> {
    let file = provider.files().lock().get(id).ok_or_else(|| unknown(id))?;
    Ok(Prepared::free(Answer::json(&file_json(id, &file))))
}

pub(super) fn content(
    provider: &Provider,
    _input: &Input<'_>,
    id: &str,
) -> Result<Prepared, ApiError> {
    let file = provider.files().lock().get(id).ok_or_else(|| unknown(id))?;
    let content_type = "application/octet-stream";
    Ok(Prepared::free(Answer::Whole {
        content_type,
        body: file.content,
    }))
}

pub(super) fn delete(
    provider: &Provider,
    _input: &Input<'_>,
    id: &str,
) -> Result<Prepared, ApiError> {
    if !provider.files().lock().remove(id) {
        return Err(unknown(id));
    }
    let deleted = object! { "id": id, "object": "file", "deleted": true };
    Ok(Prepared::free(Answer::json(&deleted)))
}

fn file_json(id: &str, file: &KeptFile) -> Json {
    object! {
        "id": id,
        "object": "file",
        "bytes": file.content.len() as u64,
        "created_at": file.created,
        "expires_at": Json::Null,
        "filename": file.filename.as_str(),
        "purpose": file.purpose.as_str(),
        "status": "processed",
        "status_details": Json::Null,
    }
}

fn unknown(id: &str) -> ApiError {
    let message = format!("No such File object: {id}");
    ApiError::new(StatusCode::NOT_FOUND, "invalid_request_error", message).param("id")
}
