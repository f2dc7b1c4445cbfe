//! What a provider could give, to hold what it was asked for against.

use super::oracle::{Admission, Counting, Limit};

/// How much of a quota was used in a span of time, and how much of it there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// Units that were let in.
    pub used: u64,
    /// Units that would have been let in, had somebody taken everything as soon as it was there. What
    /// was let in before the span counts as it was.
    pub possible: u64,
}

impl Use {
    /// The part that was used. Where less was to be had than one request may need, that is all of it.
    pub fn part(&self, largest: u64) -> f64 {
        if self.possible < largest {
            return 1.0;
        }
        self.used as f64 / self.possible as f64
    }
}

impl Limit {
    /// The use of it from one moment until just before another.
    pub(super) fn in_use(&self, admissions: &[Admission], from_ns: u64, to_ns: u64) -> Use {
        let first = admissions.partition_point(|admission| admission.time_ns < from_ns);
        let end = admissions.partition_point(|admission| admission.time_ns < to_ns);
        let (past, _) = admissions.split_at(first);
        let within = admissions.get(first..end).unwrap_or_default();
        Use {
            used: within.iter().map(|admission| admission.amount).sum(),
            possible: self.supply(past, from_ns, to_ns),
        }
    }

    /// The same for a short span. In a bucket, what has drained meanwhile is what there was: the room that
    /// is kept free for the delays of the network is a large part of what a short span gives, and what
    /// was left unused before may be made up for, so that more is used than there was.
    pub(super) fn in_pace(&self, admissions: &[Admission], from_ns: u64, to_ns: u64) -> Use {
        let in_use = self.in_use(admissions, from_ns, to_ns);
        match self.counting {
            Counting::Bucket => {
                let drained = u128::from(self.amount) * u128::from(to_ns - from_ns);
                let units = drained / u128::from(self.window_ns);
                Use {
                    possible: u64::try_from(units).unwrap_or(u64::MAX),
                    ..in_use
                }
            }
            Counting::Fixed | Counting::Sliding => in_use,
        }
    }

    fn supply(&self, past: &[Admission], from_ns: u64, to_ns: u64) -> u64 {
        if to_ns <= from_ns {
            return 0;
        }
        let free = (self.fine(self.amount) - self.level(past, from_ns)).max(0);
        let fine = match self.counting {
            Counting::Bucket => free + i128::from(self.amount) * i128::from(to_ns - from_ns),
            Counting::Fixed => {
                let more = (to_ns - 1) / self.window_ns - from_ns / self.window_ns;
                free + i128::from(more) * self.fine(self.amount)
            }
            Counting::Sliding => {
                // What is taken at once comes back a window later, and so does what was in use.
                let counted = past
                    .iter()
                    .filter(|admission| admission.time_ns + self.window_ns > from_ns);
                let returned = counted.map(|admission| {
                    let times = self.times_before(admission.time_ns, to_ns);
                    i128::from(times) * self.fine(admission.amount)
                });
                i128::from(self.times_before(from_ns, to_ns) + 1) * free + returned.sum::<i128>()
            }
        };
        u64::try_from(fine / i128::from(self.window_ns)).unwrap_or(u64::MAX)
    }

    /// How many whole windows after `start_ns` end before `end_ns`.
    fn times_before(&self, start_ns: u64, end_ns: u64) -> u64 {
        (end_ns - start_ns - 1) / self.window_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn possible(counting: Counting, past: &[(u64, u64)], from: u64, to: u64) -> u64 {
        let limit = Limit {
            counting,
            amount: 60,
            window_ns: 60 * SECOND_NS,
        };
        let past: Vec<_> = past
            .iter()
            .map(|&(second, amount)| Admission {
                time_ns: second * SECOND_NS,
                amount,
            })
            .collect();
        let use_of = limit.in_use(&past, from * SECOND_NS, to * SECOND_NS);
        assert_eq!(use_of.used, 0);
        use_of.possible
    }

    #[test]
    fn a_bucket_gives_what_it_has_room_for_and_what_drains() {
        assert_eq!(possible(Counting::Bucket, &[], 0, 60), 120);
        assert_eq!(possible(Counting::Bucket, &[(10, 60)], 20, 50), 40);
        assert_eq!(possible(Counting::Bucket, &[(10, 60)], 500, 501), 61);
    }

    #[test]
    fn fixed_windows_give_what_is_left_and_then_a_window_each() {
        assert_eq!(possible(Counting::Fixed, &[(10, 40)], 20, 60), 20);
        assert_eq!(possible(Counting::Fixed, &[(10, 40)], 20, 61), 80);
        assert_eq!(possible(Counting::Fixed, &[(10, 40)], 60, 180), 120);
    }

    #[test]
    fn a_sliding_limit_gives_back_what_is_a_window_old() {
        let past = [(10, 40), (30, 15)];
        assert_eq!(possible(Counting::Sliding, &past, 40, 60), 5);
        assert_eq!(possible(Counting::Sliding, &past, 40, 71), 45);
        assert_eq!(possible(Counting::Sliding, &past, 40, 100), 60);
        assert_eq!(possible(Counting::Sliding, &past, 40, 101), 65);
        // A second time around.
        assert_eq!(possible(Counting::Sliding, &past, 40, 160), 120);
        assert_eq!(possible(Counting::Sliding, &past, 95, 140), 60);
        assert_eq!(possible(Counting::Sliding, &past, 70, 100), 60);
    }

    #[test]
    fn a_short_span_of_a_bucket_is_held_against_what_drains_in_it() {
        let limit = |counting| Limit {
            counting,
            amount: 60,
            window_ns: 60 * SECOND_NS,
        };
        let admissions = [Admission {
            time_ns: 7 * SECOND_NS,
            amount: 6,
        }];
        let in_pace =
            |counting| limit(counting).in_pace(&admissions, 5 * SECOND_NS, 10 * SECOND_NS);
        let (used, possible) = (6, 5);
        assert_eq!(in_pace(Counting::Bucket), Use { used, possible });
        let possible = 60;
        assert_eq!(in_pace(Counting::Fixed), Use { used, possible });
        assert_eq!(in_pace(Counting::Sliding), Use { used, possible });
    }

    #[test]
    fn where_nothing_was_to_be_had_all_of_it_was_used() {
        let leftover = Use {
            used: 0,
            possible: 9,
        };
        assert!((leftover.part(10) - 1.0).abs() < f64::EPSILON);
        let half = Use {
            used: 5,
            possible: 10,
        };
        assert!((half.part(10) - 0.5).abs() < f64::EPSILON);
    }
}
