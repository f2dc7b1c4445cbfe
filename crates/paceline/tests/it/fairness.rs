//! Who goes first.

use std::sync::{Arc, Mutex};

use paceline::{Call, Pacer, Tenant, Tier};

use super::exact;

/// Lets each of these calls wait, and tells in which order they went.
async fn order(pacer: &Pacer, calls: Vec<(&'static str, Call)>) -> Vec<&'static str> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for (name, call) in calls {
        let waiting = super::queued(pacer.reserve(&call)).await;
        let order = Arc::clone(&order);
        tasks.push(tokio::spawn(async move {
            let turn = waiting.await.unwrap();
            order.lock().unwrap().push(name);
            turn.served();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let order = order.lock().unwrap();
    order.clone()
}

/// A pacer that lets one call of 100 tokens go each second, and whose first second is over.
async fn one_a_second(builder: paceline::PacerBuilder) -> Pacer {
    let limit = std::time::Duration::from_secs(1);
    let builder = builder.limit(paceline::Metric::Tokens, 100, limit);
    let pacer = exact(builder).build().unwrap();
    pacer.reserve(&Call::of_tokens(100)).await.unwrap().served();
    pacer
}

#[tokio::test(start_paused = true)]
async fn tenants_share_by_their_weights() {
    let builder = Pacer::builder().tenant("large", Tenant::new().weight(3));
    let pacer = one_a_second(builder).await;
    let call = |name| (name, Call::of_tokens(100).tenant(name));
    let calls = [vec![call("small"); 40], vec![call("large"); 40]].concat();
    let order = order(&pacer, calls).await;
    let large = order[..40].iter().filter(|name| **name == "large").count();
    assert!((29..=31).contains(&large), "{large} of 40");
    assert_eq!(order.len(), 80);
}

#[tokio::test(start_paused = true)]
async fn a_screen_goes_before_a_batch() {
    let builder = Pacer::builder().tenant("night", Tenant::new().tier(Tier::Batch));
    let pacer = one_a_second(builder).await;
    let batch = ("batch", Call::of_tokens(100).tenant("night"));
    let screen = ("screen", Call::of_tokens(100).tier(Tier::Interactive));
    let order = order(&pacer, [vec![batch; 20], vec![screen; 5]].concat()).await;
    let last = order.iter().rposition(|name| *name == "screen").unwrap();
    // The batch keeps its guaranteed share of a twentieth.
    assert!(last <= 6, "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_goes_again_is_in_front_of_its_tenants_others() {
    let pacer = one_a_second(Pacer::builder()).await;
    let call = Call::of_tokens(100);
    let order = order(
        &pacer,
        vec![("1", call), ("2", call), ("again", call.again())],
    )
    .await;
    assert_eq!(order, ["again", "1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_knows_the_place_the_time_and_the_reason() {
    let pacer = one_a_second(Pacer::builder()).await;
    assert!(pacer.reserve(&Call::of_tokens(100)).outlook().is_none());
    let first = super::queued(pacer.reserve(&Call::of_tokens(100))).await;
    let second = super::queued(pacer.reserve(&Call::of_tokens(100))).await;
    let (one, two) = (first.outlook().unwrap(), second.outlook().unwrap());
    assert_eq!((one.position, two.position), (1, 2));
    assert_eq!(one.eta, Some(std::time::Duration::from_secs(1)));
    assert!(two.eta > one.eta);
    assert_eq!(one.limited_by.to_string(), "tokens per second");
}
