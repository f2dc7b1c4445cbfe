//! Whether two gateways that share a quota through the store use it once, all of it, and count it right.

use std::net::SocketAddr;
use std::time::Duration;

use paceline_config::{Store, WhenStoreIsAway};
use paceline_coordinator::{Ask, Coordinator as _, InstanceId};
use paceline_coordinator_redis::RedisCoordinator;
use paceline_limiter::Metric;
use paceline_simulator::{Metric as Counted, Quota, QuotaKind, Simulator};
use tokio::time::{Instant, sleep};

use super::check::{Check, Name, Verdict};
use super::load::{Load, admitted, provider};
use super::stage::{Plan, Stage};
use super::store::{NO_STORE, UNREACHABLE};
use crate::figures::{grouped, percent, share};
use crate::serve::store;

const NAME: Name = Name {
    key: "token_tracking",
    title: "token tracking",
};

/// The quota, which no part of comes back while the check lasts.
const QUOTA: u64 = 60_000;
const WINDOW_S: u64 = 60;

/// The part of the quota that must be used.
const USED_MIN: f64 = 0.95;

/// What requests are charged.
const SIZES: &[u64] = &[300, 80, 500, 150, 220];

/// Callers at each gateway.
const CALLERS: usize = 8;

/// How long the load lasts at the most, and how long after the quota is used up.
const TIME_MAX: Duration = Duration::from_secs(15);
const AFTER: Duration = Duration::from_millis(700);

/// The shortest time box of the gateways here.
const TIME_BOX_MIN: Duration = Duration::from_secs(1);

/// How long it may take until everything that was let in has been counted.
const SETTLING: Duration = Duration::from_secs(3);

pub(super) async fn check(stage: &Stage, is_usable: bool) -> Check {
    let Some(store) = stage.store() else {
        return Check::skipped(NAME, NO_STORE);
    };
    if !is_usable {
        return Check::skipped(NAME, UNREACHABLE);
    }
    match measure(stage, store).await {
        Ok(found) => found.check(),
        Err(why) => Check::failed(NAME, &why, "look at what the checks of the store say"),
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    admitted_tokens: u64,
    /// What the store has counted.
    counted_tokens: u64,
    refused: u64,
}

impl Found {
    fn check(self) -> Check {
        let difference = self.counted_tokens.abs_diff(self.admitted_tokens);
        let used = share(self.admitted_tokens, QUOTA);
        let holds = difference == 0 && self.refused == 0 && (USED_MIN..=1.0).contains(&used);
        let figure = format!(
            "{} apart, {} refused, {} used",
            grouped(difference),
            grouped(self.refused),
            percent(used),
        );
        let remedy = if difference == 0 && self.refused == 0 {
            "the quota was not used up in time: this machine or the way to the store is too slow for the \
             check; run it where the gateways run"
        } else {
            "counts in the store were changed or lost while the check ran: give it a server or a \
             store.prefix of its own, with maxmemory-policy noeviction"
        };
        Check::new(NAME, Verdict::pass_if(holds), figure)
            .bound(format!("0, 0, {}", percent(USED_MIN)))
            .value("difference_tokens", difference)
            .value("admitted_tokens", self.admitted_tokens)
            .value("counted_tokens", self.counted_tokens)
            .value("quota_tokens", QUOTA)
            .value("refused", self.refused)
            .value("quota_used", used)
            .remedy(remedy)
    }
}

async fn measure(stage: &Stage, store: &Store) -> Result<Found, String> {
    let quota = Quota::tokens_per_minute(QUOTA).kept_as(QuotaKind::Sliding);
    let simulator = provider(vec![quota], Duration::from_millis(5)).await?;
    // A machine that is busy with this check must not let the store seem to be away: how long it takes to
    // answer is judged elsewhere.
    let patient = Store {
        time_box: store.time_box.max(TIME_BOX_MIN),
        ..store.clone()
    };
    let plan = Plan {
        base_url: simulator.base_url(),
        limits: format!(
            "window = \"sliding\"\n\
             custom = [{{ metric = \"tokens\", amount = {QUOTA}, period = \"{WINDOW_S}s\" }}]\n"
        ),
        pool: "tracking",
        store: Some(patient.clone()),
        when_away: WhenStoreIsAway::Share,
    };
    let (first, domain) = stage.gateway(plan.clone()).await?;
    let (second, _) = stage.gateway(plan).await?;
    use_up(&simulator, &[first, second]).await;
    let counted_tokens = settled_count(&patient, &domain, &simulator).await?;
    Ok(Found {
        admitted_tokens: admitted_tokens(&simulator),
        counted_tokens,
        refused: simulator.state().counters.refused_in_total(),
    })
}

/// Asks for more than there is until the quota is used up, and a while longer.
async fn use_up(simulator: &Simulator, gateways: &[SocketAddr]) {
    let load = Load::start(gateways, CALLERS, SIZES);
    let end = Instant::now() + TIME_MAX;
    let smallest = SIZES.iter().min().copied().unwrap_or_default();
    while Instant::now() < end && admitted_tokens(simulator) + smallest <= QUOTA {
        sleep(Duration::from_millis(50)).await;
        if share(admitted_tokens(simulator), QUOTA) > 0.99 {
            break;
        }
    }
    // Whoever let in more than there is does so now.
    sleep(AFTER).await;
    load.stop().await;
}

fn admitted_tokens(simulator: &Simulator) -> u64 {
    let journal = simulator.journal(0);
    admitted(&journal, Counted::Tokens)
        .map(|(_, tokens)| tokens)
        .sum()
}

/// What the store counts, once that is what the provider has let in, or after a while.
async fn settled_count(store: &Store, domain: &str, simulator: &Simulator) -> Result<u64, String> {
    let settings = store::settings(store).map_err(|error| error.to_string())?;
    let settings = settings.plain_keys(false);
    let connected = RedisCoordinator::connect(&settings).await;
    let coordinator = connected.map_err(|error| error.to_string())?;
    let end = Instant::now() + SETTLING;
    let mut sequence = 1;
    loop {
        let answer = coordinator.exchange(domain, &a_look(sequence)).await;
        let answer = answer.map_err(|error| error.to_string())?;
        let levels = answer.levels.iter();
        let mut tokens = levels.filter(|level| level.id.metric == Metric::Tokens);
        let counted = tokens.next().map_or(0, |level| level.used);
        if counted == admitted_tokens(simulator) || Instant::now() > end {
            return Ok(counted);
        }
        sequence += 1;
        sleep(Duration::from_millis(100)).await;
    }
}

/// The message of somebody who only looks and leaves again.
fn a_look(sequence: u64) -> Ask {
    Ask {
        instance: InstanceId(sequence),
        sequence,
        epoch: None,
        lease_us: 2_000_000,
        pause_us: 0,
        spacing_us: 0,
        in_flight_max: None,
        demand: 0,
        shares_ppm: [0; 3],
        terms: Vec::new(),
        closed: Vec::new(),
        corrections: Vec::new(),
        heads: Vec::new(),
        knows: 0,
        teaches: None,
        leaves: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(admitted_tokens: u64, counted_tokens: u64, refused: u64) -> Verdict {
        let found = Found {
            admitted_tokens,
            counted_tokens,
            refused,
        };
        found.check().verdict
    }

    #[test]
    fn every_token_must_be_counted_and_none_refused_and_the_quota_used() {
        assert_eq!(verdict(59_900, 59_900, 0), Verdict::Pass);
        assert_eq!(verdict(59_900, 59_899, 0), Verdict::Fail);
        assert_eq!(verdict(59_900, 59_900, 1), Verdict::Fail);
        assert_eq!(verdict(56_000, 56_000, 0), Verdict::Fail);
        assert_eq!(verdict(60_001, 60_001, 0), Verdict::Fail);
    }
}
