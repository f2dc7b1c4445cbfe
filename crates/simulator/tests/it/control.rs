//! The control paths.

use paceline_simulator::{
    EnforcerSettings, JournalEntry, Quota, SimulatorSettings, SimulatorState, verify,
};
use serde_json::json;

use crate::client::{Call, start, start_default};

fn chat(max_tokens: u64) -> Call {
    let body = json!({
        "model": "gpt-4o", "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": "Say something."}],
    });
    Call::post("/v1/chat/completions", &body)
}

#[tokio::test]
async fn state_and_journal_are_those_of_the_library() {
    let quota = Quota::tokens_per_day(1_000);
    let limits = EnforcerSettings {
        quotas: vec![quota],
        ..Default::default()
    };
    let simulator = start(SimulatorSettings {
        limits,
        ..Default::default()
    })
    .await;
    let address = simulator.address();
    chat(600).send(address).await;
    chat(600).send(address).await;
    let state = Call::get("/_simulator/state")
        .without("authorization")
        .send(address)
        .await;
    let state: SimulatorState = serde_json::from_value(state.json()).unwrap();
    // The time to the reset goes on between the two.
    let known = |state: &SimulatorState| {
        let level = state.pools[0].quotas[0];
        (
            state.pools[0].name.clone(),
            level.quota,
            level.used,
            level.remaining,
        )
    };
    assert_eq!(known(&state), known(&simulator.state()));
    assert_eq!(state.counters, simulator.state().counters);
    assert_eq!((state.counters.received, state.counters.served), (2, 1));
    let journal = Call::get("/_simulator/journal?since=1")
        .send(address)
        .await
        .json();
    let journal: Vec<JournalEntry> = serde_json::from_value(journal).unwrap();
    assert_eq!(journal, simulator.journal(1));
    assert_eq!(
        journal
            .iter()
            .map(|entry| entry.sequence)
            .collect::<Vec<_>>(),
        [2, 3]
    );
    assert_eq!(verify(&simulator.journal(0), &quota).unwrap().total, 600);
    let key = &journal[0].key;
    assert!(
        !"sk-test-0123456789".contains(&**key) && key.contains("***"),
        "{key}"
    );
}

#[tokio::test]
async fn limits_change_while_the_level_stays() {
    let limits = EnforcerSettings {
        quotas: vec![Quota::tokens_per_day(1_000)],
        ..Default::default()
    };
    let simulator = start(SimulatorSettings {
        limits,
        ..Default::default()
    })
    .await;
    let address = simulator.address();
    chat(600).send(address).await;
    let order = json!({"quotas": [
        {"metric": "tokens", "amount": 2_000, "window_ms": 86_400_000},
        {"metric": "requests", "amount": 7, "window_ms": 60_000, "kind": "sliding"},
    ]});
    let state = Call::post("/_simulator/quotas", &order).send(address).await;
    assert_eq!(state.status, 200, "{}", state.text());
    let reply = chat(600).send(address).await;
    assert_eq!(reply.header("x-ratelimit-remaining-tokens"), Some("800"));
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some("6"));
    let reset = Call::post("/_simulator/reset", &json!({}))
        .send(address)
        .await;
    assert_eq!(reset.json()["pools"][0]["quotas"][0]["used"], 0);
    assert_eq!(reset.json()["counters"]["admitted"], 0);
    assert!(simulator.journal(0).is_empty());
}

#[tokio::test]
async fn rules_are_set_and_wrong_orders_are_refused() {
    let simulator = start_default().await;
    let address = simulator.address();
    let order = json!({"rules": [{"fault": "500", "times": 1}]});
    assert_eq!(
        Call::post("/_simulator/faults", &order)
            .send(address)
            .await
            .status,
        200
    );
    assert_eq!(
        [
            chat(1).send(address).await.status,
            chat(1).send(address).await.status
        ],
        [500, 200]
    );
    let wrong = [
        Call::post(
            "/_simulator/faults",
            &json!({"rules": [{"fault": "nothing"}]}),
        ),
        Call::post("/_simulator/faults", &json!({"rule": []})),
        Call::post(
            "/_simulator/quotas",
            &json!({"quotas": [{"metric": "money"}]}),
        ),
        Call::get("/_simulator/journal?since=x"),
    ];
    for call in wrong {
        assert_eq!(call.send(address).await.status, 400);
    }
    assert_eq!(
        Call::get("/_simulator/nothing").send(address).await.status,
        404
    );
}
