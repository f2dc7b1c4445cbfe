//! Which calls a question is about, and how they are to be told apart: the same parameters for all
//! questions to the ledger.

use paceline_ledger::{Dimension, Filter, Ledger, Outcome, Period};

use super::moment::{moment, utc_offset};
use super::parameters::Parameters;
use super::problem::Problem;
use crate::shared::Shared;

/// How far back is looked where nothing else is asked for.
const SPAN_MS: i64 = 24 * 3_600_000;

/// The most minutes or hours in one answer.
const BUCKETS_MAX: i64 = 10_000;

/// Up to this long a stretch is told by the minute.
const BY_MINUTE_MS: i64 = 3 * 3_600_000;

/// Up to this long a stretch is told by the hour.
const BY_HOUR_MS: i64 = 8 * 86_400_000;

/// The most groups or records of an answer.
pub(super) const LIMIT_MAX: usize = 1_000;

/// How many there are where nothing else is asked for.
const LIMIT: usize = 100;

const DIMENSIONS: [(&str, Dimension); 9] = [
    ("model", Dimension::Model),
    ("tenant", Dimension::Tenant),
    ("key", Dimension::Key),
    ("session", Dimension::Session),
    ("tag", Dimension::Tag),
    ("route", Dimension::Route),
    ("provider", Dimension::Provider),
    ("outcome", Dimension::Outcome),
    ("lane", Dimension::Lane),
];

const PERIODS: [(&str, Period); 3] = [
    ("minute", Period::Minute),
    ("hour", Period::Hour),
    ("day", Period::Day),
];

/// How time is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) period: Period,
    pub(super) offset_minutes: i32,
}

/// How calls are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grouping {
    pub(super) dimensions: Vec<Dimension>,
    pub(super) limit: usize,
}

/// The ledger, which has to be there.
pub(super) fn ledger(shared: &Shared) -> Result<&Ledger, Problem> {
    let kept = shared.recorder.kept().ok_or_else(Problem::ledger_off)?;
    let ledger = kept.ledger();
    ledger.ok_or_else(|| Problem::ledger_away(&kept.reason()))
}

/// Which time: the last day unless something else is asked for.
pub(super) fn time(parameters: &mut Parameters, now_ms: i64) -> Result<Filter, Problem> {
    let mut filter = open_time(parameters, now_ms)?;
    let until_ms = filter.until_ms.unwrap_or(now_ms);
    let from_ms = filter.from_ms.unwrap_or((until_ms - SPAN_MS).max(0));
    filter.from_ms = Some(from_ms);
    in_order(&filter)?;
    Ok(filter)
}

/// The same, as far back as there are records unless something else is asked for.
pub(super) fn open_time(parameters: &mut Parameters, now_ms: i64) -> Result<Filter, Problem> {
    let mut take = |name| {
        let text = parameters.take(name);
        text.map(|text| moment(name, &text, now_ms)).transpose()
    };
    let (from_ms, until_ms) = (take("from")?, take("to")?);
    let filter = Filter {
        from_ms,
        // What ends in this very millisecond is in it too.
        until_ms: Some(until_ms.unwrap_or(now_ms + 1)),
        ..Filter::default()
    };
    in_order(&filter)?;
    Ok(filter)
}

fn in_order(filter: &Filter) -> Result<(), Problem> {
    match (filter.from_ms, filter.until_ms) {
        (Some(from), Some(until)) if from > until => {
            Err(Problem::invalid("from", "a time that is not after `to`"))
        }
        _ => Ok(()),
    }
}

/// Which calls, besides when.
pub(super) fn calls(parameters: &mut Parameters, filter: &mut Filter) -> Result<(), Problem> {
    let outcomes = Outcome::ALL.map(|outcome| (outcome.name(), outcome));
    filter.tenant = parameters.name("tenant")?;
    filter.model = parameters.name("model")?;
    filter.key_id = parameters.name_or_none("key")?;
    filter.provider = parameters.name("provider")?;
    filter.route = parameters.name("route")?;
    filter.tag = parameters.name("tag")?;
    filter.outcome = parameters.word("outcome", &outcomes)?;
    filter.lane = parameters.name("lane")?;
    Ok(())
}

/// Which calls, of any session or one.
pub(super) fn filter(parameters: &mut Parameters, now_ms: i64) -> Result<Filter, Problem> {
    let mut filter = time(parameters, now_ms)?;
    calls(parameters, &mut filter)?;
    filter.session = parameters.name("session")?;
    Ok(filter)
}

/// How the time of a filter is divided.
pub(super) fn series(parameters: &mut Parameters, filter: &Filter) -> Result<Series, Problem> {
    let wanted = parameters.word("bucket", &PERIODS)?;
    let offset = parameters.take("utc_offset");
    let offset = offset.map(|text| utc_offset("utc_offset", &text));
    let span_ms = span_ms(filter);
    // Of days there are never so many with calls in them.
    if let Some(wanted) = wanted.filter(|wanted| *wanted != Period::Day)
        && span_ms / wanted.length_ms() > BUCKETS_MAX
    {
        let expected = format!("a longer one, or less time: there may be {BUCKETS_MAX}");
        return Err(Problem::invalid("bucket", &expected));
    }
    Ok(Series {
        period: wanted.unwrap_or_else(|| fitting(span_ms)),
        offset_minutes: offset.transpose()?.unwrap_or(0),
    })
}

fn span_ms(filter: &Filter) -> i64 {
    let (from, until) = (filter.from_ms.unwrap_or(0), filter.until_ms.unwrap_or(0));
    until.saturating_sub(from)
}

fn fitting(span_ms: i64) -> Period {
    // A millisecond more is there for calls that end just now.
    if span_ms - 1 <= BY_MINUTE_MS {
        Period::Minute
    } else if span_ms - 1 <= BY_HOUR_MS {
        Period::Hour
    } else {
        Period::Day
    }
}

/// How calls are told apart.
pub(super) fn grouping(parameters: &mut Parameters) -> Result<Grouping, Problem> {
    let names = parameters.take("group_by");
    let names = names.as_deref().unwrap_or("model");
    let found = |name| DIMENSIONS.iter().find(|(known, _)| *known == name);
    let dimensions: Option<Vec<Dimension>> = names
        .split(',')
        .map(|name| found(name).map(|(_, dimension)| *dimension))
        .collect();
    let dimensions = dimensions.filter(|found| match found.as_slice() {
        [_] => true,
        [first, second] => first != second,
        _ => false,
    });
    let dimensions = dimensions.ok_or_else(|| {
        let names: Vec<&str> = DIMENSIONS.iter().map(|(name, _)| *name).collect();
        let expected = format!("one or two of {}, with a comma between", names.join(", "));
        Problem::invalid("group_by", &expected)
    })?;
    Ok(Grouping {
        dimensions,
        limit: limit(parameters)?,
    })
}

/// How many.
pub(super) fn limit(parameters: &mut Parameters) -> Result<usize, Problem> {
    let limit = parameters.number("limit", 1..=LIMIT_MAX)?;
    Ok(limit.unwrap_or(LIMIT))
}

/// The name of a dimension.
pub(super) fn dimension_name(dimension: Dimension) -> &'static str {
    let known = DIMENSIONS.iter().find(|(_, known)| *known == dimension);
    known.map_or("", |(name, _)| *name)
}

/// The name of a period.
pub(super) fn period_name(period: Period) -> &'static str {
    let known = PERIODS.iter().find(|(_, known)| *known == period);
    known.map_or("", |(name, _)| *name)
}
