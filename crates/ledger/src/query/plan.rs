//! From where a stretch of time is read: as much as possible from days, the rest from hours, minutes
//! and, at its ends, the records themselves. So that any two times can be asked about, exactly.

use crate::period::Period;
use crate::query::Dimension;
use crate::query::Query;

/// How finely something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Records,
    Rollup(Period),
}

impl Level {
    pub(crate) const ALL: [Self; 4] = [
        Self::Records,
        Self::Rollup(Period::Minute),
        Self::Rollup(Period::Hour),
        Self::Rollup(Period::Day),
    ];

    /// The steps in which it can be cut.
    const fn step_ms(self) -> i64 {
        match self {
            Self::Records => 1,
            Self::Rollup(period) => period.length_ms(),
        }
    }

    fn finer(self) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|level| *level < self)
    }

    /// Its place in [`Level::ALL`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Records => 0,
            Self::Rollup(Period::Minute) => 1,
            Self::Rollup(Period::Hour) => 2,
            Self::Rollup(Period::Day) => 3,
        }
    }

    /// The coarsest that can answer a query: no row may lie in two of its buckets.
    pub(crate) fn coarsest_for(query: &Query) -> Self {
        if query.needed().any(Dimension::is_of_records) {
            return Self::Records;
        }
        let Some(buckets) = query.buckets else {
            return Self::Rollup(Period::Day);
        };
        let offset_ms = i64::from(buckets.offset_minutes) * Period::Minute.length_ms();
        let fits =
            |period: &Period| *period <= buckets.period && offset_ms % period.length_ms() == 0;
        let fitting = Period::ALL.into_iter().rev().find(fits);
        Self::Rollup(fitting.unwrap_or(Period::Minute))
    }
}

/// Since when each level is complete, in milliseconds since 1970; in the order of [`Level::ALL`].
/// Records are cut at full minutes, minutes at full hours, hours and days at full days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Horizons(pub(crate) [i64; 4]);

/// A stretch of time that is read from one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) level: Level,
    pub(crate) from_ms: i64,
    pub(crate) until_ms: i64,
}

/// Later than every record.
const END_OF_TIME_MS: i64 = 253_402_300_800_000;

impl Horizons {
    /// The stretch that can be told of `from` to `until`: where the fine levels are gone, up to the
    /// ends of the next coarser buckets; where nothing is left, less.
    pub(crate) fn reach(
        &self,
        from: Option<i64>,
        until: Option<i64>,
        coarsest: Level,
    ) -> (i64, i64) {
        let mut from_ms = from.unwrap_or(0).clamp(0, END_OF_TIME_MS);
        let mut until_ms = until.unwrap_or(END_OF_TIME_MS).clamp(0, END_OF_TIME_MS);
        for (level, next) in Level::ALL.iter().zip(&Level::ALL[1..]) {
            if *level >= coarsest {
                break;
            }
            let (horizon, step) = (self.0[level.index()], next.step_ms());
            if from_ms < horizon {
                from_ms -= from_ms % step;
            }
            if until_ms < horizon {
                until_ms += (step - until_ms % step) % step;
            }
        }
        let from_ms = from_ms.max(self.0[coarsest.index()]);
        (from_ms, until_ms.max(from_ms))
    }
}

/// The segments of a stretch, in no particular order.
pub(crate) fn segments(from_ms: i64, until_ms: i64, coarsest: Level) -> Vec<Segment> {
    let mut segments = Vec::new();
    cover(from_ms, until_ms, coarsest, &mut segments);
    segments
}

fn cover(from_ms: i64, until_ms: i64, level: Level, segments: &mut Vec<Segment>) {
    if from_ms >= until_ms {
        return;
    }
    let step = level.step_ms();
    let start = from_ms + (step - from_ms % step) % step;
    let end = until_ms - until_ms % step;
    let Some(finer) = level.finer() else {
        return segments.push(Segment {
            level,
            from_ms,
            until_ms,
        });
    };
    if start >= end {
        return cover(from_ms, until_ms, finer, segments);
    }
    segments.push(Segment {
        level,
        from_ms: start,
        until_ms: end,
    });
    cover(from_ms, start, finer, segments);
    cover(end, until_ms, finer, segments);
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const DAYS: Level = Level::Rollup(Period::Day);

    #[test]
    fn segments_adjoin_and_lie_on_the_buckets_of_their_level() {
        let (from, until) = (3 * DAY + 5 * HOUR + 7 * MINUTE + 11, 9 * DAY + 2 * HOUR + 1);
        let mut segments = segments(from, until, DAYS);
        segments.sort_by_key(|segment| segment.from_ms);
        assert_eq!(segments.len(), 6);
        assert_eq!(segments[0].from_ms, from);
        assert_eq!(segments[5].until_ms, until);
        for pair in segments.windows(2) {
            assert_eq!(pair[0].until_ms, pair[1].from_ms);
        }
        for segment in segments {
            let step = segment.level.step_ms();
            assert_eq!((segment.from_ms % step, segment.until_ms % step), (0, 0));
        }
    }

    #[test]
    fn an_end_that_is_open_takes_no_fine_level() {
        let (from, until) = Horizons::default().reach(Some(5 * DAY), None, DAYS);
        let segments = segments(from, until, DAYS);
        assert_eq!(segments.len(), 1);
        assert_eq!(segments[0].level, DAYS);
    }

    #[test]
    fn where_fine_levels_are_gone_the_stretch_grows_to_what_is_left() {
        let horizons = Horizons([30 * DAY + 7 * MINUTE, 25 * DAY + HOUR, 20 * DAY, 10 * DAY]);
        let reach = |from, until| horizons.reach(Some(from), Some(until), DAYS);
        assert_eq!(
            reach(31 * DAY + 1, 31 * DAY + 2),
            (31 * DAY + 1, 31 * DAY + 2)
        );
        let odd = 26 * DAY + 5 * MINUTE;
        assert_eq!(reach(odd + 7, odd + 8), (odd, odd + MINUTE));
        let odd = 22 * DAY + 3 * HOUR;
        assert_eq!(reach(odd + MINUTE, odd + 2 * MINUTE), (odd, odd + HOUR));
        let odd = 12 * DAY;
        assert_eq!(reach(odd + HOUR, odd + 2 * HOUR), (odd, odd + DAY));
        assert_eq!(reach(DAY, 11 * DAY), (10 * DAY, 11 * DAY));
        assert_eq!(reach(DAY, 2 * DAY), (10 * DAY, 10 * DAY), "nothing is left");
    }

    #[test]
    fn what_only_records_can_tell_starts_where_they_do() {
        let horizons = Horizons([30 * DAY, 0, 0, 0]);
        let reach = horizons.reach(Some(5), Some(31 * DAY), Level::Records);
        assert_eq!(reach, (30 * DAY, 31 * DAY));
    }

    #[test]
    fn local_days_are_made_of_hours_or_minutes() {
        let level = |period, offset| Level::coarsest_for(&Query::default().over(period, offset));
        assert_eq!(level(Period::Day, 0), DAYS);
        assert_eq!(level(Period::Day, 120), Level::Rollup(Period::Hour));
        assert_eq!(level(Period::Day, 330), Level::Rollup(Period::Minute));
        assert_eq!(level(Period::Hour, 120), Level::Rollup(Period::Hour));
        assert_eq!(level(Period::Minute, 0), Level::Rollup(Period::Minute));
    }
}
