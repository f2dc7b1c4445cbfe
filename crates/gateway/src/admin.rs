//! The admin plane: health, metrics, limits, queues, usage and costs.

mod added_latency;
mod asked;
mod beliefs;
mod control;
mod costs;
mod dashboard;
mod estimates;
mod events;
mod forecasts;
mod gate;
mod history;
mod lanes;
mod ledger;
mod moment;
mod openapi;
mod parameters;
mod performance;
mod plane;
mod problem;
mod requests;
mod routes;
mod score;
mod simulation;
mod suggestions;
mod token;
mod usage;
mod views;

pub(crate) use gate::SESSION_COOKIE;
pub(crate) use plane::{AdminPlane, serve_alone};
pub use token::{TokenError, admin_token, token_path};
