//! What a batch of new records adds to the sums: put together here, written in the same transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::entry::Entry;
use crate::grain::Grain;
use crate::measures::{self, Sums};
use crate::period::Period;
use crate::query::Dimension;
use crate::table::{Column, Merge, Table};
use crate::value::{Kind, Row, Value};

/// What sums are kept for: the names that a grain tells apart, all others being empty.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Series<'a> {
    grain: Grain,
    tag: &'a str,
    entry: &'a Entry,
}

/// Names a series for good; from its names alone, so that no instance has to ask another.
type SeriesId = Arc<[u8]>;

/// Stands between the names of an id. No name has one: control characters are replaced.
const SEPARATOR: &str = "\u{1f}";

impl<'a> Series<'a> {
    fn names(&self) -> [(Dimension, &'a str); 6] {
        let entry = self.entry;
        [
            (Dimension::Tag, self.tag),
            (Dimension::Tenant, &entry.tenant),
            (Dimension::Key, entry.key_id.as_deref().unwrap_or_default()),
            (Dimension::Model, &entry.model),
            (Dimension::Provider, &entry.provider),
            (Dimension::Route, &entry.route),
        ]
    }

    fn outcome_code(&self) -> i64 {
        match self.grain.tells(Dimension::Outcome) {
            true => self.entry.outcome.code(),
            false => 0,
        }
    }

    fn id(&self) -> SeriesId {
        match self.grain.is_fine() {
            true => self.hash(),
            false => self.text().into_bytes().into(),
        }
    }

    fn hash(&self) -> SeriesId {
        let mut hash = Sha256::new();
        for (_, text) in self.names() {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update(self.outcome_code().to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        digest[..16].into()
    }

    /// The grain's number and the names that it tells apart. Statements that change tables make the
    /// same.
    fn text(&self) -> String {
        let mut text = self.grain.code().to_string();
        for (dimension, name) in self.names() {
            if self.grain.tells(dimension) {
                text.push_str(SEPARATOR);
                text.push_str(name);
            }
        }
        if self.grain.tells(Dimension::Outcome) {
            text.push_str(SEPARATOR);
            text.push_str(&self.entry.outcome.code().to_string());
        }
        text
    }

    fn row(&self, id: &SeriesId, day_ms: i64) -> Row {
        let names = self.names().map(|(dimension, name)| {
            Value::from(if self.grain.tells(dimension) {
                name
            } else {
                ""
            })
        });
        let id = [Value::Bytes(id.to_vec()), self.grain.code().into()];
        let rest = [self.outcome_code(), day_ms].map(Value::from);
        id.into_iter().chain(names).chain(rest).collect()
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
    rollups: BTreeMap<(i64, i64, i64, SeriesId), Box<Sums>>,
    spend: BTreeMap<(i64, String, String, i64, i64), [i64; SPEND_SUMS.len()]>,
}

impl Additions {
    /// Those of all these records.
    pub(crate) fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut additions = Self::default();
        for entry in entries {
            let sums = measures::of_entry(entry);
            let of_all = Grain::ONCE.map(|grain| (grain, ""));
            let of_tags = entry
                .tags
                .iter()
                .flat_map(|tag| Grain::FOR_EACH_TAG.map(|grain| (grain, tag.as_str())));
            for (grain, tag) in of_all.into_iter().chain(of_tags) {
                additions.add_rollups(&Series { grain, tag, entry }, &sums);
            }
            additions.add_spend(entry);
        }
        additions
    }

    fn add_rollups(&mut self, series: &Series<'_>, sums: &Sums) {
        let (id, entry) = (series.id(), series.entry);
        let day = Period::Day.start_of(entry.ended_at_ms);
        let row = self.series.entry(id.clone());
        let row = row.or_insert_with(|| series.row(&id, day));
        if let Some(Value::Integer(latest)) = row.last_mut() {
            *latest = day.max(*latest);
        }
        for period in Period::ALL {
            let bucket = period.start_of(entry.ended_at_ms);
            let key = (series.grain.code(), period.code(), bucket, id.clone());
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
            .map(|((grain, period, bucket, id), sums)| {
                let key = [grain, period, bucket].map(Value::from);
                let id = std::iter::once(Value::Bytes(id.to_vec()));
                key.into_iter()
                    .chain(id)
                    .chain(sums.map(Value::from))
                    .collect()
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
    let mut series = vec![
        Column::new("series", Kind::Bytes, Merge::Key),
        Column::new("grain", Kind::Integer, Merge::Keep),
    ];
    series.extend(["tag", "tenant", "key_id", "model", "provider", "route"].map(kept));
    series.push(Column::new("outcome", Kind::Integer, Merge::Keep));
    series.push(Column::new("latest_ms", Kind::Integer, Merge::Max));
    let mut rollup = vec![
        number_key("grain"),
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
        ("paceline_sum", rollup),
        ("paceline_spend", spend),
    ]
    .map(|(name, columns)| Table { name, columns })
}
