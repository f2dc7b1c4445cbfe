//! The description of all of this: `/openapi.json`.

use std::sync::Arc;
use std::sync::OnceLock;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::parameters::NoParameters;
use crate::shared::Shared;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/openapi.json", get(document))
}

async fn document(_: NoParameters) -> impl IntoResponse {
    static TEXT: OnceLock<String> = OnceLock::new();
    let make = || paceline_admin_api::document(env!("CARGO_PKG_VERSION")).to_string();
    let text = TEXT.get_or_init(make).as_str();
    ([(header::CONTENT_TYPE, "application/json")], text)
}
