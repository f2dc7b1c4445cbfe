//! The ledger as its users see it.

mod extent;
mod host;
mod listing;
mod location;
mod reports;

use std::sync::Arc;

pub use extent::Extent;
pub use location::{LedgerSettings, Location, OpenError};
pub use reports::{PromptSize, SessionReport};

use self::host::Host;
use crate::StoreError;
use crate::entry::CallId;
use crate::export::{Export, Format};
use crate::grain::Grain;
use crate::health::Health;
use crate::page::{self, Cursor, Direction, PAGE_MAX, Page};
use crate::period::Period;
use crate::prune::{self, HORIZON_NAMES, Pruned, Retention, SESSIONS_HORIZON, STEP_ROWS};
use crate::query::{self, Answer, Filter, Horizons, Level, Part, Query, QueryError, Segment};
use crate::rollup::ScopeKind;
use crate::spend::{Scope, Spender, SpenderKind, Spent};
use crate::store::{Access, Store};
use crate::value::{Statement, Value};
use crate::writer::Writer;

/// A ledger: records go in by its [`Writer`], answers come out of its queries.
///
/// Cheap to clone. It works on a thread of its own, and its methods may be awaited on any runtime.
/// When the last one is dropped, what was handed in is still written by that thread; a process that is
/// about to end calls [`Ledger::close`] and so waits for it.
#[derive(Clone)]
pub struct Ledger {
    host: Arc<Host>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let health = self.health();
        formatter
            .debug_struct("Ledger")
            .field("health", &health)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens a ledger with the usual settings.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(location: Location) -> Result<Self, OpenError> {
        Self::open_with(location, LedgerSettings::default()).await
    }

    /// Opens a ledger. A file is there or is made. A database that is away is not an error, unless the
    /// settings say so: records wait for it in the state folder.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_with(
        location: Location,
        settings: LedgerSettings,
    ) -> Result<Self, OpenError> {
        let host = Host::start(location, settings, Access::Full).await?;
        Ok(Self {
            host: Arc::new(host),
        })
    }

    /// Opens a ledger that is there, for questions alone: nothing is made, no table is changed, what
    /// waits in files is left to those who write, and records are not taken. Others may be writing.
    ///
    /// # Errors
    /// See [`OpenError`]; [`StoreError::Missing`] where there is none.
    pub async fn open_to_read(location: Location) -> Result<Self, OpenError> {
        let settings = LedgerSettings {
            must_be_there: true,
            ..LedgerSettings::default()
        };
        let host = Host::start(location, settings, Access::Questions).await?;
        host.queue().close();
        Ok(Self {
            host: Arc::new(host),
        })
    }

    fn store(&self) -> &dyn Store {
        self.host.store()
    }

    /// To hand in records.
    pub fn writer(&self) -> Writer {
        Writer::new(self.host.queue().clone())
    }

    /// How writing goes.
    pub fn health(&self) -> Health {
        self.host.queue().health()
    }

    /// Whether the store can be asked and has what belongs there.
    ///
    /// # Errors
    /// It cannot, or has not.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.horizons().await.map(drop)
    }

    /// Takes no more records, and writes those that it has: into the store, or else into the file.
    /// What neither takes is lost, as the answer tells.
    pub async fn close(&self) -> Health {
        self.host.close().await;
        self.health()
    }

    /// Sums of calls.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn query(&self, query: &Query) -> Result<Answer, QueryError> {
        query.check()?;
        Ok(self.sums(query).await?)
    }

    /// The answer to a query that makes sense.
    async fn sums(&self, query: &Query) -> Result<Answer, StoreError> {
        let coarsest = Level::coarsest_for(query);
        let horizons = self.horizons().await?;
        let reach = horizons.reach(query.filter.from_ms, query.filter.until_ms, coarsest);
        let mut segments = query::segments(reach.0, reach.1, coarsest);
        if segments.is_empty() {
            // Nothing lies between two equal times; the row of a total is there all the same.
            segments.push(Segment {
                level: Level::Rollup(Period::Day),
                from_ms: 0,
                until_ms: 0,
            });
        }
        let parts = self.parts(query, segments).await?;
        let rows = self.store().rows(query::statement(query, &parts)).await?;
        Ok(query::answer(query, reach, rows))
    }

    /// In which way each segment is read. Coarse sums are few whatever the way.
    async fn parts(&self, query: &Query, segments: Vec<Segment>) -> Result<Vec<Part>, StoreError> {
        let whole = |segments: Vec<Segment>| segments.into_iter().map(Part::from).collect();
        let grain = Grain::of(query);
        if !grain.has_many() || Level::coarsest_for(query) == Level::Records {
            return Ok(whole(segments));
        }
        let Some(kept) = self.days_kept().await? else {
            return Ok(whole(segments));
        };
        let mut parts: Vec<Part> = match query::local_days(query) {
            Some(ahead) => query::by_days(segments, ahead, kept),
            None => whole(segments),
        };
        if query.filter.needed().next().is_some() {
            let rows = self.store().rows(query::count_series(query, grain)).await?;
            let count = |index: usize| rows.first()?.get(index)?.integer();
            let (matching, all) = (count(0).unwrap_or(0), count(1).unwrap_or(0));
            for part in &mut parts {
                part.seek_if_few(matching, all, kept);
            }
        }
        Ok(parts)
    }

    /// The first and the last day that there are sums of.
    async fn days_kept(&self) -> Result<Option<(i64, i64)>, StoreError> {
        let sql = "SELECT (SELECT min(bucket_ms) FROM paceline_sum WHERE grain = 0 AND period = 2), \
                   (SELECT max(bucket_ms) FROM paceline_sum WHERE grain = 0 AND period = 2)";
        let rows = self.store().rows(Statement::new(sql)).await?;
        let ends = rows.first().and_then(|row| {
            let end = |index: usize| row.get(index).and_then(Value::integer);
            end(0).zip(end(1))
        });
        Ok(ends)
    }

    /// What somebody has spent since a time, to the last record. Where the records that it would take
    /// are no longer kept, since the start of that hour or day.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn spent(&self, scope: &Scope, since_ms: i64) -> Result<Spent, StoreError> {
        let mut horizons = self.horizons().await?;
        if matches!(scope, Scope::Session { .. }) {
            let sessions = self.meta(SESSIONS_HORIZON).await?;
            for level in &mut horizons.0[2..] {
                *level = sessions.max(*level);
            }
        }
        let (from, until) = horizons.reach(Some(since_ms), None, Level::Rollup(Period::Day));
        let Some(statement) = scope.statement(from, until) else {
            return Ok(Spent::default());
        };
        let rows = self.store().rows(statement).await?;
        Ok(rows
            .first()
            .map(|row| Spent::from_row(row))
            .unwrap_or_default())
    }

    /// Who has spent most, by cost and then by tokens, in the full hours that hold this stretch of
    /// time.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn top_spenders(
        &self,
        kind: SpenderKind,
        from_ms: Option<i64>,
        until_ms: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Spender>, StoreError> {
        let hour = Period::Hour.length_ms();
        let from = from_ms.map(|at| Period::Hour.start_of(at.max(0)));
        let until = until_ms.map(|at| Period::Hour.start_of(at.saturating_add(hour - 1)));
        let horizons = self.horizons().await?;
        let (from, until) = horizons.reach(from, until, Level::Rollup(Period::Day));
        let limit = limit.min(query::ROWS_MAX) as u64;
        let rows = self.store().rows(kind.ranking(from, until, limit)).await?;
        Ok(rows.iter().filter_map(|row| kind.spender(row)).collect())
    }

    /// Records, the latest first; `limit` at most, and never more than [`PAGE_MAX`].
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn entries(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, PAGE_MAX);
        // One more than wanted shows whether there are more.
        let listed = self.list(filter, Direction::LatestFirst, after, limit + 1);
        let mut entries = listed.await?;
        let next = entries.get(limit - 1).filter(|_| entries.len() > limit);
        let next = next.map(crate::Entry::cursor);
        entries.truncate(limit);
        Ok(Page { entries, next })
    }

    /// The record of a call, while it is kept.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn entry(&self, call_id: CallId) -> Result<Option<crate::Entry>, StoreError> {
        let rows = self.store().rows(page::one(call_id)).await?;
        Ok(entries_of(&rows).pop())
    }

    /// Records as text, the oldest first, piece by piece.
    pub fn export(&self, filter: Filter, format: Format) -> Export {
        Export::new(self.clone(), filter, format)
    }

    /// Records, the oldest first.
    pub(crate) async fn page_forward(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<crate::Entry>, StoreError> {
        self.list(filter, Direction::OldestFirst, after, limit)
            .await
    }

    /// Removes what is older than it is to be kept, in steps of some milliseconds between which
    /// records are written. To be called now and then; several instances may.
    ///
    /// # Errors
    /// The store does not answer. What was removed stays removed; the next call goes on.
    pub async fn prune(&self, now_ms: i64, retention: &Retention) -> Result<Pruned, StoreError> {
        let cuts = retention.cuts(now_ms);
        // First it is said, then it is done: no query counts on what is being removed.
        let names = HORIZON_NAMES.iter().zip(cuts.levels);
        let names = names.chain([(&SESSIONS_HORIZON, cuts.sessions)]);
        let horizons = names.map(|(name, since)| prune::set_horizon(name, since));
        self.store().change(horizons.collect()).await?;
        let [records, minutes, hours, days] = cuts.levels;
        let mut pruned = Pruned {
            records: self.remove(|| prune::records_step(records)).await?,
            ..Pruned::default()
        };
        let periods = Period::ALL.into_iter().zip([minutes, hours, days]);
        for (period, before) in periods {
            for grain in Grain::ALL {
                let step = || prune::sums_step(grain, period, before);
                pruned.sums += self.remove(step).await?;
            }
            for scope in [
                ScopeKind::Tenant,
                ScopeKind::Key,
                ScopeKind::Session,
                ScopeKind::Tag,
            ] {
                let before = match (scope, period) {
                    (ScopeKind::Session, Period::Hour | Period::Day) => cuts.sessions.max(before),
                    _ => before,
                };
                let step = || prune::spending_step(scope, period, before);
                pruned.spending += self.remove(step).await?;
            }
        }
        self.store().change(prune::series_step(days)).await?;
        Ok(pruned)
    }

    /// Takes steps until one has nothing left to do.
    async fn remove(&self, step: impl Fn() -> Vec<Statement>) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let count = self.store().change(step()).await?;
            removed += count;
            if count < STEP_ROWS {
                return Ok(removed);
            }
            tokio::task::yield_now().await;
        }
    }

    /// How many records there are, from when to when, and since when sums are complete.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn extent(&self) -> Result<Extent, StoreError> {
        let horizons = self.horizons().await?;
        let rows = self.store().rows(extent::statement()).await?;
        Ok(Extent::of(horizons, rows.first()))
    }

    async fn horizons(&self) -> Result<Horizons, StoreError> {
        let rows = self
            .store()
            .rows(Statement::new("SELECT name, value FROM paceline_meta"))
            .await?;
        let mut horizons = Horizons::default();
        for row in rows {
            let [name, value] = row.as_slice() else {
                continue;
            };
            let level = HORIZON_NAMES
                .iter()
                .position(|known| Some(*known) == name.text());
            if let (Some(level), Some(value)) = (level, value.integer()) {
                horizons.0[level] = value;
            }
        }
        Ok(horizons)
    }

    async fn meta(&self, name: &str) -> Result<i64, StoreError> {
        let mut sql = Statement::new("SELECT value FROM paceline_meta WHERE name = ");
        sql.bind(name);
        let rows = self.store().rows(sql).await?;
        let value = rows.first().and_then(|row| row.first());
        Ok(value.and_then(Value::integer).unwrap_or(0))
    }
}

/// Rows that are no records, which only another program can have written, are passed over.
fn entries_of(rows: &[Vec<Value>]) -> Vec<crate::Entry> {
    rows.iter()
        .filter_map(|row| crate::Entry::from_row(row))
        .collect()
}
