//! What a database has to do for the ledger.

mod postgres;
mod sqlite;
mod statements;

use std::future::Future;
use std::pin::Pin;

pub use postgres::AddressError;
pub(crate) use postgres::{Postgres, PostgresSettings};
pub(crate) use sqlite::Sqlite;

use crate::entry::Entry;
use crate::value::{Row, Statement};

/// The version of the tables that this build reads and writes.
pub(crate) const SCHEMA_VERSION: i64 = 3;

/// A value that a store will have later.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Records and questions; it is made where it is not there.
    Full,
    /// Questions alone; nothing is made or changed.
    Questions,
}

/// A place where records are kept.
pub(crate) trait Store: Send + Sync {
    /// Writes records, each as [`Entry::bounded`] gives it, and all sums that follow from them, in
    /// one transaction. Those whose call is there already are passed over. When this returns, they
    /// are on disk.
    fn commit<'a>(&'a self, entries: &'a [Entry]) -> Later<'a, ()>;

    /// What a statement that only reads answers.
    fn rows(&self, statement: Statement) -> Later<'_, Vec<Row>>;

    /// Runs statements in one transaction; tells how many rows the last one changed.
    fn change(&self, statements: Vec<Statement>) -> Later<'_, u64>;
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, has no room, or does not answer in time. Whether it has heard is not
    /// known; the same may be asked again.
    #[error("{store} is away: {reason}")]
    Away {
        /// Which store, as people know it; never with a password.
        store: String,
        /// What happened.
        reason: String,
    },
    /// It answers, and refuses what is asked of it; asking again is in vain.
    #[error("{store} refuses: {reason}")]
    Refused {
        /// Which store, as people know it.
        store: String,
        /// In its words.
        reason: String,
    },
    /// What is there is not a ledger, or is damaged.
    #[error("{store} is not a ledger: {reason}; name another place, or move what is there aside")]
    Foreign {
        /// Which store, as people know it.
        store: String,
        /// What was found.
        reason: String,
    },
    /// There is none, and whoever only asks does not make one.
    #[error("there is no ledger in {store}")]
    Missing {
        /// Which store, as people know it.
        store: String,
    },
    /// An earlier version has written there, and whoever only asks does not change its tables.
    #[error(
        "{store} was written by an earlier version (its tables have version {found}, this program \
         reads {known}); start `paceline serve` of this version on it once"
    )]
    Older {
        /// Which store, as people know it.
        store: String,
        /// The version of its tables.
        found: i64,
        /// The version that this program reads.
        known: i64,
    },
    /// A later version has written there.
    #[error(
        "{store} was written by a later version (its tables have version {found}, this program \
         knows {known}); run that version, or name another place"
    )]
    Newer {
        /// Which store, as people know it.
        store: String,
        /// The version of its tables.
        found: i64,
        /// The latest version that this program knows.
        known: i64,
    },
}

impl StoreError {
    /// Whether it is about what is written, and not about the store: others may be taken, and this one
    /// never. Tables of another version are no reason to lose a record.
    pub(crate) fn is_about_records(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether it may go well later without anybody doing anything about the request.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}
