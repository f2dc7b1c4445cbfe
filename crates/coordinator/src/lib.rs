//! Where the state of a limit pool lives that several processes share.
//!
//! Each instance keeps its own queue and learns from its own answers; what is used, who is next
//! among all of them, and which reservations are open is decided in one place. This crate says what
//! is exchanged ([`Ask`], [`Answer`]), what follows from it ([`Shared`], pure rules with the time as
//! an argument), and what every store of such state must do ([`Coordinator`]).
//!
//! It knows of no database and no network.

pub mod budgets;
#[cfg(feature = "conformance")]
pub mod conformance;
mod count;
mod in_process;
mod message;
mod precedence;
mod shared;
mod store;

pub use in_process::InProcess;
pub use message::{
    Answer, Ask, Closed, Correction, CountKind, End, Epoch, Grant, Head, InstanceId, Knowledge,
    Level, LimitId, Terms, TicketId,
};
pub use shared::{HEADS_MAX, Shared};
pub use store::{Coordinator, Later, StoreError, Wakes};
