//! Rows of sums as answers.

use crate::entry::Outcome;
use crate::measures::{MEASURES, TOTALS, places};
use crate::query::{Answer, Dimension, Group, Query};
use crate::usage::{Latency, Usage};
use crate::value::{Row, Value};

/// The answer that these rows are. Without any dimension there is always one row.
pub(crate) fn answer(query: &Query, reach: (i64, i64), mut rows: Vec<Row>) -> Answer {
    let truncated = rows.len() > query.rows_max();
    rows.truncate(query.rows_max());
    let places = places(query.brief, query.with_latency);
    let groups = rows.iter().map(|row| group(query, &places, row));
    Answer {
        from_ms: reach.0,
        until_ms: reach.1,
        groups: groups.collect(),
        truncated,
    }
}

fn group(query: &Query, places: &[usize], row: &[Value]) -> Group {
    let (names, rest) = row.split_at(query.group_by.len().min(row.len()));
    let names = names.iter().zip(&query.group_by);
    let names = names.map(|(name, dimension)| name_of(*dimension, name));
    let bucket = rest.first().and_then(Value::integer);
    let mut sums = [0; MEASURES];
    for (place, value) in places.iter().zip(rest.iter().skip(1)) {
        if let Some(sum) = sums.get_mut(*place) {
            *sum = value.integer().unwrap_or(0);
        }
    }
    let mut totals = [0; TOTALS];
    totals.copy_from_slice(&sums[..TOTALS]);
    Group {
        names: names.collect(),
        bucket_ms: bucket.filter(|_| query.buckets.is_some()),
        usage: Usage::from_sums(&totals),
        latency: query
            .with_latency
            .then(|| Latency::from_sums(&sums[TOTALS..])),
    }
}

fn name_of(dimension: Dimension, value: &Value) -> String {
    if dimension == Dimension::Outcome {
        let outcome = value.integer().and_then(Outcome::from_code);
        return outcome.map_or("unknown", Outcome::name).to_owned();
    }
    value.text().unwrap_or_default().to_owned()
}
