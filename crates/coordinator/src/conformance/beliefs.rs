//! What instances have found out is made one.

use super::actor::{Actor, TOKENS_A_SECOND, fresh_domain, granted, hourly, limit, used};
use crate::message::{Correction, CountKind, Epoch};
use crate::store::Coordinator;

pub async fn a_correction_that_two_find_is_made_once(store: &dyn Coordinator) {
    let domain = fresh_domain();
    let terms = [hourly(CountKind::Fixed)];
    let mut actors = [0, 1].map(|_| Actor::new(store, &domain, &terms));
    let level = actors[0].say().await.levels[0];
    let correction = Correction {
        id: level.id,
        step: 300,
        corrected: level.corrected,
        generation: level.generation,
    };
    for (actor, step) in actors.iter_mut().zip([300, 320]) {
        actor.ask.corrections = vec![Correction { step, ..correction }];
        actor.say().await;
    }
    let answer = actors[0].say().await;
    assert_eq!((used(&answer), answer.levels[0].corrected), (320, 320));
    let generation = level.generation + 1;
    actors[0].ask.corrections = vec![Correction {
        generation,
        ..correction
    }];
    assert_eq!(
        used(&actors[0].say().await),
        320,
        "it is about another count"
    );
}

pub async fn younger_beliefs_replace_older_ones(store: &dyn Coordinator) {
    let domain = fresh_domain();
    let mut terms = hourly(CountKind::Sliding);
    let mut old = Actor::new(store, &domain, &[terms]);
    old.try_one(80).await.unwrap();
    (terms.since_us, terms.amount) = (2, 90);
    let mut young = Actor::new(store, &domain, &[terms]);
    let answer = young.say().await;
    assert_eq!((answer.levels[0].amount, used(&answer)), (90, 80));
    let answer = old.say().await;
    assert_eq!(
        answer.levels[0].amount, 90,
        "and is not replaced by older ones"
    );
    assert_eq!(old.try_one(11).await, None);
}

pub async fn what_is_used_survives_a_change_of_kind(store: &dyn Coordinator) {
    let domain = fresh_domain();
    let mut terms = hourly(CountKind::Fixed);
    let mut actor = Actor::new(store, &domain, &[terms]);
    actor.try_one(80).await.unwrap();
    let changes = [
        CountKind::Sliding,
        CountKind::Unknown,
        CountKind::FixedFromFirstUse,
    ];
    for (kind, number) in changes.into_iter().zip(2..) {
        (terms.kind, terms.since_us) = (kind, number);
        actor.ask.terms = vec![terms];
        let answer = actor.say().await;
        let level = answer.levels[0];
        assert_eq!((level.kind, level.used, level.taken), (kind, 80, 80));
        assert_eq!(level.generation, number);
    }
}

pub async fn a_lost_state_is_no_full_quota(store: &dyn Coordinator) {
    let domain = fresh_domain();
    let mut terms = hourly(CountKind::Sliding);
    terms.used = 700;
    let mut actor = Actor::new(store, &domain, &[terms]);
    // It has been in touch with another life of the state.
    actor.was_in(Epoch(7));
    actor.request(10);
    let answer = actor.say().await;
    assert_eq!(granted(&answer), []);
    assert!(answer.learning_us > 0);
    assert_eq!(used(&answer), 700);
    let wake = answer.wake_us.unwrap();
    assert!(wake >= answer.now_us + answer.learning_us);
    // Another one knows of more.
    terms.used = 900;
    let mut other = Actor::new(store, &domain, &[terms]);
    other.was_in(Epoch(7));
    let answer = other.say().await;
    assert_eq!(used(&answer), 900);
    assert!(answer.learning_us > 0);
}

pub async fn what_one_learns_the_others_know(store: &dyn Coordinator) {
    let domain = fresh_domain();
    let terms = [limit(TOKENS_A_SECOND, CountKind::Bucket, 100)];
    let mut teacher = Actor::new(store, &domain, &terms);
    let mut other = Actor::new(store, &domain, &terms);
    assert_eq!(other.say().await.knowledge, None);
    teacher.ask.teaches = Some("the burst is 7 \u{1F680}".to_owned());
    teacher.say().await;
    let knowledge = other.say().await.knowledge.unwrap();
    assert_eq!(
        (knowledge.version, knowledge.text.as_str()),
        (1, "the burst is 7 \u{1F680}")
    );
    other.ask.knows = knowledge.version;
    assert_eq!(other.say().await.knowledge, None);
    teacher.ask.teaches = Some("no, 8".to_owned());
    teacher.say().await;
    let knowledge = other.say().await.knowledge.unwrap();
    assert_eq!((knowledge.version, knowledge.text.as_str()), (2, "no, 8"));
}
