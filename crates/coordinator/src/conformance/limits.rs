//! No limit is passed, whatever it is like.

use std::time::Duration;

use paceline_limiter::{Metric, Tier};

use super::actor::{Actor, fresh_domain, granted, limit, used};
use crate::message::{CountKind, LimitId};
use crate::store::Coordinator;

const WINDOW_US: u64 = 250_000;
const AMOUNT: u64 = 60;

const LIMIT: LimitId = LimitId {
    metric: Metric::Tokens,
    window_ms: WINDOW_US / 1_000,
};

/// When units went, on the store's clock.
type Launches = Vec<(u64, u64)>;

/// The most units that a limit of some kind has held at once.
type Most = fn(&Launches) -> u64;

async fn spend(store: &dyn Coordinator, kind: CountKind) -> Launches {
    let domain = fresh_domain();
    let terms = [limit(LIMIT, kind, AMOUNT)];
    let mut actors = [0, 1].map(|_| Actor::new(store, &domain, &terms));
    let mut launches = Launches::new();
    let mut end = u64::MAX;
    loop {
        for actor in &mut actors {
            while actor.ask.heads.len() < 4 {
                actor.request(7);
            }
            let answer = actor.say().await;
            if end == u64::MAX {
                end = answer.now_us + 4 * WINDOW_US;
            }
            if answer.now_us > end {
                return launches;
            }
            launches.extend(answer.grants.iter().map(|_| (answer.now_us, 7)));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn sum(launches: &[(u64, u64)]) -> u64 {
    launches.iter().map(|(_, units)| units).sum()
}

/// The largest sum within a window and the drained part of it.
fn most_in_bucket(launches: &Launches) -> u64 {
    let (mut level, mut most) = (0, 0);
    let mut before = launches.first().map_or(0, |one| one.0);
    for (at, units) in launches {
        // In millionths, so that nothing is rounded off.
        let drained = (at - before) * AMOUNT * 1_000_000 / WINDOW_US;
        level = u64::saturating_sub(level, drained) + units * 1_000_000;
        most = most.max(level);
        before = *at;
    }
    most / 1_000_000
}

fn most_in_sliding(launches: &Launches) -> u64 {
    let within = |index: usize, at: u64| {
        let inside = launches[index..]
            .iter()
            .take_while(|one| one.0 < at + WINDOW_US);
        inside.map(|(_, units)| units).sum()
    };
    let sums = launches.iter().enumerate();
    sums.map(|(index, (at, _))| within(index, *at))
        .max()
        .unwrap_or(0)
}

/// Windows that follow each other from the first use on.
fn most_in_fixed(launches: &Launches) -> u64 {
    let first = launches.first().map_or(0, |one| one.0);
    let window = |one: &(u64, u64)| (one.0 - first) / WINDOW_US;
    let windows = launches.chunk_by(|a, b| window(a) == window(b));
    windows.map(sum).max().unwrap_or(0)
}

/// Windows that open with the first use after the last one.
fn most_from_first_use(launches: &Launches) -> u64 {
    let (mut opened, mut held, mut most) = (0, 0, 0);
    for (at, units) in launches {
        if *at >= opened + WINDOW_US {
            (opened, held) = (*at, 0);
        }
        held += units;
        most = most.max(held);
    }
    most
}

pub async fn no_kind_of_limit_is_passed(store: &dyn Coordinator) {
    let kinds: [(CountKind, Most); 5] = [
        (CountKind::Bucket, most_in_bucket),
        (CountKind::Fixed, most_in_fixed),
        (CountKind::FixedFromFirstUse, most_from_first_use),
        (CountKind::Sliding, most_in_sliding),
        (CountKind::Unknown, most_in_sliding),
    ];
    for (kind, most) in kinds {
        let launches = spend(store, kind).await;
        assert!(most(&launches) <= AMOUNT, "{kind:?}: {launches:?}");
        assert!(
            sum(&launches) > AMOUNT,
            "{kind:?} stands still: {launches:?}"
        );
    }
}

pub async fn a_request_beyond_every_window_waits_for_nothing(store: &dyn Coordinator) {
    let terms = [limit(LIMIT, CountKind::Sliding, AMOUNT)];
    let mut actor = Actor::new(store, &fresh_domain(), &terms);
    actor.request(AMOUNT + 1);
    let small = actor.queue(1, 2, 1, Tier::Standard);
    let answer = actor.say().await;
    assert_eq!(granted(&answer), [small], "it holds up nobody else");
    assert_eq!((answer.wake_us, used(&answer)), (None, 1));
}
