//! Changes in words.

use std::time::Duration;

use paceline_limiter::{
    ChargeFormula, Combine, Episode, LimitView, Metric, RefusalKind, WindowKind,
};
use paceline_pace::{Sharing, SharingMode};

/// A length of time as people say it.
pub(super) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..600 => format!("{seconds} s"),
        600..36_000 => format!("{} min", seconds / 60),
        36_000..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// An amount of a limit: `90000 tokens per minute`.
pub(super) fn amount(amount: u64, metric: Metric, window: Duration) -> String {
    let per = match window.as_secs() {
        _ if window.subsec_nanos() > 0 => None,
        1 => Some("second"),
        60 => Some("minute"),
        3_600 => Some("hour"),
        86_400 => Some("day"),
        _ => None,
    };
    let per = per.map_or_else(|| time(window), str::to_owned);
    format!("{amount} {} per {per}", metric.name())
}

pub(super) fn limit(limit: &LimitView) -> String {
    amount(limit.amount, limit.metric, limit.window)
}

/// How a limit is counted.
pub(super) const fn kind(kind: Option<WindowKind>) -> &'static str {
    match kind {
        Some(WindowKind::Bucket) => "bucket",
        Some(WindowKind::Fixed) => "fixed",
        Some(WindowKind::Sliding) => "sliding",
        None => "unknown",
    }
}

/// What a kind means.
pub(super) const fn meaning(kind: Option<WindowKind>) -> &'static str {
    match kind {
        Some(WindowKind::Bucket) => "what was used drains evenly",
        Some(WindowKind::Fixed) => "all that was used is forgotten when a window ends",
        Some(WindowKind::Sliding) => "what was used counts for one window",
        None => "the limit is paced in a way that is safe whichever it is",
    }
}

/// A charge formula.
pub(super) fn formula(formula: &ChargeFormula) -> String {
    let base = match formula.combine {
        Combine::Max => "the larger of input and allowed output",
        Combine::Sum => "input and allowed output",
        Combine::Input => "the input alone",
    };
    let mut text = base.to_owned();
    if formula.input_permille != 1_000 {
        let factor = f64::from(formula.input_permille) / 1_000.0;
        text.push_str(&format!(", input times {factor}"));
    }
    if formula.refunds {
        text.push_str(", corrected at the end");
    }
    if formula.failures_free {
        text.push_str(", failures free");
    }
    text
}

/// Why an episode began.
pub(super) fn refusal(episode: &Episode) -> String {
    let metric = episode.metric.map_or("units", Metric::name);
    match (episode.kind, episode.used, episode.limit) {
        (RefusalKind::Quota, Some(used), Some(limit)) => {
            let more = episode.requested;
            let more = more.map(|more| format!(", and {more} more were asked for"));
            let more = more.unwrap_or_default();
            format!("the provider refused a request: {used} of {limit} {metric} were used{more}")
        }
        (RefusalKind::Quota, ..) => match episode.metric {
            Some(metric) => format!("the provider refused a request for its {}", metric.name()),
            None => "the provider refused a request for a quota that it did not name".to_owned(),
        },
        (RefusalKind::Overload, ..) => "the provider said that it is short of capacity".to_owned(),
        (RefusalKind::Concurrency, ..) => {
            "the provider said that too many requests were in flight".to_owned()
        }
        (RefusalKind::Acceleration, ..) => {
            "the provider said that the traffic grows too fast".to_owned()
        }
    }
}

/// Why an episode is over.
pub(super) fn end(episode: &Episode, lasted: Duration) -> String {
    let refusals = episode.refusals;
    let noun = if refusals == 1 { "refusal" } else { "refusals" };
    let lasted = time(lasted);
    format!(
        "no more was refused after {refusals} {noun}, and all bounds were lifted {lasted} after the first"
    )
}

/// Who decides, and why.
pub(super) fn store(sharing: &Sharing) -> String {
    let away = |instead: &str| {
        let reason = sharing.reason.as_deref().unwrap_or("it did not answer");
        format!("the store is away ({reason}): {instead}")
    };
    match sharing.mode {
        SharingMode::Share => away("the pool goes on with its part of the quota"),
        SharingMode::Open => away("the pool goes on as if it were alone"),
        SharingMode::Closed => away("everyone waits"),
        SharingMode::Learning => {
            "the store has lost what it knew: nobody goes until all have said what they used".into()
        }
        SharingMode::Exact | SharingMode::Joining => {
            "the store answers and counts the limits".into()
        }
    }
}
