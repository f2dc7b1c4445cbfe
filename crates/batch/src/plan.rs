//! What a batch will cost, how long it will take, and what it will wait for: told without sending
//! anything.
//!
//! A [`Planner`] is given each request once and keeps sums by model, and a course of at most 262,144
//! entries in the order of the input. The time is that of a play in virtual time: the course goes
//! through the very limiter that will pace the run, with as many requests at once as the run would
//! have under way.

mod course;
mod deadline;
mod done;
mod exact;
mod model;
mod outlook;
mod play;
mod pool;
mod sizes;
#[cfg(test)]
mod tests;

use std::time::Duration;

use paceline_limiter::Timestamp;
use paceline_provider::{Endpoint, RequestFacts};
use paceline_tokens::{Calibrations, OutputLengths};

use crate::input::Groups;
use crate::{Concurrency, Group, Item, Pricing};

use course::Entries;
use model::Sums;
use pool::Pools;
use sizes::Sizer;

pub use deadline::{Change, DeadlinePlan};
pub use done::{DoneBefore, done_before};
pub use model::{CostRange, ModelPlan, OutputBasis, TokenRange};
pub use outlook::{LimitUse, Plan, PoolPlan, TooLarge, Unreadable};
pub use play::{Bind, Course, Share};
pub use pool::{LimitsSource, Pool, Settle};

/// How long a provider takes for an answer that did not have to wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Until it begins.
    pub first: Duration,
    /// How fast it goes on, in output tokens a second; what is not above zero counts as at once.
    pub tokens_per_second: f64,
}

impl Default for Latency {
    /// One second, and then 60 tokens a second.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            tokens_per_second: 60.0,
        }
    }
}

impl Latency {
    /// The time that an answer of so many tokens takes.
    fn of(&self, output_tokens: f64) -> Duration {
        let streamed = match self.tokens_per_second > 0.0 {
            true => output_tokens / self.tokens_per_second,
            false => 0.0,
        };
        let streamed = Duration::try_from_secs_f64(streamed).unwrap_or_default();
        self.first.saturating_add(streamed)
    }
}

/// What a plan is made from, beside the requests.
#[derive(Clone, Debug)]
pub struct PlanSettings {
    /// What tokens cost.
    pub pricing: Pricing,
    /// How far estimates of the input were off.
    pub calibrations: Calibrations,
    /// How long answers were.
    pub output_lengths: OutputLengths,
    /// The length of an answer of which nothing is known, in tokens.
    pub default_output_tokens: u64,
    /// Whether input is counted with the model's vocabulary where that is known, which takes a second
    /// for some megabytes.
    pub exact: bool,
    /// How many requests at once.
    pub concurrency: Concurrency,
    /// How long answers take.
    pub latency: Latency,
    /// When the batch would begin, on the clock of the pools' windows.
    pub start: Timestamp,
}

/// Makes a plan of the requests that it is given.
pub struct Planner {
    settings: PlanSettings,
    sizer: Sizer,
    sums: Sums,
    pools: Pools,
    groups: Groups,
    entries: Entries,
    unreadable: Unreadable,
}

impl std::fmt::Debug for Planner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Planner")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Planner {
    /// A plan of nothing yet. `pool_of` is asked once for each model; pools of the same name are one.
    pub fn new(settings: PlanSettings, pool_of: impl Fn(&str) -> Pool + 'static) -> Self {
        Self {
            sizer: Sizer::of(&settings),
            settings,
            sums: Sums::default(),
            pools: Pools::new(Box::new(pool_of)),
            groups: Groups::default(),
            entries: Entries::default(),
            unreadable: Unreadable::default(),
        }
    }

    /// Takes in a request that is to be sent.
    pub fn add(&mut self, item: &Item) {
        let endpoint = Endpoint::classify(&http::Method::POST, &item.url);
        let (kind, wants_text) = (endpoint.kind, self.sizer.wants_text());
        let read = match wants_text {
            true => RequestFacts::parse_with_text(kind, &item.body, &mut |text| {
                self.sizer.take_text(text);
            }),
            false => RequestFacts::parse(kind, &item.body),
        };
        let profile = self.sizer.profile();
        let profile = wants_text.then_some(profile);
        let facts = match read {
            Ok(facts) => facts,
            Err(error) => return self.unreadable.add(item.line, &error.to_string()),
        };
        let (place, price) = self
            .sums
            .place(&facts.model, &item.url, &self.settings.pricing);
        let sized = self.sizer.size(&facts, profile, &item.body);
        self.sums.add(place, &sized, price.as_ref());
        let pool = self.pools.of(&facts.model);
        let charge = pool.charge(&sized, &facts, endpoint.pacing);
        if pool.fits(&charge, item.line) {
            let index = pool.index();
            let group = Group(self.groups.of_model(&facts.model));
            self.entries
                .push(course::Entry::new(index, group, &sized, &charge));
        }
    }

    /// The plan. `available` is the time in which all is to be done.
    ///
    /// # Errors
    /// What is wrong with the limits of a pool.
    pub fn plan(
        self,
        available: Option<Duration>,
    ) -> Result<Plan, paceline_limiter::SettingsError> {
        outlook::plan(self, available)
    }
}
