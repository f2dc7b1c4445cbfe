//! The dashboard: its files, signing in, and the chat.

mod chat;
mod files;
mod session;
mod setup;

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Extension, Router, middleware};

use super::gate::{Gate, SIGN_IN, guard_name};
use super::routes::method_not_allowed;
use crate::shared::Shared;

pub(super) use chat::DataPlane;
pub(super) use files::{front, wants_page};

/// What asks for the token or a session, by a guard around it.
pub(super) fn routes(gate: Arc<Gate>, data_plane: DataPlane) -> Router<Arc<Shared>> {
    let session = get(session::setup)
        .post(session::sign_in)
        .delete(session::sign_out);
    Router::new()
        .route(SIGN_IN, session.layer(session::body_limit()))
        .route("/dashboard/ticket", post(session::ticket))
        .route("/dashboard/chat/completions", post(chat::chat))
        .layer(Extension(gate))
        .layer(Extension(data_plane))
}

/// The page and its files: no secret, and open to who is not signed in yet.
pub(super) fn pages(gate: Arc<Gate>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/dashboard", get(files::file))
        .route("/dashboard/", get(files::file))
        .route("/dashboard/{*path}", get(files::file))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(files::headers))
        .layer(middleware::from_fn_with_state(gate, guard_name))
}
