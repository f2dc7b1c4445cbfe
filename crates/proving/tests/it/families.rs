//! The families, a few seeds of them.

use paceline_proving::{Happening, Run, Sender, families};

use crate::{play, play_as};

#[test]
fn the_same_seed_gives_the_same_story_and_another_seed_another() {
    for seed in [3, 8] {
        let member = families::member(seed);
        let (first, second) = (play(&member.scenario, seed), play(&member.scenario, seed));
        assert_eq!(first.report.trace_hash, second.report.trace_hash);
        assert_eq!(first, second);
        let other = play(&member.scenario, seed + 1_000);
        assert_ne!(first.report.trace_hash, other.report.trace_hash);
    }
}

#[test]
fn keeping_the_events_changes_nothing_about_them() {
    let member = families::member(5);
    let plain = Run::play(&member.scenario, Sender::Gateway, 5).unwrap();
    let judged = Run::judged(&member.scenario, Sender::Gateway, 5).unwrap();
    assert_eq!(plain.report, judged.report);
    assert!(plain.events.is_empty());
    assert_eq!(judged.events.len() as u64, judged.report.events);
}

#[test]
fn even_where_everything_goes_wrong_at_once_no_rule_is_broken() {
    for seed in 0..15 {
        let scenario = families::wild(seed);
        assert!(scenario.is_sound(), "seed {seed}");
        for sender in [Sender::Gateway, Sender::RetriesOnly, Sender::FixedRate] {
            let first = play_as(&scenario, sender, seed);
            assert!(first.report.requests > 0, "seed {seed}");
        }
    }
}

#[test]
fn whatever_happens_no_rule_is_broken_and_the_figures_agree_with_the_story() {
    for seed in 0..40 {
        let run = play(&families::member(seed).scenario, seed);
        let count = |happening| {
            let events = run.events.iter();
            events.filter(|event| event.happening == happening).count() as u64
        };
        let report = &run.report;
        assert_eq!(count(Happening::Arrived), report.requests, "seed {seed}");
        assert_eq!(count(Happening::Sent), report.attempts, "seed {seed}");
        let answered = report.served + report.failed + report.turned_away;
        assert_eq!(count(Happening::Answered), answered, "seed {seed}");
        assert_eq!(answered + report.unfinished, report.requests, "seed {seed}");
        let refused = report.refused.first_minute + report.refused.later;
        assert_eq!(count(Happening::Refused), refused, "seed {seed}");
        assert!(report.served > 50, "seed {seed}: {}", report.served);
    }
}
