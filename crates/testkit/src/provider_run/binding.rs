//! Which limit of a provider binds, and what of it was used.

use std::collections::HashMap;

use paceline_simulator::{
    Decision, JournalEntry, Metric, Quota, QuotaKind, RampLimit, SimulatorSettings,
};

/// Limits over more than this cannot be used up in a run.
const WINDOW_MAX_MS: u64 = Quota::MINUTE_MS;

/// The limit of which the largest part was used.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The limit in words, as `60000 tokens / 60 s, bucket`.
    pub name: String,
    /// What is counted; `None` for requests in flight.
    pub metric: Option<Metric>,
    /// Units per window; 0 where the amount moves.
    pub amount: u64,
    /// The window in milliseconds; 0 for requests in flight.
    pub window_ms: u64,
    /// What was used of it, in net terms: what was given back does not count.
    pub used: f64,
}

/// The one of a provider, and its use from one time to another.
pub(super) fn of(
    settings: &SimulatorSettings,
    journal: &[JournalEntry],
    span: (u64, u64),
) -> Option<Binding> {
    // A run that ends in the first minute uses nothing after it.
    let span = (span.0, span.1.max(span.0));
    let limits = &settings.limits;
    let quotas = limits.quotas.iter();
    let short = quotas.filter(|quota| quota.window_ms <= WINDOW_MAX_MS);
    let mut all: Vec<_> = short.map(|quota| of_quota(quota, journal, span)).collect();
    all.extend(limits.ramp.map(|ramp| of_ramp(&ramp, journal, span)));
    let in_flight = limits.max_in_flight;
    all.extend(in_flight.map(|most| of_in_flight(most, journal, span)));
    all.into_iter().max_by(|a, b| a.used.total_cmp(&b.used))
}

fn of_quota(quota: &Quota, journal: &[JournalEntry], (from_ns, to_ns): (u64, u64)) -> Binding {
    let window_ns = quota.window_ms * 1_000_000;
    // Whole windows; where they follow the clock, those of the clock.
    let from_ns = match quota.kind {
        QuotaKind::Fixed => from_ns.next_multiple_of(window_ns),
        _ => from_ns,
    };
    let windows = to_ns.saturating_sub(from_ns) / window_ns;
    let to_ns = from_ns + windows * window_ns;
    let used = net(journal, quota.metric, (from_ns, to_ns));
    let kind = match quota.kind {
        QuotaKind::Bucket | QuotaKind::BucketBurst { .. } => "bucket",
        QuotaKind::Fixed => "by the clock",
        QuotaKind::FixedFromFirstUse => "from first use",
        QuotaKind::Sliding => "sliding",
        QuotaKind::Quantised { .. } => "in pieces",
    };
    Binding {
        name: format!(
            "{} {} / {} s, {kind}",
            quota.amount,
            quota.metric.words(),
            quota.window_ms / 1_000
        ),
        metric: Some(quota.metric),
        amount: quota.amount,
        window_ms: quota.window_ms,
        used: used as f64 / (windows.max(1) * quota.amount) as f64,
    }
}

/// What was charged in a span of time, less what was given back in it.
fn net(journal: &[JournalEntry], metric: Metric, (from_ns, to_ns): (u64, u64)) -> i64 {
    let within = |entry: &&JournalEntry| (from_ns..to_ns).contains(&entry.time_ns);
    let units = |entry: &JournalEntry| {
        let units = entry.charge.of(metric).cast_signed();
        match &entry.decision {
            Decision::Admitted { .. } => units,
            Decision::Refused { .. } => 0,
            Decision::Corrected { added, .. } | Decision::Settled { added, .. } => {
                added.of(metric).cast_signed() - units
            }
        }
    };
    journal.iter().filter(within).map(units).sum()
}

/// The use of a limit that moves: the ceiling of each period follows from the busiest step of the
/// period before, as this traffic had it.
fn of_ramp(ramp: &RampLimit, journal: &[JournalEntry], (from_ns, to_ns): (u64, u64)) -> Binding {
    let (step_ns, period_ns) = (ramp.step_ms * 1_000_000, ramp.period_ms * 1_000_000);
    let mut steps: HashMap<u64, u64> = HashMap::new();
    for entry in journal {
        if matches!(entry.decision, Decision::Admitted { .. }) {
            *steps.entry(entry.time_ns / step_ns).or_default() += entry.charge.of(ramp.metric);
        }
    }
    let step = |step: u64| steps.get(&step).copied().unwrap_or(0);
    let per_period = period_ns / step_ns;
    let ceiling = |period: u64| {
        let before = (period - 1) * per_period..period * per_period;
        let busiest = before.map(step).max().unwrap_or(0);
        let grown = u128::from(busiest) * u128::from(100 + ramp.growth_percent) / 100;
        ramp.floor.max(u64::try_from(grown).unwrap_or(u64::MAX))
    };
    let whole = from_ns.div_ceil(step_ns)..to_ns / step_ns;
    let (mut used, mut allowed) = (0, 0);
    for number in whole {
        used += step(number);
        allowed += ceiling(number / per_period);
    }
    Binding {
        name: format!(
            "from {} {} / {} s, grows by {} % / {} s",
            ramp.floor,
            ramp.metric.words(),
            ramp.step_ms / 1_000,
            ramp.growth_percent,
            ramp.period_ms / 1_000
        ),
        metric: Some(ramp.metric),
        amount: 0,
        window_ms: ramp.step_ms,
        used: used as f64 / (allowed.max(1)) as f64,
    }
}

/// The mean number of requests in flight over the most that there may be.
fn of_in_flight(most: u64, journal: &[JournalEntry], (from_ns, to_ns): (u64, u64)) -> Binding {
    let (mut in_flight, mut since, mut area) = (0_u64, from_ns, 0_u128);
    for entry in journal {
        let at = entry.time_ns.clamp(from_ns, to_ns);
        area += u128::from(in_flight) * u128::from(at - since.min(at));
        since = at;
        match entry.decision {
            Decision::Admitted { .. } => in_flight += 1,
            Decision::Settled { .. } => in_flight = in_flight.saturating_sub(1),
            _ => {}
        }
    }
    let span = to_ns.saturating_sub(from_ns).max(1);
    Binding {
        name: format!("{most} requests in flight"),
        metric: None,
        amount: most,
        window_ms: 0,
        used: area as f64 / (u128::from(span) * u128::from(most.max(1))) as f64,
    }
}
