//! The limits that a plan is made with.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use clap::{Args, ValueEnum};
use paceline_admin_api::{ChargeState, LimitState, PoolState, RateLimits};
use paceline_batch::plan::{LimitsSource, Pool, Settle};
use paceline_config::SettleRule;
use paceline_gateway::{ForeseenPool, Foresight};
use paceline_limiter::{
    Charge, ChargeFormula, Combine, DomainSettings, Limit, Metric, Timestamp, WindowModel,
};
use url::Url;

use crate::batch::engine::admin_of;
use crate::exit::Failure;
use crate::runtime;

/// What goes at once where the way of counting is not known: the refill of this time.
const UNKNOWN_BURST: Duration = Duration::from_millis(500);

/// Limits to plan with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits [default: configured, else learned by earlier runs]")]
pub(super) struct LimitArgs {
    // Not a doc comment, in which the address would have to be marked up.
    #[arg(
        long,
        value_name = "URL",
        conflicts_with_all = ["tpm", "rpm", "tpd", "rpd"],
        help = "Ask the running gateway that the batch will go through, as in http://127.0.0.1:4100/v1"
    )]
    pub(super) via: Option<Url>,
    /// Tokens each minute, for all models together
    #[arg(long, value_name = "TOKENS")]
    tpm: Option<NonZeroU64>,
    /// Requests each minute
    #[arg(long, value_name = "COUNT")]
    rpm: Option<NonZeroU64>,
    /// Tokens each day
    #[arg(long, value_name = "TOKENS")]
    tpd: Option<NonZeroU64>,
    /// Requests each day
    #[arg(long, value_name = "COUNT")]
    rpd: Option<NonZeroU64>,
    /// How the provider counts [default: as configured, else in a way that is safe under all]
    #[arg(long, value_name = "KIND")]
    window: Option<WindowArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WindowArg {
    /// Refilled continuously
    Bucket,
    /// One window after the other
    Fixed,
    /// Over any span of the window's length
    Sliding,
    /// In pieces of a second
    Quantised,
}

impl WindowArg {
    fn name(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Fixed => "fixed",
            Self::Sliding => "sliding",
            Self::Quantised => "quantised",
        }
    }
}

impl LimitArgs {
    /// Whether amounts are given here.
    pub(super) fn are_given(&self) -> bool {
        [self.tpm, self.rpm, self.tpd, self.rpd]
            .iter()
            .any(Option::is_some)
    }

    /// Puts what is given in the place of what the environment says.
    pub(super) fn set(&self, environment: &mut BTreeMap<String, String>) {
        let amounts = [
            ("TOKENS_PER_MINUTE", self.tpm),
            ("REQUESTS_PER_MINUTE", self.rpm),
            ("TOKENS_PER_DAY", self.tpd),
            ("REQUESTS_PER_DAY", self.rpd),
        ];
        if self.are_given() {
            // Other names of the same.
            let names = [
                "OPENAI_TPM_LIMIT",
                "OPENAI_TOKENS_PER_MINUTE",
                "OPENAI_REQUESTS_PER_MINUTE",
            ];
            names
                .iter()
                .for_each(|name| drop(environment.remove(*name)));
        }
        for (name, amount) in amounts {
            if let Some(amount) = amount {
                environment.insert(format!("PACELINE_LIMITS_{name}"), amount.to_string());
            }
        }
        if let Some(window) = self.window {
            environment.insert(
                "PACELINE_LIMITS_WINDOW".to_owned(),
                window.name().to_owned(),
            );
        }
    }
}

/// What is known of limits.
pub(super) struct Limits {
    foresight: Foresight,
    given: bool,
    told: Option<RateLimits>,
    now: Timestamp,
}

impl Limits {
    /// Asks the gateway at `via`, where there is one.
    pub(super) fn find(
        foresight: Foresight,
        via: Option<&Url>,
        given: bool,
    ) -> Result<Self, Failure> {
        let told = match via.filter(|_| !given) {
            Some(address) => Some(ask(address, &foresight)?),
            None => None,
        };
        Ok(Self {
            now: foresight.now(),
            foresight,
            given,
            told,
        })
    }

    /// The limits of a model.
    pub(super) fn pool(&self, model: &str) -> Pool {
        let foreseen = self.foresight.pool(model);
        match &self.told {
            Some(told) => self.told_pool(told, model, foreseen),
            None => known_pool(foreseen, self.given),
        }
    }

    fn told_pool(&self, told: &RateLimits, model: &str, foreseen: ForeseenPool) -> Pool {
        let rule = &self.foresight.settings().domain_for(model).name;
        let serves = |pool: &&PoolState| {
            pool.serves.iter().any(|served| {
                served
                    .rsplit_once('@')
                    .is_some_and(|(name, _)| name == model)
            })
        };
        let mut pools = told.pools.iter();
        let found = pools.clone().find(serves);
        let found = found.or_else(|| pools.find(|pool| pool.name == *rule));
        // Nothing went there yet, and so the gateway has nothing to tell.
        let Some(state) = found else {
            return known_pool(foreseen, false);
        };
        let guard = foreseen.settings.learned_guard;
        let limits = state.limits.iter();
        let limits: Vec<Limit> = limits
            .filter_map(|limit| limit_of(limit, guard, self.now))
            .collect();
        let charge = state.charge.as_ref().map(charge_of);
        Pool {
            name: state.name.clone(),
            source: source(limits.is_empty(), LimitsSource::Gateway),
            used: used(&state.limits),
            settle: match charge {
                Some(charge) if charge.refunds => Settle::Actual,
                _ => settle(foreseen.settle),
            },
            charge: charge.unwrap_or(foreseen.charge),
            settings: DomainSettings {
                limits,
                concurrency_max: state.concurrency_max,
                spacing: Duration::from_millis(state.spacing_ms),
                ..foreseen.settings
            },
        }
    }
}

fn ask(address: &Url, foresight: &Foresight) -> Result<RateLimits, Failure> {
    let Some(gateway) = admin_of(address, foresight.settings()) else {
        return Err(Failure::other(
            "limits can be asked for at http:// addresses only: name the gateway's own, or give limits \
             with --tpm and --rpm",
        ));
    };
    let gateway = gateway?;
    runtime::with_threads(1)?.block_on(gateway.within(gateway.get("/monitoring/rate-limits")))
}

fn source(is_unknown: bool, known: LimitsSource) -> LimitsSource {
    match is_unknown {
        true => LimitsSource::Unknown,
        false => known,
    }
}

fn known_pool(foreseen: ForeseenPool, given: bool) -> Pool {
    let known = match (given, foreseen.learned_ago) {
        (true, _) => LimitsSource::Given,
        (false, Some(_)) => LimitsSource::Learned,
        (false, None) => LimitsSource::Configured,
    };
    Pool {
        source: source(foreseen.settings.limits.is_empty(), known),
        name: foreseen.name,
        settings: foreseen.settings,
        charge: foreseen.charge,
        settle: settle(foreseen.settle),
        used: foreseen.used,
    }
}

fn settle(rule: SettleRule) -> Settle {
    match rule {
        SettleRule::Learned | SettleRule::AtAdmission => Settle::AsReserved,
        SettleRule::Actual => Settle::Actual,
        SettleRule::Highest => Settle::Highest,
    }
}

/// A limit as a gateway tells it.
fn limit_of(state: &LimitState, guard: Duration, now: Timestamp) -> Option<Limit> {
    let amount = state.amount;
    let window = Duration::from_millis(state.window_ms.max(1));
    let belief = state.belief.as_ref();
    let ends_in_ms = belief.and_then(|belief| belief.ends_in_ms);
    let quantum_ms = belief.and_then(|belief| belief.quantum_ms).unwrap_or(1_000);
    let model = match (state.kind.as_str(), ends_in_ms) {
        ("bucket", _) => WindowModel::Bucket { burst: amount },
        ("fixed", Some(ends_in_ms)) => WindowModel::Fixed {
            phase: now + Duration::from_millis(ends_in_ms),
        },
        ("fixed" | "fixed_from_first_use", _) => WindowModel::FixedFromFirstUse,
        ("sliding", _) => WindowModel::Sliding,
        ("quantised", _) => WindowModel::Quantised {
            quantum: Duration::from_millis(quantum_ms.max(1)),
        },
        _ => unknown_window(amount, window, guard),
    };
    Some(Limit {
        metric: metric(&state.metric)?,
        amount,
        window,
        model,
        guard: guard.min(window / 4),
    })
}

/// A window that is safe however the provider counts.
fn unknown_window(amount: u64, window: Duration, guard: Duration) -> WindowModel {
    let held = u128::from(amount) * (UNKNOWN_BURST + guard).as_nanos() / window.as_nanos().max(1);
    let burst = u64::try_from(held).unwrap_or(u64::MAX);
    WindowModel::Unknown {
        burst: burst.clamp(1, amount.max(1)),
    }
}

/// A metric by its name, in words or as in files.
fn metric(name: &str) -> Option<Metric> {
    let words = name.replace('_', " ");
    Metric::ALL
        .into_iter()
        .find(|metric| metric.name() == words)
}

fn charge_of(state: &ChargeState) -> ChargeFormula {
    let named = Combine::ALL
        .into_iter()
        .find(|known| known.name() == state.formula);
    ChargeFormula {
        combine: named.unwrap_or(ChargeFormula::CAUTIOUS.combine),
        input_permille: permille(state.input_coefficient),
        refunds: state.refunds,
        failures_free: state.failures_free,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded and positive"
)]
fn permille(coefficient: f64) -> u32 {
    (coefficient * 1_000.0).clamp(0.0, 1e6).round() as u32
}

/// What is in use now; of several limits on the same, the most.
fn used(limits: &[LimitState]) -> Charge {
    limits
        .iter()
        .fold(Charge::ZERO, |used, state| match metric(&state.metric) {
            Some(metric) => used.with(metric, used.get(metric).max(state.used)),
            None => used,
        })
}
