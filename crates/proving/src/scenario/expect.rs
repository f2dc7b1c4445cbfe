//! What the gateway must achieve in a scenario.

use serde::{Deserialize, Serialize};

use crate::report::Report;

/// Bounds on the figures of the gateway's run; those that are left out are not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The most refusals by the provider in the first minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_first_minute_max: Option<u64>,
    /// The most refusals by the provider later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_later_max: Option<u64>,
    /// The least share, in percent, of the quota that is used while somebody waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_percent_min: Option<f64>,
    /// The longest wait of a request that is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_wait_s_max: Option<f64>,
    /// How much later than at the best a finite job may have its last request admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind_best_s_max: Option<f64>,
    /// The most requests that are not served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unserved_max: Option<u64>,
}

impl Expect {
    /// Whether nothing is expected.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What was not achieved, in words.
    pub(crate) fn unmet(&self, report: &Report) -> Vec<String> {
        let most = |name: &str, most: Option<u64>, found: u64| {
            let most = most.filter(|most| found > *most)?;
            Some(format!("{name} is {found}, and at most {most} is expected"))
        };
        let longest = |name: &str, most: Option<f64>, found: Option<f64>| {
            let found = found?;
            let most = most.filter(|most| found > *most)?;
            Some(format!(
                "{name} is {found:.1} s, and at most {most} s is expected"
            ))
        };
        let used = report.use_while_waiting.zip(self.use_percent_min);
        let used = used.filter(|(used, least)| used * 100.0 < *least);
        let behind = report.last_admission_s.zip(report.best_last_admission_s);
        [
            most(
                "refused in the first minute",
                self.refused_first_minute_max,
                report.refused.first_minute,
            ),
            most(
                "refused later",
                self.refused_later_max,
                report.refused.later,
            ),
            most(
                "not served",
                self.unserved_max,
                report.requests - report.served,
            ),
            used.map(|(used, least)| {
                let percent = used * 100.0;
                format!("quota used is {percent:.1} %, and at least {least} % is expected")
            }),
            longest(
                "the worst wait",
                self.worst_wait_s_max,
                Some(report.wait.worst_s),
            ),
            longest(
                "the time behind the best",
                self.behind_best_s_max,
                behind.map(|(last, best)| last - best),
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
