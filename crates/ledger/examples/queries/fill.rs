//! Ten million calls, as the ledger would have them after 30 days.

use paceline_ledger::Location;
use rusqlite::Connection;
use tokio_postgres::{Client, NoTls};

pub(crate) const MINUTE_MS: i64 = 60_000;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
pub(crate) const START_MS: i64 = 20_000 * DAY_MS;
pub(crate) const END_MS: i64 = START_MS + 30 * DAY_MS;

/// Calls in an hour: 18 of each combination, 6 with each tag.
const CALLS: i64 = 14_400;

/// The series of a grain: its number, how many, and their tag, tenant, key, model, provider, route and outcome.
type Series = (i64, i64, [&'static str; 7]);

// In SQLite names are put together before anything is divided.
const TENANT: &str = "'tenant-' || (i % 20)";
const KEY: &str = "'key-' || (i % 20) || '-' || (i / 20 % 4)";
const MODEL: &str = "'model-' || (i / 80 % 5)";
const KIND: [&str; 4] = [
    "'model-' || (i % 5)",
    "'openai'",
    "'chat_completions'",
    "i / 5",
];
const EACH: [&str; 4] = [MODEL, "'openai'", "'chat_completions'", "i / 400 % 2"];

const SERIES: [Series; 9] = [
    (0, 1, ["''", "''", "''", "''", "''", "''", "0"]),
    (
        1,
        10,
        ["''", "''", "''", KIND[0], KIND[1], KIND[2], KIND[3]],
    ),
    (2, 20, ["''", TENANT, "''", "''", "''", "''", "0"]),
    (3, 80, ["''", TENANT, KEY, "''", "''", "''", "0"]),
    (
        4,
        800,
        ["''", TENANT, KEY, EACH[0], EACH[1], EACH[2], EACH[3]],
    ),
    (5, 3, ["'tag-' || i", "''", "''", "''", "''", "''", "0"]),
    (
        6,
        2_400,
        [
            "'tag-' || (i / 800)",
            TENANT,
            KEY,
            EACH[0],
            EACH[1],
            EACH[2],
            EACH[3],
        ],
    ),
    (
        7,
        200,
        [
            "''",
            TENANT,
            "''",
            "'model-' || (i / 20 % 5)",
            KIND[1],
            KIND[2],
            "i / 100",
        ],
    ),
    (
        8,
        30,
        [
            "'tag-' || (i / 10)",
            "''",
            "''",
            KIND[0],
            KIND[1],
            KIND[2],
            "i / 5 % 2",
        ],
    ),
];

/// Who runs the statements that fill a ledger.
enum Bulk {
    Sqlite(Connection),
    Postgres(Client),
}

impl Bulk {
    async fn of(location: &Location) -> Self {
        match location {
            Location::Sqlite(file) => {
                let connection = Connection::open(file).unwrap();
                connection
                    .execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
                    .unwrap();
                Self::Sqlite(connection)
            }
            Location::Postgres(address) => {
                let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
                tokio::spawn(connection);
                Self::Postgres(client)
            }
        }
    }

    async fn run(&self, sql: &str) {
        match self {
            Self::Sqlite(connection) => connection.execute_batch(sql).unwrap(),
            Self::Postgres(client) => client.batch_execute(sql).await.unwrap(),
        }
    }

    /// A number as 16 bytes.
    fn id(&self, number: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("unhex(printf('%032x', {number}))"),
            Self::Postgres(_) => format!("decode(lpad(to_hex({number}), 32, '0'), 'hex')"),
        }
    }

    /// The statements that make the indexes of a table.
    async fn indexes(&self, table: &str) -> Vec<(String, String)> {
        match self {
            Self::Sqlite(connection) => {
                let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' \
                           AND sql IS NOT NULL AND tbl_name = $1";
                let mut indexes = connection.prepare(sql).unwrap();
                let rows = indexes.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)));
                rows.unwrap().map(Result::unwrap).collect()
            }
            Self::Postgres(client) => {
                let sql = "SELECT indexname::text, indexdef FROM pg_indexes \
                           WHERE tablename = $1 AND indexname NOT LIKE '%_pkey'";
                let rows = client.query(sql, &[&table]).await.unwrap();
                rows.iter().map(|row| (row.get(0), row.get(1))).collect()
            }
        }
    }
}

/// Numbers from 0 on, for both databases.
fn numbers(count: i64) -> String {
    format!(
        "(WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {count} - 1) SELECT i FROM n)"
    )
}

/// Fills an empty ledger.
pub(crate) async fn fill(location: &Location) {
    let bulk = Bulk::of(location).await;
    for (grain, count, names) in SERIES {
        let id = bulk.id(&format!("{grain} * 10000 + i"));
        bulk.run(&format!(
            "INSERT INTO paceline_series (series, grain, tag, tenant, key_id, model, provider, route, outcome, \
             latest_ms) SELECT {id}, {grain}, {}, {END_MS} - {DAY_MS} FROM {} n",
            names.join(", "),
            numbers(count)
        ))
        .await;
        for (period, length) in [(0, MINUTE_MS), (1, HOUR_MS), (2, DAY_MS)] {
            sums(&bulk, (grain, count), (period, length)).await;
        }
    }
    records(&bulk).await;
    if let Bulk::Postgres(_) = &bulk {
        bulk.run("VACUUM ANALYZE").await;
    }
}

/// The sums of a grain, for each of its series in each hour and day; in a minute not each combination
/// occurs, and minutes are there for a week.
async fn sums(bulk: &Bulk, (grain, count): (i64, i64), (period, length): (i64, i64)) {
    let in_bucket = CALLS * length / HOUR_MS;
    let occurring = count.min(in_bucket);
    let from_ms = if period == 0 {
        END_MS - 7 * DAY_MS
    } else {
        START_MS
    };
    let calls = in_bucket / occurring;
    let (names, measures): (Vec<String>, Vec<String>) = measures(bulk)
        .await
        .into_iter()
        .map(|name| {
            let per_call = match name.as_str() {
                "input_tokens" | "estimate_tokens" | "estimated_input_tokens" | "duration_ms" => {
                    2_000
                }
                "output_tokens" | "first_byte_ms" | "charge_tokens" => 500,
                "cost_nanousd" => 5_000_000,
                _ => 1,
            };
            (name, (calls * per_call).to_string())
        })
        .unzip();
    bulk.run(&format!(
        "INSERT INTO paceline_sum (grain, period, bucket_ms, series, {}) \
         SELECT {grain}, {period}, {from_ms} + t.i * {length}, s.series, {} \
         FROM {} t CROSS JOIN (SELECT series, row_number() OVER (ORDER BY series) AS number \
         FROM paceline_series WHERE grain = {grain}) s \
         WHERE (s.number + t.i) % ({count} * 10 / {occurring}) < 10 ORDER BY t.i, s.series",
        names.join(", "),
        measures.join(", "),
        numbers((END_MS - from_ms) / length),
    ))
    .await;
}

async fn measures(bulk: &Bulk) -> Vec<String> {
    let names: Vec<String> = match bulk {
        Bulk::Sqlite(connection) => {
            let sql = "SELECT name FROM pragma_table_info('paceline_sum') ORDER BY cid";
            let mut columns = connection.prepare(sql).unwrap();
            let names = columns.query_map([], |row| row.get(0)).unwrap();
            names.map(Result::unwrap).collect()
        }
        Bulk::Postgres(client) => {
            let sql = "SELECT attname::text FROM pg_attribute WHERE attnum > 0 \
                       AND attrelid = 'paceline_sum'::regclass ORDER BY attnum";
            let rows = client.query(sql, &[]).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
    };
    names.into_iter().skip(4).collect()
}

/// A record for each call, four in a second, each with a tag; twenty of them are a session.
async fn records(bulk: &Bulk) {
    let mut indexes = bulk.indexes("paceline_entry").await;
    indexes.extend(bulk.indexes("paceline_entry_tag").await);
    for (name, _) in &indexes {
        bulk.run(&format!("DROP INDEX {name}")).await;
    }
    let number = format!("hour * {CALLS} + call");
    let (id, at) = (bulk.id(&number), format!("{START_MS} + ({number}) * 250"));
    let tables = format!(
        "(SELECT i AS hour FROM {} h) h CROSS JOIN (SELECT i AS call, i % 800 AS i FROM {} c) c",
        numbers(30 * 24),
        numbers(CALLS)
    );
    bulk.run(&format!(
        "INSERT INTO paceline_entry SELECT {id}, {at}, {TENANT}, 'session-' || hour || '-' || (call % 720), \
         {KEY}, '[\"tag-' || (call / 800 % 3) || '\"]', 'chat_completions', 'openai', {MODEL}, {MODEL}, \
         'default', 'interactive', call % 4000, 0, 0, call % 1000, 0, 0, 0, 0, 0, 0, 0, '2026-11-01', \
         call % 4000 * 2500, call % 4000 + 30, call % 4000 + 1000, call % 70, 1, call % 1300, call % 4000, \
         i / 400 % 2, 200, NULL, NULL, 'openai/shared', 'one' FROM {tables}"
    ))
    .await;
    bulk.run(&format!(
        "INSERT INTO paceline_entry_tag SELECT {id}, 'tag-' || (call / 800 % 3), {at} FROM {tables}"
    ))
    .await;
    for (_, sql) in &indexes {
        bulk.run(sql).await;
    }
}
