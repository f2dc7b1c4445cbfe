//! A gateway's answers for tests.

use std::time::{Duration, Instant};

use paceline_admin_api::{Now, RateLimits};
use serde_json::{Value, json};

use super::picture::News;
use super::state::{State, View};

fn limit(metric: &str, used: u64, amount: u64, kind: &str, hit_in_ms: Value) -> Value {
    json!({"metric": metric, "amount": amount, "window_ms": 60_000, "kind": kind, "used": used,
        "clear_in_ms": 45_000, "source": "learned", "hit_in_ms": hit_in_ms, "demand_ratio": 1.2,
        "belief": {"kind": kind, "kind_confidence": 0.998, "decided_after_answers": 12, "answers": 1_234,
            "ends_in_ms": null, "phase_spread_ms": null, "aligned": null, "confirmed": 52_000, "piece": null,
            "quantum_ms": null, "usual_charge": 210, "foreign_per_minute": 0, "reserve": 0, "verified": true,
            "changed_ms_ago": null, "change_reason": null, "amount_before": null}})
}

fn pool(name: &str, limits: &[Value]) -> Value {
    json!({"name": name, "limits": limits, "in_flight": 3, "concurrency_max": null, "spacing_ms": 0, "waiting": 0,
        "probe_concurrency": null, "cool_down": null,
        "tokens": {"reserved": 0, "settled": 0, "refunded": 0, "outstanding": 0, "debt": 0}})
}

pub(super) fn limits() -> RateLimits {
    let busy = pool(
        "gpt-4o@5d90d67b",
        &[
            limit("requests", 36, 300, "bucket", Value::Null),
            limit("tokens", 59_400, 60_000, "bucket", json!(0)),
        ],
    );
    let calm = pool(
        "o3",
        &[limit(
            "input_tokens",
            400_000,
            2_000_000,
            "sliding",
            json!(90_000),
        )],
    );
    serde_json::from_value(json!({"pools": [busy, calm]})).unwrap()
}

/// An event of a busy gateway, in which so many requests have ended.
pub(super) fn now(finished: u64) -> News {
    News::Now(busy_now(finished))
}

/// The same with lanes of which these are not well: name, state and what they are ill of.
pub(super) fn now_with_lanes(ill: &[(&str, &str, &str)]) -> News {
    let mut now = busy_now(1);
    let lane = |(name, state, cause): &(&str, &str, &str)| {
        json!({"name": name, "state": state, "share": (*state == "returning").then_some(0.4), "ill_ms": 192_000,
            "cause": cause, "status": (*cause == "overload").then_some(529)})
    };
    let returning = ill
        .iter()
        .filter(|(_, state, _)| *state == "returning")
        .count();
    let lanes: Vec<Value> = ill.iter().map(lane).collect();
    let lanes =
        json!({"total": 7, "out": ill.len() - returning, "returning": returning, "ill": lanes});
    now.lanes = serde_json::from_value(lanes).unwrap();
    News::Now(now)
}

fn busy_now(finished: u64) -> Now {
    let now = json!({"at_ms": 1_795_368_866_065_i64, "pools": [
            {"name": "o3", "limits": [
                {"metric": "input_tokens", "window_ms": 60_000, "used": 400_000, "amount": 2_000_000}],
                "in_flight": 2, "waiting": 0, "cool_down_ms": 0, "episode": null, "store_mode": null},
            {"name": "gpt-4o@5d90d67b", "limits": [
                {"metric": "requests", "window_ms": 60_000, "used": 36, "amount": 300},
                {"metric": "tokens", "window_ms": 60_000, "used": 59_400, "amount": 60_000}],
                "in_flight": 12, "waiting": 30, "limited_by": "tokens per minute", "cool_down_ms": 0,
                "episode": {"number": 1, "kind": "quota", "over": false, "refusals": 2}, "store_mode": null}],
        "finished": {"ok": finished}, "finished_total": {"ok": 1_190, "provider_error": 14},
        "upstream_reached": true, "ledger": {"writable": true, "queued": 0, "spilled": 0, "lost": 0}});
    serde_json::from_value(now).unwrap()
}

/// The queue, of which those with these tenants and sessions are listed.
pub(super) fn queue(callers: &[(&str, Option<&str>)]) -> News {
    let call = |(index, (tenant, session)): (usize, &(&str, Option<&str>))| {
        let priority = ["interactive", "standard", "batch"][index % 3];
        json!({"request_id": format!("pl-{tenant}-{index}"), "pool": "gpt-4o@5d90d67b", "position": index + 1,
            "eta_ms": 700 * index, "limited_by": "tokens per minute", "waited_ms": 12_300 - 400 * index,
            "tenant": tenant, "session": session, "priority": priority,
            "model": "gpt-4o-mini", "estimated_tokens": 1_057 + index, "expected_output_tokens": 33})
    };
    let calls: Vec<Value> = callers.iter().enumerate().map(call).collect();
    let queue = json!({"waiting": 30, "running": 12, "calls": calls, "tiers": [
        {"priority": "interactive", "waiting": 4}, {"priority": "standard", "waiting": 26},
        {"priority": "batch", "waiting": 0}]});
    News::Queue(serde_json::from_value(queue).unwrap(), View::Queue)
}

/// A gateway that is busy, a minute after the command began; and the time.
pub(super) fn busy() -> (State, Instant) {
    let began = Instant::now();
    let at = began + Duration::from_secs(60);
    let mut state = State::new("http://127.0.0.1:4100".to_owned(), limits());
    for second in 0..=60 {
        let finished = (second * 7) % 11;
        state.take(now(finished), began + Duration::from_secs(second));
    }
    let alerts = json!({"alerts": [{"number": 1, "at_unix_ms": 1_795_368_146_065_u64, "budget": "monthly",
        "scope": "tenant:acme", "percent": 90, "spent": 90, "amount": 100, "unit": "nanousd", "period": "month"}]});
    state.take(News::Alerts(serde_json::from_value(alerts).unwrap()), at);
    let callers = [
        ("acme", Some("s-1")),
        ("zeta", Some("s-2")),
        ("acme", Some("s-1")),
        ("reports of the whole company", None),
        ("web", Some("nightly-evaluation-of-everything")),
    ];
    state.take(queue(&callers), at);
    (state, at)
}
