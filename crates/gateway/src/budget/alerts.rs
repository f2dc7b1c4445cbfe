//! Thresholds that were reached: told in the log, in a metric, and kept for those who look.

use std::collections::VecDeque;
use std::sync::Arc;

use paceline_admin_api::BudgetAlert;
use paceline_coordinator::budgets::{Alert, Unit};
use paceline_telemetry::Metrics;
use paceline_tokens::prices::usd;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use super::webhook::Webhook;
use crate::clock::unix_ms_now;

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
            at_ms: unix_ms_now(),
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

/// An amount for people.
pub(crate) fn amount(unit: Unit, units: u64) -> String {
    match unit {
        Unit::Nanousd => format!("{} USD", usd(units)),
        Unit::Tokens => format!("{units} tokens"),
        Unit::Requests => format!("{units} requests"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_their_unit() {
        assert_eq!(amount(Unit::Tokens, 5), "5 tokens");
        assert!(amount(Unit::Nanousd, 1_500_000_000).starts_with("1.5"));
    }
}
