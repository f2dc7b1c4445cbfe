//! What a limit is: a metric, an amount, a window, and the way the window is kept.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One second in nanoseconds.
pub(crate) const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// One millisecond in nanoseconds.
pub(crate) const NANOS_PER_MS: u64 = 1_000_000;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Calls, whatever their size.
    Requests,
    /// Tokens as the charge formula counts them.
    Tokens,
    /// Tokens of the prompt only.
    InputTokens,
    /// Tokens of the answer only.
    OutputTokens,
    /// Generated images.
    Images,
}

impl Metric {
    /// Every metric, in the order in which limits are reported.
    pub const ALL: [Self; 5] = [
        Self::Requests,
        Self::Tokens,
        Self::InputTokens,
        Self::OutputTokens,
        Self::Images,
    ];

    /// The words the provider's messages use.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
            Self::Images => "images",
        }
    }

    /// The letter or letters that open the provider's abbreviation, as `T` in `TPM`.
    #[must_use]
    pub const fn initials(self) -> &'static str {
        match self {
            Self::Requests => "R",
            Self::Tokens => "T",
            Self::InputTokens => "IT",
            Self::OutputTokens => "OT",
            Self::Images => "I",
        }
    }
}

/// How a provider keeps a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaKind {
    /// A leaky bucket that drains at `amount / window` and holds `amount`.
    Bucket,
    /// A leaky bucket that drains at `amount / window` and holds `burst`.
    BucketBurst {
        /// What the bucket holds, in units of the metric.
        burst: u64,
    },
    /// A counter that returns to zero at every multiple of the window on the Unix clock.
    Fixed,
    /// A counter whose window opens with the first use after the last window ended.
    FixedFromFirstUse,
    /// An exact log: no span of one window ever holds more than the amount.
    Sliding,
    /// A minute's amount enforced in short quanta: a bucket that holds
    /// `amount * quantum / window`. A request larger than that, but not larger than the amount,
    /// passes when nothing is used and leaves the bucket in debt.
    Quantised {
        /// The length of a quantum in milliseconds.
        quantum_ms: u64,
    },
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quota {
    /// What is counted.
    pub metric: Metric,
    /// How much of it each window allows.
    pub amount: u64,
    /// The length of the window in milliseconds.
    pub window_ms: u64,
    /// How the window is kept.
    #[serde(default = "bucket")]
    pub kind: QuotaKind,
}

const fn bucket() -> QuotaKind {
    QuotaKind::Bucket
}

impl Quota {
    /// One minute in milliseconds.
    pub const MINUTE_MS: u64 = 60_000;
    /// One day in milliseconds.
    pub const DAY_MS: u64 = 86_400_000;

    /// A continuously refilled limit, the kind that OpenAI's messages and headers describe.
    #[must_use]
    pub const fn bucket(metric: Metric, amount: u64, window_ms: u64) -> Self {
        Self {
            metric,
            amount,
            window_ms,
            kind: QuotaKind::Bucket,
        }
    }

    /// Requests per minute, continuously refilled.
    #[must_use]
    pub const fn requests_per_minute(amount: u64) -> Self {
        Self::bucket(Metric::Requests, amount, Self::MINUTE_MS)
    }

    /// Tokens per minute, continuously refilled.
    #[must_use]
    pub const fn tokens_per_minute(amount: u64) -> Self {
        Self::bucket(Metric::Tokens, amount, Self::MINUTE_MS)
    }

    /// Requests per day, continuously refilled.
    #[must_use]
    pub const fn requests_per_day(amount: u64) -> Self {
        Self::bucket(Metric::Requests, amount, Self::DAY_MS)
    }

    /// Tokens per day, continuously refilled.
    #[must_use]
    pub const fn tokens_per_day(amount: u64) -> Self {
        Self::bucket(Metric::Tokens, amount, Self::DAY_MS)
    }

    /// The same limit, kept in another way.
    #[must_use]
    pub const fn kept_as(self, kind: QuotaKind) -> Self {
        Self { kind, ..self }
    }

    /// The window in nanoseconds.
    #[must_use]
    pub const fn window_ns(&self) -> u64 {
        self.window_ms.saturating_mul(NANOS_PER_MS)
    }

    /// The limit's abbreviation: `TPM`, `RPD`, `IPM`; an unusual window is written out, as `TP10s`.
    #[must_use]
    pub fn abbreviation(&self) -> String {
        let initials = self.metric.initials();
        match self.window_ms {
            1_000 => format!("{initials}PS"),
            Self::MINUTE_MS => format!("{initials}PM"),
            3_600_000 => format!("{initials}PH"),
            Self::DAY_MS => format!("{initials}PD"),
            other => format!("{initials}P{}", crate::go_duration::go_duration_ms(other)),
        }
    }
}

/// Writes the limit as the provider's messages name it: `tokens per min (TPM)`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.metric.words();
        let abbreviation = self.abbreviation();
        match self.window_ms {
            1_000 => write!(f, "{words} per sec ({abbreviation})"),
            Self::MINUTE_MS => write!(f, "{words} per min ({abbreviation})"),
            3_600_000 => write!(f, "{words} per hour ({abbreviation})"),
            Self::DAY_MS => write!(f, "{words} per day ({abbreviation})"),
            other => {
                let window = crate::go_duration::go_duration_ms(other);
                write!(f, "{words} per {window} ({abbreviation})")
            }
        }
    }
}
