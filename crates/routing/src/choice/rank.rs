//! Policies as orders: each lane has a key, and the least goes first.

use std::cmp::Ordering;
use std::time::Duration;

use super::settings::{Policy, RouterSettings};
use crate::hash;
use crate::lane::Lane;

/// A wait that does not keep a lane from its share by weight: spacing between launches is none.
const NEGLIGIBLE_WAIT: Duration = Duration::from_millis(50);

/// Lanes are alike whose first byte is expected within a tenth and this of each other.
const ALIKE: Duration = Duration::from_millis(20);

/// Lanes are alike of whose quotas so little more is used.
const ALIKE_USED: f64 = 0.01;

/// Compared from left to right.
type Key = [f64; 4];

/// Lanes in the order of a policy, as indices into the slice that was given.
pub(crate) struct Ranking {
    pub(crate) order: Vec<usize>,
    /// The first ones, if they are equally good, with the share (0 to 1) of turns that is due to
    /// each.
    pub(crate) tied: Vec<(usize, f64)>,
}

/// What lanes are compared with.
struct Field {
    /// When the first byte is expected at the earliest.
    first_byte: Option<Duration>,
    /// The least that is used of the quota of a lane that waits least.
    used: f64,
    /// Whether turns are due in proportion to quotas.
    by_quota: bool,
}

impl Field {
    fn of(settings: &RouterSettings, lanes: &[Lane], candidates: &[usize]) -> Self {
        let candidates = || candidates.iter().map(|index| &lanes[*index]);
        let wait = candidates().map(|lane| lane.wait).min();
        let soonest = candidates().filter(|lane| Some(lane.wait) == wait);
        Self {
            first_byte: candidates().filter_map(first_byte).min(),
            used: soonest
                .map(Lane::used_for_weight)
                .fold(f64::INFINITY, f64::min),
            by_quota: settings.policy != Policy::Weighted
                && candidates().all(|lane| hash::share(lane.takes) > 0.0),
        }
    }

    /// How much of the calls a lane is to get beside others that are equally good.
    fn weight(&self, lane: &Lane) -> f64 {
        let quota = if self.by_quota {
            1.0 / hash::share(lane.takes)
        } else {
            1.0
        };
        lane.weight() * quota
    }

    fn load(&self, lane: &Lane) -> f64 {
        f64::from(lane.in_flight) / self.weight(lane)
    }

    /// What is used of a lane's quota, if that makes a difference.
    fn used(&self, lane: &Lane) -> f64 {
        let used = lane.used_for_weight();
        if used <= self.used + ALIKE_USED {
            0.0
        } else {
            used
        }
    }
}

/// Ranks `candidates`, which are indices into `lanes`.
pub(crate) fn rank(settings: &RouterSettings, lanes: &[Lane], candidates: &[usize]) -> Ranking {
    let field = Field::of(settings, lanes, candidates);
    let mut keyed: Vec<(Key, usize)> = candidates
        .iter()
        .map(|index| (key(settings, &lanes[*index], *index, &field), *index))
        .collect();
    keyed.sort_by(|(a, a_index), (b, b_index)| compare(a, b).then(a_index.cmp(b_index)));
    let mut tied: Vec<(usize, f64)> = keyed
        .iter()
        .take_while(|(key, _)| compare(key, &keyed[0].0).is_eq())
        .map(|(_, index)| (*index, field.weight(&lanes[*index])))
        .collect();
    let total: f64 = tied.iter().map(|(_, weight)| weight).sum();
    for (_, weight) in &mut tied {
        *weight /= total;
    }
    Ranking {
        order: keyed.into_iter().map(|(_, index)| index).collect(),
        tied,
    }
}

fn compare(a: &Key, b: &Key) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| a.total_cmp(b))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn key(settings: &RouterSettings, lane: &Lane, index: usize, field: &Field) -> Key {
    let wait = lane.wait.unwrap_or(Duration::MAX);
    let seconds = wait.as_secs_f64();
    let (load, used) = (field.load(lane), field.used(lane));
    match settings.policy {
        Policy::Soonest => [seconds, used, load, 0.0],
        Policy::Weighted if wait <= NEGLIGIBLE_WAIT => [0.0; 4],
        Policy::Weighted => [seconds, used, load, 0.0],
        #[expect(clippy::cast_precision_loss, reason = "lanes are few")]
        Policy::InOrder => [index as f64, 0.0, 0.0, 0.0],
        Policy::Cheapest if wait <= settings.cheapest_wait_max => {
            #[expect(clippy::cast_precision_loss, reason = "compared, not added up")]
            let price = lane
                .price_nanousd
                .map_or(f64::INFINITY, |price| price as f64);
            [0.0, price, seconds, used]
        }
        Policy::Cheapest => [1.0, seconds, used, load],
        Policy::Fastest => by_first_byte(lane, field.first_byte, load),
    }
}

fn by_first_byte(lane: &Lane, fastest: Option<Duration>, load: f64) -> Key {
    let at_once = lane.wait.is_some_and(|wait| wait <= NEGLIGIBLE_WAIT);
    match (first_byte(lane), fastest) {
        (Some(expected), Some(fastest)) => {
            let alike = fastest.saturating_add(fastest / 10).saturating_add(ALIKE);
            if expected <= alike {
                [1.0, 0.0, load, 0.0]
            } else {
                [1.0, expected.as_secs_f64(), load, 0.0]
            }
        }
        // One call finds out how fast it is.
        _ if lane.in_flight == 0 && at_once => [0.0, 0.0, 0.0, 0.0],
        _ => [2.0, load, 0.0, 0.0],
    }
}

/// When the first byte is expected, if that is known.
fn first_byte(lane: &Lane) -> Option<Duration> {
    Some(lane.wait?.saturating_add(lane.latency?))
}
