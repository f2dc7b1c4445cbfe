//! Attempts of one call until there is something to tell the caller.
//!
//! Every attempt waits for its turn like the first. Nothing has gone to the caller before the last
//! one, so a failed attempt leaves no trace but the time it took and a line in the metrics.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use paceline_config::{Retry, SettleRule};
use paceline_limiter::{Outcome as Fate, Timestamp};
use paceline_pace::{charged_although_refused, is_quota};
use paceline_provider::{Pacing, Refusal, RetryAdvice};

use super::plan::choose_pool_again;
use super::send::{Answer, AnswerBody, Refused, Sent, build, send};
use super::{Call, turn};
use crate::announce::Progress;
use crate::body::ReplyBody;
use crate::exchange::{Ending, Exchange, milliseconds};
use crate::labels;
use crate::pace::{Lease, is_long_context};
use crate::refusal::{self, Pause, RefusedWith};
use crate::relay::{Guards, Relay, settle};
use crate::respond::Problem;
use crate::server::Worker;
use crate::upstream::{SendError, Upstream, answer_headers};

/// Runs a call to the start of its answer.
pub(super) async fn run(
    worker: &Arc<Worker>,
    mut call: Call,
    progress: Option<Arc<Progress>>,
) -> Response<ReplyBody> {
    let deadline = worker.shared.clock.now() + call.exchange.caller.max_wait;
    if let Err(problem) = reserve_budgets(worker, &mut call).await {
        return tell(call.exchange, Told::Gateway(problem, Ending::Refused));
    }
    loop {
        match attempt(worker, &mut call, deadline, progress.as_ref()).await {
            Step::Again => {}
            Step::Answer(answer, lease, upstream) => return relay(call, *answer, lease, &upstream),
            Step::Tell(told) => return tell(call.exchange, *told),
        }
    }
}

/// Reserves what the call may cost in all budgets that hold for it, before it waits for its turn.
async fn reserve_budgets(worker: &Worker, call: &mut Call) -> Result<(), Problem> {
    let settings = &call.plan.live.settings;
    if settings.budgets.is_empty() || call.exchange.endpoint.pacing == Pacing::None {
        return Ok(());
    }
    let patience = call.exchange.caller.max_wait;
    let purse = &worker.shared.purse;
    call.exchange.reserved = purse.reserve(settings, &call.exchange, patience).await?;
    Ok(())
}

/// What follows from one attempt.
enum Step {
    /// Another attempt is worth it, and the pause before it is over.
    Again,
    /// This goes to the caller.
    Answer(Box<Answer>, Option<Lease>, Arc<Upstream>),
    /// This ends the call.
    Tell(Box<Told>),
}

/// What the caller is told when no good answer came.
enum Told {
    /// The provider's own words.
    Provider(Box<Refused>),
    /// The gateway's words.
    Gateway(Problem, Ending),
}

async fn attempt(
    worker: &Arc<Worker>,
    call: &mut Call,
    deadline: Timestamp,
    progress: Option<&Arc<Progress>>,
) -> Step {
    let mut lease = None;
    if call.exchange.attempts > 0 {
        choose_pool_again(&mut call.plan, &mut call.exchange);
    }
    if let Some(paced) = &call.plan.paced {
        match turn::wait(&mut call.exchange, paced, deadline, progress).await {
            Ok(granted) => lease = Some(granted),
            Err(refusal) => {
                let problem = Problem::refusal(&refusal, paced.pool.watch().name());
                return tell_gateway(problem, Ending::Refused);
            }
        }
    }
    let upstream = match worker.upstream(&call.plan.live) {
        Ok(upstream) => upstream,
        Err(error) => {
            tracing::error!(%error, "the upstream cannot be used");
            return tell_gateway(Problem::internal(), Ending::UpstreamFailed);
        }
    };
    let Some(request) = build(call, &upstream) else {
        return tell_gateway(Problem::internal(), Ending::UpstreamFailed);
    };
    let strip_usage = call.plan.strip_usage;
    let sent = send(
        &mut call.exchange,
        &upstream,
        request,
        lease.as_mut(),
        strip_usage,
    )
    .await;
    match sent {
        Ok(Sent::Answer(answer)) => Step::Answer(answer, lease, upstream),
        Ok(Sent::Refused(refused)) => after_refusal(call, *refused, lease).await,
        Ok(Sent::RefusedInStream(refusal, answer)) => {
            if let Some(pause) = note_refusal(call, (&refusal, None), None) {
                drop(lease);
                tokio::time::sleep(pause).await;
                return Step::Again;
            }
            Step::Answer(answer, lease, upstream)
        }
        Err(error) => after_failure(call, &error, lease).await,
    }
}

async fn after_failure(call: &mut Call, error: &SendError, lease: Option<Lease>) -> Step {
    if error.nothing_sent() {
        call.exchange.shared.note_upstream(false);
        call.exchange.unsent += 1;
    }
    call.exchange.trace.failed(error);
    // A lease whose request never went out gives its whole reservation back.
    drop(lease);
    tracing::warn!(id = %call.exchange.request_id, %error, "attempt failed");
    match next_pause(call, None).filter(|_| call.plan.payload.repeatable()) {
        Some(pause) => {
            call.exchange.shared.metrics.retries.of(&["network"]).inc();
            tokio::time::sleep(pause).await;
            Step::Again
        }
        None => tell_gateway(Problem::upstream(error), Ending::UpstreamFailed),
    }
}

async fn after_refusal(call: &mut Call, refused: Refused, lease: Option<Lease>) -> Step {
    let pause = note_refusal(call, (&refused.refusal, Some(&refused.head.headers)), lease);
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
        return Step::Again;
    }
    let ran_out = refused.refusal.retry() != RetryAdvice::Never
        && refused.refusal.should_retry != Some(false)
        && is_quota(refused.refusal.kind)
        && call.exchange.attempts > 1;
    if ran_out {
        let wait = refused
            .refusal
            .retry_after
            .unwrap_or(Duration::from_secs(1));
        let attempts = call.exchange.attempts;
        let problem = Problem::exhausted(attempts, &refused.refusal.message, wait);
        return tell_gateway(problem, Ending::ProviderError);
    }
    Step::Tell(Box::new(Told::Provider(Box::new(refused))))
}

/// Tells pool and metrics of a refusal; the pause before the next attempt, if one is worth it.
///
/// Where the limit pool itself cools down there is no pause here: the next turn comes after it.
fn note_refusal(
    call: &mut Call,
    (refusal, headers): (&Refusal, Option<&HeaderMap>),
    lease: Option<Lease>,
) -> Option<Duration> {
    refusal::note(&call.exchange, refusal);
    call.exchange.trace.refused(&labels::refusal(refusal));
    if refusal.limit_name.as_deref().is_some_and(is_long_context) {
        // It is the pool of long requests that has to pause, and not the one that this was taken for.
        choose_pool_again(&mut call.plan, &mut call.exchange);
    }
    if let Some(lease) = lease {
        let charged = charged_although_refused(lease.charge(), refusal);
        lease.settle(
            charged,
            None,
            if is_quota(refusal.kind) {
                Fate::Refused
            } else {
                Fate::Failed
            },
        );
    }
    let worth_it = refusal.retry() != RetryAdvice::Never
        && refusal.should_retry != Some(false)
        && call.plan.payload.repeatable();
    let pause = next_pause(call, refusal.retry_after);
    let jitter = random_up_to(call.plan.live.settings.retry.jitter);
    let cools_down = match &call.plan.paced {
        Some(paced) => {
            let penalty_tokens = paced.penalty_tokens;
            let pause = Pause {
                unnamed: pause,
                jitter,
            };
            let told = RefusedWith { refusal, headers };
            refusal::cool_down(&call.exchange, &paced.pool, &told, pause, penalty_tokens)
        }
        None => false,
    };
    let pause = pause.filter(|_| worth_it)?;
    let reason = labels::refusal(refusal);
    call.exchange.shared.metrics.retries.of(&[&reason]).inc();
    Some(if cools_down { Duration::ZERO } else { pause })
}

/// The pause before another attempt, or `None` when there were enough.
///
/// `Retry-After` is the floor; without it the pause doubles from `base_delay` to `delay_max`. The
/// jitter only ever adds.
fn next_pause(call: &Call, asked: Option<Duration>) -> Option<Duration> {
    let retry: &Retry = &call.plan.live.settings.retry;
    // An attempt that never got out counts too, or an unreachable upstream would be tried for ever.
    let made = (call.exchange.attempts + call.exchange.unsent).max(1);
    if made > retry.retries_max {
        return None;
    }
    let doubled = retry.base_delay.saturating_mul(1 << (made - 1).min(20));
    let wait = asked.unwrap_or_else(|| doubled.min(retry.delay_max));
    Some(wait + random_up_to(retry.jitter))
}

fn random_up_to(most: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    most.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

fn tell_gateway(problem: Problem, ending: Ending) -> Step {
    Step::Tell(Box::new(Told::Gateway(problem, ending)))
}

fn tell(mut exchange: Exchange, told: Told) -> Response<ReplyBody> {
    let (mut response, ending) = match told {
        Told::Provider(refused) => {
            let mut head = refused.head;
            exchange.error_code = refused.refusal.code.as_deref().map(Arc::from);
            answer_headers(&mut head.headers);
            head.headers.remove(http::header::CONTENT_LENGTH);
            let body = ReplyBody::whole(refused.body);
            (Response::from_parts(head, body), Ending::ProviderError)
        }
        Told::Gateway(problem, ending) => {
            if ending == Ending::Refused {
                let counter = exchange
                    .shared
                    .metrics
                    .refusals
                    .of(&["gateway", problem.code]);
                counter.inc();
            }
            exchange.status = problem.status.as_u16();
            exchange.error_code = Some(Arc::from(problem.code));
            (problem.into_response(), ending)
        }
    };
    own_headers(&exchange, &mut response);
    exchange.finish(ending);
    response
}

/// Passes a good answer on.
fn relay(
    call: Call,
    answer: Answer,
    lease: Option<Lease>,
    upstream: &Upstream,
) -> Response<ReplyBody> {
    let Answer {
        mut head,
        body,
        reader,
        connection,
    } = answer;
    let settle_rule = match &call.plan.paced {
        Some(paced) => paced.settle,
        None => SettleRule::AtAdmission,
    };
    let mut exchange = call.exchange;
    answer_headers(&mut head.headers);
    if !reader.passes_unchanged() || matches!(body, AnswerBody::Whole(_)) {
        // The length is set anew from what is sent.
        head.headers.remove(http::header::CONTENT_LENGTH);
    }
    let mut response = Response::from_parts(head, ReplyBody::empty());
    own_headers(&exchange, &mut response);
    match body {
        AnswerBody::Whole(bytes) => {
            connection.keep();
            let outcome = reader.finished(&mut |_| ()).outcome();
            exchange.read(&outcome);
            if let Some(lease) = lease {
                settle(lease, settle_rule, &outcome, true);
            }
            exchange.finish(Ending::Ok);
            *response.body_mut() = ReplyBody::whole(bytes);
        }
        AnswerBody::Rest(rest, ready) => {
            let guards = Guards {
                exchange,
                lease,
                settle_rule,
                connection,
            };
            let relay = Relay::new(rest, ready, reader, guards, upstream);
            *response.body_mut() = ReplyBody::Relay(Box::new(relay));
        }
    }
    response
}

/// Tells the caller what happened to its request, in headers.
pub(crate) fn own_headers(exchange: &Exchange, response: &mut Response<ReplyBody>) {
    let headers = response.headers_mut();
    let mut insert = |name: &'static str, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    insert("x-paceline-request-id", &exchange.request_id);
    insert(
        "x-paceline-wait-ms",
        &milliseconds(exchange.waited).to_string(),
    );
    insert("x-paceline-attempts", &exchange.attempts.to_string());
    if exchange.estimated_tokens > 0 {
        insert(
            "x-paceline-estimated-tokens",
            &exchange.estimated_tokens.to_string(),
        );
    }
    if let Some(binding) = exchange.limited_by {
        insert("x-paceline-limited-by", &binding.to_string());
    }
}
