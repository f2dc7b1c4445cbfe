//! Thresholds that were reached: told in the log, in a metric, and kept for those who look.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use paceline_admin_api::BudgetAlert;
use paceline_coordinator::budgets::{Alert, Unit};
use paceline_telemetry::Metrics;
use paceline_tokens::prices::{Date, usd};
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use super::webhook::Webhook;

/// Alerts that are kept.
const KEPT_MAX: usize = 1_000;

/// An alert, and when it was raised.
#[derive(Clone, Debug)]
pub(crate) struct RaisedAlert {
    /// Rises by one with each.
    pub(crate) number: u64,
    pub(crate) at_ms: u64,
    pub(crate) alert: Alert,
}

impl RaisedAlert {
    /// As it is told.
    pub(crate) fn told(&self) -> BudgetAlert {
        let budget = &self.alert.budget;
        BudgetAlert {
            number: self.number,
            at_unix_ms: self.at_ms,
            budget: budget.name.clone(),
            scope: shown_scope(&budget.scope),
            percent: self.alert.percent,
            spent: self.alert.spent,
            amount: budget.amount,
            unit: budget.unit.name().to_owned(),
            period: budget.period.name().to_owned(),
        }
    }
}

/// A session's scope names its tenant too.
pub(crate) fn shown_scope(scope: &str) -> String {
    scope.replace('\n', "/")
}

/// The alerts of this process.
#[derive(Debug)]
pub(crate) struct Alerts {
    metrics: Arc<Metrics>,
    kept: Mutex<VecDeque<RaisedAlert>>,
    webhook: Option<Webhook>,
}

impl Alerts {
    pub(super) fn new(metrics: Arc<Metrics>, webhook: Option<Webhook>) -> Self {
        Self {
            metrics,
            kept: Mutex::default(),
            webhook,
        }
    }

    /// The latest first.
    pub(crate) fn all(&self) -> Vec<RaisedAlert> {
        self.kept.lock().iter().rev().cloned().collect()
    }

    pub(super) async fn listen(self: Arc<Self>, mut raised: UnboundedReceiver<Alert>) {
        while let Some(alert) = raised.recv().await {
            self.raise(alert);
        }
    }

    fn raise(&self, alert: Alert) {
        let budget = &alert.budget;
        tracing::warn!(
            budget = budget.name,
            scope = shown_scope(&budget.scope),
            period = budget.period.name(),
            percent = alert.percent,
            spent = amount(budget.unit, alert.spent),
            amount = amount(budget.unit, budget.amount),
            hard = budget.is_hard,
            "a budget has reached a threshold"
        );
        let percent = alert.percent.to_string();
        self.metrics
            .budget_alerts
            .of(&[&budget.name, &percent])
            .inc();
        let mut kept = self.kept.lock();
        let raised = RaisedAlert {
            number: kept.back().map_or(1, |last| last.number + 1),
            at_ms: now_ms(),
            alert,
        };
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(raised.clone());
        drop(kept);
        if let Some(webhook) = &self.webhook
            && !webhook.tell(raised.told())
        {
            self.metrics.alert_webhooks.of(&["dropped"]).inc();
        }
    }
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// An amount for people.
pub(crate) fn amount(unit: Unit, units: u64) -> String {
    match unit {
        Unit::Nanousd => format!("{} USD", usd(units)),
        Unit::Tokens => format!("{units} tokens"),
        Unit::Requests => format!("{units} requests"),
    }
}

/// A time as `2026-11-22T15:04:05Z`.
pub(crate) fn utc(at_ms: u64) -> String {
    let seconds = at_ms / 1_000;
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let day = Date::of_unix_seconds(seconds);
    format!("{day}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_the_calendar() {
        for (at_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_362_540_114, "2026-11-22T15:49:00Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(utc(at_ms), text);
        }
    }

    #[test]
    fn amounts_have_their_unit() {
        assert_eq!(amount(Unit::Tokens, 5), "5 tokens");
        assert!(amount(Unit::Nanousd, 1_500_000_000).starts_with("1.5"));
    }
}
