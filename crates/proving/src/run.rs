//! Playing a scenario.

use crate::report::{self, Report, Timeline};
use crate::scenario::{Scenario, Sender};
use crate::trace::Event;
use crate::world::{Wishes, World};

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

    fn with(
        scenario: &Scenario,
        sender: Sender,
        seed: u64,
        wishes: Wishes,
    ) -> Result<Self, RunError> {
        let mut outcome = World::new(scenario, sender, seed, wishes)?.run();
        Ok(Self {
            report: report::report(scenario, sender, seed, &outcome),
            timeline: report::timeline(scenario, &outcome),
            events: std::mem::take(&mut outcome.trace),
        })
    }
}
