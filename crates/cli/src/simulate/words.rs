//! A scenario in words.

use std::time::Duration;

use paceline_proving::{Arrivals, Kind, QuotaRule, Scenario, Workload};

use crate::figures::{counted, grouped, per, span};
use crate::terminal::plain;

/// The lines that say what is simulated.
pub(super) fn scenario(scenario: &Scenario) -> Vec<String> {
    let provider = &scenario.provider;
    let mut lines: Vec<String> = provider
        .quota
        .iter()
        .map(|quota| format!("limit     {}", limit(quota)))
        .collect();
    for foreign in &provider.foreign {
        let words = foreign.metric.words();
        lines.push(format!(
            "others    take {} % of the limit on {words}",
            foreign.percent
        ));
    }
    for burst in &provider.foreign_burst {
        lines.push(format!(
            "others    send {} of {} tokens at once, every {}",
            counted(burst.requests, "request"),
            grouped(burst.tokens),
            span(Duration::from_secs(burst.every_s))
        ));
    }
    for change in &provider.change {
        let which = change.metric.map_or("all limits".to_owned(), |metric| {
            format!("the limits on {}", metric.words())
        });
        lines.push(format!(
            "change    {which} by {:+} % after {}",
            change.percent,
            span(Duration::from_secs(change.at_s))
        ));
    }
    let workloads = scenario.workload.iter();
    lines.extend(workloads.map(|stream| format!("workload  {}", workload(stream))));
    for fault in &scenario.fault {
        let kind = format!("{:?}", fault.kind);
        lines.push(format!("fault     {}", spaced(&kind)));
    }
    lines
}

/// `AnswerLost` as `answer lost`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn limit(quota: &QuotaRule) -> String {
    let kept = match quota.kind {
        Kind::Bucket => "bucket".to_owned(),
        Kind::BucketBurst { burst } => format!("bucket that holds {}", grouped(burst)),
        Kind::Fixed => "fixed windows of the clock".to_owned(),
        Kind::FixedFromFirstUse => "fixed windows from the first use on".to_owned(),
        Kind::Sliding => "sliding window".to_owned(),
        Kind::Quantised { quantum_ms } => {
            let quantum = Duration::from_millis(quantum_ms);
            format!("enforced in pieces of {}", span(quantum))
        }
    };
    format!(
        "{} {} {}, {kept}",
        grouped(quota.amount),
        quota.metric.words(),
        per(Duration::from_secs(quota.window_s)),
    )
}

fn workload(stream: &Workload) -> String {
    let who = plain(&stream.tenant);
    let who = match stream.tenants {
        1 => who,
        many => format!("{many} tenants like {who}"),
    };
    let how = match stream.arrivals {
        Arrivals::Job {
            requests,
            concurrency: None,
        } => format!("{} at once", counted(requests, "request")),
        Arrivals::Job {
            requests,
            concurrency: Some(most),
        } => format!(
            "{}, {} at a time",
            counted(requests, "request"),
            grouped(most)
        ),
        Arrivals::Steady { percent_of_quota } => {
            format!("a steady {percent_of_quota} % of the quota")
        }
        Arrivals::PerMinute { requests } => format!("{requests} requests a minute"),
        Arrivals::Bursts { requests, every_s } => format!(
            "{} at once, every {}",
            counted(requests, "request"),
            span(Duration::from_secs(every_s))
        ),
    };
    format!("{who}: {how}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words() {
        assert_eq!(spaced("AnswerLost"), "answer lost");
        assert_eq!(spaced("Cut"), "cut");
    }
}
