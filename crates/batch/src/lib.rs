//! The batch runner: a file of requests in, a file of results out, however often it is interrupted.
//!
//! Requests come as OpenAI's batch lines, as bare bodies or as rows of a table; every one of them gets exactly
//! one line of result. What was sent and what came back is in a journal, so that the same batch started
//! again goes on where it was, also after kill -9, and also where its input was edited meanwhile.
//!
//! It speaks to a data plane over HTTP, and that is where the pace is kept: what runs deliberately knows
//! no limits, no queues and no provider's quota, and does not know whose process the data plane is in.
//! Only `plan`, which sends nothing, plays a batch against limits that it is given, to tell beforehand
//! what it takes. The crate writes on no terminal.

mod answer_line;
mod error;
mod files;
mod finished;
mod generation;
mod hash;
mod history;
mod input;
mod item;
mod job;
mod journal;
mod lock;
mod manifest;
mod open;
pub mod plan;
mod rewrite;
mod run;
mod states;
mod work;

pub use error::{FileError, InputError, JournalError, OpenError, Problem, Problems, ReadError};
pub use files::errors_path;
pub use finished::{Answer, Failure, Finished, Tokens};
pub use input::{InputSummary, plan_input};
pub use item::{Item, LineId};
pub use job::{Format, Job, JobOptions, Order, Source};
pub use journal::Journal;
pub use manifest::{
    Manifest, ManifestCost, ManifestInput, ManifestLines, ManifestModel, ManifestRun,
    ManifestTwice, RunEnd,
};
pub use open::{Found, MaybeSent, MaybeSentLine, Opened, Totals, open};
pub use run::{
    Ask, AskError, Change, Concurrency, Control, Event, Listener, Orders, Pricing, Progress,
    Report, Run, RunError, RunSettings, Speed, Stop, StopAt, Sums, Target, TargetError, ask,
};
pub use work::{Group, Items, LineState, Work};
