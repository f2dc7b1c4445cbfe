//! The judge of a journal: limits by their definitions, with nothing of the simulator's arithmetic.

/// How a provider keeps its windows of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// A bucket that holds the amount and drains evenly.
    Bucket,
    /// Windows that begin with the minutes of the clock.
    Fixed,
    /// No span of a minute may hold more than the amount.
    Sliding,
}

impl Counting {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bucket, Self::Fixed, Self::Sliding];

    /// Its name on command lines, in tables and in the gateway's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Fixed => "fixed",
            Self::Sliding => "sliding",
        }
    }
}

/// Something that a provider has let in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admission {
    pub(super) time_ns: u64,
    pub(super) amount: u64,
}

/// One limit. Levels are in its units times `window_ns`, so that what drains in a nanosecond is
/// whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) counting: Counting,
    pub(super) amount: u64,
    pub(super) window_ns: u64,
}

/// The highest that a level has been.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// As a part of the limit; above 1 is too much.
    pub part: f64,
    /// By how many units the limit was exceeded, rounded up; 0 where it never was.
    pub over: u64,
}

impl Limit {
    /// Judges every moment: a level is at its highest right after an admission.
    pub(super) fn peak(&self, admissions: &[Admission]) -> Peak {
        let ends = (1..=admissions.len()).filter_map(|count| admissions.get(..count));
        let levels = ends.filter_map(|past| Some(self.level(past, past.last()?.time_ns)));
        let highest = levels.max().unwrap_or(0);
        let excess = (highest - self.fine(self.amount)).max(0);
        let over = (excess + i128::from(self.window_ns) - 1) / i128::from(self.window_ns);
        Peak {
            part: highest as f64 / self.fine(self.amount) as f64,
            over: u64::try_from(over).unwrap_or(u64::MAX),
        }
    }

    /// What is in use at a moment that none of `past` is after.
    pub(super) fn level(&self, past: &[Admission], now_ns: u64) -> i128 {
        match self.counting {
            Counting::Bucket => self.bucket_level(past, now_ns),
            Counting::Fixed => {
                let window = now_ns / self.window_ns;
                self.sum(past, |at| at / self.window_ns == window)
            }
            Counting::Sliding => self.sum(past, |at| at + self.window_ns > now_ns),
        }
    }

    /// The most by which what came in since any moment exceeds what has drained since then.
    fn bucket_level(&self, past: &[Admission], now_ns: u64) -> i128 {
        let mut came: i128 = 0;
        let mut level: i128 = 0;
        for admission in past.iter().rev() {
            came += self.fine(admission.amount);
            let drained = i128::from(self.amount) * i128::from(now_ns - admission.time_ns);
            level = level.max(came - drained);
        }
        level
    }

    fn sum(&self, past: &[Admission], counts: impl Fn(u64) -> bool) -> i128 {
        let counted = past.iter().filter(|admission| counts(admission.time_ns));
        counted.map(|admission| self.fine(admission.amount)).sum()
    }

    pub(super) fn fine(&self, amount: u64) -> i128 {
        i128::from(amount) * i128::from(self.window_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    /// 60 units a minute: one a second drains from a bucket.
    fn limit(counting: Counting) -> Limit {
        Limit {
            counting,
            amount: 60,
            window_ns: 60 * SECOND_NS,
        }
    }

    fn over(counting: Counting, admissions: &[(u64, u64)]) -> u64 {
        let admissions: Vec<_> = admissions
            .iter()
            .map(|&(time_ns, amount)| Admission { time_ns, amount })
            .collect();
        limit(counting).peak(&admissions).over
    }

    #[test]
    fn a_full_minute_at_once_is_allowed_and_one_unit_more_is_not() {
        for counting in Counting::ALL {
            assert_eq!(over(counting, &[(5, 30), (6, 30)]), 0, "{counting:?}");
            assert_eq!(over(counting, &[(5, 30), (6, 31)]), 1, "{counting:?}");
        }
    }

    #[test]
    fn a_bucket_has_room_for_what_has_drained_and_not_for_a_nanosecond_less() {
        let full = (7 * SECOND_NS, 60);
        let after = |ns| over(Counting::Bucket, &[full, (7 * SECOND_NS + ns, 10)]);
        assert_eq!(after(10 * SECOND_NS), 0);
        assert_eq!(after(10 * SECOND_NS - 1), 1);
        // What has not been used while it was empty is not kept.
        let late = 1_000 * SECOND_NS;
        assert_eq!(over(Counting::Bucket, &[full, (late, 60)]), 0);
        assert_eq!(over(Counting::Bucket, &[full, (late, 61)]), 1);
    }

    #[test]
    fn a_fixed_window_ends_with_the_minute_of_the_clock() {
        let full = (59 * SECOND_NS, 60);
        assert_eq!(over(Counting::Fixed, &[full, (60 * SECOND_NS, 60)]), 0);
        assert_eq!(over(Counting::Fixed, &[full, (60 * SECOND_NS - 1, 1)]), 1);
    }

    #[test]
    fn no_span_of_a_minute_holds_more_than_a_sliding_limit() {
        let full = (59 * SECOND_NS, 60);
        assert_eq!(over(Counting::Sliding, &[full, (119 * SECOND_NS, 60)]), 0);
        assert_eq!(
            over(Counting::Sliding, &[full, (119 * SECOND_NS - 1, 2)]),
            2
        );
    }

    #[test]
    fn the_highest_level_is_told_as_a_part_of_the_limit() {
        let admissions = [Admission {
            time_ns: 3,
            amount: 45,
        }];
        let peak = limit(Counting::Bucket).peak(&admissions);
        assert_eq!(
            peak,
            Peak {
                part: 0.75,
                over: 0
            }
        );
    }
}
