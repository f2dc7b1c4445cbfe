//! What is known of a provider's limits, and how well.

use crate::metric::LimitMetric;
use std::time::Duration;

/// A fact about a provider, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<T> {
    /// The provider says so.
    Documented(T),
    /// Seen in the provider's answers, or reported by others; the provider does not say.
    Measured(T),
    /// Nobody knows: to be learned.
    Unknown,
}

impl<T: Copy> Known<T> {
    /// The fact, wherever it comes from.
    #[must_use]
    pub const fn value(self) -> Option<T> {
        match self {
            Self::Documented(fact) | Self::Measured(fact) => Some(fact),
            Self::Unknown => None,
        }
    }
}

impl<T> Known<T> {
    /// How well it is known: `documented`, `measured` or `unknown`.
    #[must_use]
    pub const fn evidence(&self) -> &'static str {
        match self {
            Self::Documented(_) => "documented",
            Self::Measured(_) => "measured",
            Self::Unknown => "unknown",
        }
    }
}

/// How a limit gives back what was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// Continuously: a bucket that refills, or a level that drains.
    Bucket,
    /// All at once where the clock begins a new window: a full minute, or midnight UTC.
    Clock,
    /// All at once at midnight in California.
    PacificMidnight,
    /// All at once, a window's length after the first use.
    FirstUse,
    /// Each use a window's length after it.
    Rolling,
    /// The limit itself moves with the provider's load and the caller's traffic.
    Dynamic,
}

/// Who shares a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolScope {
    /// All keys of an organization.
    Organization,
    /// All keys of a project.
    Project,
    /// All keys of an account.
    Account,
    /// All keys of a team.
    Team,
    /// One deployment of a model.
    Deployment,
    /// One key.
    Key,
}

/// A limit that a provider is known to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownLimit {
    /// What it counts.
    pub metric: LimitMetric,
    /// The window that it is given for.
    pub window: Known<Duration>,
    /// How it gives back what was used.
    pub kind: Known<WindowKind>,
    /// The shorter pieces that it is enforced in: 600 a minute as 100 in ten seconds.
    pub piece: Known<Duration>,
    /// Who shares it.
    pub scope: Known<PoolScope>,
    /// Whether each model, or class of models, has its own.
    pub by_model: Known<bool>,
}

impl KnownLimit {
    /// A documented limit of which nothing but the metric and the window is known.
    pub(super) const fn of(metric: LimitMetric, window_s: u64) -> Self {
        Self {
            metric,
            window: Known::Documented(Duration::from_secs(window_s)),
            kind: Known::Unknown,
            piece: Known::Unknown,
            scope: Known::Unknown,
            by_model: Known::Unknown,
        }
    }

    pub(super) const fn kind(self, kind: Known<WindowKind>) -> Self {
        Self { kind, ..self }
    }

    pub(super) const fn shared_by(self, scope: Known<PoolScope>, by_model: Known<bool>) -> Self {
        Self {
            scope,
            by_model,
            ..self
        }
    }
}

/// What a success tells about limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tells {
    /// Headers on every success.
    Headers,
    /// Headers on answers that are not streamed.
    HeadersUnlessStreamed,
    /// Nothing: only refusals tell.
    Nothing,
}
