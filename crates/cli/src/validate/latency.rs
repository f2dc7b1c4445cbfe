//! How much later an answer comes by way of a gateway, when there is nothing to wait for.

use std::time::Duration;

use paceline_config::{Store, WhenStoreIsAway};
use tokio::time::timeout;

use super::caller::{Caller, KEY, request_of};
use super::check::{Check, Name, Times, Verdict, fine, in_ms};
use super::load::provider;
use super::stage::{Plan, Stage};
use super::store::{NO_STORE, UNREACHABLE};
use crate::figures::span;

const ALONE: Name = Name {
    key: "added_latency",
    title: "added latency",
};
const SHARED: Name = Name {
    key: "added_latency_with_store",
    title: "latency with store",
};

/// What a gateway may add to 99 of 100 answers.
const ADDED_MAX: Duration = Duration::from_millis(50);

/// Requests before times are taken, and while they are.
const BEFORE: usize = 50;
const ROUNDS: usize = 500;

/// The longest time that all of them may take.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Limits that nothing comes near.
const LIMITS: &str = "window = \"bucket\"\n\
                      tokens_per_minute = 1_000_000_000_000\n\
                      requests_per_minute = 1_000_000_000\n";

const REMEDY: &str = "this machine is too busy, or too slow: run it where the gateway is to run, when \
                      there is little else to do";
const REMEDY_STORE: &str = "each request asks the store once: bring the store nearer, and look at its \
                            round trip above";

pub(super) async fn checks(stage: &Stage, is_usable: bool) -> Vec<Check> {
    let store = stage.store().filter(|_| is_usable);
    let measured = match timeout(TIME_MAX, measure(stage, store)).await {
        Ok(measured) => measured,
        Err(_) => Err(format!("not done within {}", span(TIME_MAX))),
    };
    let alone = match &measured {
        Ok(paths) => paths.check(ALONE, &paths.alone, REMEDY),
        Err(why) => Check::failed(ALONE, why, REMEDY),
    };
    let shared = match (&measured, stage.store()) {
        (_, None) => Check::skipped(SHARED, NO_STORE),
        (_, Some(_)) if store.is_none() => Check::skipped(SHARED, UNREACHABLE),
        (Ok(paths), _) => paths.check(SHARED, &paths.shared, REMEDY_STORE),
        (Err(why), _) => Check::failed(SHARED, why, REMEDY_STORE),
    };
    vec![alone, shared]
}

/// Times of the same request on three ways.
#[derive(Debug, Default)]
struct Paths {
    direct: Times,
    alone: Times,
    shared: Times,
}

impl Paths {
    fn check(&self, name: Name, way: &Times, remedy: &str) -> Check {
        let [p50, p99] = [50, 99].map(|percent| {
            way.quantile(percent)
                .saturating_sub(self.direct.quantile(percent))
        });
        Check::new(
            name,
            Verdict::pass_if(p99 < ADDED_MAX),
            format!("p50 {}, p99 {}", fine(p50), fine(p99)),
        )
        .bound("p99 < 50 ms")
        .value("p50_ms", in_ms(p50))
        .value("p99_ms", in_ms(p99))
        .value("direct_p50_ms", in_ms(self.direct.quantile(50)))
        .value("direct_p99_ms", in_ms(self.direct.quantile(99)))
        .remedy(remedy)
    }
}

async fn measure(stage: &Stage, store: Option<&Store>) -> Result<Paths, String> {
    let simulator = provider(Vec::new(), Duration::ZERO).await?;
    let plan = |store: Option<&Store>, pool| Plan {
        base_url: simulator.base_url(),
        limits: LIMITS.to_owned(),
        pool,
        store: store.cloned(),
        when_away: WhenStoreIsAway::Share,
    };
    let mut direct = Caller::connect(simulator.address(), Some(KEY)).await?;
    let (address, _) = stage.gateway(plan(None, "latency")).await?;
    let mut alone = Caller::connect(address, Some(KEY)).await?;
    let mut shared = match store {
        None => None,
        Some(store) => {
            let (address, _) = stage.gateway(plan(Some(store), "shared-latency")).await?;
            Some(Caller::connect(address, Some(KEY)).await?)
        }
    };
    let mut paths = Paths::default();
    let body = request_of(100);
    // In turns, so that whatever else the machine does falls on all of them.
    for round in 0..BEFORE + ROUNDS {
        if round == BEFORE {
            paths = Paths::default();
        }
        paths.direct.add(direct.time(body.clone()).await?);
        paths.alone.add(alone.time(body.clone()).await?);
        if let Some(shared) = &mut shared {
            paths.shared.add(shared.time(body.clone()).await?);
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_is_the_time_beyond_that_of_the_provider_alone() {
        let times = |ms| {
            let mut times = Times::default();
            times.add(Duration::from_millis(ms));
            times
        };
        let paths = Paths {
            direct: times(100),
            alone: times(140),
            shared: times(151),
        };
        assert_eq!(paths.check(ALONE, &paths.alone, "").verdict, Verdict::Pass);
        let shared = paths.check(SHARED, &paths.shared, "bring it nearer");
        assert_eq!(shared.verdict, Verdict::Fail);
        assert_eq!(shared.figure, "p50 51 ms, p99 51 ms");
    }
}
