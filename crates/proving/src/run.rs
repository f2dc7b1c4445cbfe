//! Playing a scenario.

use crate::report::{self, Report, Timeline};
use crate::scenario::{Scenario, Sender};
use crate::trace::Event;
use crate::world::{Outcome, Wishes, World};

/// One play of a scenario by one kind of sender.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The figures.
    pub report: Report,
    /// The course of it, second by second.
    pub timeline: Timeline,
    /// Every event in order; empty unless they were asked for.
    pub events: Vec<Event>,
}

/// Why a scenario cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway's limiter refuses its settings: {0}")]
pub struct RunError(#[from] paceline_limiter::SettingsError);

impl Run {
    /// Plays a scenario.
    ///
    /// # Errors
    /// When the gateway's limiter refuses its settings.
    pub fn play(scenario: &Scenario, sender: Sender, seed: u64) -> Result<Self, RunError> {
        Self::with(scenario, sender, seed, Wishes::default())
    }

    /// Plays a scenario with the checks that cost memory: the provider's decisions are judged by
    /// definition, and every event is kept.
    ///
    /// # Errors
    /// When the gateway's limiter refuses its settings.
    pub fn judged(scenario: &Scenario, sender: Sender, seed: u64) -> Result<Self, RunError> {
        let wishes = Wishes {
            events: true,
            judged: true,
        };
        Self::with(scenario, sender, seed, wishes)
    }

    /// Plays a scenario for as long as `go_on` says so, which is asked every few hundred events;
    /// `None` where it ended the run.
    ///
    /// # Errors
    /// When the gateway's limiter refuses its settings.
    pub fn play_while(
        scenario: &Scenario,
        sender: Sender,
        seed: u64,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Self>, RunError> {
        let outcome = World::new(scenario, sender, seed, Wishes::default())?.run_while(go_on);
        Ok(outcome.map(|outcome| Self::told(scenario, sender, seed, outcome)))
    }

    fn with(
        scenario: &Scenario,
        sender: Sender,
        seed: u64,
        wishes: Wishes,
    ) -> Result<Self, RunError> {
        let world = World::new(scenario, sender, seed, wishes)?;
        Ok(Self::told(scenario, sender, seed, world.run()))
    }

    fn told(scenario: &Scenario, sender: Sender, seed: u64, mut outcome: Outcome) -> Self {
        Self {
            report: report::report(scenario, sender, seed, &outcome),
            timeline: report::timeline(scenario, &outcome),
            events: std::mem::take(&mut outcome.trace),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twice what the quota allows, for two minutes.
    const TWICE: &str = "duration_s = 120
[[provider.quota]]
metric = \"tokens\"
amount = 60000
[[workload]]
arrivals.per_minute = { requests = 120 }
prompt_tokens.fixed = 1000
";

    fn played(gateway: &str) -> Run {
        let text = format!("{TWICE}[gateway]\nknows = \"everything\"\n{gateway}");
        let scenario = Scenario::parse("test.toml", &text).unwrap();
        let run = Run::play(&scenario, Sender::Gateway, 1).unwrap();
        assert_eq!(run.report.violations, [""; 0]);
        run
    }

    #[test]
    fn a_run_is_ended_when_it_is_not_to_go_on() {
        let scenario = Scenario::parse("test.toml", TWICE).unwrap();
        let mut left = 3;
        let mut go_on = || {
            left -= 1;
            left > 0
        };
        let ended = Run::play_while(&scenario, Sender::Gateway, 1, &mut go_on).unwrap();
        assert!(ended.is_none() && left == 0);
        let whole = Run::play_while(&scenario, Sender::Gateway, 1, &mut || true).unwrap();
        assert_eq!(whole, Run::play(&scenario, Sender::Gateway, 1).ok());
    }

    #[test]
    fn bounds_of_the_queue_turn_requests_away() {
        let all = played("").report;
        assert_eq!((all.turned_away, all.served), (0, all.requests));
        let impatient = played("max_wait_s = 10").report;
        assert!(impatient.turned_away > 0 && impatient.wait.worst_s <= 11.0);
        for bound in ["waiting_max = 3", "waiting_per_tenant_max = 3"] {
            let run = played(bound);
            assert!(run.report.turned_away > 0, "{bound}");
            let waiting = run.timeline.seconds.iter().map(|second| second.waiting);
            assert!(waiting.max() <= Some(3), "{bound}");
        }
    }

    #[test]
    fn headroom_is_not_used() {
        let used = |gateway: &str| played(gateway).report.use_from_minute_2.unwrap();
        let (whole, half) = (used(""), used("headroom_percent = 50"));
        assert!(whole > 0.95 && (0.4..0.6).contains(&half), "{whole} {half}");
    }

    #[test]
    fn each_second_tells_what_was_served_and_charged() {
        let run = played("");
        let seconds = &run.timeline.seconds;
        let served: u64 = seconds.iter().map(|second| second.served).sum();
        assert_eq!(served, run.report.served);
        let tokens: u64 = seconds.iter().map(|second| second.tokens).sum();
        let charged: u64 = run.report.tenants.iter().map(|tenant| tenant.tokens).sum();
        assert_eq!(tokens, charged);
        let waits = run.report.wait;
        assert!(waits.p50_s <= waits.p95_s && waits.p95_s <= waits.p99_s);
        assert!(waits.mean_s > 0.0 && waits.mean_s < waits.worst_s);
    }
}
