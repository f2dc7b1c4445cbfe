//! The drop-in HTTP gateway: accept, pace, forward, settle.
//!
//! A request is read, charged what the provider will deduct for it, waits for its turn in the queue
//! of its limit pool, goes upstream over a kept connection, and comes back untouched while its usage
//! is read on the way. What was reserved is settled exactly once, whatever happens.
//!
//! The crate deliberately knows no database, no terminal and no command line: settings come in
//! checked, and it tells what it does through logs, metrics and the admin plane.

mod admin;
mod announce;
mod batches;
mod body;
mod browser;
mod budget;
mod call_id;
mod caller;
mod changes;
mod clock;
mod exchange;
mod foresight;
mod form;
mod gateway;
mod history;
mod hot;
mod intake;
mod keys;
mod labels;
mod lanes;
mod learn;
mod memory;
mod multipart;
mod pace;
mod post;
mod probe;
mod reach;
mod realtime;
mod record;
mod refusal;
mod relay;
mod respond;
mod route;
mod serve;
mod server;
mod shared;
mod stored;
#[cfg(test)]
mod test_settings;
mod trace;
mod upstream;

pub use admin::{TokenError, admin_token, token_path};
pub use foresight::{ForeseenPool, Foresight};
pub use gateway::{Connect, Gateway, ReloadError, StartError, Stores};
pub use probe::{Unreachable, check_upstream};
pub use record::{RecordError, ledger_location, prices};
pub use respond::ERROR_CODES;
pub use server::ListenError;
