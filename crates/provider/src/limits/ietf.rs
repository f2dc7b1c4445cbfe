//! The fields `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers.
//!
//! Since draft 08 both are lists of named items (`"burst";q=100;w=60` and `"burst";r=50;t=30`);
//! draft 07 had a dictionary (`limit=100, remaining=50, reset=30`) and unnamed policies
//! (`100;w=60`). A field that is not well-formed is ignored as a whole, as the draft demands.

use super::{LimitReport, LimitScope, REPORTS_MAX, shortened};
use crate::metric::LimitMetric;
use http::HeaderMap;
use std::time::Duration;

mod structured;

use structured::{Bare, Item};

pub(super) fn reports(headers: &HeaderMap) -> Vec<LimitReport> {
    let policies = field(headers, "ratelimit-policy");
    let states = field(headers, "ratelimit");
    let mut reports: Vec<LimitReport> = Vec::new();
    for policy in &policies {
        if let Some(name) = policy.bare.name() {
            let report = report_for(&mut reports, name);
            report.limit = policy.unsigned("q");
            report.window = policy.unsigned("w").map(Duration::from_secs);
            report.metric = unit(policy.text("qu"));
        }
    }
    for state in states.iter().filter(|state| state.value.is_none()) {
        if let Some(name) = state.bare.name() {
            let report = report_for(&mut reports, name);
            report.remaining = state
                .unsigned("r")
                .and_then(|left| i64::try_from(left).ok());
            report.reset = state.unsigned("t").map(Duration::from_secs);
        }
    }
    reports.extend(draft_07(&states, &policies));
    reports.retain(|report| report.limit.is_some() || report.remaining.is_some());
    reports.truncate(REPORTS_MAX);
    reports
}

/// All lines of a field as one list; empty where it is missing or malformed.
fn field<'a>(headers: &'a HeaderMap, name: &str) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    for line in headers.get_all(name) {
        let Some(parsed) = line.to_str().ok().and_then(structured::list) else {
            return Vec::new();
        };
        items.extend(parsed);
    }
    items
}

/// The report of a policy, made where there is none yet.
fn report_for<'r>(reports: &'r mut Vec<LimitReport>, name: &str) -> &'r mut LimitReport {
    let scope = LimitScope::Named(shortened(name));
    let place = reports
        .iter()
        .position(|report| report.scope == scope)
        .unwrap_or_else(|| {
            reports.push(LimitReport {
                metric: LimitMetric::Requests,
                scope,
                limit: None,
                remaining: None,
                reset: None,
                window: None,
                rounded_to: 1,
            });
            reports.len() - 1
        });
    &mut reports[place]
}

/// The registered units are `requests`, which is the default, `content-bytes` and
/// `concurrent-requests`; the others are what a vendor may well write.
fn unit(name: Option<&str>) -> LimitMetric {
    name.map_or(LimitMetric::Requests, LimitMetric::from_name)
}

fn draft_07(states: &[Item<'_>], policies: &[Item<'_>]) -> Option<LimitReport> {
    let member = |name: &str| {
        let item = states.iter().find(|item| item.bare.name() == Some(name))?;
        item.value.as_ref()?.unsigned()
    };
    let limit = member("limit");
    let of_limit = |policy: &&Item<'_>| limit.is_some() && policy.bare.unsigned() == limit;
    let window = policies
        .iter()
        .find(of_limit)
        .and_then(|policy| policy.unsigned("w"));
    Some(LimitReport {
        metric: LimitMetric::Requests,
        scope: LimitScope::Default,
        limit,
        remaining: i64::try_from(member("remaining")?).ok(),
        reset: member("reset").map(Duration::from_secs),
        window: window.map(Duration::from_secs),
        rounded_to: 1,
    })
}

impl Bare<'_> {
    /// The name of a policy: a string since draft 08, a token in some servers.
    fn name(&self) -> Option<&str> {
        match self {
            Bare::Text(text) | Bare::Token(text) => Some(text),
            Bare::Integer(_) | Bare::Other => None,
        }
    }

    fn unsigned(&self) -> Option<u64> {
        match self {
            Bare::Integer(number) => u64::try_from(*number).ok(),
            Bare::Text(_) | Bare::Token(_) | Bare::Other => None,
        }
    }
}

impl Item<'_> {
    fn unsigned(&self, key: &str) -> Option<u64> {
        self.parameter(key)?.unsigned()
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.parameter(key)?.name()
    }
}
