//! What a domain is told about its limits and its queue.

use std::time::Duration;

use crate::charge::Metric;
use crate::formula::ChargeFormula;
use crate::time::{Timestamp, nanos};

/// The longest window a limit may have: 100 years of 365 days.
pub const WINDOW_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

/// How a provider counts an amount over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowModel {
    /// Capacity `burst`, refilled continuously with the amount per window.
    Bucket {
        /// Units that may go at once when the bucket is full; usually the amount.
        burst: u64,
    },
    /// Windows `[phase + k * window, phase + (k + 1) * window)` for every integer `k`.
    Fixed {
        /// The start of any one of the windows.
        phase: Timestamp,
    },
    /// A window opens at the first use after the last one closed.
    FixedFromFirstUse,
    /// At most the amount over any interval as long as the window.
    Sliding,
    /// A bucket that holds only what `quantum` refills: "60 a minute" enforced as 1 a second.
    Quantised {
        /// The interval over which the provider really judges.
        quantum: Duration,
    },
    /// Not known: a bucket with a small burst and a sliding window at once. It is safe under all
    /// the others, and under a bucket of short quanta that hold at least `burst`.
    Unknown {
        /// What the shortest quantum of the provider holds at the least. What may go at once is
        /// less by the refill of one guard.
        burst: u64,
    },
}

/// At most `amount` units of `metric` per `window`.
///
/// `guard` is the spread of the delay between a launch here and its arrival at the provider:
/// a launch at `t` arrives in `[t, t + guard]`. No launch is allowed that the provider could
/// refuse for any arrival within that spread:
///
/// - `Bucket`, `Quantised`: arrivals of `guard` worth of refill can bunch up, so the capacity
///   shrinks by `amount * guard / window`. What is larger than that, up to the burst, goes once
///   the bucket has been empty long enough.
/// - `Fixed`: nothing is launched within `guard` before a boundary, as it could arrive on
///   either side.
/// - `FixedFromFirstUse`: the provider's window opens up to `guard` after ours, so nothing is
///   launched within `guard` on either side of its earliest end.
/// - `Sliding`: the window is `guard` longer.
/// - `Unknown`: as `Bucket` and as `Sliding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited.
    pub metric: Metric,
    /// Units per window. Zero forbids the metric: no request that uses it is ever admitted.
    pub amount: u64,
    /// The length of the window.
    pub window: Duration,
    /// How the provider counts.
    pub model: WindowModel,
    /// The spread of the delay from launch to arrival.
    pub guard: Duration,
}

/// How one tier is treated when tiers compete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierSettings {
    /// The share of service, in parts per million, that the tier gets while it has a backlog,
    /// however much waits in the tiers above.
    pub guaranteed_share_ppm: u32,
    /// Each time the tier's oldest waiter has waited this long, the share doubles: up to four
    /// times, and never above one half by doubling. Zero: the share never grows.
    pub aging: Duration,
}

/// How much may wait, and how the tiers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Requests that may wait in the domain. Zero: nothing waits.
    pub waiting_max: usize,
    /// Requests of one tenant that may wait in the domain, all tiers together.
    pub waiting_per_tenant_max: usize,
    /// In the order of [`crate::Tier::ALL`].
    pub tiers: [TierSettings; 3],
}

impl Default for QueueSettings {
    fn default() -> Self {
        let tier = |share_percent: u32, aging_s: u64| TierSettings {
            guaranteed_share_ppm: share_percent * 10_000,
            aging: Duration::from_secs(aging_s),
        };
        Self {
            waiting_max: 20_000,
            waiting_per_tenant_max: 12_000,
            tiers: [tier(50, 10), tier(25, 60), tier(5, 600)],
        }
    }
}

/// What follows from refusals by the provider, beside the pause and the slow start after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalmSettings {
    /// How long the rate of a refused limit stays reduced. Zero: not at all.
    pub stabilisation: Duration,
    /// The share of the rate that it begins with, in parts per million; from there it returns to
    /// the whole in a straight line. The whole: the rate is not reduced.
    pub stabilisation_share_ppm: u32,
    /// How long the rate is held after the provider refused its growth, in which time it may grow
    /// by `growth_percent` after that, and after how long without need it is let go.
    pub growth_period: Duration,
    /// Percent by which the rate may grow in each `growth_period`: a little less than the provider
    /// allows, since requests bunch up.
    pub growth_percent: u32,
}

impl Default for CalmSettings {
    fn default() -> Self {
        Self {
            stabilisation: Duration::ZERO,
            stabilisation_share_ppm: 800_000,
            growth_period: Duration::from_secs(15 * 60),
            growth_percent: 40,
        }
    }
}

/// Everything a domain is told in advance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSettings {
    /// The configured limits. Several limits on one metric are normal.
    pub limits: Vec<Limit>,
    /// Requests that may be in flight at once.
    pub concurrency_max: Option<u32>,
    /// The shortest time between two launches.
    pub spacing: Duration,
    /// An unsettled reservation is settled as spent after this time, and its slot comes back.
    pub reservation_lifetime: Duration,
    /// `Some(n)`: limits are not known yet. At most `n` requests are in flight until the first
    /// observation of a limit; the bound doubles with each full round of successes.
    pub probe_concurrency: Option<u32>,
    /// The guard of limits that are learned rather than configured, until enough answers have told
    /// how much delays vary.
    pub learned_guard: Duration,
    /// What requests that tell their [`crate::ChargeParts`] are taken to be charged until answers
    /// have told the provider's formula.
    pub assumed_charge: ChargeFormula,
    /// What follows from refusals.
    pub calm: CalmSettings,
    /// The queue.
    pub queue: QueueSettings,
}

impl Default for DomainSettings {
    fn default() -> Self {
        Self {
            limits: Vec::new(),
            concurrency_max: None,
            spacing: Duration::ZERO,
            reservation_lifetime: Duration::from_secs(600),
            probe_concurrency: None,
            learned_guard: Duration::from_millis(50),
            assumed_charge: ChargeFormula::CAUTIOUS,
            calm: CalmSettings::default(),
            queue: QueueSettings::default(),
        }
    }
}

/// Why settings were not accepted. `index` counts from zero in [`DomainSettings::limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A window without length.
    #[error("limit {index} ({metric}): the window is zero; give it a length")]
    ZeroWindow {
        /// Which limit.
        index: usize,
        /// What it limits.
        metric: Metric,
    },
    /// A window beyond [`WINDOW_MAX`].
    #[error("limit {index} ({metric}): the window is longer than 100 years; shorten it")]
    WindowTooLong {
        /// Which limit.
        index: usize,
        /// What it limits.
        metric: Metric,
    },
    /// A guard that leaves no time to launch in a fixed window, or beyond [`WINDOW_MAX`].
    #[error(
        "limit {index} ({metric}): the guard is as long as the window or longer; shorten the guard"
    )]
    GuardTooLong {
        /// Which limit.
        index: usize,
        /// What it limits.
        metric: Metric,
    },
    /// A bucket that holds nothing although its amount is not zero.
    #[error("limit {index} ({metric}): the burst or quantum is zero; make it positive")]
    ZeroBurst {
        /// Which limit.
        index: usize,
        /// What it limits.
        metric: Metric,
    },
    /// A concurrency bound of zero admits nothing.
    #[error("concurrency_max is 0, which admits nothing; raise it or leave it out")]
    ZeroConcurrency,
    /// A probe bound of zero never learns anything.
    #[error("probe_concurrency is 0, which never learns anything; raise it or leave it out")]
    ZeroProbe,
    /// Reservations that expire at once.
    #[error("reservation_lifetime is zero; make it longer than the longest call")]
    ZeroReservationLifetime,
    /// A stabilisation at no rate at all, which would be a pause.
    #[error("calm.stabilisation_share_ppm is 0, which admits nothing; raise it")]
    ZeroStabilisationShare,
    /// A growth in no time.
    #[error("calm.growth_period is zero; give it a length")]
    ZeroGrowthPeriod,
    /// Guaranteed shares that add up to more than everything.
    #[error("the guaranteed shares add up to {total_ppm} ppm; keep the sum within 1000000 ppm")]
    SharesTooHigh {
        /// The sum of the three shares, in parts per million.
        total_ppm: u64,
    },
}

impl DomainSettings {
    /// Checks what [`crate::Domain::new`] checks.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn check(&self) -> Result<(), SettingsError> {
        for (index, limit) in self.limits.iter().enumerate() {
            limit.check(index)?;
        }
        if self.concurrency_max == Some(0) {
            return Err(SettingsError::ZeroConcurrency);
        }
        if self.probe_concurrency == Some(0) {
            return Err(SettingsError::ZeroProbe);
        }
        if self.reservation_lifetime.is_zero() {
            return Err(SettingsError::ZeroReservationLifetime);
        }
        if self.calm.stabilisation_share_ppm == 0 {
            return Err(SettingsError::ZeroStabilisationShare);
        }
        if self.calm.growth_period.is_zero() {
            return Err(SettingsError::ZeroGrowthPeriod);
        }
        let total_ppm = self
            .queue
            .tiers
            .iter()
            .map(|tier| u64::from(tier.guaranteed_share_ppm))
            .sum();
        if total_ppm > 1_000_000 {
            return Err(SettingsError::SharesTooHigh { total_ppm });
        }
        Ok(())
    }
}

impl Limit {
    /// This limit with another amount; what it lets go at once shrinks or grows with it.
    pub(crate) fn with_amount(self, amount: u64) -> Self {
        let scaled = |burst: u64| {
            let burst = u128::from(burst) * u128::from(amount) / u128::from(self.amount.max(1));
            u64::try_from(burst).unwrap_or(u64::MAX).max(1)
        };
        let model = match self.model {
            WindowModel::Bucket { burst } => WindowModel::Bucket {
                burst: scaled(burst),
            },
            WindowModel::Unknown { burst } => WindowModel::Unknown {
                burst: scaled(burst),
            },
            other => other,
        };
        Self {
            amount,
            model,
            ..self
        }
    }

    fn check(&self, index: usize) -> Result<(), SettingsError> {
        let metric = self.metric;
        if self.window.is_zero() {
            return Err(SettingsError::ZeroWindow { index, metric });
        }
        if self.window > WINDOW_MAX {
            return Err(SettingsError::WindowTooLong { index, metric });
        }
        let fixed = matches!(
            self.model,
            WindowModel::Fixed { .. } | WindowModel::FixedFromFirstUse
        );
        if self.guard > WINDOW_MAX || (fixed && self.guard >= self.window) {
            return Err(SettingsError::GuardTooLong { index, metric });
        }
        let burst = match self.model {
            WindowModel::Bucket { burst } | WindowModel::Unknown { burst } => burst,
            WindowModel::Quantised { quantum } => nanos(quantum),
            WindowModel::Fixed { .. } | WindowModel::FixedFromFirstUse | WindowModel::Sliding => 1,
        };
        if burst == 0 && self.amount > 0 {
            return Err(SettingsError::ZeroBurst { index, metric });
        }
        Ok(())
    }
}
