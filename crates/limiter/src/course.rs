//! A clock that runs at a share of real time.
//!
//! Whoever is held to a share of a rate does what takes one second at the full rate in one second
//! of this clock. The share may change as time passes: each stretch goes from one share to another
//! in a straight line, and the work that a stretch allows is the area under it.

/// The whole, in parts per million.
pub(crate) const FULL_PPM: u64 = 1_000_000;

/// A part of a course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Nanoseconds; zero takes no part.
    pub(crate) length: u64,
    pub(crate) from_ppm: u64,
    pub(crate) to_ppm: u64,
}

impl Stretch {
    fn share_at(&self, time: u64) -> u64 {
        let (from, to) = (u128::from(self.from_ppm), u128::from(self.to_ppm));
        let (time, length) = (u128::from(time), u128::from(self.length.max(1)));
        let share = if to >= from {
            from + (to - from) * time / length
        } else {
            from - (from - to) * time / length
        };
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    /// The work of its first `time` nanoseconds.
    fn work_at(&self, time: u64) -> u128 {
        let (from, to) = (u128::from(self.from_ppm), u128::from(self.to_ppm));
        let (time, length) = (u128::from(time), u128::from(self.length.max(1)));
        let slope = |difference: u128| difference * time / length * time / 2;
        if to >= from {
            from * time + slope(to - from)
        } else {
            (from * time).saturating_sub(slope(from - to))
        }
    }

    /// The first time within it at which so much work is done.
    fn time_of(&self, work: u128) -> u64 {
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.work_at(middle) >= work {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

/// How the share goes as time passes. After the last stretch it stays as it is.
///
/// Work is in nanoseconds times parts per million: a nanosecond at the full share is a million.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course {
    stretches: Vec<Stretch>,
}

impl Course {
    pub(crate) fn of(stretches: Vec<Stretch>) -> Self {
        Self { stretches }
    }

    /// The nanoseconds to the end of the last stretch.
    pub(crate) fn length(&self) -> u64 {
        let lengths = self.stretches.iter().map(|stretch| stretch.length);
        lengths.fold(0, u64::saturating_add)
    }

    fn last_ppm(&self) -> u64 {
        let last = self.stretches.last();
        last.map_or(FULL_PPM, |stretch| stretch.to_ppm).max(1)
    }

    pub(crate) fn share_at(&self, mut time: u64) -> u64 {
        for stretch in &self.stretches {
            if time < stretch.length {
                return stretch.share_at(time);
            }
            time -= stretch.length;
        }
        self.last_ppm()
    }

    pub(crate) fn work_at(&self, mut time: u64) -> u128 {
        let mut work = 0;
        for stretch in &self.stretches {
            if time < stretch.length {
                return work + stretch.work_at(time);
            }
            work += stretch.work_at(stretch.length);
            time -= stretch.length;
        }
        work + u128::from(self.last_ppm()) * u128::from(time)
    }

    /// The first time at which so much work is done.
    pub(crate) fn time_of(&self, mut work: u128) -> u64 {
        let mut time = 0_u64;
        for stretch in &self.stretches {
            let whole = stretch.work_at(stretch.length);
            if work <= whole {
                return time.saturating_add(stretch.time_of(work));
            }
            work -= whole;
            time = time.saturating_add(stretch.length);
        }
        let rest = work.div_ceil(u128::from(self.last_ppm()));
        time.saturating_add(u64::try_from(rest).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn stretch(seconds: u64, from_percent: u64, to_percent: u64) -> Stretch {
        Stretch {
            length: seconds * SECOND,
            from_ppm: from_percent * 10_000,
            to_ppm: to_percent * 10_000,
        }
    }

    fn seconds(work: u128) -> u128 {
        work / u128::from(FULL_PPM * SECOND)
    }

    #[test]
    fn work_is_the_area_under_the_share() {
        let course = Course::of(vec![
            stretch(8, 25, 25),
            stretch(10, 80, 100),
            stretch(4, 100, 50),
        ]);
        let at = |time: u64| seconds(course.work_at(time * SECOND));
        assert_eq!([at(0), at(8), at(18), at(22), at(26)], [0, 2, 11, 14, 16]);
        assert_eq!(course.share_at(13 * SECOND), 900_000);
        assert_eq!(course.share_at(20 * SECOND), 750_000);
        assert_eq!(course.share_at(99 * SECOND), 500_000);
    }

    #[test]
    fn the_time_of_a_work_is_the_first_at_which_it_is_done() {
        let course = Course::of(vec![
            stretch(3, 10, 10),
            stretch(0, 50, 50),
            stretch(900, 80, 100),
            stretch(900, 100, 150),
        ]);
        for time in [
            1,
            7,
            SECOND,
            3 * SECOND,
            4 * SECOND + 3,
            1_000 * SECOND,
            5_000 * SECOND + 1,
        ] {
            let work = course.work_at(time);
            let first = course.time_of(work);
            assert!(first <= time && course.work_at(first) >= work, "{time}");
            assert!(course.work_at(first - 1) < work, "{time}");
        }
    }

    #[test]
    fn the_longest_times_do_not_overflow() {
        let course = Course::of(vec![stretch(86_400, 1, 100), stretch(1 << 30, 100, 12_000)]);
        assert!(course.work_at(u64::MAX) > 0);
        assert_eq!(course.time_of(u128::MAX), u64::MAX);
    }
}
