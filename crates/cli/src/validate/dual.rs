//! Whether limits on requests and on tokens hold together, whichever of them binds.

use std::time::Duration;

use paceline_config::WhenStoreIsAway;
use paceline_simulator::{JournalEntry, Metric, Quota, verify};
use tokio::time::sleep;

use super::check::{Check, Name, Verdict};
use super::load::{Load, admitted, provider};
use super::stage::{Plan, Stage};
use crate::figures::{grouped, percent};

const NAME: Name = Name {
    key: "dual_limits",
    title: "dual limits",
};

/// The limits: so much in each window, which is short so that the check is.
const REQUESTS: u64 = 100;
const TOKENS: u64 = 20_000;
const WINDOW_S: u64 = 5;

/// What requests are charged: of the small ones the limit on requests is reached first, of the large
/// ones the limit on tokens.
const SMALL: &[u64] = &[20];
const LARGE: &[u64] = &[500];

/// How long each of them are asked for.
const PHASE: Duration = Duration::from_secs(8);

const CALLERS: usize = 32;

/// The part of the limit that binds that must be used.
const USED_MIN: f64 = 0.95;

pub(super) async fn check(stage: &Stage) -> Check {
    match measure(stage).await {
        Ok(found) => found.check(),
        Err(why) => Check::failed(
            NAME,
            &why,
            "nothing but this machine takes part in this check: look \
            at its open files, ports and load",
        ),
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// Use of the limit on requests while small requests came.
    requests_used: f64,
    /// Use of the limit on tokens while large requests came.
    tokens_used: f64,
    refused: u64,
    /// Whether the journal has an admission that a limit does not allow.
    is_over: bool,
}

impl Found {
    fn check(self) -> Check {
        let is_used = self.requests_used.min(self.tokens_used) >= USED_MIN;
        let holds = is_used && self.refused == 0 && !self.is_over;
        let figure = format!(
            "{}, then {} used, {} refused",
            percent(self.requests_used),
            percent(self.tokens_used),
            grouped(self.refused),
        );
        Check::new(NAME, Verdict::pass_if(holds), figure)
            .bound(format!("{0}, {0}, 0", percent(USED_MIN)))
            .value("requests_used", self.requests_used)
            .value("tokens_used", self.tokens_used)
            .value("refused", self.refused)
            .value("over", self.is_over)
            .remedy(
                "this machine was too busy to keep the pace: run it again when there is less to do, and \
                 where the gateway is to run",
            )
    }
}

async fn measure(stage: &Stage) -> Result<Found, String> {
    let window_ms = WINDOW_S * 1_000;
    let requests = Quota::bucket(Metric::Requests, REQUESTS, window_ms);
    let tokens = Quota::bucket(Metric::Tokens, TOKENS, window_ms);
    let simulator = provider(vec![requests, tokens], Duration::from_millis(5)).await?;
    let plan = Plan {
        base_url: simulator.base_url(),
        limits: format!(
            "window = \"bucket\"\ncustom = [\n\
             {{ metric = \"requests\", amount = {REQUESTS}, period = \"{WINDOW_S}s\" }},\n\
             {{ metric = \"tokens\", amount = {TOKENS}, period = \"{WINDOW_S}s\" }}]\n"
        ),
        pool: "dual",
        store: None,
        when_away: WhenStoreIsAway::Share,
    };
    let (address, _) = stage.gateway(plan).await?;
    let mut ends_ns = vec![simulator.state().time_ns];
    for sizes in [SMALL, LARGE] {
        let load = Load::start(&[address], CALLERS, sizes);
        sleep(PHASE).await;
        load.stop().await;
        ends_ns.push(simulator.state().time_ns);
    }
    let journal = simulator.journal(0);
    let [begin, middle, end] = ends_ns[..] else {
        return Err("the provider has no clock".to_owned());
    };
    Ok(Found {
        requests_used: used(&journal, &requests, begin, middle),
        tokens_used: used(&journal, &tokens, middle, end),
        refused: simulator.state().counters.refused_in_total(),
        is_over: [requests, tokens]
            .iter()
            .any(|quota| verify(&journal, quota).is_err()),
    })
}

/// The part that was used of what a bucket allowed from one moment to another: what it still held, and
/// what came in.
#[expect(clippy::cast_precision_loss, reason = "shown as a percentage")]
fn used(journal: &[JournalEntry], quota: &Quota, from_ns: u64, to_ns: u64) -> f64 {
    let amount = quota.amount as f64;
    let drained = |ns: u64| amount * ns as f64 / quota.window_ns() as f64;
    let (mut level, mut last_ns, mut taken) = (0.0_f64, 0, 0.0);
    for (time_ns, charge) in admitted(journal, quota.metric) {
        if time_ns < from_ns {
            level = (level - drained(time_ns - last_ns)).max(0.0) + charge as f64;
            last_ns = time_ns;
        } else if time_ns <= to_ns {
            taken += charge as f64;
        }
    }
    let level = (level - drained(from_ns.saturating_sub(last_ns))).max(0.0);
    taken / (amount - level + drained(to_ns - from_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_simulator::{Charge, Decision};

    fn admission(time_s: u64, tokens: u64) -> JournalEntry {
        JournalEntry {
            sequence: time_s,
            time_ns: time_s * 1_000_000_000,
            pool: "one".into(),
            key: "sk".into(),
            model: "gpt".into(),
            charge: Charge::of_tokens(tokens),
            decision: Decision::Admitted {
                reservation: time_s,
            },
        }
    }

    #[test]
    fn use_is_judged_by_what_the_bucket_still_held() {
        let quota = Quota::bucket(Metric::Tokens, 100, 10_000);
        let journal = [admission(100, 100), admission(105, 50), admission(110, 40)];
        let second = 1_000_000_000;
        let used = |from_s: u64, to_s: u64| used(&journal, &quota, from_s * second, to_s * second);
        // A full bucket, and ten for each of ten seconds.
        assert!((used(99, 109) - 150.0 / 200.0).abs() < 1e-9);
        // It is full again at 105, and half of that is back at 110.
        assert!((used(106, 110) - 40.0 / (10.0 + 40.0)).abs() < 1e-9);
    }

    #[test]
    fn both_limits_must_be_used_and_neither_exceeded() {
        let good = Found {
            requests_used: 0.97,
            tokens_used: 0.99,
            ..Found::default()
        };
        assert_eq!(good.check().verdict, Verdict::Pass);
        for bad in [
            Found {
                requests_used: 0.9,
                ..good
            },
            Found { refused: 1, ..good },
            Found {
                is_over: true,
                ..good
            },
        ] {
            assert_eq!(bad.check().verdict, Verdict::Fail, "{bad:?}");
        }
    }
}
