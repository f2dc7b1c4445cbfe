//! Series of pools that were seen at given times.

use super::*;

/// Noon of a day, at the beginning of a step of both lengths.
const NOON_MS: i64 = 1_790_589_600_000;

fn sight(name: &str, used: u64, refusals: u32) -> Sight {
    Sight {
        name: Arc::from(name),
        waiting: u32::try_from(used / 10).unwrap(),
        in_flight: 3,
        refusals,
        limits: Box::new([LimitSight {
            metric: Metric::Tokens,
            window_ms: 60_000,
            used,
            amount: 1_000,
        }]),
    }
}

#[test]
fn a_step_holds_the_highest_that_was_seen_in_it_and_all_refusals() {
    let mut past = Past::default();
    for (second, used, refusals) in [(0, 100, 1), (4, 700, 0), (9, 300, 2), (10, 50, 0)] {
        past.note(NOON_MS + second * 1_000, &[sight("a", used, refusals)]);
    }
    let now_ms = NOON_MS + 10_000;
    let told = past.told(now_ms - 3_600_000, now_ms, None);
    assert_eq!(told.step_ms, 10_000);
    assert_eq!(told.at_ms, [NOON_MS, NOON_MS + 10_000]);
    let [pool] = told.pools.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(pool.limits[0].used, [Some(700), Some(50)]);
    assert_eq!(pool.limits[0].amount, [Some(1_000), Some(1_000)]);
    assert_eq!(pool.waiting, [Some(70), Some(5)]);
    assert_eq!(pool.refusals, [Some(3), Some(0)]);
    let day = past.told(now_ms - 86_400_000, now_ms, None);
    assert_eq!((day.step_ms, day.at_ms), (300_000, vec![NOON_MS]));
    assert_eq!(day.pools[0].limits[0].used, [Some(700)]);
    assert_eq!(day.pools[0].refusals, [Some(3)]);
}

#[test]
fn what_was_not_seen_is_nothing_and_not_zero() {
    let mut past = Past::default();
    past.note(NOON_MS, &[sight("a", 1, 0)]);
    // Three steps pass in which nobody looked.
    past.note(NOON_MS + 40_000, &[sight("b", 2, 0)]);
    let mut later = sight("a", 5, 0);
    later.limits[0].metric = Metric::Requests;
    past.note(NOON_MS + 50_000, &[later]);
    let told = past.told(NOON_MS, NOON_MS + 50_000, None);
    assert_eq!(told.at_ms.len(), 6);
    let names: Vec<&str> = told.pools.iter().map(|pool| &*pool.name).collect();
    assert_eq!(names, ["a", "b"]);
    let none = None::<u64>;
    let a = &told.pools[0];
    assert_eq!(
        a.in_flight,
        [Some(3), none, none, none, none, Some(3)],
        "the series are aligned"
    );
    assert_eq!(a.limits[0].used, [Some(1), none, none, none, none, none]);
    assert_eq!(a.limits[1].metric, "requests");
    assert_eq!(a.limits[1].used, [none, none, none, none, none, Some(5)]);
    let only = past.told(NOON_MS, NOON_MS + 50_000, Some("b"));
    assert_eq!(only.pools.len(), 1);
    assert!(past.told(NOON_MS, NOON_MS, Some("c")).pools.is_empty());
    let nothing = past.told(NOON_MS + 60_000, NOON_MS + 60_000, None);
    assert!(nothing.at_ms.is_empty() && nothing.pools.is_empty());
}

#[test]
fn no_more_is_kept_than_an_hour_and_a_day_of_steps() {
    let mut past = Past::default();
    let days_ms = 3 * 86_400_000;
    for at_ms in (0..days_ms).step_by(10_000) {
        past.note(NOON_MS + at_ms, &[sight("a", 1, 0)]);
    }
    assert_eq!(past.fine.rows.len(), 360);
    assert_eq!(past.coarse.rows.len(), 288);
    let now_ms = NOON_MS + days_ms - 10_000;
    let told = past.told(0, now_ms, None);
    assert_eq!(told.at_ms.len(), 288);
    assert_eq!(told.from_ms, told.at_ms[0]);
    let hour = past.told(now_ms - 3_600_000, now_ms, None);
    assert_eq!(hour.at_ms.len(), 360);
    // A clock that is set back makes no step twice.
    past.note(NOON_MS, &[sight("a", 9, 0)]);
    assert_eq!(past.fine.rows.len(), 360);
}
