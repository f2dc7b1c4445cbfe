//! How lanes are chosen: the policy, and when the next priority is fallen back to.

use std::time::Duration;

use super::reason::Trigger;
use crate::SettingsError;

/// Which of the lanes of one priority a call goes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Where its quota lets it go first; among lanes where it could go at once, where the least
    /// of the quota is used for the lane's weight, so that all are used in proportion.
    #[default]
    Soonest,
    /// By weight, as evenly as can be, over the lanes where it need not wait; where it has to
    /// wait everywhere, where it waits least.
    Weighted,
    /// The first lane of the list that takes it. Each lane is a priority of its own, so that
    /// [`FallBackOn`] says when the next one is used.
    InOrder,
    /// Where it costs least, among lanes where it waits no longer than
    /// [`RouterSettings::cheapest_wait_max`].
    Cheapest,
    /// Where its first byte is expected first: wait and usual latency together. Lanes that are
    /// a tenth apart are alike; a lane of unknown latency gets one call to find out.
    Fastest,
}

impl Policy {
    /// The name in configuration, headers and views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Soonest => "soonest",
            Self::Weighted => "weighted",
            Self::InOrder => "in_order",
            Self::Cheapest => "cheapest",
            Self::Fastest => "fastest",
        }
    }
}

/// What may make a call use lanes of the next priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FallBackOn {
    /// Quota would hold it longer than [`RouterSettings::fall_back_after`], or for ever.
    pub quota: bool,
    /// The provider is overloaded or slow.
    pub overload: bool,
    /// The provider fails in any other way.
    pub error: bool,
    /// The call is longer than the model's context.
    pub context_length: bool,
}

impl FallBackOn {
    /// Everything.
    pub const ALL: Self = Self {
        quota: true,
        overload: true,
        error: true,
        context_length: true,
    };

    /// Nothing: lanes of lower priorities are never used.
    pub const NONE: Self = Self {
        quota: false,
        overload: false,
        error: false,
        context_length: false,
    };

    /// Whether `trigger` is among them.
    #[must_use]
    pub const fn allows(&self, trigger: Trigger) -> bool {
        match trigger {
            Trigger::Quota => self.quota,
            Trigger::Overload => self.overload,
            Trigger::Error => self.error,
            Trigger::ContextLength => self.context_length,
            // Nothing but another lane helps, and nobody asks for a certain failure.
            Trigger::Unsupported => true,
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

/// How a [`Router`](crate::Router) chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterSettings {
    /// Which lane of one priority ([`Policy::Soonest`]).
    pub policy: Policy,
    /// What makes a call use the next priority (everything).
    pub fall_back_on: FallBackOn,
    /// The wait for quota from which on the next priority is used, where the call would go
    /// sooner there (10 s).
    pub fall_back_after: Duration,
    /// How much longer than elsewhere a call waits for the lane that has its session's prompt
    /// cache; `None` turns affinity off (2 s).
    pub affinity_wait: Option<Duration>,
    /// How long the cheapest lane may make a call wait (10 s).
    pub cheapest_wait_max: Duration,
}

impl Default for RouterSettings {
    fn default() -> Self {
        Self {
            policy: Policy::Soonest,
            fall_back_on: FallBackOn::ALL,
            fall_back_after: Duration::from_secs(10),
            affinity_wait: Some(Duration::from_secs(2)),
            cheapest_wait_max: Duration::from_secs(10),
        }
    }
}

impl RouterSettings {
    /// Whether the settings make sense.
    ///
    /// # Errors
    ///
    /// Names a time of more than a day.
    pub fn check(&self) -> Result<(), SettingsError> {
        let day = Duration::from_secs(86_400);
        let times = [
            ("fall_back_after", self.fall_back_after),
            ("affinity_wait", self.affinity_wait.unwrap_or_default()),
            ("cheapest_wait_max", self.cheapest_wait_max),
        ];
        match times.iter().find(|(_, time)| *time > day) {
            None => Ok(()),
            Some((setting, _)) => Err(SettingsError {
                setting,
                problem: "is more than a day",
                remedy: "write at most 24 h",
            }),
        }
    }
}
