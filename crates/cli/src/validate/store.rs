//! Whether the store can be reached and used, and how far away it is.

use std::time::Duration;

use paceline_config::Store;
use paceline_coordinator::StoreError;
use paceline_coordinator_redis::{Examination, Identity, Right};

use super::check::{Check, Name, Times, Verdict, fine, in_ms};
use super::stage::Stage;
use crate::figures::span;
use crate::serve::store;

pub(super) const NO_STORE: &str = "no store is configured";
pub(super) const UNREACHABLE: &str = "the store cannot be used";

const REACHABLE: Name = Name {
    key: "store_reachable",
    title: "store: reachable",
};
const RIGHTS: Name = Name {
    key: "store_rights",
    title: "store: rights",
};
const ROUND_TRIP: Name = Name {
    key: "store_round_trip",
    title: "store: round trip",
};
const EVICTION: Name = Name {
    key: "store_eviction",
    title: "store: eviction",
};
const CLOCK: Name = Name {
    key: "store_clock",
    title: "store: clock",
};

/// Questions whose times are taken.
const ROUNDS: usize = 300;

/// The longest time that all of them may take.
const ROUNDS_TIME: Duration = Duration::from_secs(5);

/// How far the clocks may be apart before it is worth a word.
const CLOCK_MAX_US: u64 = 1_000_000;

/// The oldest server that is known to work.
const REDIS_MIN: (u64, u64) = (6, 2);

/// The checks, and whether the store can be used.
pub(super) async fn checks(stage: &Stage) -> (Vec<Check>, bool) {
    let all = [REACHABLE, RIGHTS, ROUND_TRIP, EVICTION, CLOCK];
    let Some(store) = stage.store() else {
        let skipped = all.map(|name| Check::skipped(name, NO_STORE));
        return (skipped.into(), false);
    };
    let mut checks = Vec::new();
    let usable = match examine(stage, store, &mut checks).await {
        Ok(()) => checks.iter().all(|check| check.verdict != Verdict::Fail),
        Err((name, error)) => {
            checks.push(Check::failed(name, &error.to_string(), remedy(&error)));
            false
        }
    };
    // What comes after the first that could not be made.
    let made = checks.len();
    let left = all.iter().skip(made);
    checks.extend(left.map(|name| Check::skipped(*name, UNREACHABLE)));
    (checks, usable)
}

async fn examine(
    stage: &Stage,
    store: &Store,
    checks: &mut Vec<Check>,
) -> Result<(), (Name, StoreError)> {
    let domain = stage.name("look");
    let unusable = |error: String| StoreError::Refused {
        store: store.address(),
        reason: error,
    };
    let settings =
        store::settings(store).map_err(|error| (REACHABLE, unusable(error.to_string())))?;
    let began = std::time::Instant::now();
    let opened = Examination::open(&settings, &domain).await;
    let mut examination = opened.map_err(|error| (REACHABLE, error))?;
    let took = began.elapsed();
    // Without the right to ask, rights are what is told of.
    let identity = examination.identity().await.unwrap_or_default();
    checks.push(reachable(&identity, took));
    stage.claim(&domain).await;
    let rights = examination.rights().await;
    let rights = rights.map_err(|error| (RIGHTS, error))?;
    if leaves_nothing(&rights) {
        stage.release(&domain).await;
    }
    checks.push(judge_rights(&rights, &store.prefix));
    if checks.iter().any(|check| check.verdict == Verdict::Fail) {
        return Ok(());
    }
    let mut times = Times::default();
    let (mut nearest, mut ahead_us) = (Duration::MAX, 0);
    let deadline = std::time::Instant::now() + ROUNDS_TIME;
    for _ in 0..ROUNDS {
        let reading = examination.clock().await;
        let reading = reading.map_err(|error| (ROUND_TRIP, error))?;
        times.add(reading.round_trip);
        if reading.round_trip < nearest {
            (nearest, ahead_us) = (reading.round_trip, reading.ahead_us);
        }
        if std::time::Instant::now() > deadline {
            break;
        }
    }
    checks.push(round_trip(&times, store.time_box));
    checks.push(eviction(&identity));
    checks.push(clock(ahead_us, nearest));
    Ok(())
}

/// Whether trying the rights has left nothing in the store.
fn leaves_nothing(rights: &[Right]) -> bool {
    let may = |command| {
        let mut rights = rights.iter();
        rights.any(|right| right.command == command && right.refusal.is_none())
    };
    !may("hset") || may("hdel")
}

fn reachable(identity: &Identity, took: Duration) -> Check {
    let is_old = identity.product == "redis" && version(&identity.version) < REDIS_MIN;
    let known = !identity.version.is_empty();
    let name = if known {
        format!("{} {}", identity.product, identity.version)
    } else {
        "an unknown server".to_owned()
    };
    Check::new(
        REACHABLE,
        Verdict::pass_if(!(known && is_old)),
        format!("{name} in {}", fine(took)),
    )
    .bound("redis 6.2")
    .value("product", identity.product.clone())
    .value("server_version", identity.version.clone())
    .value("connected_ms", in_ms(took))
    .remedy("use Redis 6.2 or newer, or Valkey")
}

/// The first two numbers of a version.
fn version(text: &str) -> (u64, u64) {
    let mut parts = text.split('.').map_while(|part| part.parse().ok());
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

fn judge_rights(rights: &[Right], prefix: &str) -> Check {
    let refused = rights.iter().filter_map(|right| {
        let refusal = right.refusal.as_ref()?;
        Some((right.command, refusal))
    });
    let refused: Vec<_> = refused.collect();
    let missing: Vec<&str> = refused.iter().map(|(command, _)| *command).collect();
    let figure = if missing.is_empty() {
        format!("{} commands work", rights.len())
    } else {
        format!("{} of {} commands refused", missing.len(), rights.len())
    };
    let first = refused.first().map(|(_, reason)| reason.trim());
    Check::new(RIGHTS, Verdict::pass_if(missing.is_empty()), figure)
        .bound("all")
        .value("commands", rights.len())
        .value("refused", missing.clone())
        .remedy(format!(
            "the server says: {}; refused: {}. Give the user ~{prefix}* &{prefix}wake:* and the \
             commands that docs/redis.md lists",
            first.unwrap_or_default(),
            missing.join(", "),
        ))
}

fn round_trip(times: &Times, time_box: Duration) -> Check {
    let (p50, p99) = (times.quantile(50), times.quantile(99));
    Check::new(
        ROUND_TRIP,
        Verdict::pass_if(p99 < time_box),
        format!("p50 {}, p99 {}", fine(p50), fine(p99)),
    )
    .bound(format!("p99 < {}", span(time_box)))
    .value("p50_ms", in_ms(p50))
    .value("p99_ms", in_ms(p99))
    .remedy(
        "a store that takes longer than store.time_box counts as away: bring it nearer, or set a longer \
         store.time_box",
    )
}

fn eviction(identity: &Identity) -> Check {
    let policy = &identity.eviction;
    let is_kept = policy == "noeviction" || identity.memory_max_bytes == 0 && !policy.is_empty();
    let verdict = if is_kept {
        Verdict::Pass
    } else {
        Verdict::Warning
    };
    let figure = match (policy.as_str(), identity.memory_max_bytes) {
        ("", _) => "the server does not say".to_owned(),
        ("noeviction", _) => "noeviction".to_owned(),
        (other, 0) => format!("{other}, without a memory limit"),
        (other, _) => other.to_owned(),
    };
    Check::new(EVICTION, verdict, figure)
        .bound("noeviction")
        .value("policy", policy.clone())
        .value("memory_max_bytes", identity.memory_max_bytes)
        .remedy(
            "a count that is evicted costs a pause of three seconds, each time: set maxmemory-policy \
             noeviction, or use a server of its own",
        )
}

fn clock(ahead_us: i64, nearest: Duration) -> Check {
    let near = ahead_us.unsigned_abs() <= CLOCK_MAX_US;
    let verdict = if near {
        Verdict::Pass
    } else {
        Verdict::Warning
    };
    let apart = Duration::from_micros(ahead_us.unsigned_abs());
    let shown = if near { fine(apart) } else { span(apart) };
    let side = if ahead_us < 0 { "behind" } else { "ahead" };
    let offset_ms = in_ms(apart) * if ahead_us < 0 { -1.0 } else { 1.0 };
    Check::new(CLOCK, verdict, format!("{shown} {side}"))
        .bound("1.0 s")
        .value("ahead_ms", offset_ms)
        .value("within_ms", in_ms(nearest / 2))
        .remedy(
            "limits hold all the same, since the store's clock decides; times in logs will not agree: \
             let both machines follow a time server",
        )
}

fn remedy(error: &StoreError) -> &'static str {
    match error {
        StoreError::Away { .. } => {
            "look at store.url (--redis), at the network between here and there, and whether the server \
             runs; with rediss:// also at store.ca_file"
        }
        StoreError::Refused { .. } => {
            "check user and password in store.url, and the user's rights (docs/redis.md)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(eviction: &str, memory_max_bytes: u64) -> Identity {
        Identity {
            product: "redis".to_owned(),
            version: "7.0.15".to_owned(),
            eviction: eviction.to_owned(),
            memory_max_bytes,
        }
    }

    #[test]
    fn counts_that_may_be_evicted_are_worth_a_warning() {
        assert_eq!(eviction(&identity("noeviction", 9)).verdict, Verdict::Pass);
        assert_eq!(eviction(&identity("allkeys-lru", 0)).verdict, Verdict::Pass);
        let warned = eviction(&identity("allkeys-lru", 9));
        assert_eq!(warned.verdict, Verdict::Warning);
        assert!(warned.remedy.unwrap().contains("noeviction"));
        assert_eq!(eviction(&identity("", 0)).verdict, Verdict::Warning);
    }

    #[test]
    fn a_server_that_is_too_old_fails() {
        let at = |version: &str| {
            let identity = Identity {
                version: version.to_owned(),
                ..identity("noeviction", 0)
            };
            reachable(&identity, Duration::ZERO).verdict
        };
        assert_eq!(at("6.0.16"), Verdict::Fail);
        assert_eq!(at("6.2.0"), Verdict::Pass);
        assert_eq!(at("10.0.1"), Verdict::Pass);
    }

    #[test]
    fn clocks_that_are_apart_are_worth_a_warning() {
        let check = clock(-90_000_000, Duration::from_millis(2));
        assert_eq!(check.verdict, Verdict::Warning);
        assert_eq!(check.figure, "90 s behind");
        assert_eq!(clock(300, Duration::from_millis(2)).verdict, Verdict::Pass);
    }

    #[test]
    fn a_store_that_is_too_far_away_fails() {
        let mut times = Times::default();
        times.add(Duration::from_millis(80));
        let check = round_trip(&times, Duration::from_millis(50));
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.remedy.unwrap().contains("store.time_box"));
    }
}
