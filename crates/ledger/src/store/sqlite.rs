//! SQLite, in the process.
//!
//! The journal is a write-ahead log, so that reading does not wait for writing, and `synchronous` is
//! `FULL`: every commit is forced to disk before it returns. (With `NORMAL` a loss of power undoes
//! the last commits in this mode.) One connection writes; a few read.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, ToSql, Transaction, TransactionBehavior, params_from_iter,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::statements::TABLES;
use super::{Access, Later, SCHEMA_VERSION, Store, StoreError};
use crate::entry::Entry;
use crate::rollup::Additions;
use crate::table::Table;
use crate::value::{Row, Statement, Value};

/// Marks a file as a ledger: `pclg`.
const APPLICATION_ID: i64 = 0x7063_6c67;

/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// How many may read at once.
const READERS: usize = 4;

/// Brings a file from the version before to the version of its place, counted from 1.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = [
    include_str!("../../migrations/sqlite/0001_records.sql"),
    include_str!("../../migrations/sqlite/0002_grains.sql"),
    include_str!("../../migrations/sqlite/0003_lanes.sql"),
];

/// A ledger in a file.
#[derive(Debug)]
pub(crate) struct Sqlite {
    shared: Arc<Shared>,
    /// Where the blocking work is done.
    runtime: Handle,
    turns: Semaphore,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    writer: Mutex<Connection>,
    /// Connections that nobody is using.
    readers: Mutex<Vec<Connection>>,
}

impl Sqlite {
    /// Opens the file. With full access it makes it if it is not there (for nobody else to read), and
    /// brings its tables to this version. Blocks.
    pub(crate) fn open(path: &Path, access: Access, runtime: Handle) -> Result<Self, StoreError> {
        let writer = match access {
            Access::Full => open_to_write(path)?,
            Access::Questions => open_to_read(path)?,
        };
        let shared = Shared {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            runtime,
            turns: Semaphore::new(READERS),
        })
    }

    /// Runs `work` where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = self.shared.clone();
        let done = self.runtime.spawn_blocking(move || {
            let done = work(&shared);
            done.map_err(|error| problem(&shared.path, &error))
        });
        done.await
            .unwrap_or_else(|error| Err(away(&self.shared.path, &error)))
    }
}

impl Store for Sqlite {
    fn commit<'a>(&'a self, entries: &'a [Entry]) -> Later<'a, ()> {
        let entries = entries.to_vec();
        Box::pin(self.blocking(move |shared| shared.commit(&entries)))
    }

    fn rows(&self, statement: Statement) -> Later<'_, Vec<Row>> {
        Box::pin(async move {
            let turn = self.turns.acquire().await;
            let rows = self.blocking(move |shared| shared.rows(&statement)).await;
            drop(turn);
            rows
        })
    }

    fn change(&self, statements: Vec<Statement>) -> Later<'_, u64> {
        Box::pin(self.blocking(move |shared| shared.change(&statements)))
    }
}

impl Shared {
    fn commit(&self, entries: &[Entry]) -> rusqlite::Result<()> {
        let mut writer = self.writer.lock();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut new = Vec::with_capacity(entries.len());
        {
            let mut write = transaction.prepare_cached(&TABLES.entry.write_one())?;
            for entry in entries {
                if write.execute(params_from_iter(entry.to_row()))? > 0 {
                    new.push(entry);
                }
            }
        }
        let tags = new.iter().flat_map(|entry| {
            let row = |tag: &String| {
                let tag = Value::from(tag.as_str());
                vec![entry.call_id.to_value(), tag, entry.ended_at_ms.into()]
            };
            entry.tags.iter().map(row)
        });
        write_all(&transaction, &TABLES.tag, tags)?;
        let additions = Additions::of(new.iter().copied()).into_rows();
        for (table, rows) in TABLES.sums.iter().zip(additions) {
            write_all(&transaction, table, rows)?;
        }
        transaction.commit()
    }

    fn rows(&self, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
        let free = self.readers.lock().pop();
        let reader = match free {
            Some(reader) => reader,
            None => connect(
                &self.path,
                OpenFlags::SQLITE_OPEN_READ_ONLY,
                READER_CACHE_KIB,
            )?,
        };
        let rows = read(&reader, statement);
        if rows.is_ok() {
            self.readers.lock().push(reader);
        }
        rows
    }

    fn change(&self, statements: &[Statement]) -> rusqlite::Result<u64> {
        let mut writer = self.writer.lock();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut changed = 0;
        for statement in statements {
            let mut prepared = transaction.prepare_cached(&statement.sql)?;
            changed = prepared.execute(params_from_iter(&statement.values))? as u64;
        }
        transaction.commit()?;
        Ok(changed)
    }
}

fn write_all(
    transaction: &Transaction<'_>,
    table: &Table,
    rows: impl IntoIterator<Item = Row>,
) -> rusqlite::Result<()> {
    let mut write = transaction.prepare_cached(&table.write_one())?;
    for row in rows {
        write.execute(params_from_iter(row))?;
    }
    Ok(())
}

fn read(reader: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
    let mut prepared = reader.prepare_cached(&statement.sql)?;
    let width = prepared.column_count();
    let mut rows = prepared.query(params_from_iter(&statement.values))?;
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = (0..width).map(|index| row.get_ref(index).map(value_of));
        read.push(cells.collect::<rusqlite::Result<Row>>()?);
    }
    Ok(read)
}

fn value_of(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        ValueRef::Null | ValueRef::Real(_) => Value::Null,
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Makes the file if it is not there. SQLite gives the files beside it the same permissions.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // The name must be on disk before anything is promised.
        Ok(_) => match path.parent() {
            Some(folder) if folder != Path::new("") => fs::File::open(folder)?.sync_all(),
            _ => fs::File::open(".")?.sync_all(),
        },
        Err(error) => Err(error),
    }
}

/// What is written is mostly the sums of the present minute, hour and day.
const WRITER_CACHE_KIB: i64 = 8 * 1024;

/// Room to sort in: grouping many sums would go to temporary files otherwise.
const READER_CACHE_KIB: i64 = 64 * 1024;

fn connect(path: &Path, flags: OpenFlags, cache_kib: i64) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

fn open_to_write(path: &Path) -> Result<Connection, StoreError> {
    create(path).map_err(|error| away(path, &error))?;
    let writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_CACHE_KIB);
    let mut writer = writer.map_err(|error| problem(path, &error))?;
    prepare(&writer).map_err(|error| problem(path, &error))?;
    migrate(path, &mut writer)?;
    Ok(writer)
}

fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let missing = || StoreError::Missing {
        store: path.display().to_string(),
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
        Err(error) => return Err(away(path, &error)),
        Ok(_) => {}
    }
    let failed = |error: rusqlite::Error| problem(path, &error);
    let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_CACHE_KIB);
    let reader = reader.map_err(failed)?;
    match check(path, &reader)? {
        0 => Err(missing()),
        found if found < SCHEMA_VERSION => Err(StoreError::Older {
            store: path.display().to_string(),
            found,
            known: SCHEMA_VERSION,
        }),
        _ => Ok(reader),
    }
}

fn prepare(writer: &Connection) -> rusqlite::Result<()> {
    writer.pragma_update(None, "synchronous", "FULL")?;
    // Only macOS knows a difference between written and really written.
    writer.pragma_update(None, "fullfsync", true)?;
    // What a large transaction has made of the journal is given back.
    writer.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)
}

/// The version of the tables, of which there are none yet where it is 0.
fn check(path: &Path, connection: &Connection) -> Result<i64, StoreError> {
    let failed = |error: rusqlite::Error| problem(path, &error);
    let (application, found) = marks(connection).map_err(failed)?;
    if application != APPLICATION_ID
        && (application, found, tables(connection).map_err(failed)?) != (0, 0, 0)
    {
        return Err(StoreError::Foreign {
            store: path.display().to_string(),
            reason: "it is a database of another program".to_owned(),
        });
    }
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer {
            store: path.display().to_string(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    Ok(found)
}

fn migrate(path: &Path, writer: &mut Connection) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| problem(path, &error);
    check(path, writer)?;
    writer
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(failed)?;
    apply(writer).map_err(failed)
}

/// Several processes may be doing this at once; each looks again once it is its turn.
fn apply(writer: &mut Connection) -> rusqlite::Result<()> {
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (_, found) = marks(&transaction)?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.execute_batch(migration)?;
    }
    if found < SCHEMA_VERSION {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()
}

fn marks(connection: &Connection) -> rusqlite::Result<(i64, i64)> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get(0));
    Ok((number("application_id")?, number("user_version")?))
}

fn tables(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
}

fn away(path: &Path, error: &dyn std::error::Error) -> StoreError {
    StoreError::Away {
        store: path.display().to_string(),
        reason: error.to_string(),
    }
}

fn problem(path: &Path, error: &rusqlite::Error) -> StoreError {
    let (store, reason) = (path.display().to_string(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Foreign { store, reason }
        }
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            StoreError::Refused { store, reason }
        }
        _ => StoreError::Away { store, reason },
    }
}
