//! What was learned survives being written and read; damaged data is refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{OutputLengths, key};
use crate::{OutputLengthsState, StateError};

fn learned() -> OutputLengths {
    let mut lengths = OutputLengths::default();
    for index in 0..3_000_u64 {
        lengths.observe(key("m", "chat", None), index * 387 % 1_000 + 1);
        lengths.observe(key("m", "responses", Some(1_000)), index * 11 % 900);
        lengths.observe(key("n", "chat", Some(64)), 64);
    }
    lengths
}

fn written(lengths: &OutputLengths) -> Value {
    serde_json::to_value(lengths.export()).expect("plain data can be written")
}

fn read(value: Value) -> Result<OutputLengths, Option<StateError>> {
    let state: OutputLengthsState = serde_json::from_value(value).map_err(|_| None)?;
    OutputLengths::import(&state, 1_000).map_err(Some)
}

#[test]
fn everything_learned_survives_being_written_and_read() {
    let before = learned();
    let after = read(written(&before)).expect("own data is sound");
    for (model, route, max) in [
        ("m", "chat", None),
        ("m", "other", None),
        ("m", "responses", Some(1_000)),
        ("n", "chat", Some(60)),
        ("unknown", "", None),
    ] {
        let key = key(model, route, max);
        assert_eq!(before.predict(key, 0), after.predict(key, 0), "{key:?}");
    }
    let (before, after) = (before.total(), after.total());
    assert_eq!(before.covered, after.covered);
    assert_eq!(before.typical.p95_absolute(), after.typical.p95_absolute());
}

#[test]
fn with_less_room_the_most_used_are_kept() {
    let mut lengths = learned();
    lengths.observe(key("rare", "chat", None), 5);
    let state = lengths.export();
    let small = OutputLengths::import(&state, 2).expect("own data is sound");
    let mut kept: Vec<&str> = small.models().map(|(name, _)| name).collect();
    kept.sort_unstable();
    assert_eq!(kept, ["m", "n"]);
    assert_eq!(small.route_count, 2);
    assert_eq!(small.total().predicted, lengths.total().predicted);
}

/// The part of the first group of `value` at `pointer`.
fn damage(pointer: &str, wrong: Value) -> Value {
    let mut value = written(&learned());
    *value.pointer_mut(pointer).expect("the part is there") = wrong;
    value
}

#[test]
fn nonsense_is_refused() {
    for (pointer, wrong) in [
        ("/version", json!(2)),
        ("/groups/0/group/correction_log", json!(1e9)),
        ("/groups/0/group/lengths/observations", json!(0)),
        ("/groups/0/group/lengths/bins", json!([[9_999, 1]])),
        ("/groups/0/group/lengths/bins", json!([[1, 1], [1, 1]])),
        ("/groups/0/group/lengths/bins", json!([[1, 60_000]])),
        ("/groups/0/group/accuracy/covered", json!(u64::MAX)),
        ("/groups/0/group/accuracy/typical/bins", json!([])),
        ("/groups/0/group/accuracy/typical/bins/0", json!(u64::MAX)),
        ("/groups/0/group/accuracy/typical/absolute_max", json!(-1)),
        ("/groups/0/group/accuracy/typical/signed_sum", json!(1e300)),
        (
            "/groups/0/kind",
            json!({"model": {"model": "n", "route": "chat"}}),
        ),
        (
            "/groups/0/kind",
            json!({"model": {"model": "x".repeat(999), "route": null}}),
        ),
        ("/groups/0/class", json!("unbounded?")),
    ] {
        assert!(
            read(damage(pointer, wrong.clone())).is_err(),
            "{pointer}: {wrong}"
        );
    }
    assert_eq!(
        read(damage("/version", json!(2))).err(),
        Some(Some(StateError::Version(2)))
    );
}

proptest! {
    /// Whatever numbers stand in the data: it is refused, or can be used without a panic.
    #[test]
    fn no_numbers_make_it_panic(
        observations: u64,
        bins in prop::collection::vec((0..200_u16, any::<u16>()), 0..6),
        log in prop_oneof![any::<f64>(), -2.0..20.0],
        sums: [f64; 3],
        counts: [u64; 4],
        length: u64,
    ) {
        let mut value = written(&learned());
        let group = value.pointer_mut("/groups/0/group").expect("there is a group");
        group["lengths"] = json!({"observations": observations, "bins": bins});
        group["correction_log"] = json!(log);
        let accuracy = &mut group["accuracy"];
        for (name, count) in ["predicted", "covered", "high_tokens", "actual_tokens"].iter().zip(counts) {
            accuracy[*name] = json!(count);
        }
        for (name, sum) in ["signed_sum", "absolute_sum", "absolute_max"].iter().zip(sums) {
            accuracy["typical"][*name] = json!(sum);
        }
        if let Ok(mut lengths) = read(value) {
            let key = key("m", "chat", None);
            lengths.observe(key, length);
            prop_assert!(lengths.predict(key, 0).typical_tokens <= lengths.predict(key, 0).high_tokens);
            let _ = lengths.total();
        }
    }
}
