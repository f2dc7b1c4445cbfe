//! Limits given by two variables: an amount, and the seconds it is for.

use std::time::Duration;

use toml::Value;

use super::{Assignment, Reading};
use crate::domains::PERIODS;
use crate::leaf::Kind;
use crate::node::Node;
use crate::quantity::{AMOUNT_MAX, format_duration, parse_duration};
use crate::report::{Fault, Report};
use crate::{Metric, Origin};

/// The period of an amount whose own is not set.
const PERIOD_DEFAULT: Duration = Duration::from_secs(60);

/// The shortest and the longest period, the same as those of `limits.custom`.
const PERIOD_MIN: Duration = Duration::from_millis(100);
const PERIOD_MAX: Duration = Duration::from_secs(31 * 86_400);

/// An amount and its period in seconds.
pub(crate) struct Pair {
    pub(crate) amount: &'static str,
    pub(crate) period: &'static str,
    pub(crate) metric: Metric,
}

/// The pairs that are known.
pub(crate) const PAIRS: [Pair; 2] = [
    Pair {
        amount: "OPENAI_TOKEN_LIMIT_TOKENS",
        period: "OPENAI_TOKEN_LIMIT_PERIOD",
        metric: Metric::Tokens,
    },
    Pair {
        amount: "OPENAI_RATE_LIMIT_REQUESTS",
        period: "OPENAI_RATE_LIMIT_PERIOD",
        metric: Metric::Requests,
    },
];

/// The limit given by an amount and a period.
pub(super) enum Limit {
    /// One that has a key of its own.
    Named(Assignment),
    /// An entry of `limits.custom`.
    Custom(Node),
}

pub(super) fn read_pair(
    pair: &Pair,
    amount: Option<&str>,
    period: Option<&str>,
    report: &mut Report,
) -> Option<Limit> {
    let place = |name: &str| Origin::Variable(name.to_owned());
    let period = match period.map(read_period) {
        None => Some(PERIOD_DEFAULT),
        Some(Ok(period)) => Some(period),
        Some(Err(fault)) => {
            report.problem(place(pair.period), "limits", fault);
            None
        }
    };
    let Some(text) = amount else {
        if period.is_some() && period != Some(PERIOD_DEFAULT) {
            let what = format!("has no effect without {}", pair.amount);
            report.notice(place(pair.period), "limits", what);
        }
        return None;
    };
    let max = i64::try_from(AMOUNT_MAX).unwrap_or(i64::MAX);
    let value = match (Kind::Integer { min: 1, max }).read(text) {
        Ok(value) => value,
        Err(fault) => {
            let fault = Fault::new(fault.what, "");
            report.problem(place(pair.amount), "limits", fault);
            return None;
        }
    };
    let period = period?;
    let named = PERIODS.into_iter().find(|(_, window)| *window == period);
    if let Some((name, _)) = named {
        return Some(Limit::Named(Assignment {
            variable: pair.amount.to_owned(),
            path: format!("limits.{}_per_{name}", pair.metric.name()),
            value,
            shown: true,
        }));
    }
    let mut node = Node::table(place(pair.amount));
    for (key, value) in [
        ("metric", Value::from(pair.metric.name())),
        ("amount", value),
        ("period", Value::from(format_duration(period))),
    ] {
        node.insert(key, Node::leaf(place(pair.amount), value));
    }
    Some(Limit::Custom(node))
}

fn read_period(text: &str) -> Result<Duration, Fault> {
    let text = Reading::Seconds.to_text(text)?;
    let period = parse_duration(&text).unwrap_or_default();
    if period < PERIOD_MIN || period > PERIOD_MAX {
        let (min, max) = (format_duration(PERIOD_MIN), format_duration(PERIOD_MAX));
        return Err(Fault::new(
            format!("must be from {min} to {max} (got {text})"),
            "",
        ));
    }
    Ok(period)
}
