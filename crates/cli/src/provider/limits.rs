//! The limits of a simulated provider as options.

use clap::{Args, ValueEnum};
use paceline_simulator::{EnforcerSettings, ForeignTraffic, Metric, Quota, QuotaKind};

/// The limits, and how they are kept.
#[derive(Clone, Debug, Args)]
pub(super) struct LimitArgs {
    /// Tokens per minute
    #[arg(long, value_name = "TOKENS")]
    tpm: Option<u64>,
    /// Requests per minute
    #[arg(long, value_name = "REQUESTS")]
    rpm: Option<u64>,
    /// Tokens per day
    #[arg(long, value_name = "TOKENS")]
    tpd: Option<u64>,
    /// Requests per day
    #[arg(long, value_name = "REQUESTS")]
    rpd: Option<u64>,
    /// How windows are kept
    #[arg(long, value_name = "KIND", default_value = "bucket")]
    kind: Kind,
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
    pub(super) fn enforcer(&self) -> EnforcerSettings {
        let kind = match self.kind {
            Kind::Bucket => QuotaKind::Bucket,
            Kind::Fixed => QuotaKind::Fixed,
            Kind::FixedFromFirstUse => QuotaKind::FixedFromFirstUse,
            Kind::Sliding => QuotaKind::Sliding,
            Kind::Quantised => QuotaKind::Quantised {
                quantum_ms: self.quantum_ms,
            },
        };
        let quotas = [
            self.rpm.map(Quota::requests_per_minute),
            self.tpm.map(Quota::tokens_per_minute),
            self.rpd.map(Quota::requests_per_day),
            self.tpd.map(Quota::tokens_per_day),
        ];
        let quotas = quotas
            .into_iter()
            .flatten()
            .map(|quota| quota.kept_as(kind));
        EnforcerSettings {
            quotas: quotas.collect(),
            max_in_flight: self.max_in_flight,
            refusals_count: self.refusals_count,
            foreign: foreign(self.foreign_tpm).into_iter().collect(),
            ..EnforcerSettings::default()
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
