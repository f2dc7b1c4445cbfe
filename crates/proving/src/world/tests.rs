//! Senders that break the rules: the world must notice.

use super::*;
use crate::sender::{End, Head};

const ONE_REQUEST: &str = "duration_s = 60
drain_s = 60
[[provider.quota]]
metric = \"tokens\"
amount = 1000
[[workload]]
arrivals.job = { requests = 2 }
prompt_tokens.fixed = 10
";

/// What a bad sender does with a request, and at the end of an attempt.
struct Bad {
    at_submit: fn(CallId) -> Vec<Step>,
    at_end: fn(CallId) -> Vec<Step>,
    wakes: bool,
}

impl Sender for Bad {
    fn submit(&mut self, ask: &Ask, _: u64, steps: &mut Vec<Step>) {
        steps.extend((self.at_submit)(ask.call));
    }

    fn head(&mut self, _: &Ask, _: &Head, _: u64, _: &mut Vec<Step>) {}

    fn end(&mut self, ask: &Ask, _: End, _: u64, steps: &mut Vec<Step>) {
        steps.extend((self.at_end)(ask.call));
    }

    fn wake_ns(&self) -> Option<u64> {
        self.wakes.then_some(0)
    }

    fn poll(&mut self, _: u64, _: &mut Vec<Step>) {}

    fn jump(&mut self, _: i64, _: u64, _: &mut Vec<Step>) {}

    fn check(&self, _: bool) -> Option<String> {
        None
    }
}

fn broken(bad: Bad) -> Vec<String> {
    let scenario = Scenario::parse("test.toml", ONE_REQUEST).unwrap();
    let mut world = World::new(&scenario, Kind::Gateway, 1, Wishes::default()).unwrap();
    world.seats[0].sender = Box::new(bad);
    world.run().story.broken
}

const SENDS: fn(CallId) -> Vec<Step> = |call| vec![Step::Send(call)];
const ANSWERS: fn(CallId) -> Vec<Step> = |call| vec![Step::Answer(call, Fate::Served)];

#[test]
fn a_sender_that_keeps_the_rules_is_not_blamed() {
    let good = Bad {
        at_submit: SENDS,
        at_end: ANSWERS,
        wakes: false,
    };
    assert_eq!(broken(good), [""; 0]);
}

#[test]
fn two_answers_to_one_request_are_noticed() {
    let twice = Bad {
        at_submit: SENDS,
        at_end: |call| [ANSWERS(call), ANSWERS(call)].concat(),
        wakes: false,
    };
    assert_eq!(broken(twice), ["a request was answered twice"]);
}

#[test]
fn an_attempt_beside_another_is_noticed() {
    let hasty = Bad {
        at_submit: |call| [SENDS(call), SENDS(call)].concat(),
        at_end: ANSWERS,
        wakes: false,
    };
    assert_eq!(
        broken(hasty),
        ["a request was sent while it was under way or answered"]
    );
}

#[test]
fn a_request_that_is_forgotten_is_noticed() {
    let forgetful = Bad {
        at_submit: SENDS,
        at_end: |_| Vec::new(),
        wakes: false,
    };
    assert_eq!(
        broken(forgetful),
        ["requests wait, and nothing is planned that could end it"]
    );
}

#[test]
fn a_sender_that_turns_in_circles_is_stopped() {
    let restless = Bad {
        at_submit: SENDS,
        at_end: ANSWERS,
        wakes: true,
    };
    assert_eq!(broken(restless), ["time stands still: events beget events"]);
}
