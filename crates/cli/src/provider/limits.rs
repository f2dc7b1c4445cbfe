//! The limits of a simulated provider as options.

use clap::{Args, ValueEnum};
use paceline_simulator::{ForeignTraffic, Metric, Quota, QuotaKind, SimulatorSettings};

/// The limits, and how they are kept.
#[derive(Clone, Debug, Args)]
pub(super) struct LimitArgs {
    /// Tokens per minute
    #[arg(long, value_name = "TOKENS")]
    tpm: Option<u64>,
    /// Tokens of prompts per minute
    #[arg(long, value_name = "TOKENS")]
    itpm: Option<u64>,
    /// Tokens of answers per minute
    #[arg(long, value_name = "TOKENS")]
    otpm: Option<u64>,
    /// Requests per minute
    #[arg(long, value_name = "REQUESTS")]
    rpm: Option<u64>,
    /// Tokens per day
    #[arg(long, value_name = "TOKENS")]
    tpd: Option<u64>,
    /// Requests per day
    #[arg(long, value_name = "REQUESTS")]
    rpd: Option<u64>,
    /// How windows are kept [default: bucket, or as the provider does]
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Length of a quantum, with --kind quantised
    #[arg(long, value_name = "MS", default_value_t = 1_000)]
    quantum_ms: u64,
    /// Requests in flight at once
    #[arg(long, value_name = "COUNT")]
    max_in_flight: Option<u64>,
    /// Refused requests count against the request limits
    #[arg(long)]
    refusals_count: bool,
    /// Tokens per minute that other consumers of the same limits take
    #[arg(long, value_name = "TOKENS", default_value_t = 0)]
    foreign_tpm: u64,
}

/// How windows are kept.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Refilled continuously, holds the whole amount
    Bucket,
    /// Windows that start on the minute, hour or day of the clock
    Fixed,
    /// Windows that start with the first use after the last one
    FixedFromFirstUse,
    /// No span of a window's length holds more than the amount
    Sliding,
    /// Refilled continuously, holds only what a quantum brings
    Quantised,
}

impl LimitArgs {
    /// Changes a provider's limits to those that were given.
    pub(super) fn change(&self, settings: &mut SimulatorSettings) {
        let given = [
            (Metric::Requests, self.rpm, Quota::MINUTE_MS),
            (Metric::Tokens, self.tpm, Quota::MINUTE_MS),
            (Metric::InputTokens, self.itpm, Quota::MINUTE_MS),
            (Metric::OutputTokens, self.otpm, Quota::MINUTE_MS),
            (Metric::Requests, self.rpd, Quota::DAY_MS),
            (Metric::Tokens, self.tpd, Quota::DAY_MS),
        ];
        for (metric, amount, window_ms) in given {
            if let Some(amount) = amount {
                settings.set_limit(metric, amount, window_ms);
            }
        }
        let limits = &mut settings.limits;
        if let Some(kind) = self.kind {
            for quota in &mut limits.quotas {
                quota.kind = self.quota_kind(kind);
            }
        }
        limits.max_in_flight = self.max_in_flight.or(limits.max_in_flight);
        limits.refusals_count |= self.refusals_count;
        limits.foreign.extend(foreign(self.foreign_tpm));
    }

    const fn quota_kind(&self, kind: Kind) -> QuotaKind {
        match kind {
            Kind::Bucket => QuotaKind::Bucket,
            Kind::Fixed => QuotaKind::Fixed,
            Kind::FixedFromFirstUse => QuotaKind::FixedFromFirstUse,
            Kind::Sliding => QuotaKind::Sliding,
            Kind::Quantised => QuotaKind::Quantised {
                quantum_ms: self.quantum_ms,
            },
        }
    }
}

/// Other consumers that take about a second's part at a time.
fn foreign(tokens_per_minute: u64) -> Option<ForeignTraffic> {
    let amount = tokens_per_minute.div_ceil(60);
    let every_ms = amount
        .saturating_mul(Quota::MINUTE_MS)
        .checked_div(tokens_per_minute)?;
    Some(ForeignTraffic {
        metric: Metric::Tokens,
        amount,
        every_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_consumers_take_what_was_asked_for() {
        assert_eq!(foreign(0), None);
        for tokens_per_minute in [1, 59, 60, 1_000, 60_000] {
            let traffic = foreign(tokens_per_minute).unwrap();
            let taken = traffic.amount as f64 * 60_000.0 / traffic.every_ms as f64;
            assert!(
                (taken / tokens_per_minute as f64 - 1.0).abs() < 0.01,
                "{tokens_per_minute}"
            );
        }
    }
}
