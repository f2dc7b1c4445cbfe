//! Where a ledger is kept, and how.

use std::path::PathBuf;

use crate::StoreError;
use crate::store::{AddressError, PostgresSettings};
use crate::writer::WriterSettings;

/// Where a ledger is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// In this file, whose folder is there.
    Sqlite(PathBuf),
    /// In the database at this address: `postgres://user:password@host:5432/database`, with
    /// `sslmode` and `sslrootcert` as they are usual.
    Postgres(String),
}

impl Location {
    /// The place as people know it: the file, or the server and its database; never with a password.
    pub fn name(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(address) => PostgresSettings::read(address)
                .map_or_else(|error| error.to_string(), |read| read.name().to_owned()),
        }
    }
}

impl std::fmt::Debug for Location {
    /// Without the password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => formatter.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => formatter.write_str("Postgres(…)"),
        }
    }
}

/// How a ledger is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerSettings {
    /// How records are gathered and written.
    pub writer: WriterSettings,
    /// The folder for records that the store does not take; it is there. By default that of the
    /// SQLite file; for a database none, and then they only wait in memory.
    pub spill_folder: Option<PathBuf>,
    /// A database that is away is an error when the ledger is opened.
    pub must_be_there: bool,
}

/// Why a ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store is away or not a ledger of this version.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address of the database makes no sense.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// The folder for records that the store does not take cannot be used.
    #[error("the ledger cannot keep records in {folder}: {source}; make the folder writable")]
    Spill {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The ledger's thread cannot be started.
    #[error("the ledger's thread cannot be started: {0}")]
    Thread(#[source] std::io::Error),
}
