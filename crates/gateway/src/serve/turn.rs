//! Waiting for one attempt's turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use paceline_limiter::{Binding, Metric, Refusal, Request, Timestamp};

use super::way::Paced;
use crate::announce::Progress;
use crate::exchange::Exchange;
use crate::pace::{Acquired, Lease, Turn, WaitingRequest, count_hit, tier};

/// What a promise is late by at the least before it counts as broken.
const LATE_MIN: Duration = Duration::from_millis(250);

/// What a call asks its pool for.
pub(super) fn request(exchange: &Exchange, paced: &Paced, deadline: Option<Timestamp>) -> Request {
    let caller = &exchange.caller;
    Request {
        tenant: caller.tenant_id,
        weight: caller.weight,
        tier: tier(caller.tier),
        charge: paced.charge,
        parts: paced.parts,
        deadline,
        // Who has waited already goes to the front of its tenant's requests.
        retry: exchange.attempts > 0 || exchange.has_left,
    }
}

/// Why there is no turn.
pub(super) enum NoTurn {
    /// The limiter refuses.
    Refused(Refusal),
    /// The wait was longer than was to be expected: another lane may let it go now.
    Left,
}

/// Waits for a turn; the lease is the permission to send.
///
/// # Errors
/// The limiter's refusal, or that `may_leave` and the promise was not kept.
pub(super) async fn wait(
    exchange: &mut Exchange,
    paced: &Paced,
    (deadline, may_leave): (Timestamp, bool),
    progress: Option<&Arc<Progress>>,
) -> Result<Lease, NoTurn> {
    let request = request(exchange, paced, Some(deadline));
    let acquired = paced.pool.acquire(request, who(exchange));
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
        Acquired::Refused(refusal) => Err(NoTurn::Refused(refusal)),
        Acquired::Later(mut wait, ticket) => {
            let _waiting = Waiting::of(exchange);
            if let Some(progress) = progress {
                progress.waits(&paced.pool, wait.id());
            }
            exchange.trace.waits();
            let began = Instant::now();
            let promised = ticket.outlook.eta.filter(|_| may_leave);
            let turn = tokio::select! {
                biased;
                turn = &mut wait => Some(turn),
                () = broken(promised) => None,
            };
            if let Some(progress) = progress {
                progress.goes();
            }
            let Some(turn) = turn else {
                exchange.waited += began.elapsed();
                exchange.has_left = true;
                exchange.trace.goes(None);
                return Err(NoTurn::Left);
            };
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
                Turn::Refused(refusal) => Err(NoTurn::Refused(refusal)),
            }
        }
    }
}

/// A turn for an attempt that goes now or not at all.
pub(super) async fn at_once(exchange: &mut Exchange, paced: &Paced) -> Option<Lease> {
    let asked = request(exchange, paced, None);
    let lease = paced.pool.try_acquire(asked, who(exchange)).await.ok()?;
    exchange.estimated_tokens = lease.charge().get(Metric::Tokens);
    Some(lease)
}

/// Who waits, for those who look.
fn who(exchange: &Exchange) -> WaitingRequest {
    let caller = &exchange.caller;
    WaitingRequest {
        request_id: Arc::clone(&exchange.request_id),
        tenant: Arc::clone(&caller.tenant),
        session: caller.session.clone(),
        model: exchange.model.clone().unwrap_or_else(|| Arc::from("-")),
        expected_output_tokens: exchange.expected_output_tokens,
    }
}

/// Ends when a promised wait is over, with a quarter of it and a moment more; never without a promise.
async fn broken(promised: Option<Duration>) {
    match promised {
        Some(promised) => tokio::time::sleep(promised + promised / 4 + LATE_MIN).await,
        None => std::future::pending().await,
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
pub(super) struct Waiting(paceline_telemetry::Gauge);

impl Waiting {
    pub(super) fn of(exchange: &Exchange) -> Self {
        let gauge = exchange.shared.hot.waiting.clone();
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}
