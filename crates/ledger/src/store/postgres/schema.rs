//! The tables, and how they come to be of this version.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::PostgresSettings;
use crate::store::{SCHEMA_VERSION, StoreError};

/// Brings the tables from the version before to the version of its place, counted from 1.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = [
    include_str!("../../../migrations/postgres/0001_records.sql"),
    include_str!("../../../migrations/postgres/0002_grains.sql"),
    include_str!("../../../migrations/postgres/0003_lanes.sql"),
];

/// The lock that whoever changes tables holds: `pclg` as a number.
const LOCK: i64 = 0x7063_6c67;

/// Settings of every connection. The role's own are left where they promise more. Compiling a question of
/// ninety sums takes longer than answering it; grouping needs some room.
const SESSION: &str = "\
SET application_name = 'paceline-ledger';
SET statement_timeout = '30s';
SET idle_in_transaction_session_timeout = '30s';
SET jit = off;
SET work_mem = '32MB';
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') = 'off';";

/// Makes a fresh connection ready and tells the version of the tables; 0: there are none.
pub(super) async fn prepare(client: &Client) -> Result<i64, tokio_postgres::Error> {
    client.batch_execute(SESSION).await?;
    version(client).await
}

/// Whether tables of this version can be used.
pub(super) fn check(settings: &PostgresSettings, found: i64) -> Result<(), StoreError> {
    let (store, known) = (settings.name().to_owned(), SCHEMA_VERSION);
    match found {
        0 => Err(StoreError::Missing { store }),
        SCHEMA_VERSION => Ok(()),
        ..SCHEMA_VERSION => Err(StoreError::Older {
            store,
            found,
            known,
        }),
        _ => Err(StoreError::Newer {
            store,
            found,
            known,
        }),
    }
}

/// The version of the tables; 0: there are none.
async fn version(
    client: &impl tokio_postgres::GenericClient,
) -> Result<i64, tokio_postgres::Error> {
    // Not `to_regclass`: it may remember from before a lock was waited for that there is none.
    let there = "SELECT EXISTS (SELECT FROM pg_catalog.pg_tables WHERE \
                 tablename = 'paceline_meta' AND schemaname = ANY (current_schemas(false)))";
    if !client.query_one(there, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let value = "SELECT value FROM paceline_meta WHERE name = 'schema_version'";
    let row = client.query_opt(value, &[]).await?;
    row.map_or(Ok(0), |row| row.try_get(0))
}

/// Changes the tables in one transaction, under the lock; others that wait for it find it done.
pub(super) async fn migrate(client: &mut Client) -> Result<i64, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let lock = "SELECT pg_advisory_xact_lock($1)";
    transaction
        .query_typed(lock, &[(&LOCK, Type::INT8)])
        .await?;
    // Going through all records, or rewriting the sums of many months, may take longer than any question.
    transaction
        .batch_execute("SET LOCAL statement_timeout = 0")
        .await?;
    let found = version(&transaction).await?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.batch_execute(migration).await?;
    }
    let set = "INSERT INTO paceline_meta (name, value) VALUES ('schema_version', $1) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    if found < SCHEMA_VERSION {
        transaction
            .execute_typed(set, &[(&SCHEMA_VERSION, Type::INT8)])
            .await?;
    }
    transaction.commit().await?;
    Ok(found.max(SCHEMA_VERSION))
}
