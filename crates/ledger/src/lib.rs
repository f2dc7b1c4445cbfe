//! Usage records: who spent what, when and on what, kept in SQLite or Postgres.
//!
//! An [`Entry`] for each call goes through a bounded queue into a [`Ledger`], in groups and each once,
//! and is never lost once it is acknowledged. In the same transaction sums by minute, hour and day are
//! kept up to date, from which [`Ledger::query`] answers in milliseconds what happened over months,
//! and [`Ledger::spent`] what is left of a budget.
//!
//! ```
//! use paceline_ledger::{CallId, Dimension, Entry, Ledger, Location, Query, Scope};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("ledger.db");
//! let ledger = Ledger::open(Location::Sqlite(file)).await?;
//! let mut entry = Entry::new(CallId(1), 1_700_000_000_000, "acme");
//! entry.model = "gpt-4o".to_owned();
//! (entry.attempts, entry.input_tokens, entry.cost_nanousd) = (1, 1_200, Some(3_000_000));
//! ledger.writer().record_durably(entry).await?;
//!
//! let by_model = ledger.query(&Query::default().by(Dimension::Model)).await?;
//! assert_eq!(by_model.groups[0].names, ["gpt-4o"]);
//! assert_eq!(by_model.groups[0].usage.input_tokens, 1_200);
//! let spent = ledger.spent(&Scope::Tenant("acme".to_owned()), 1_699_999_999_999).await?;
//! assert_eq!(spent.cost_nanousd, 3_000_000);
//! ledger.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! This crate deliberately does not know where calls come from, what they were about, what prices
//! are, or what time it is. It keeps no prompt, no answer and no key.

mod entry;
mod export;
mod grain;
mod health;
mod ledger;
mod measures;
mod page;
mod period;
mod prune;
mod query;
mod rollup;
mod spend;
mod store;
mod table;
mod usage;
mod value;
mod writer;

pub use entry::{
    COST_NANOUSD_MAX, COUNT_MAX, CallId, CallIdError, Entry, Outcome, PASSED_BYTES_MAX, TAGS_MAX,
    TEXT_BYTES_MAX,
};
pub use export::{Export, Format};
pub use health::Health;
pub use ledger::{Extent, Ledger, LedgerSettings, Location, OpenError, PromptSize, SessionReport};
pub use measures::SLOT_ENDS_MS;
pub use page::{Cursor, CursorError, PAGE_MAX, Page};
pub use period::Period;
pub use prune::{Pruned, Retention};
pub use query::{Answer, Buckets, Dimension, Filter, Group, Order, Query, QueryError, ROWS_MAX};
pub use spend::{Scope, Spender, SpenderKind, Spent};
pub use store::{AddressError, StoreError};
pub use usage::{Distribution, Estimates, Latency, Usage};
pub use writer::{Lost, Writer, WriterSettings};
