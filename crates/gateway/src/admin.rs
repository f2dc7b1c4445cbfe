//! The admin plane: health, metrics, and a look at limits and queues.

mod beliefs;
mod control;
mod estimates;
mod plane;
mod routes;
mod token;
mod views;

pub(crate) use plane::{AdminPlane, serve_alone};
pub use token::{TokenError, admin_token, token_path};
