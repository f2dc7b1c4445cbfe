//! `GET /v1/models` and `/v1/models/{id}`, which are outside all limits.

use super::{Input, Prepared, ask::check_model};
use crate::{
    answer::Answer,
    json::{Json, object},
    provider::Provider,
    refusal::ApiError,
};

pub(super) fn list(
    provider: &Provider,
    _input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let models = provider
        .settings()
        .models
        .iter()
        .map(|id| model(provider, id));
    let list = object! { "object": "list", "data": models.collect::<Vec<_>>() };
    Ok(Prepared::free(Answer::json(&list)))
}

/// Any model that requests are served for.
pub(super) fn retrieve(
    provider: &Provider,
    _input: &Input<'_>,
    id: &str,
) -> Result<Prepared, ApiError> {
    check_model(provider, id)?;
    Ok(Prepared::free(Answer::json(&model(provider, id))))
}

fn model(provider: &Provider, id: &str) -> Json {
    let mut digest = provider.digest();
    digest.add(id.as_bytes());
    object! {
        "id": id,
        "object": "model",
        "created": provider.seal(digest.value()).created,
        "owned_by": "system",
    }
}
