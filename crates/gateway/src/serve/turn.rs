//! Waiting for one attempt's turn.

use std::sync::Arc;
use std::time::Duration;

use paceline_limiter::{Binding, Metric, Refusal, Request, Timestamp};

use super::plan::Paced;
use crate::announce::Progress;
use crate::exchange::Exchange;
use crate::pace::{Acquired, Lease, Turn, WaitingRequest, count_hit, tier};

/// Waits for a turn; the lease is the permission to send.
///
/// # Errors
/// The limiter's refusal.
pub(super) async fn wait(
    exchange: &mut Exchange,
    paced: &Paced,
    deadline: Timestamp,
    progress: Option<&Arc<Progress>>,
) -> Result<Lease, Refusal> {
    let caller = &exchange.caller;
    let request = Request {
        tenant: caller.tenant_id,
        weight: caller.weight,
        tier: tier(caller.tier),
        charge: paced.charge,
        parts: paced.parts,
        deadline: Some(deadline),
        retry: exchange.attempts > 0,
    };
    let who = WaitingRequest {
        request_id: Arc::clone(&exchange.request_id),
        tenant: Arc::clone(&caller.tenant),
        session: caller.session.clone(),
        model: exchange.model.clone().unwrap_or_else(|| Arc::from("-")),
        expected_output_tokens: exchange.expected_output_tokens,
    };
    let acquired = paced.pool.acquire(request, who);
    count_hit(
        &exchange.shared.metrics,
        paced.pool.watch().name(),
        &acquired,
    );
    match acquired {
        Acquired::Now(lease) => {
            record(exchange, &lease, Duration::ZERO, None);
            Ok(lease)
        }
        Acquired::Refused(refusal) => Err(refusal),
        Acquired::Later(wait, _) => {
            exchange.shared.hot.waiting.inc();
            let _waiting = Waiting(exchange.shared.hot.waiting.clone());
            if let Some(progress) = progress {
                progress.waits(&paced.pool, wait.id());
            }
            exchange.trace.waits();
            let turn = wait.await;
            if let Some(progress) = progress {
                progress.goes();
            }
            match turn {
                Turn::Go {
                    lease,
                    waited,
                    binding,
                } => {
                    exchange.trace.goes(Some(binding));
                    record(exchange, &lease, waited, Some(binding));
                    Ok(lease)
                }
                Turn::Refused(refusal) => Err(refusal),
            }
        }
    }
}

fn record(exchange: &mut Exchange, lease: &Lease, waited: Duration, binding: Option<Binding>) {
    // The formula that was learned may charge otherwise than was estimated.
    exchange.estimated_tokens = lease.charge().get(Metric::Tokens);
    exchange.waited += waited;
    if let Some(binding) = binding {
        exchange.limited_by = Some(binding);
        if binding == Binding::Spacing {
            let histogram = &exchange.shared.metrics.spacing_delay_seconds;
            histogram.observe(waited.as_secs_f64());
        }
    }
    let tier_index = exchange.caller.tier as usize;
    if let Some(histogram) = exchange.shared.hot.queue_wait_seconds.get(tier_index) {
        histogram.observe(waited.as_secs_f64());
    }
}

/// Counts a waiting request for as long as it waits, however the wait ends.
struct Waiting(paceline_telemetry::Gauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}
