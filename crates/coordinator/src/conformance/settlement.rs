//! What ends is settled once, both ways, however often it is said.

use super::actor::{Actor, fresh_domain, granted, hourly, used};
use crate::message::{CountKind, End, TicketId};
use crate::store::Coordinator;

const KINDS: [CountKind; 4] = [
    CountKind::Fixed,
    CountKind::FixedFromFirstUse,
    CountKind::Sliding,
    CountKind::Unknown,
];

/// An instance with one request of 80 tokens under way.
async fn under_way(store: &dyn Coordinator, kind: CountKind) -> (Actor<'_>, TicketId) {
    let mut actor = Actor::new(store, &fresh_domain(), &[hourly(kind)]);
    let id = actor.try_one(80).await.unwrap();
    (actor, id)
}

pub async fn what_was_not_used_is_given_back(store: &dyn Coordinator) {
    for kind in KINDS {
        let (mut actor, id) = under_way(store, kind).await;
        actor.charged(id, 30);
        let answer = actor.say().await;
        assert_eq!((used(&answer), answer.in_flight), (30, 0), "{kind:?}");
        assert_eq!(answer.levels[0].in_flight, 0, "{kind:?}");
    }
}

pub async fn what_was_used_beyond_is_owed(store: &dyn Coordinator) {
    for kind in KINDS {
        let (mut actor, id) = under_way(store, kind).await;
        actor.charged(id, 1_080);
        assert_eq!(used(&actor.say().await), 1_080, "{kind:?}");
        assert_eq!(actor.try_one(1).await, None, "{kind:?}");
    }
}

pub async fn a_request_that_was_never_sent_takes_nothing(store: &dyn Coordinator) {
    for kind in KINDS {
        let (mut actor, id) = under_way(store, kind).await;
        actor.close(id, End::NotSent);
        assert_eq!(used(&actor.say().await), 0, "{kind:?}");
    }
}

pub async fn a_repeated_message_changes_nothing_and_grants_the_same(store: &dyn Coordinator) {
    let (mut actor, id) = under_way(store, CountKind::Sliding).await;
    actor.charged(id, 50);
    let waiting = actor.request(20);
    actor.ask.teaches = Some("once".to_owned());
    let message = actor.ask.clone();
    let first = actor.say().await;
    actor.ask = message;
    actor.ask.sequence += 1;
    let second = actor.repeat().await;
    assert_eq!(granted(&first), [waiting]);
    assert_eq!(granted(&second), [waiting]);
    assert_eq!((used(&second), second.in_flight), (70, 1));
    assert_eq!(second.knowledge, first.knowledge);
}

pub async fn an_older_message_lets_nobody_in(store: &dyn Coordinator) {
    let (mut actor, id) = under_way(store, CountKind::Sliding).await;
    actor.say().await;
    actor.ask.sequence -= 1;
    actor.request(1);
    actor.close(id, End::NotSent);
    let answer = actor.repeat().await;
    assert_eq!(granted(&answer), []);
    assert_eq!((used(&answer), answer.in_flight), (80, 1));
}

pub async fn a_head_that_was_let_in_and_asks_again_is_let_in_again(store: &dyn Coordinator) {
    let mut actor = Actor::new(store, &fresh_domain(), &[hourly(CountKind::Sliding)]);
    let id = actor.request(80);
    let heads = actor.ask.heads.clone();
    actor.say().await;
    actor.ask.heads = heads;
    let answer = actor.say().await;
    assert_eq!(granted(&answer), [id]);
    assert_eq!((used(&answer), answer.in_flight), (80, 1));
}

pub async fn closing_twice_is_closing_once(store: &dyn Coordinator) {
    for kind in KINDS {
        let (mut actor, id) = under_way(store, kind).await;
        actor.charged(id, 30);
        actor.charged(id, 10);
        actor.say().await;
        actor.close(id, End::NotSent);
        assert_eq!(used(&actor.say().await), 30, "{kind:?}");
    }
}

pub async fn closing_what_was_never_let_in_changes_nothing(store: &dyn Coordinator) {
    let (mut actor, _) = under_way(store, CountKind::Sliding).await;
    actor.close(TicketId(99), End::NotSent);
    actor.charged(TicketId(98), 500);
    let answer = actor.say().await;
    assert_eq!((used(&answer), answer.in_flight), (80, 1));
}
