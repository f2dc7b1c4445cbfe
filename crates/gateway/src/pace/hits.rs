//! Counting how often limits are hit.

use std::time::Duration;

use paceline_limiter::{Binding, Refusal};
use paceline_telemetry::Metrics;

use super::Acquired;

/// Counts a request that could not go at once, by what was in the way, and the hit on the limit if
/// it was one.
pub(crate) fn count_hit(metrics: &Metrics, pool: &str, acquired: &Acquired) {
    let binding = match acquired {
        Acquired::Later(_, ticket) => {
            let binding = ticket.outlook.binding;
            metrics.deferrals.of(&[&binding.to_string()]).inc();
            Some(binding)
        }
        Acquired::Refused(refusal) => binding_of(refusal),
        Acquired::Now(_) => None,
    };
    if let Some(Binding::Limit { metric, window, .. }) = binding {
        let labels = [pool, metric.name(), &window_label(window)];
        metrics.limit_hits.of(&labels).inc();
    }
}

/// The limit that a refusal is for, where it is for one.
fn binding_of(refusal: &Refusal) -> Option<Binding> {
    match *refusal {
        Refusal::TooLarge {
            metric,
            amount,
            window,
            ..
        } => Some(Binding::Limit {
            metric,
            amount,
            window,
        }),
        Refusal::DeadlineUnmeetable { binding, .. } => Some(binding),
        Refusal::QueueFull { .. }
        | Refusal::TenantQueueFull { .. }
        | Refusal::Cancelled
        | Refusal::Draining { .. } => None,
    }
}

/// The length of a window as metrics name it.
pub(crate) fn window_label(window: Duration) -> String {
    format!("{}s", window.as_secs_f64())
}
