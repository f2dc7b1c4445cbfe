//! When a breaker trips, for how long, and how a lane comes back.

use std::time::Duration;

use crate::SettingsError;

/// The longest time that any setting may name: a day.
const TIME_MAX: Duration = Duration::from_secs(86_400);

/// How a [`Breaker`](crate::Breaker) judges.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Results older than this do not count (30 s). Nor do any but the last 64.
    pub window: Duration,
    /// Results that are needed before their share of faults counts (10).
    pub calls_min: u32,
    /// The share of faults that trips (0.5).
    pub fault_share: f64,
    /// Faults in a row that trip a lane with fewer than `calls_min` results in its window (3).
    /// A busier lane trips at `calls_min` in a row.
    pub faults_in_a_row: u32,
    /// How long the first trip keeps the lane out (2 s); each further one doubles it.
    pub open_first: Duration,
    /// The longest time that doubling reaches (20 s).
    pub open_max: Duration,
    /// How long the first trip keeps a lane out whose account is refused or has no credit (1 min);
    /// each further one doubles it.
    pub open_account_first: Duration,
    /// The longest time that this doubling reaches (30 min). Where it is less than the first time, it
    /// is that as well.
    pub open_account_max: Duration,
    /// The longest wait that a provider can ask for (5 min).
    pub retry_after_max: Duration,
    /// The part of the time open that jitter adds at most (0.2). It never shortens.
    pub jitter_share: f64,
    /// A lane that was well for this long starts again at `open_first` (60 s).
    pub calm: Duration,
    /// A probe that does not report back frees its place after this time (30 s).
    pub probe_bound: Duration,
    /// A probe whose answer has been coming for this long has succeeded, however long the answer
    /// still is (2 s).
    pub probe_settles: Duration,
    /// The share of traffic that a lane gets right after its probe (0.1).
    pub return_from: f64,
    /// How long it takes until it gets all of it (10 s).
    pub return_over: Duration,
    /// Whether lateness trips (off).
    pub slow: Option<Slow>,
    /// Whether silence trips before calls time out (on).
    pub hang: Option<Hang>,
}

/// A lane whose answers begin too late is ill.
#[derive(Clone, Debug, PartialEq)]
pub struct Slow {
    /// A first byte later than this is late.
    pub bound: Duration,
    /// The share of late answers among the last ones of the window that trips (0.5), once there
    /// are [`BreakerSettings::calls_min`] of them.
    pub share: f64,
}

impl Slow {
    /// Trips when half of the answers begin later than `bound`.
    #[must_use]
    pub const fn new(bound: Duration) -> Self {
        Self { bound, share: 0.5 }
    }
}

/// A lane is ill from which nothing at all comes back while calls wait for it.
///
/// Silence is too long at `factor` times the latency that 95 % of answers keep to, but never
/// before `least` nor after `most`. A single answer that comes after all takes the verdict back,
/// and doubles the patience for the next time.
#[derive(Clone, Debug, PartialEq)]
pub struct Hang {
    /// Calls that have to be unanswered for that long (3).
    pub calls: u32,
    /// How often the usual latency is still patience (4).
    pub factor: f64,
    /// The least patience (5 s).
    pub least: Duration,
    /// The most patience (120 s).
    pub most: Duration,
    /// The patience with a lane whose latency is not known (60 s).
    pub unknown: Duration,
}

impl Default for Hang {
    fn default() -> Self {
        Self {
            calls: 3,
            factor: 4.0,
            least: Duration::from_secs(5),
            most: Duration::from_secs(120),
            unknown: Duration::from_secs(60),
        }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            calls_min: 10,
            fault_share: 0.5,
            faults_in_a_row: 3,
            open_first: Duration::from_secs(2),
            open_max: Duration::from_secs(20),
            open_account_first: Duration::from_secs(60),
            open_account_max: Duration::from_secs(1800),
            retry_after_max: Duration::from_secs(300),
            jitter_share: 0.2,
            calm: Duration::from_secs(60),
            probe_bound: Duration::from_secs(30),
            probe_settles: Duration::from_secs(2),
            return_from: 0.1,
            return_over: Duration::from_secs(10),
            slow: None,
            hang: Some(Hang::default()),
        }
    }
}

impl BreakerSettings {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    ///
    /// Names the first one that does not.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.check_times()?;
        share("fault_share", self.fault_share)?;
        share("return_from", self.return_from)?;
        if let Some(slow) = &self.slow {
            share("slow.share", slow.share)?;
            time("slow.bound", slow.bound)?;
        }
        if !(0.0..=1.0).contains(&self.jitter_share) {
            return Err(wrong("jitter_share", "is no share", "write 0 to 1"));
        }
        if self.faults_in_a_row == 0 || self.calls_min < self.faults_in_a_row {
            return Err(wrong(
                "faults_in_a_row",
                "is zero or more than `calls_min`",
                "write 1 to `calls_min`",
            ));
        }
        if self.calls_min > super::recent::RESULTS_MAX {
            return Err(wrong(
                "calls_min",
                "is more than is remembered",
                "write at most 64",
            ));
        }
        self.hang.as_ref().map_or(Ok(()), check_hang)
    }

    fn check_times(&self) -> Result<(), SettingsError> {
        for (name, duration) in [
            ("window", self.window),
            ("open_first", self.open_first),
            ("open_max", self.open_max),
            ("open_account_first", self.open_account_first),
            ("open_account_max", self.open_account_max),
            ("retry_after_max", self.retry_after_max),
            ("calm", self.calm),
            ("probe_bound", self.probe_bound),
            ("probe_settles", self.probe_settles),
            ("return_over", self.return_over),
        ] {
            time(name, duration)?;
        }
        if self.open_max < self.open_first {
            return Err(wrong(
                "open_max",
                "is less than `open_first`",
                "write at least that",
            ));
        }
        Ok(())
    }
}

fn check_hang(hang: &Hang) -> Result<(), SettingsError> {
    time("hang.least", hang.least)?;
    time("hang.most", hang.most)?;
    time("hang.unknown", hang.unknown)?;
    if hang.most < hang.least {
        return Err(wrong(
            "hang.most",
            "is less than `hang.least`",
            "write at least that",
        ));
    }
    if hang.calls == 0 || !(1.0..=1000.0).contains(&hang.factor) {
        return Err(wrong(
            "hang",
            "has no calls or a factor below one",
            "write at least one call and a factor of 1 to 1000",
        ));
    }
    Ok(())
}

fn share(setting: &'static str, value: f64) -> Result<(), SettingsError> {
    if value > 0.0 && value <= 1.0 {
        return Ok(());
    }
    Err(wrong(
        setting,
        "is no share",
        "write more than 0 and at most 1",
    ))
}

fn time(setting: &'static str, value: Duration) -> Result<(), SettingsError> {
    if value > Duration::ZERO && value <= TIME_MAX {
        return Ok(());
    }
    Err(wrong(
        setting,
        "is zero or more than a day",
        "write more than 0 and at most 24 h",
    ))
}

const fn wrong(
    setting: &'static str,
    problem: &'static str,
    remedy: &'static str,
) -> SettingsError {
    SettingsError {
        setting,
        problem,
        remedy,
    }
}
