//! Postgres, for several instances.
//!
//! One connection writes; a few read. Each is made when it is needed, and made again after any
//! failure. Whoever connects first brings the tables to this version, under a lock of the database,
//! so that instances may start at the same time. A commit is answered when the server has forced it
//! to its disk: a server or role whose `synchronous_commit` is off is told otherwise.

mod rows;
mod schema;
mod settings;
mod tls;

use std::time::Duration;

use parking_lot::Mutex as Shelf;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Transaction};

pub use settings::AddressError;
pub(crate) use settings::PostgresSettings;

use self::rows::{Array, arrays, row_of, type_of};
use super::statements::TABLES;
use super::{Access, Later, SCHEMA_VERSION, Store, StoreError};
use crate::entry::{CallId, Entry};
use crate::rollup::Additions;
use crate::table::Table;
use crate::value::{Row, Statement, Value};

/// The longest that the server may take to accept a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest that a transaction may take; whoever commits records is less patient.
const COMMIT: Duration = Duration::from_secs(30);

/// The longest that a question may take.
const ANSWER: Duration = Duration::from_secs(30);

/// How many may read at once.
const READERS: usize = 4;

/// A ledger in a database.
pub(crate) struct Postgres {
    settings: PostgresSettings,
    access: Access,
    /// Where connections live.
    runtime: Handle,
    writer: Mutex<Option<Client>>,
    /// Connections that nobody is using.
    readers: Shelf<Vec<Client>>,
    turns: Semaphore,
}

impl Postgres {
    /// A ledger at this address; nothing is asked of it yet.
    pub(crate) fn new(settings: PostgresSettings, access: Access, runtime: Handle) -> Self {
        Self {
            settings,
            access,
            runtime,
            writer: Mutex::default(),
            readers: Shelf::default(),
            turns: Semaphore::new(READERS),
        }
    }

    async fn connect(&self) -> Result<Client, StoreError> {
        let connecting = async {
            let client = tls::connect(&self.settings, &self.runtime).await?;
            let found = schema::prepare(&client).await;
            let found = found.map_err(|error| self.settings.problem(&error))?;
            Ok((client, found))
        };
        let (client, found) = self.within(CONNECT, "connecting", connecting).await?;
        if found < SCHEMA_VERSION && self.access == Access::Full {
            return self.migrate(client).await;
        }
        schema::check(&self.settings, found)?;
        Ok(client)
    }

    /// Brings the tables to this version, however long that takes: it goes on if nobody waits any more.
    async fn migrate(&self, mut client: Client) -> Result<Client, StoreError> {
        let migrating = self.runtime.spawn(async move {
            let found = schema::migrate(&mut client).await;
            found.map(|found| (client, found))
        });
        let migrated = migrating.await.map_err(|error| StoreError::Away {
            store: self.settings.name().to_owned(),
            reason: error.to_string(),
        })?;
        let (client, found) = migrated.map_err(|error| self.settings.problem(&error))?;
        schema::check(&self.settings, found)?;
        Ok(client)
    }

    async fn within<T>(
        &self,
        limit: Duration,
        what: &str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        // The timer needs a runtime, which a caller of another kind may not have.
        let timer = {
            let _entered = self.runtime.enter();
            tokio::time::sleep(limit)
        };
        tokio::select! {
            done = work => done,
            () = timer => Err(StoreError::Away {
                store: self.settings.name().to_owned(),
                reason: format!("{what} took longer than {} s", limit.as_secs()),
            }),
        }
    }

    /// Runs a transaction on the connection that writes, which is given up when anything goes wrong.
    async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, StoreError> {
        let mut slot = self.writer.lock().await;
        // Taken out, so that it is gone if this future is dropped in the middle.
        let mut client = match slot.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.connect().await?,
        };
        let done = self.within(COMMIT, "a commit", async {
            let done = async {
                let transaction = client.transaction().await?;
                let done = work(&transaction).await?;
                transaction.commit().await?;
                Ok(done)
            };
            done.await.map_err(|error| self.settings.problem(&error))
        });
        let done = done.await;
        if done.is_ok() {
            *slot = Some(client);
        }
        done
    }

    async fn read(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let turn = self.turns.acquire().await;
        let free = self.readers.lock().pop();
        let client = match free.filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.connect().await?,
        };
        let reading = async {
            let parameters = parameters(&statement.values);
            let rows = client.query_typed(&statement.sql, &parameters).await;
            rows.map_err(|error| self.settings.problem(&error))
        };
        let rows = self.within(ANSWER, "an answer", reading).await?;
        self.readers.lock().push(client);
        drop(turn);
        Ok(rows.iter().map(row_of).collect())
    }
}

impl Store for Postgres {
    fn commit<'a>(&'a self, entries: &'a [Entry]) -> Later<'a, ()> {
        Box::pin(self.write(async move |transaction| commit(transaction, entries).await))
    }

    fn rows(&self, statement: Statement) -> Later<'_, Vec<Row>> {
        Box::pin(self.read(statement))
    }

    fn change(&self, statements: Vec<Statement>) -> Later<'_, u64> {
        Box::pin(self.write(async move |transaction| {
            let mut changed = 0;
            for statement in &statements {
                let parameters = parameters(&statement.values);
                changed = transaction
                    .execute_typed(&statement.sql, &parameters)
                    .await?;
            }
            Ok(changed)
        }))
    }
}

async fn commit(
    transaction: &Transaction<'_>,
    entries: &[Entry],
) -> Result<(), tokio_postgres::Error> {
    let rows: Vec<Row> = entries.iter().map(Entry::to_row).collect();
    let sql = format!("{} RETURNING call_id", TABLES.entry.write_many());
    let new = write_all(transaction, &TABLES.entry, &sql, &rows).await?;
    let mut new: Vec<CallId> = new
        .iter()
        .filter_map(|row| CallId::from_value(row.first()?))
        .collect();
    new.sort_unstable();
    let mut written = Vec::with_capacity(new.len());
    for entry in entries {
        // Each once: the same call may be in a batch twice.
        if let Ok(index) = new.binary_search(&entry.call_id) {
            new.remove(index);
            written.push(entry);
        }
    }
    let tags = written.iter().flat_map(|entry| {
        let row = |tag: &String| {
            let tag = Value::from(tag.as_str());
            vec![entry.call_id.to_value(), tag, entry.ended_at_ms.into()]
        };
        entry.tags.iter().map(row)
    });
    let tags: Vec<Row> = tags.collect();
    write_all(transaction, &TABLES.tag, &TABLES.tag.write_many(), &tags).await?;
    let additions = Additions::of(written).into_rows();
    for (table, rows) in TABLES.sums.iter().zip(additions) {
        write_all(transaction, table, &table.write_many(), &rows).await?;
    }
    Ok(())
}

async fn write_all(
    transaction: &Transaction<'_>,
    table: &Table,
    sql: &str,
    rows: &[Row],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let arrays = arrays(table, rows);
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
        arrays.iter().map(Array::parameter).collect();
    let rows = transaction.query_typed(sql, &parameters).await?;
    Ok(rows.iter().map(row_of).collect())
}

fn parameters(values: &[Value]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    let parameter = |value| (value as &(dyn ToSql + Sync), type_of(value));
    values.iter().map(parameter).collect()
}
