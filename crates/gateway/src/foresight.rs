//! What a gateway with certain settings would hold requests by, told without starting one.

use std::time::Duration;

use paceline_config::{ChargeRule, DomainRule, Settings, SettleRule};
use paceline_limiter::{
    Charge, ChargeFormula, Combine, DomainSettings, Limit, LimitMemory, Memory as Remembered,
    Timestamp, WindowKind, WindowModel,
};
use paceline_pace::unknown_window;
use paceline_tokens::{Calibrations, OutputLengths};

use crate::clock::Clock;
use crate::memory::{Memory, Recalled};
use crate::pace::domain_settings;
use crate::shared::Learned;

/// What is known before anything was sent: the configuration, and what earlier runs have learned.
#[derive(Debug)]
pub struct Foresight {
    settings: Settings,
    memory: Memory,
    learned: Learned,
    clock: Clock,
}

/// The limits of a model's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeseenPool {
    /// The rule, and the model where each has limits of its own.
    pub name: String,
    /// How the limiter would be set up. Learned limits are among the others.
    pub settings: DomainSettings,
    /// What a request is charged at admission.
    pub charge: ChargeFormula,
    /// What becomes of that in the end.
    pub settle: SettleRule,
    /// What was in use when this was learned, as far as it still is.
    pub used: Charge,
    /// How long ago the limits were learned; `None` where they are not.
    pub learned_ago: Option<Duration>,
}

impl Foresight {
    /// Reads what earlier runs have left in the state folder. Changes nothing there.
    #[must_use]
    pub fn read(settings: Settings) -> Self {
        let upstream = settings.upstream.base_url.as_str();
        let Recalled { memory, learned } = Memory::peek(&settings.admin.state_dir, upstream);
        Self {
            memory,
            learned,
            clock: Clock::start(),
            settings,
        }
    }

    /// The present moment, on the clock that windows are placed on.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The settings that this is about.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How far estimates of the input were off.
    #[must_use]
    pub fn calibrations(&self) -> &Calibrations {
        &self.learned.calibrations
    }

    /// How long answers were.
    #[must_use]
    pub fn output_lengths(&self) -> &OutputLengths {
        &self.learned.output_lengths
    }

    /// What requests for a model would be held by. Where limits were learned with several keys, those
    /// that were learned last.
    #[must_use]
    pub fn pool(&self, model: &str) -> ForeseenPool {
        let rule = self.settings.domain_for(model);
        let mut settings = domain_settings(rule, &self.settings, &self.clock);
        let learns = settings.probe_concurrency.take().is_some();
        // Where a bound on concurrency is configured, all models of the rule share what is learned.
        let of_model = learns.then(|| self.memory.latest(&rule.name, Some(model)));
        let found = of_model.flatten();
        let found = found.or_else(|| self.memory.latest(&rule.name, None));
        let (memory, ago) = found.unwrap_or_default();
        let learned = learns && !memory.limits.is_empty();
        if learned {
            let limits = memory.limits.iter();
            settings.limits = limits.map(|known| limit(known, rule.guard)).collect();
        }
        ForeseenPool {
            name: match learns {
                true => format!("{}/{model}", rule.name),
                false => rule.name.clone(),
            },
            charge: charge(rule, &memory, &settings),
            settle: settle(rule, &memory),
            used: match learned {
                true => used(&memory, ago),
                false => Charge::ZERO,
            },
            learned_ago: learned.then_some(ago),
            settings,
        }
    }
}

fn charge(rule: &DomainRule, memory: &Remembered, settings: &DomainSettings) -> ChargeFormula {
    let combine = match rule.charge {
        ChargeRule::Learned => return memory.charge.unwrap_or(settings.assumed_charge),
        ChargeRule::Max => Combine::Max,
        ChargeRule::Sum => Combine::Sum,
    };
    ChargeFormula {
        combine,
        ..ChargeFormula::CAUTIOUS
    }
}

fn settle(rule: &DomainRule, memory: &Remembered) -> SettleRule {
    match (rule.settle, memory.charge) {
        (SettleRule::Learned, Some(formula)) if formula.refunds => SettleRule::Actual,
        (SettleRule::Learned, _) => SettleRule::AtAdmission,
        (other, _) => other,
    }
}

fn limit(known: &LimitMemory, guard: Duration) -> Limit {
    let LimitMemory {
        metric,
        amount,
        window,
        ..
    } = *known;
    Limit {
        metric,
        amount,
        window,
        model: match known.kind {
            Some(WindowKind::Bucket) => WindowModel::Bucket {
                burst: known.piece.unwrap_or(amount).max(1),
            },
            Some(WindowKind::Fixed) => WindowModel::FixedFromFirstUse,
            Some(WindowKind::Sliding) => WindowModel::Sliding,
            None => unknown_window(amount, window, guard),
        },
        guard: guard.min(window / 4),
    }
}

/// What was in use then goes in the time of one window, whatever its kind.
fn used(memory: &Remembered, ago: Duration) -> Charge {
    let still = memory.limits.iter().filter(|known| known.window > ago);
    still.fold(Charge::ZERO, |used, known| {
        let left = (known.window - ago).as_nanos();
        let units = u128::from(known.used) * left / known.window.as_nanos().max(1);
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        used.with(known.metric, units.max(used.get(known.metric)))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use paceline_config::Overrides;
    use paceline_limiter::Metric;

    use super::*;

    fn settings(limits: &[(&str, &str)], folder: &std::path::Path) -> Settings {
        let folder = ("PACELINE_STATE_DIR", folder.to_str().unwrap());
        let environment: BTreeMap<String, String> = limits
            .iter()
            .chain([&folder])
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Settings::read(None, &environment, Overrides::default())
            .unwrap()
            .settings
    }

    #[test]
    fn configured_limits_are_those_of_all_models() {
        let folder = tempfile::tempdir().unwrap();
        let limits = [
            ("PACELINE_LIMITS_TOKENS_PER_MINUTE", "1000"),
            ("PACELINE_LIMITS_WINDOW", "bucket"),
        ];
        let foresight = Foresight::read(settings(&limits, folder.path()));
        let pool = foresight.pool("gpt-4o");
        assert_eq!((pool.name.as_str(), pool.learned_ago), ("default", None));
        assert_eq!(pool.settings.limits[0].amount, 1_000);
        assert_eq!(pool.charge.combine, Combine::Max);
        assert_eq!(pool.settings.probe_concurrency, None);
    }

    #[test]
    fn where_nothing_is_known_there_are_no_limits_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let foresight = Foresight::read(settings(&[], folder.path()));
        let pool = foresight.pool("gpt-4o");
        assert_eq!((pool.settings.limits.len(), pool.learned_ago), (0, None));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_was_in_use_fades_with_its_window() {
        let known = LimitMemory {
            metric: Metric::Tokens,
            amount: 1_000,
            window: Duration::from_secs(60),
            kind: Some(WindowKind::Bucket),
            confirmed: 0,
            piece: None,
            used: 600,
        };
        let memory = Remembered {
            limits: vec![known],
            charge: None,
        };
        let after = |seconds| used(&memory, Duration::from_secs(seconds)).get(Metric::Tokens);
        assert_eq!(
            (after(0), after(30), after(60), after(600)),
            (600, 300, 0, 0)
        );
    }
}
