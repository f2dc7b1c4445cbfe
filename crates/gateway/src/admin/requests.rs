//! Records of calls: `/monitoring/requests`, one of them, and all of them as a file.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::stream;
use paceline_admin_api::{CallRecord, RequestsPage};
use paceline_ledger::{Cursor, Entry, Export, Format};

use super::asked;
use super::parameters::{NoParameters, Parameters};
use super::problem::Problem;
use super::usage::in_path;
use crate::call_id;
use crate::shared::Shared;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/monitoring/requests", get(requests))
        .route("/monitoring/requests/{id}", get(request))
        .route("/monitoring/export", get(export))
}

async fn requests(
    State(shared): State<Arc<Shared>>,
    mut parameters: Parameters,
) -> Result<Json<RequestsPage>, Problem> {
    let filter = asked::filter(&mut parameters, shared.now_ms())?;
    let limit = asked::limit(&mut parameters)?;
    let cursor = parameters.take("cursor").map(|text| {
        let cursor = text.parse::<Cursor>();
        cursor.map_err(|_| Problem::invalid("cursor", "`next` of the page before, as it is"))
    });
    let cursor = cursor.transpose()?;
    parameters.finish()?;
    let ledger = asked::ledger(&shared)?;
    let page = ledger.entries(&filter, cursor, limit).await?;
    Ok(Json(RequestsPage {
        requests: page.entries.into_iter().map(record).collect(),
        next: page.next.map(|next| next.to_string()),
    }))
}

async fn request(
    State(shared): State<Arc<Shared>>,
    id: Result<Path<String>, PathRejection>,
    _: NoParameters,
) -> Result<Json<CallRecord>, Problem> {
    let id = in_path("id", id)?;
    let expected = "the id of a record or of x-paceline-request-id: 32 hexadecimal digits, with pl- or \
                    without";
    let id = call_id::parse(&id).ok_or_else(|| Problem::invalid("id", expected))?;
    let entry = asked::ledger(&shared)?.entry(id).await?;
    let entry = entry.ok_or_else(|| Problem::not_found("no record of this id is kept"))?;
    Ok(Json(record(entry)))
}

async fn export(
    State(shared): State<Arc<Shared>>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let formats = [("csv", Format::Csv), ("jsonl", Format::JsonLines)];
    let filter = asked::filter(&mut parameters, shared.now_ms())?;
    let format = parameters.word("format", &formats)?.unwrap_or(Format::Csv);
    parameters.finish()?;
    let mut export = asked::ledger(&shared)?.export(filter, format);
    // The first piece shows whether the store answers, while that can still be said with a status.
    let first = export.next().await?;
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "calls.csv"),
        Format::JsonLines => ("application/jsonl", "calls.jsonl"),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    let pieces = stream::try_unfold((export, first), next_piece);
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// The piece that is there already, and then the next; a store that fails cuts the answer, so that
/// half a file does not look like a whole one.
async fn next_piece(
    (mut export, piece): (Export, Option<String>),
) -> Result<Option<(String, (Export, Option<String>))>, paceline_ledger::StoreError> {
    let Some(piece) = piece else {
        return Ok(None);
    };
    let next = export.next().await?;
    Ok(Some((piece, (export, next))))
}

fn record(entry: Entry) -> CallRecord {
    CallRecord {
        id: entry.call_id.to_string(),
        ended_at_ms: entry.ended_at_ms,
        tenant: entry.tenant,
        session: entry.session,
        key_id: entry.key_id,
        tags: entry.tags,
        route: entry.route,
        provider: entry.provider,
        model: entry.model,
        model_answered: entry.model_answered,
        service_tier: entry.service_tier,
        priority: entry.priority,
        input_tokens: entry.input_tokens,
        cached_tokens: entry.cached_tokens,
        cache_write_tokens: entry.cache_write_tokens,
        output_tokens: entry.output_tokens,
        reasoning_tokens: entry.reasoning_tokens,
        audio_in_tokens: entry.audio_in_tokens,
        audio_out_tokens: entry.audio_out_tokens,
        image_in_tokens: entry.image_in_tokens,
        image_out_tokens: entry.image_out_tokens,
        images: entry.images,
        audio_ms: entry.audio_ms,
        price_version: entry.price_version,
        cost_nanousd: entry.cost_nanousd,
        estimate_tokens: entry.estimate_tokens,
        charge_tokens: entry.charge_tokens,
        wait_ms: entry.wait_ms,
        attempts: entry.attempts,
        first_byte_ms: entry.first_byte_ms,
        duration_ms: entry.duration_ms,
        outcome: entry.outcome.name().to_owned(),
        status: entry.status,
        error_code: entry.error_code,
        binding_limit: entry.binding_limit,
        pool: entry.pool,
        instance: entry.instance,
        lane: entry.lane,
        passed: entry.passed,
        hedged: entry.hedged,
        hedge_cost_nanousd: entry.hedge_cost_nanousd,
    }
}
