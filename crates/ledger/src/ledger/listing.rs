//! How records are found: where what is asked for comes seldom, sums tell in which days and hours it is, so
//! that not all of a month is gone through.

use super::{Ledger, entries_of};
use crate::entry::Entry;
use crate::page::{self, Cursor, Direction};
use crate::period::Period;
use crate::query::{Answer, Dimension, Filter, Query};
use crate::{Group, StoreError};

/// Of this many calls in a day and more, a page is found soon.
const MANY_IN_A_DAY: u64 = 2_400;

/// A stretch of time that may have what is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    from_ms: i64,
    until_ms: i64,
    /// It is worth looking closer before it is gone through.
    is_sparse: bool,
}

impl Ledger {
    /// The first `limit` records of a filter beyond `after`, in this direction.
    pub(super) async fn list(
        &self,
        filter: &Filter,
        direction: Direction,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        for days in self
            .days_of(&narrowed(filter, direction, after), direction)
            .await?
        {
            let stretches = match days.is_sparse {
                true => self.hours_of(filter, days, direction).await?,
                false => vec![days],
            };
            for stretch in stretches {
                let filter = within(filter, stretch);
                let statement = page::statement(&filter, direction, after, limit - found.len());
                found.extend(entries_of(&self.store().rows(statement).await?));
                if found.len() >= limit {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// The days in which a filter has calls.
    async fn days_of(
        &self,
        filter: &Filter,
        direction: Direction,
    ) -> Result<Vec<Stretch>, StoreError> {
        let (from_ms, until_ms) = (
            filter.from_ms.unwrap_or(0).max(0),
            filter.until_ms.unwrap_or(i64::MAX),
        );
        let whole = Stretch {
            from_ms,
            until_ms,
            is_sparse: false,
        };
        if !is_worth_counting(filter) {
            return Ok(vec![whole]);
        }
        let next_day = Period::Day.start_of(until_ms.saturating_sub(1).min(i64::MAX / 2))
            + Period::Day.length_ms();
        let days = within(
            filter,
            Stretch {
                from_ms: Period::Day.start_of(from_ms),
                until_ms: next_day,
                ..whole
            },
        );
        let days = self.counts(&days, Period::Day).await?;
        let stretches = stretches(&days, whole, Period::Day);
        Ok(in_order(merged(stretches), direction))
    }

    /// The hours of some days in which a filter has calls.
    async fn hours_of(
        &self,
        filter: &Filter,
        days: Stretch,
        direction: Direction,
    ) -> Result<Vec<Stretch>, StoreError> {
        let hour = Period::Hour.length_ms();
        let hours = Stretch {
            from_ms: Period::Hour.start_of(days.from_ms),
            until_ms: Period::Hour.start_of(days.until_ms.saturating_add(hour - 1)),
            ..days
        };
        let counts = self.counts(&within(filter, hours), Period::Hour).await?;
        if counts.truncated {
            return Ok(vec![days]);
        }
        let stretches = stretches(&counts, days, Period::Hour);
        Ok(in_order(merged(stretches), direction))
    }

    async fn counts(&self, filter: &Filter, period: Period) -> Result<Answer, StoreError> {
        // No sums are told apart by lane: those of all lanes say no less.
        let filter = Filter {
            lane: None,
            ..filter.clone()
        };
        let query = Query::total(filter).over(period, 0).brief();
        self.sums(&query).await
    }
}

/// Records of all calls, of a session, a lane and a tag lie in the order of time, one beside the other.
fn is_worth_counting(filter: &Filter) -> bool {
    let lie_together = |dimension| matches!(dimension, Dimension::Tag | Dimension::Lane);
    let mut needed = filter.needed();
    filter.session.is_none() && needed.any(|dimension| !lie_together(dimension))
}

/// The filter with what a cursor has passed cut off.
fn narrowed(filter: &Filter, direction: Direction, after: Option<Cursor>) -> Filter {
    let mut filter = filter.clone();
    let Some(Cursor { ended_at_ms, .. }) = after else {
        return filter;
    };
    match direction {
        Direction::LatestFirst => {
            let end = ended_at_ms.saturating_add(1);
            filter.until_ms = Some(filter.until_ms.map_or(end, |until| until.min(end)));
        }
        Direction::OldestFirst => {
            filter.from_ms = Some(
                filter
                    .from_ms
                    .map_or(ended_at_ms, |from| from.max(ended_at_ms)),
            );
        }
    }
    filter
}

fn within(filter: &Filter, stretch: Stretch) -> Filter {
    Filter {
        from_ms: Some(stretch.from_ms),
        until_ms: Some(stretch.until_ms),
        ..filter.clone()
    }
}

/// Where in `whole` there are calls, the earliest first. What lies before the time that is told is kept
/// in records alone.
fn stretches(counts: &Answer, whole: Stretch, period: Period) -> Vec<Stretch> {
    let of_group = |group: &Group| {
        let from_ms = group.bucket_ms.unwrap_or_default();
        Stretch {
            from_ms: from_ms.max(whole.from_ms),
            until_ms: (from_ms + period.length_ms()).min(whole.until_ms),
            is_sparse: period == Period::Day && group.usage.calls < MANY_IN_A_DAY,
        }
    };
    let before = Stretch {
        until_ms: counts.from_ms.min(whole.until_ms),
        is_sparse: false,
        ..whole
    };
    let all = std::iter::once(before).chain(counts.groups.iter().map(of_group));
    all.filter(|stretch| stretch.from_ms < stretch.until_ms)
        .collect()
}

/// Neighbours of a kind as one; sparse ones over any gap, since they are looked at more closely.
fn merged(stretches: Vec<Stretch>) -> Vec<Stretch> {
    let mut merged: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        match merged.last_mut() {
            Some(last)
                if last.is_sparse == stretch.is_sparse
                    && (last.is_sparse || last.until_ms == stretch.from_ms) =>
            {
                last.until_ms = stretch.until_ms;
            }
            _ => merged.push(stretch),
        }
    }
    merged
}

fn in_order(mut stretches: Vec<Stretch>, direction: Direction) -> Vec<Stretch> {
    if direction == Direction::LatestFirst {
        stretches.reverse();
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_a_kind_are_one_stretch_and_those_with_few_calls_reach_over_gaps() {
        let stretch = |from_ms, until_ms, is_sparse| Stretch {
            from_ms,
            until_ms,
            is_sparse,
        };
        let days = vec![
            stretch(0, 1, false),
            stretch(1, 2, false),
            stretch(3, 4, false),
            stretch(4, 5, true),
            stretch(7, 8, true),
            stretch(8, 9, false),
        ];
        let wanted = [
            stretch(0, 2, false),
            stretch(3, 4, false),
            stretch(4, 8, true),
            stretch(8, 9, false),
        ];
        assert_eq!(merged(days), wanted);
    }

    #[test]
    fn what_sums_no_longer_tell_is_gone_through() {
        let whole = Stretch {
            from_ms: 5,
            until_ms: 1_000,
            is_sparse: false,
        };
        let counts = Answer {
            from_ms: 100,
            until_ms: 1_000,
            ..Answer::default()
        };
        let before = Stretch {
            until_ms: 100,
            ..whole
        };
        assert_eq!(stretches(&counts, whole, Period::Day), [before]);
    }
}
