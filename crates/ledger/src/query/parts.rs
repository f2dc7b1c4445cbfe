//! What a statement reads: segments, and where local days are asked for in sums alone, whole days that
//! are put right by the hours in which local days and those of UTC differ.
//!
//! A local day that begins some hours before a day of UTC is that day, with the hours before it added and
//! its own last hours taken off; one that begins some hours after, the other way round. So a month takes
//! its days and some hours of each instead of all hours. Only sums can be taken off: largest values cannot.

use crate::period::Period;
use crate::query::plan::{Level, Segment};
use crate::query::{Buckets, Query};

/// The most local days that are read in this way; their hours are listed one by one.
const DAYS_MAX: i64 = 400;

const HOUR: i64 = Period::Hour.length_ms();
const DAY: i64 = Period::Day.length_ms();

/// Something that a statement reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) segment: Segment,
    /// Its sums are taken off.
    pub(crate) is_negative: bool,
    /// How far the rows belong to another bucket than that in which they lie.
    pub(crate) shift_ms: i64,
    /// The buckets to read, where it is not all of the segment.
    pub(crate) only: Option<Vec<i64>>,
    /// The sums of each series are looked up bucket by bucket, instead of reading those of all.
    pub(crate) is_sought: bool,
}

/// The most sums that are looked up one by one: a fraction of a second.
const SOUGHT_MAX: i64 = 200_000;

/// Looking one up takes as long as reading this many.
const READ_PER_SOUGHT: i64 = 8;

impl Part {
    /// Has its sums looked up where few of all series are wanted. `kept` are the first and the last day
    /// that there are sums of.
    pub(crate) fn seek_if_few(&mut self, matching: i64, all: i64, kept: (i64, i64)) {
        let Level::Rollup(period) = self.segment.level else {
            return;
        };
        let from_ms = self.segment.from_ms.max(kept.0);
        let until_ms = self.segment.until_ms.min(kept.1 + DAY);
        let buckets = (until_ms - from_ms).max(0) / period.length_ms();
        self.is_sought = self.only.is_none()
            && matching.saturating_mul(READ_PER_SOUGHT) <= all
            && matching.saturating_mul(buckets) <= SOUGHT_MAX;
    }
}

impl From<Segment> for Part {
    fn from(segment: Segment) -> Self {
        Self {
            segment,
            is_negative: false,
            shift_ms: 0,
            only: None,
            is_sought: false,
        }
    }
}

/// By how much local days are ahead of days of UTC, where a query can be answered by putting days
/// right: more than none and less than a day, in milliseconds.
pub(crate) fn local_days(query: &Query) -> Option<i64> {
    let Buckets {
        period: Period::Day,
        offset_minutes,
    } = query.buckets?
    else {
        return None;
    };
    let ahead = (i64::from(offset_minutes) * Period::Minute.length_ms()).rem_euclid(DAY);
    (query.brief && ahead > 0 && ahead % HOUR == 0).then_some(ahead)
}

/// The parts of these segments, of which hours are replaced by days put right. `first_ms` and `last_ms`
/// are the first and the last day that there are sums of.
pub(crate) fn by_days(
    segments: Vec<Segment>,
    ahead: i64,
    (first_ms, last_ms): (i64, i64),
) -> Vec<Part> {
    let mut parts = Vec::new();
    for segment in segments {
        let start = next_midnight(segment.from_ms.max(first_ms - DAY), ahead);
        let end = segment.until_ms.min(last_ms + 2 * DAY);
        let days = (end - start).div_euclid(DAY);
        if segment.level != Level::Rollup(Period::Hour) || !(1..=DAYS_MAX).contains(&days) {
            parts.push(Part::from(segment));
            continue;
        }
        let end = start + days * DAY;
        for (from_ms, until_ms) in [(segment.from_ms, start), (end, segment.until_ms)] {
            if from_ms < until_ms {
                parts.push(Part::from(Segment {
                    from_ms,
                    until_ms,
                    ..segment
                }));
            }
        }
        parts.extend(put_right(start, end, ahead));
    }
    parts
}

/// The first local midnight at this time or later.
fn next_midnight(at_ms: i64, ahead: i64) -> i64 {
    at_ms + (-(at_ms + ahead)).rem_euclid(DAY)
}

/// The parts of the local days from `start` to `end`, both local midnights.
fn put_right(start: i64, end: i64, ahead: i64) -> [Part; 3] {
    let is_late = ahead > DAY / 2;
    // The days of UTC that most of the local days lie in, and the hours in which they differ: those
    // between each local midnight and the nearest of UTC.
    let (utc, length) = if is_late {
        (start - (DAY - ahead), DAY - ahead)
    } else {
        (start + ahead, ahead)
    };
    let first_hours = if is_late { utc } else { start };
    let shift_ms = if is_late { DAY } else { 0 };
    let hours = |from_day: i64, is_negative, shift_ms| {
        let days = (end - start) / DAY;
        let starts = (0..days).map(|day| first_hours + (from_day + day) * DAY);
        let all = starts.flat_map(|start| (0..length / HOUR).map(move |hour| start + hour * HOUR));
        let first = first_hours + from_day * DAY;
        Part {
            segment: Segment {
                level: Level::Rollup(Period::Hour),
                from_ms: first,
                until_ms: first + (end - start),
            },
            is_negative,
            shift_ms,
            only: Some(all.collect()),
            is_sought: false,
        }
    };
    let days = Part {
        shift_ms,
        ..Part::from(Segment {
            level: Level::Rollup(Period::Day),
            from_ms: utc,
            until_ms: utc + (end - start),
        })
    };
    if is_late {
        [days, hours(0, true, DAY), hours(1, false, 0)]
    } else {
        [days, hours(0, false, 0), hours(1, true, -DAY)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// How often each hour is counted in each local day.
    fn counted(parts: &[Part], ahead: i64) -> BTreeMap<(i64, i64), i64> {
        let mut counts = BTreeMap::new();
        for part in parts {
            let Segment {
                level,
                from_ms,
                until_ms,
            } = part.segment;
            let length = match level {
                Level::Rollup(period) => period.length_ms(),
                Level::Records => 1,
            };
            let all = (from_ms..until_ms).step_by(usize::try_from(length).unwrap());
            let buckets = part.only.clone().unwrap_or_else(|| all.collect());
            for bucket in buckets {
                let local = bucket - (bucket + ahead).rem_euclid(DAY) + part.shift_ms;
                for hour in (bucket..bucket + length).step_by(3_600_000) {
                    let sign = if part.is_negative { -1 } else { 1 };
                    *counts.entry((local, hour)).or_insert(0) += sign;
                }
            }
        }
        counts.retain(|_, count| *count != 0);
        counts
    }

    #[test]
    fn every_hour_is_counted_once_and_in_its_local_day() {
        for offset_hours in -23..24 {
            let ahead = (offset_hours * HOUR).rem_euclid(DAY);
            if ahead == 0 {
                continue;
            }
            for (from, until) in [(100, 100 + 24 * 9), (7, 90), (50, 60), (33, 82)] {
                let segment = Segment {
                    level: Level::Rollup(Period::Hour),
                    from_ms: 1_000 * DAY + from * HOUR,
                    until_ms: 1_000 * DAY + until * HOUR,
                };
                let plain = counted(&[Part::from(segment)], ahead);
                for last in [1_000, 1_005, 2_000] {
                    let parts = by_days(vec![segment], ahead, (1_002 * DAY, last * DAY));
                    assert_eq!(counted(&parts, ahead), plain, "{offset_hours}: {parts:#?}");
                }
            }
        }
    }

    #[test]
    fn a_month_of_local_days_is_its_days_and_some_hours() {
        let segment = Segment {
            level: Level::Rollup(Period::Hour),
            from_ms: 0,
            until_ms: 1 << 60,
        };
        let parts = by_days(vec![segment], 2 * HOUR, (100 * DAY, 130 * DAY));
        let listed = parts.iter().filter_map(|part| part.only.as_ref());
        assert_eq!(listed.map(Vec::len).max(), Some(32 * 2));
        assert_eq!(parts.len(), 5);
    }
}
