//! What one check has found.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

/// What comes of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// It holds.
    Pass,
    /// It works, and something is to be looked at.
    Warning,
    /// It does not hold.
    Fail,
    /// It was not looked at.
    Skipped,
}

impl Verdict {
    /// The word for people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warning => "warning",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
        }
    }

    pub(super) fn pass_if(holds: bool) -> Self {
        if holds { Self::Pass } else { Self::Fail }
    }
}

/// Which check, for programs and for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
}

/// One check with its figure and its verdict.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Check {
    /// Its name for programs.
    pub(super) name: &'static str,
    #[serde(skip)]
    pub(super) title: &'static str,
    pub(super) verdict: Verdict,
    /// What was measured, in words.
    pub(super) figure: String,
    /// What it is held against, in words.
    pub(super) bound: String,
    /// What was measured, in numbers.
    pub(super) values: Map<String, Value>,
    /// What is to be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Check {
    /// A check with a figure; the remedy is kept where one is needed.
    pub(super) fn new(name: Name, verdict: Verdict, figure: impl Into<String>) -> Self {
        Self {
            name: name.key,
            title: name.title,
            verdict,
            figure: figure.into(),
            bound: String::new(),
            values: Map::new(),
            remedy: None,
        }
    }

    /// A check that was not made, and why.
    pub(super) fn skipped(name: Name, why: impl Into<String>) -> Self {
        Self::new(name, Verdict::Skipped, why)
    }

    /// A check that could not be made, and what helps.
    pub(super) fn failed(name: Name, why: &str, remedy: &str) -> Self {
        Self::new(name, Verdict::Fail, "could not be tried").remedy(format!("{why}; {remedy}"))
    }

    #[must_use]
    pub(super) fn bound(mut self, bound: impl Into<String>) -> Self {
        self.bound = bound.into();
        self
    }

    #[must_use]
    pub(super) fn value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// What is to be done where the check does not hold.
    #[must_use]
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        if matches!(self.verdict, Verdict::Fail | Verdict::Warning) {
            self.remedy = Some(remedy.into());
        }
        self
    }
}

/// Times of which quantiles are told.
#[derive(Clone, Debug, Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        let place = self.0.partition_point(|other| *other <= time);
        self.0.insert(place, time);
    }

    /// The time that `percent` of 100 do not pass.
    pub(super) fn quantile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }
}

/// Milliseconds with as many digits as matter for short times.
pub(super) fn fine(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 10.0 {
        format!("{ms:.2} ms")
    } else {
        format!("{ms:.0} ms")
    }
}

/// Milliseconds as a number, to a thousandth.
pub(super) fn in_ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let mut times = Times::default();
        for ms in [3, 1, 2, 100] {
            times.add(Duration::from_millis(ms));
        }
        assert_eq!(times.quantile(50), Duration::from_millis(2));
        assert_eq!(times.quantile(99), Duration::from_millis(100));
        assert_eq!(Times::default().quantile(50), Duration::ZERO);
    }

    #[test]
    fn a_check_that_holds_needs_no_remedy() {
        let name = Name {
            key: "one",
            title: "one",
        };
        let remedy = |verdict| Check::new(name, verdict, "1").remedy("do it").remedy;
        assert_eq!(remedy(Verdict::Pass), None);
        assert_eq!(remedy(Verdict::Skipped), None);
        assert_eq!(remedy(Verdict::Fail).as_deref(), Some("do it"));
        assert_eq!(remedy(Verdict::Warning).as_deref(), Some("do it"));
    }

    #[test]
    fn short_times_keep_their_digits() {
        assert_eq!(fine(Duration::from_micros(64)), "0.06 ms");
        assert_eq!(fine(Duration::from_micros(12_600)), "13 ms");
        assert_eq!(in_ms(Duration::from_nanos(1_234_567)), 1.235);
    }
}
