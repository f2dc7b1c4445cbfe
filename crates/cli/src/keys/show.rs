//! Keys on standard output: as a table, or as JSON.

use paceline_keys::{KeyRecord, KeyText, Priority};
use serde::Serialize;

use crate::exit::Failure;
use crate::table::{Side, Table};
use crate::terminal::Terminal;

/// A key as programs read it. Times are seconds since 1970.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    /// The key itself, where it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    name: &'a str,
    tenant: &'a str,
    prefix: &'a str,
    state: &'static str,
    created_unix_s: u64,
    expires_unix_s: Option<u64>,
    revoked_unix_s: Option<u64>,
    rotated_unix_s: Option<u64>,
    former_valid_until_unix_s: Option<u64>,
    models: Vec<&'a str>,
    budgets: &'a [String],
    weight: Option<u32>,
    priority: Option<Priority>,
}

impl<'a> Shown<'a> {
    fn of(record: &'a KeyRecord, key: Option<&'a KeyText>, now: u64) -> Self {
        Self {
            id: &record.id.0,
            key: key.map(KeyText::reveal),
            name: &record.name,
            tenant: &record.tenant,
            prefix: &record.shown,
            state: record.state(now).name(),
            created_unix_s: record.created_unix_s,
            expires_unix_s: record.expires_unix_s,
            revoked_unix_s: record.revoked_unix_s,
            rotated_unix_s: record.rotated_unix_s,
            former_valid_until_unix_s: record.former_until_unix_s(now),
            models: record.models.iter().map(|model| &*model.0).collect(),
            budgets: &record.budgets,
            weight: record.weight,
            priority: record.priority,
        }
    }
}

/// The key itself: the one time that it is shown.
pub(super) fn secret(
    record: &KeyRecord,
    key: &KeyText,
    now: u64,
    as_json: bool,
) -> Result<(), Failure> {
    if as_json {
        return print(&Shown::of(record, Some(key), now));
    }
    Terminal::stdout().line(key.reveal())
}

/// All keys, without the keys themselves.
pub(super) fn json(records: &[KeyRecord], now: u64) -> Result<(), Failure> {
    let shown: Vec<Shown<'_>> = records
        .iter()
        .map(|record| Shown::of(record, None, now))
        .collect();
    print(&shown)
}

fn print(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::other(format!("the keys cannot be written: {error}")))?;
    Terminal::stdout().line(&text)
}

pub(super) fn table(records: &[KeyRecord], now: u64) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("id", Side::Left),
        ("key", Side::Left),
        ("name", Side::Left),
        ("tenant", Side::Left),
        ("state", Side::Left),
        ("age", Side::Right),
        ("valid for", Side::Right),
        ("models", Side::Left),
        ("budgets", Side::Left),
    ]);
    for record in records {
        let models: Vec<&str> = record.models.iter().map(|model| &*model.0).collect();
        let left = record.expires_unix_s.map(|at| at.saturating_sub(now));
        let state = match record.former_until_unix_s(now) {
            Some(until) => format!("rotating, {} left", time_left(until - now)),
            None => record.state(now).name().to_owned(),
        };
        table.row([
            record.id.0.clone(),
            format!("{}...", record.shown),
            record.name.clone(),
            record.tenant.clone(),
            state,
            time_left(now.saturating_sub(record.created_unix_s)),
            left.map_or_else(|| "ever".to_owned(), time_left),
            if models.is_empty() {
                "all".to_owned()
            } else {
                models.join(", ")
            },
            record.budgets.join(", "),
        ]);
    }
    let mut out = Terminal::stdout();
    for line in table.lines() {
        out.line(&line)?;
    }
    Ok(())
}

/// A time in the largest unit that it has at least two of.
pub(super) fn time_left(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
