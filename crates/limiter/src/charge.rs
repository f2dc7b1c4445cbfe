//! What a request takes from a quota, per metric.

use std::fmt;

/// How many metrics there are.
pub(crate) const METRICS: usize = 5;

/// A quantity that a provider limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Calls, whatever their size.
    Requests,
    /// Tokens of input and output together, as the provider counts them.
    Tokens,
    /// Tokens of input only.
    InputTokens,
    /// Tokens of output only.
    OutputTokens,
    /// Images, made or read.
    Images,
}

impl Metric {
    /// Every metric, in the order in which charges hold them.
    pub const ALL: [Self; METRICS] = [
        Self::Requests,
        Self::Tokens,
        Self::InputTokens,
        Self::OutputTokens,
        Self::Images,
    ];

    /// The metric in words, as messages and labels use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input tokens",
            Self::OutputTokens => "output tokens",
            Self::Images => "images",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Units per metric: what the provider deducts for one request.
///
/// This is what paces; what the provider bills can differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Charge {
    units: [u64; METRICS],
}

impl Charge {
    /// Nothing of anything.
    pub const ZERO: Self = Self {
        units: [0; METRICS],
    };

    /// This charge with `units` of `metric` instead of what it had.
    #[must_use]
    pub const fn with(mut self, metric: Metric, units: u64) -> Self {
        self.units[metric as usize] = units;
        self
    }

    /// The units of one metric.
    #[must_use]
    pub const fn get(&self, metric: Metric) -> u64 {
        self.units[metric as usize]
    }

    /// The sum per metric, saturated at `u64::MAX`.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        self.combine(other, u64::saturating_add)
    }

    /// The difference per metric, never below zero.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        self.combine(other, u64::saturating_sub)
    }

    /// Whether nothing is charged on any metric.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Whether this charge is at least `other` on every metric.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.units
            .iter()
            .zip(&other.units)
            .all(|(mine, theirs)| mine >= theirs)
    }

    fn combine(mut self, other: Self, operation: impl Fn(u64, u64) -> u64) -> Self {
        for (mine, theirs) in self.units.iter_mut().zip(other.units) {
            *mine = operation(*mine, theirs);
        }
        self
    }
}
