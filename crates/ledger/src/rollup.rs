//! What a batch of new records adds to the sums: put together here, written in the same transaction.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::entry::Entry;
use crate::measures::{self, Sums};
use crate::period::Period;
use crate::table::{Column, Merge, Table};
use crate::value::{Kind, Row, Value};

/// What sums are kept for: the dimensions of a roll-up. An empty tag stands for all calls.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Series<'a> {
    tag: &'a str,
    entry: &'a Entry,
}

/// Names a series for good; from its dimensions alone, so that no instance has to ask another.
type SeriesId = [u8; 16];

impl Series<'_> {
    fn dimensions(&self) -> [&str; 6] {
        let entry = self.entry;
        [
            self.tag,
            &entry.tenant,
            entry.key_id.as_deref().unwrap_or_default(),
            &entry.model,
            &entry.provider,
            &entry.route,
        ]
    }

    fn id(&self) -> SeriesId {
        let mut hash = Sha256::new();
        for text in self.dimensions() {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update(self.entry.outcome.code().to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = SeriesId::default();
        id.copy_from_slice(&digest[..16]);
        id
    }
}

/// Whose spending is kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ScopeKind {
    Tenant,
    Key,
    Session,
    Tag,
}

impl ScopeKind {
    /// Its number in the stores.
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Tenant => 0,
            Self::Key => 1,
            Self::Session => 2,
            Self::Tag => 3,
        }
    }
}

/// The columns that are added up for budgets.
pub(crate) const SPEND_SUMS: [&str; 5] = [
    "sent",
    "input_tokens",
    "output_tokens",
    "cost_nanousd",
    "unpriced",
];

/// Rows for the tables of sums. Sorted by key, so that instances that write at the same time lock
/// the same rows in the same order.
#[derive(Debug, Default)]
pub(crate) struct Additions {
    series: BTreeMap<SeriesId, Row>,
    rollups: BTreeMap<(i64, i64, SeriesId), Box<Sums>>,
    spend: BTreeMap<(i64, String, String, i64, i64), [i64; SPEND_SUMS.len()]>,
}

impl Additions {
    /// Those of all these records.
    pub(crate) fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut additions = Self::default();
        for entry in entries {
            let sums = measures::of_entry(entry);
            let tags = entry.tags.iter().map(String::as_str);
            for tag in std::iter::once("").chain(tags) {
                additions.add_rollups(&Series { tag, entry }, &sums);
            }
            additions.add_spend(entry);
        }
        additions
    }

    fn add_rollups(&mut self, series: &Series<'_>, sums: &Sums) {
        let (id, entry) = (series.id(), series.entry);
        let day = Period::Day.start_of(entry.ended_at_ms);
        let row = self.series.entry(id).or_insert_with(|| {
            let id = std::iter::once(Value::Bytes(id.to_vec()));
            let texts = series.dimensions().into_iter().map(Value::from);
            let rest = [entry.outcome.code(), day].map(Value::from);
            id.chain(texts).chain(rest).collect()
        });
        if let Some(Value::Integer(latest)) = row.last_mut() {
            *latest = day.max(*latest);
        }
        for period in Period::ALL {
            let key = (period.code(), period.start_of(entry.ended_at_ms), id);
            let kept = self.rollups.entry(key);
            let kept = kept.or_insert_with(|| Box::new([0; measures::MEASURES]));
            measures::merge(kept, sums);
        }
    }

    fn add_spend(&mut self, entry: &Entry) {
        let all = measures::ALL.iter().zip(measures::of_entry(entry));
        let sums = SPEND_SUMS.map(|name| {
            let found = all.clone().find(|(measure, _)| measure.name == name);
            found.map_or(0, |(_, sum)| sum)
        });
        let tenant = entry.tenant.as_str();
        let key = entry
            .key_id
            .iter()
            .map(|key| (ScopeKind::Key, "", key.as_str()));
        let session = entry.session.iter();
        let session = session.map(|session| (ScopeKind::Session, tenant, session.as_str()));
        let tags = entry
            .tags
            .iter()
            .map(|tag| (ScopeKind::Tag, "", tag.as_str()));
        let scopes = std::iter::once((ScopeKind::Tenant, tenant, ""));
        for (scope, tenant, name) in scopes.chain(key).chain(session).chain(tags) {
            for period in Period::ALL {
                let bucket = period.start_of(entry.ended_at_ms);
                let key = (
                    scope.code(),
                    tenant.to_owned(),
                    name.to_owned(),
                    period.code(),
                    bucket,
                );
                let kept = self.spend.entry(key).or_default();
                for (kept, sum) in kept.iter_mut().zip(sums) {
                    *kept = kept.saturating_add(sum);
                }
            }
        }
    }

    /// The rows of each table, in the order in which they are to be written.
    pub(crate) fn into_rows(self) -> [Vec<Row>; 3] {
        let series = self.series.into_values().collect();
        let rollups = self
            .rollups
            .into_iter()
            .map(|((period, bucket, id), sums)| {
                let key = [period.into(), bucket.into(), Value::Bytes(id.to_vec())];
                key.into_iter().chain(sums.map(Value::from)).collect()
            });
        let spend = self.spend.into_iter();
        let spend = spend.map(|((scope, tenant, name, period, bucket), sums)| {
            let key = [
                scope.into(),
                tenant.into(),
                name.into(),
                period.into(),
                bucket.into(),
            ];
            key.into_iter().chain(sums.map(Value::from)).collect()
        });
        [series, rollups.collect(), spend.collect()]
    }
}

/// The tables that [`Additions::into_rows`] are for.
pub(crate) fn tables() -> [Table; 3] {
    let text_key = |name: &str| Column::new(name, Kind::Text, Merge::Key);
    let number_key = |name: &str| Column::new(name, Kind::Integer, Merge::Key);
    let kept = |name: &str| Column::new(name, Kind::Text, Merge::Keep);
    let mut series = vec![Column::new("series", Kind::Bytes, Merge::Key)];
    series.extend(["tag", "tenant", "key_id", "model", "provider", "route"].map(kept));
    series.push(Column::new("outcome", Kind::Integer, Merge::Keep));
    series.push(Column::new("latest_ms", Kind::Integer, Merge::Max));
    let mut rollup = vec![
        number_key("period"),
        number_key("bucket_ms"),
        Column::new("series", Kind::Bytes, Merge::Key),
    ];
    rollup.extend(measures::columns());
    let mut spend = vec![number_key("scope"), text_key("tenant"), text_key("name")];
    spend.extend([number_key("period"), number_key("bucket_ms")]);
    spend.extend(SPEND_SUMS.map(|name| Column::new(name, Kind::Integer, Merge::Sum)));
    [
        ("paceline_series", series),
        ("paceline_rollup", rollup),
        ("paceline_spend", spend),
    ]
    .map(|(name, columns)| Table { name, columns })
}
