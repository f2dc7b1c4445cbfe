use std::path::PathBuf;
use std::sync::Arc;

use paceline_simulator::Charge;

use super::*;
use crate::shared_run::Store;

/// 3,000 tokens a minute: 50 in a second.
fn run(fault: SharedFault) -> SharedRun {
    SharedRun {
        binary: PathBuf::new(),
        counting: Counting::Bucket,
        tokens_per_minute: 3_000,
        learned: false,
        gateways: 2,
        callers: 1,
        rest: Duration::ZERO,
        weights: true,
        store: Store::Redis,
        when_store_is_away: None,
        fault,
        fault_at: Duration::from_secs(90),
        time: Duration::from_secs(180),
        records: None,
    }
}

/// A journal and its calls, written in seconds of the run.
struct World {
    start: Instant,
    journal: Vec<JournalEntry>,
    calls: Vec<Call>,
}

impl World {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            journal: Vec::new(),
            calls: Vec::new(),
        }
    }

    fn judge(&mut self, time_ms: u64, identity: Identity, decision: Decision) {
        let name: Arc<str> = "any".into();
        let tokens = identity.estimate.max(identity.max_tokens);
        self.journal.push(JournalEntry {
            sequence: 0,
            time_ns: START_NS + time_ms * 1_000_000,
            pool: Arc::clone(&name),
            key: Arc::clone(&name),
            model: name,
            charge: Charge {
                requests: 1,
                tokens,
                input_tokens: identity.estimate,
                output_tokens: identity.max_tokens,
                images: 0,
            },
            decision,
        });
    }

    fn admit(&mut self, second: u64, identity: Identity) {
        self.admit_at_ms(1_000 * second, identity);
    }

    fn admit_at_ms(&mut self, time_ms: u64, identity: Identity) {
        let reservation = self.journal.len() as u64;
        self.judge(time_ms, identity, Decision::Admitted { reservation });
    }

    fn refuse(&mut self, second: u64, identity: Identity) {
        let limit = "TPM".to_owned();
        self.judge(
            1_000 * second,
            identity,
            Decision::Refused { limit, wait_ns: 1 },
        );
    }

    fn call(&mut self, second: u64, identity: Identity, home: usize, ending: Ending) {
        self.calls.push(Call {
            identity,
            home,
            gateway: home,
            began: self.at(second),
            ending,
        });
    }

    fn at(&self, second: u64) -> Instant {
        self.start + Duration::from_secs(second)
    }

    fn report(self, run: &SharedRun) -> SharedReport {
        let fault = run.fault.lasts().map(|lasts| {
            let from_ns = START_NS + nanoseconds(run.fault_at);
            Span {
                from_ns,
                to_ns: from_ns + nanoseconds(lasts),
            }
        });
        let evidence = Evidence {
            run,
            journal: self.journal,
            calls: self.calls,
            sizes: Sizes::of_quota(run.tokens_per_minute),
            start: self.start,
            start_ns: START_NS,
            fault,
        };
        evidence.report()
    }
}

/// The beginning of a minute.
const START_NS: u64 = 1_200 * SECOND_NS;

fn identity(max_tokens: u64) -> Identity {
    Identity {
        estimate: 1,
        max_tokens,
    }
}

#[test]
fn answers_and_admissions_are_matched_one_by_one() {
    let mut world = World::new();
    let answered = Ending::Answered(world.at(3));
    let failed = Ending::Failed(world.at(3), "502 upstream_failed".to_owned());
    for max_tokens in [10, 11, 12, 14] {
        world.admit(2, identity(max_tokens));
    }
    world.admit(3, identity(11));
    world.call(1, identity(10), 0, answered.clone());
    world.call(1, identity(11), 0, answered.clone());
    world.call(1, identity(12), 0, failed.clone());
    world.call(1, identity(13), 0, answered);
    world.call(1, identity(14), 0, Ending::UnderWay);
    world.call(1, identity(15), 0, failed);
    let settled = Decision::Settled {
        reservation: 0,
        added: Charge::default(),
    };
    world.judge(4_000, identity(10), settled.clone());
    let first = World {
        journal: world.journal.clone(),
        calls: world.calls.clone(),
        ..world
    };
    world.judge(5_000, identity(10), settled);
    let run = run(SharedFault::None);
    let report = world.report(&run);
    assert_eq!(report.answered, 3);
    assert_eq!(report.admitted_twice, 1);
    assert_eq!(report.answered_unadmitted, 1);
    assert_eq!(report.admitted_unanswered, 1);
    assert_eq!(report.settled_twice, 1);
    assert_eq!(report.lost.get("502 upstream_failed"), Some(&2));
    assert_eq!(first.report(&run).settled_twice, 0);
}

#[test]
fn calls_that_end_with_a_killed_gateway_are_counted_apart() {
    let mut world = World::new();
    for (second, home) in [(89, 0), (90, 0), (90, 1)] {
        let ending = Ending::Failed(world.at(second), "connection: reset".to_owned());
        world.admit(second - 1, identity(second + home as u64));
        world.call(1, identity(second + home as u64), home, ending);
    }
    let report = world.report(&run(SharedFault::GatewayKilled));
    assert_eq!(report.died, 1);
    assert_eq!(report.lost.get("connection: reset"), Some(&2));
    assert_eq!(report.admitted_unanswered, 2);
}

#[test]
fn refusals_are_told_apart_by_when_they_were() {
    let mut world = World::new();
    for second in [10, 59, 60, 89, 90, 109, 110, 150, 179] {
        world.refuse(second, identity(second));
    }
    let journal = world.journal.clone();
    let faulty = world.report(&run(SharedFault::RedisFrozen));
    let expected = Refused {
        total: 9,
        first_minute: 2,
        during: 2,
        after: 3,
    };
    assert_eq!(faulty.refused, expected);
    let world = World {
        journal,
        ..World::new()
    };
    let without = world.report(&run(SharedFault::None)).refused;
    assert_eq!((without.during, without.after), (0, 7));
}

/// The whole bucket at once, then 10 tokens every 200 ms but for a pause.
fn steady(pause: std::ops::Range<u64>) -> World {
    let mut world = World::new();
    world.admit(0, identity(3_000));
    for fifth in 1..5 * 180 {
        if !pause.contains(&(fifth / 5)) {
            world.admit_at_ms(200 * fifth, identity(10));
        }
    }
    world
}

#[test]
fn a_quota_that_is_spent_as_it_comes_is_used_in_full_and_never_exceeded() {
    let report = steady(0..0).report(&run(SharedFault::RedisFrozen));
    assert_eq!(report.usage.used, 6_000);
    assert!(report.used_part > 0.99, "{}", report.used_part);
    assert_eq!(report.peaks[0].over, 0);
    assert_eq!(report.back_after, Some(Duration::ZERO));
    let mut more = steady(0..0);
    more.admit_at_ms(179_800, identity(1));
    let report = more.report(&run(SharedFault::RedisFrozen));
    assert_eq!(report.peaks[0].over, 1);
    assert!(
        report.row().contains("1 tokens TOO MANY"),
        "{}",
        report.row()
    );
}

#[test]
fn a_pause_shows_in_the_slices_and_in_the_time_until_all_is_well() {
    let run = run(SharedFault::RedisFrozen);
    // What was not taken in the pause is taken at its end, five seconds after the fault's.
    let mut world = steady(90..115);
    world.admit(115, identity(25 * 50));
    world.journal.sort_by_key(|entry| entry.time_ns);
    let report = world.report(&run);
    assert_eq!(report.back_after, Some(Duration::ZERO));
    let parts: Vec<_> = report.slices.iter().map(|slice| slice.part > 0.9).collect();
    let from: Vec<_> = report.slices.iter().map(|slice| slice.from_s).collect();
    assert_eq!(from.first(), Some(&-10));
    assert_eq!(from.last(), Some(&45));
    let idle = parts.iter().filter(|is_used| !**is_used).count();
    assert_eq!(idle, 5, "{:?}", report.slices);
    assert!(
        report.row().contains("100 [ 0 0 0 0 ] 0 600 100 "),
        "{}",
        report.row()
    );
    // Refused once more after 12 seconds.
    let mut world = steady(0..0);
    world.refuse(122, identity(7));
    world.journal.sort_by_key(|entry| entry.time_ns);
    let report = world.report(&run);
    assert_eq!(report.back_after, Some(Duration::from_secs(13)));
    // Never taken up again.
    let report = steady(90..180).report(&run);
    assert_eq!(report.back_after, None);
    assert!(report.row().contains("not within the run"));
}

#[test]
fn tenants_are_told_apart_by_where_their_callers_began() {
    let mut world = World::new();
    for number in 0..90 {
        let home = usize::from(number % 3 != 0);
        world.admit(61 + number, identity(100 + number % 3));
        world.call(1, identity(100 + number % 3), home, Ending::UnderWay);
    }
    let report = world.report(&run(SharedFault::None));
    let heavy = report.shares[1];
    assert_eq!(heavy.name, "heavy");
    assert!((heavy.share - 2.0 / 3.0).abs() < 0.01, "{heavy:?}");
    assert!((heavy.entitled - 2.0 / 3.0).abs() < 1e-9);
}

#[test]
fn a_row_has_as_many_cells_as_the_head() {
    let run = run(SharedFault::RedisFrozen);
    let row = SharedReport::name(&run) + &steady(0..0).report(&run).row();
    let head = SharedReport::head();
    let cells = |line: &str| line.matches('|').count();
    for line in head.lines() {
        assert_eq!(cells(line), cells(&row), "{line}\n{row}");
    }
}
