//! Questions about sums of calls, and their answers.

mod parts;
mod plan;
mod rows;
mod sql;

use serde::{Deserialize, Serialize};

pub(crate) use parts::{Part, by_days, local_days};
pub(crate) use plan::{Horizons, Level, Segment, segments};
pub(crate) use rows::answer;
pub(crate) use sql::{Raw, count_series, statement, where_raw};

use crate::entry::Outcome;
use crate::period::Period;
use crate::usage::{Latency, Usage};

/// The most rows of one answer, whatever is asked for.
pub const ROWS_MAX: usize = 10_000;

/// Which calls. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Calls that ended at this time or later, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Calls that ended before this time.
    pub until_ms: Option<i64>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this session. What is asked by session is answered from the records themselves, and so
    /// reaches as far back as they are kept.
    pub session: Option<String>,
    /// With the key of this id.
    pub key_id: Option<String>,
    /// For this model, as it was asked for.
    pub model: Option<String>,
    /// At this provider.
    pub provider: Option<String>,
    /// Over this lane, the one that answered or was tried last. What is asked by lane is answered from
    /// the records themselves, as with [`Filter::session`].
    #[serde(default)]
    pub lane: Option<String>,
    /// At this endpoint.
    pub route: Option<String>,
    /// With this tag among theirs.
    pub tag: Option<String>,
    /// That ended in this way.
    pub outcome: Option<Outcome>,
}

/// What sums are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The tenant.
    Tenant,
    /// The id of the caller's key; empty for calls without one.
    Key,
    /// The session; empty for calls without one. From the records themselves, as with
    /// [`Filter::session`].
    Session,
    /// Each tag: a call with several is in several rows, one without in none. Where the filter names
    /// a tag, that one alone.
    Tag,
    /// The model that was asked for.
    Model,
    /// The provider.
    Provider,
    /// The endpoint.
    Route,
    /// How calls ended, by [`Outcome::name`].
    Outcome,
    /// The lane; empty for calls without one. From the records themselves, as with [`Filter::lane`].
    Lane,
}

/// Sums over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buckets {
    /// How long each is.
    pub period: Period,
    /// How far local time is ahead of UTC, in minutes: buckets start at local midnight, or the local
    /// full hour. At most a day to either side.
    pub offset_minutes: i32,
}

/// In which order rows come. Ties are in the order of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// By time, then by name.
    #[default]
    Names,
    /// The dearest first.
    Cost,
    /// Most input and output tokens first.
    Tokens,
    /// Most calls first.
    Calls,
    /// Most input tokens first.
    InputTokens,
}

/// A question about sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Which calls.
    pub filter: Filter,
    /// One row for each combination of these that occurs; none, one or two of them.
    pub group_by: Vec<Dimension>,
    /// One row for each of these, besides. Those without calls are left out.
    pub buckets: Option<Buckets>,
    /// The order of the rows.
    pub order: Order,
    /// The most rows; [`ROWS_MAX`] at most, which is also meant by 0.
    pub limit: usize,
    /// Whether the times are told too, not only the sums.
    pub with_latency: bool,
    /// Whether calls, tokens, images, audio and costs are enough: everything else of [`Usage`] is 0.
    /// Takes a fraction of the time, most of all for local days.
    #[serde(default)]
    pub brief: bool,
}

/// Why a question cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// More dimensions than there are places for.
    #[error("sums are told apart by two dimensions at most, not {0}; ask several times")]
    Dimensions(usize),
    /// Local time cannot be that far off.
    #[error("an offset of {0} minutes is more than a day; give local time minus UTC in minutes")]
    Offset(i32),
    /// The store did not answer, or not in a way that makes sense.
    #[error(transparent)]
    Store(#[from] crate::StoreError),
}

/// A row of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The names of its dimensions, in the order in which they were asked for.
    pub names: Vec<String>,
    /// The start of its bucket, in milliseconds since 1970.
    pub bucket_ms: Option<i64>,
    /// Its sums.
    pub usage: Usage,
    /// Its times, where they were asked for.
    pub latency: Option<Latency>,
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// From when on calls are in it. Not what was asked for where the records that it would take are
    /// no longer kept: then the nearest hour or day before, or where what is kept begins.
    pub from_ms: i64,
    /// Until when, in the same way.
    pub until_ms: i64,
    /// The rows.
    pub groups: Vec<Group>,
    /// There would have been more.
    pub truncated: bool,
}

impl Dimension {
    /// Whether no sums tell it apart, so that the records themselves have to be asked.
    pub(crate) fn is_of_records(self) -> bool {
        matches!(self, Self::Session | Self::Lane)
    }
}

impl Filter {
    /// What has to be told apart to apply it.
    pub(crate) fn needed(&self) -> impl Iterator<Item = Dimension> {
        let given = [
            (self.tenant.is_some(), Dimension::Tenant),
            (self.session.is_some(), Dimension::Session),
            (self.key_id.is_some(), Dimension::Key),
            (self.model.is_some(), Dimension::Model),
            (self.provider.is_some(), Dimension::Provider),
            (self.route.is_some(), Dimension::Route),
            (self.tag.is_some(), Dimension::Tag),
            (self.outcome.is_some(), Dimension::Outcome),
            (self.lane.is_some(), Dimension::Lane),
        ];
        let given = given.into_iter().filter(|(is_given, _)| *is_given);
        given.map(|(_, dimension)| dimension)
    }
}

impl Query {
    /// Everything that the filter lets through, as one row.
    pub fn total(filter: Filter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// One row for each of these dimensions.
    #[must_use]
    pub fn by(mut self, dimension: Dimension) -> Self {
        self.group_by.push(dimension);
        self
    }

    /// One row for each bucket.
    #[must_use]
    pub fn over(mut self, period: Period, offset_minutes: i32) -> Self {
        self.buckets = Some(Buckets {
            period,
            offset_minutes,
        });
        self
    }

    /// The first rows of this order.
    #[must_use]
    pub fn top(mut self, order: Order, limit: usize) -> Self {
        self.order = order;
        self.limit = limit;
        self
    }

    /// With times.
    #[must_use]
    pub fn with_latency(mut self) -> Self {
        self.with_latency = true;
        self
    }

    /// Calls, tokens and costs alone.
    #[must_use]
    pub fn brief(mut self) -> Self {
        self.brief = true;
        self
    }

    pub(crate) fn check(&self) -> Result<(), QueryError> {
        if self.group_by.len() > 2 {
            return Err(QueryError::Dimensions(self.group_by.len()));
        }
        match self.buckets {
            Some(buckets) if buckets.offset_minutes.unsigned_abs() > 1440 => {
                Err(QueryError::Offset(buckets.offset_minutes))
            }
            _ => Ok(()),
        }
    }

    /// What has to be told apart to answer it.
    pub(crate) fn needed(&self) -> impl Iterator<Item = Dimension> {
        self.group_by.iter().copied().chain(self.filter.needed())
    }

    /// How many rows are to be had.
    pub(crate) fn rows_max(&self) -> usize {
        match self.limit {
            0 => ROWS_MAX,
            limit => limit.min(ROWS_MAX),
        }
    }
}
