//! Attempts of one call until there is something to tell the caller.
//!
//! Every attempt waits for its turn like the first. Nothing has gone to the caller before the last
//! one, so a failed attempt leaves no trace but the time it took and a line in the metrics.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Response};
use paceline_config::{Retry, UPSTREAM};
use paceline_limiter::{Metric, Outcome as Fate, Timestamp};
use paceline_pace::{charged_although_refused, is_quota};
use paceline_provider::{Pacing, Refusal, RefusalKind, RetryAdvice};
use paceline_routing::{Fault, FaultKind, Outcome as LaneOutcome};

use super::choose::{Trigger, choose, falls_back, session};
use super::plan::Plan;
use super::send::{Answer, AnswerBody, Outgoing, Refused, Sent, build, send};
use super::turn::{NoTurn, Waiting};
use super::way::{Terms, Way, Wording};
use super::{Call, hedge, turn};
use crate::announce::Progress;
use crate::body::ReplyBody;
use crate::exchange::{Ending, Exchange, Passed, milliseconds};
use crate::labels;
use crate::lanes::{Passage, outcome_of, routing_time};
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
    if call
        .plan
        .ways
        .iter()
        .all(|way| way.wording == Wording::Counted)
    {
        return counted(call.exchange);
    }
    if let Err(problem) = reserve_budgets(worker, &mut call).await {
        return tell(call.exchange, Told::Gateway(problem, Ending::Refused));
    }
    loop {
        match attempt(worker, &mut call, progress.as_ref()).await {
            Step::Again => {}
            Step::Answer(answer, sent_by) => return relay(call, *answer, *sent_by),
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

/// Answers a question for the tokens of a request with the estimate: the provider counts none.
fn counted(mut exchange: Exchange) -> Response<ReplyBody> {
    let body = paceline_translate::count_answer(exchange.estimated_input_tokens);
    let mut response = Response::new(ReplyBody::whole(body));
    let json = HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    exchange.status = 200;
    own_headers(&exchange, &mut response);
    exchange.finish(Ending::Ok);
    response
}

/// What follows from one attempt.
enum Step {
    /// Another attempt is worth it, and the pause before it is over.
    Again,
    /// This goes to the caller.
    Answer(Box<Answer>, Box<SentBy>),
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

async fn attempt(worker: &Arc<Worker>, call: &mut Call, progress: Option<&Arc<Progress>>) -> Step {
    let way = match choose(call).await {
        Ok(way) => way,
        Err(problem) => {
            return match call.last_words.take() {
                // What the provider said tells more than that it is left alone now.
                Some(refused) => Step::Tell(Box::new(Told::Provider(refused))),
                None => tell_gateway(*problem, Ending::Refused),
            };
        }
    };
    let deadline = call.deadline;
    let (exchange, plan) = (&mut call.exchange, &mut call.plan);
    take(exchange, plan, way);
    if let Err(problem) = plan.ways[way].say(plan.payload.whole(), &plan.live.settings) {
        // What this provider's words cannot say, another's may.
        return match plan.ways.iter().any(Way::is_left) {
            true => Step::Again,
            false => tell_gateway(problem, Ending::Refused),
        };
    }
    let mut lease = None;
    if let Some(paced) = plan.ways.get(way).and_then(|way| way.paced.as_ref()) {
        let may_leave = plan.ways.len() > 1;
        match turn::wait(exchange, paced, (deadline, may_leave), progress).await {
            Ok(granted) => lease = Some(granted),
            Err(NoTurn::Left) => return Step::Again,
            Err(NoTurn::Refused(refusal)) => {
                if passes_on(exchange, plan, way, Trigger::Quota) {
                    return Step::Again;
                }
                if let Some(refused) = call.last_words.take() {
                    // What the provider said tells more than that there is no time for another attempt.
                    return Step::Tell(Box::new(Told::Provider(refused)));
                }
                let paced = &plan.ways[way].paced;
                let pool = paced.as_ref().map_or("", |paced| paced.pool.watch().name());
                return tell_gateway(Problem::refusal(&refusal, pool), Ending::Refused);
            }
        }
    }
    let ready = match ready(worker, exchange, plan, way, lease) {
        Ok(ready) => ready,
        // The lane may have become ill while the call waited; what was reserved goes back whole.
        Err(NotReady::Ill) => {
            tokio::task::yield_now().await;
            return Step::Again;
        }
        Err(NotReady::Problem(problem)) => return tell_gateway(*problem, Ending::UpstreamFailed),
    };
    let (sent, sent_by) = match hedge::late_after(exchange, plan, way) {
        // Seldom, and not to make the future of every call larger.
        Some(time) => Box::pin(hedge::race(worker, exchange, plan, ready, time)).await,
        None => {
            let (mut sent_by, outgoing) = ready;
            let lease = sent_by.lease.as_mut();
            let sent = send(exchange, &sent_by.upstream, outgoing, lease).await;
            (sent, sent_by)
        }
    };
    match sent {
        Ok(Sent::Answer(answer)) => {
            sent_by.passage.first_byte();
            keep_session(exchange, plan, sent_by.way);
            Step::Answer(answer, Box::new(sent_by))
        }
        Ok(Sent::Refused(refused)) => after_refusal(call, *refused, sent_by).await,
        Ok(Sent::RefusedInStream(refusal, answer)) => {
            after_refusal_in_stream(call, &refusal, answer, sent_by).await
        }
        Err(error) => after_failure(call, &error, sent_by).await,
    }
}

/// Why an attempt does not go out.
pub(super) enum NotReady {
    /// The lane is ill.
    Ill,
    /// It cannot be built.
    Problem(Box<Problem>),
}

/// An attempt that is about to go out over a way, where its turn has come.
pub(super) fn ready(
    worker: &Worker,
    exchange: &mut Exchange,
    plan: &mut Plan,
    way: usize,
    lease: Option<Lease>,
) -> Result<(SentBy, Box<Outgoing>), NotReady> {
    let lane = Arc::clone(&plan.ways[way].lane);
    let passage = lane.begin().map_err(|_| NotReady::Ill)?;
    let upstream = worker
        .upstream(&plan.live, &lane.provider)
        .map_err(|error| {
            tracing::error!(%error, "the upstream cannot be used");
            Problem::internal()
        });
    let built = upstream.and_then(|upstream| {
        let outgoing = build(exchange, plan, way, &upstream)?;
        Ok((upstream, outgoing))
    });
    match built {
        Ok((upstream, outgoing)) => {
            let sent_by = SentBy {
                way,
                lease,
                passage,
                upstream,
            };
            Ok((sent_by, outgoing))
        }
        Err(problem) => {
            passage.end(&LaneOutcome::Ours);
            Err(NotReady::Problem(Box::new(problem)))
        }
    }
}

/// What one attempt holds while it is under way.
pub(super) struct SentBy {
    /// The way's place in the plan.
    pub(super) way: usize,
    pub(super) lease: Option<Lease>,
    pub(super) passage: Passage,
    pub(super) upstream: Arc<Upstream>,
}

impl SentBy {
    /// Ends an attempt that the provider refused.
    fn end_refused(self, plan: &mut Plan, refusal: &Refusal) {
        let outcome = match is_model_unknown(plan, self.way, refusal) {
            true => LaneOutcome::Fault(Fault {
                status: refusal.status,
                ..Fault::new(FaultKind::Status).with_message(&refusal.message)
            }),
            false => outcome_of(refusal, is_own_key(plan, self.way)),
        };
        tell_lane(plan, self.way, self.passage, outcome);
        let Some(lease) = self.lease else {
            return;
        };
        let charged = charged_although_refused(lease.charge(), refusal);
        let fate = match is_quota(refusal.kind) {
            true => Fate::Refused,
            false => Fate::Failed,
        };
        lease.settle(charged, None, fate);
    }

    /// Ends an attempt that failed. One whose request never went out gives its whole reservation back.
    fn end_failed(self, exchange: &mut Exchange, plan: &mut Plan, error: &SendError) {
        if error.nothing_sent() {
            let provider = plan.ways.get(self.way).map(|way| &*way.lane.provider);
            let provider = provider.unwrap_or(UPSTREAM);
            exchange.shared.note_reached(provider, false);
            exchange.unsent += 1;
        }
        exchange.trace.failed(error);
        let outcome = outcome_of_failure(exchange, error);
        tell_lane(plan, self.way, self.passage, outcome);
        tracing::warn!(id = %exchange.request_id, %error, "attempt failed");
    }
}

/// Tells the lane how an attempt ended that did not answer. However often a call fails there, it is one
/// fault.
fn tell_lane(plan: &mut Plan, way: usize, passage: Passage, mut outcome: LaneOutcome) {
    if let (LaneOutcome::Fault(fault), Some(way)) = (&mut outcome, plan.ways.get_mut(way)) {
        fault.is_repeated = std::mem::replace(&mut way.has_failed, true);
    }
    passage.end(&outcome);
}

/// Ends an attempt that did not answer while another one of its call goes on.
pub(super) fn give_way(
    exchange: &mut Exchange,
    plan: &mut Plan,
    sent: Result<Sent, SendError>,
    sent_by: SentBy,
) {
    let way = sent_by.way;
    let (refusal, headers) = match sent {
        Ok(Sent::Answer(_)) => return,
        Ok(Sent::Refused(refused)) => (refused.refusal, Some(refused.head.headers)),
        Ok(Sent::RefusedInStream(refusal, _)) => (*refusal, None),
        Err(error) => {
            sent_by.end_failed(exchange, plan, &error);
            passes_on(exchange, plan, way, Trigger::Error);
            return;
        }
    };
    let told = RefusedWith {
        refusal: &refusal,
        headers: headers.as_ref(),
    };
    note_refusal(exchange, plan, &told, way);
    if let Some(trigger) = trigger_of(plan, way, &refusal) {
        passes_on(exchange, plan, way, trigger);
    }
    sent_by.end_refused(plan, &refusal);
}

/// Lets the story go on over a way.
pub(super) fn take(exchange: &mut Exchange, plan: &mut Plan, way: usize) {
    let is_again = exchange.attempts > 0;
    let Some(way) = plan.ways.get_mut(way) else {
        return;
    };
    exchange.lane = Some(Arc::clone(&way.lane));
    exchange.own_key = way.own_key;
    let Some(paced) = &mut way.paced else {
        return;
    };
    if is_again {
        paced.choose_pool_again(&exchange.shared, &plan.live, &way.lane);
    }
    way.lane.draws_on(&paced.pool);
    exchange.pool = Some(Arc::clone(paced.pool.watch().name()));
    exchange.asks = Some(paced.asks.clone());
    exchange.estimated_tokens = paced.charge.get(Metric::Tokens);
}

/// Whether the call goes on to another lane because of what happened at this one, which is then not
/// tried again.
fn passes_on(exchange: &mut Exchange, plan: &mut Plan, way: usize, trigger: Trigger) -> bool {
    if !plan.payload.repeatable() {
        return false;
    }
    let falls_back = falls_back(plan, trigger);
    let Some(place) = plan.ways.get_mut(way) else {
        return false;
    };
    place.passed = Some(trigger);
    let lane = Arc::clone(&place.lane);
    let own = place.priority;
    let may_take = |way: &Way| way.is_left() && (falls_back || way.priority <= own);
    if !plan.ways.iter().any(may_take) {
        return false;
    }
    let why = trigger.name();
    lane.passed_on(why);
    let lane = Arc::clone(lane.shown());
    tracing::info!(id = %exchange.request_id, %lane, why, "the call goes on to another lane");
    exchange.passed.push(Passed { lane, why });
    true
}

/// Rests before another attempt; `false`: the gateway stops, and there is to be none.
async fn rest(exchange: &Exchange, pause: Duration) -> bool {
    if pause.is_zero() {
        return true;
    }
    let _waiting = Waiting::of(exchange);
    tokio::select! {
        () = tokio::time::sleep(pause) => true,
        () = exchange.shared.stopped() => false,
    }
}

async fn after_failure(call: &mut Call, error: &SendError, sent_by: SentBy) -> Step {
    let (exchange, plan) = (&mut call.exchange, &mut call.plan);
    let way = sent_by.way;
    sent_by.end_failed(exchange, plan, error);
    let retries = exchange.shared.metrics.retries.of(&["network"]);
    if passes_on(exchange, plan, way, Trigger::Error) {
        retries.inc();
        return Step::Again;
    }
    let pause = next_pause(exchange, plan, None).filter(|_| plan.payload.repeatable());
    let pause = pause.filter(|pause| is_in_time(exchange, call.deadline, *pause));
    if let Some(pause) = pause {
        retries.inc();
        forget_passed(plan);
        if rest(exchange, pause).await {
            return Step::Again;
        }
    }
    tell_gateway(Problem::upstream(error), Ending::UpstreamFailed)
}

/// What a failure says about the lane: that a caller has less patience than is set says nothing.
fn outcome_of_failure(exchange: &Exchange, error: &SendError) -> LaneOutcome {
    let own = exchange.caller.attempt_timeout;
    match error {
        SendError::Timeout { limit, .. } if own.is_some_and(|own| own <= *limit) => {
            LaneOutcome::Left
        }
        error => LaneOutcome::from(error),
    }
}

async fn after_refusal(call: &mut Call, refused: Refused, sent_by: SentBy) -> Step {
    let (exchange, plan) = (&mut call.exchange, &mut call.plan);
    let way = sent_by.way;
    let refusal = &refused.refusal;
    sent_by.end_refused(plan, refusal);
    let told = RefusedWith {
        refusal,
        headers: Some(&refused.head.headers),
    };
    let noted = note_refusal(exchange, plan, &told, way);
    let pause = pause_after(exchange, plan, refusal, way, noted);
    let pause = pause.filter(|pause| is_in_time(exchange, call.deadline, *pause));
    if let Some(pause) = pause {
        let reason = labels::refusal(refusal);
        exchange.shared.metrics.retries.of(&[&reason]).inc();
        if !rest(exchange, pause).await {
            return Step::Tell(Box::new(Told::Provider(Box::new(refused))));
        }
        call.last_words = Some(Box::new(refused));
        return Step::Again;
    }
    let ran_out = is_worth_another(refusal) && is_quota(refusal.kind) && exchange.attempts > 1;
    if ran_out {
        let wait = refusal.retry_after.unwrap_or(Duration::from_secs(1));
        let problem = Problem::exhausted(exchange.attempts, &refusal.message, wait);
        return tell_gateway(problem, Ending::ProviderError);
    }
    Step::Tell(Box::new(Told::Provider(Box::new(refused))))
}

/// A stream that began as a success told a refusal before anything else. Where there is no other attempt
/// it goes to the caller as it is.
async fn after_refusal_in_stream(
    call: &mut Call,
    refusal: &Refusal,
    answer: Box<Answer>,
    sent_by: SentBy,
) -> Step {
    let (exchange, plan) = (&mut call.exchange, &mut call.plan);
    let told = RefusedWith {
        refusal,
        headers: None,
    };
    let noted = note_refusal(exchange, plan, &told, sent_by.way);
    let pause = pause_after(exchange, plan, refusal, sent_by.way, noted);
    let Some(pause) = pause.filter(|pause| is_in_time(exchange, call.deadline, *pause)) else {
        return Step::Answer(answer, Box::new(sent_by));
    };
    let reason = labels::refusal(refusal);
    exchange.shared.metrics.retries.of(&[&reason]).inc();
    sent_by.end_refused(plan, refusal);
    match rest(exchange, pause).await {
        true => Step::Again,
        false => tell_gateway(Problem::shutting_down(), Ending::Refused),
    }
}

fn is_worth_another(refusal: &Refusal) -> bool {
    refusal.retry() != RetryAdvice::Never && refusal.should_retry != Some(false)
}

/// What a refusal makes of a call.
fn trigger_of(plan: &Plan, way: usize, refusal: &Refusal) -> Option<Trigger> {
    match is_model_unknown(plan, way, refusal) {
        true => Some(Trigger::Error),
        false => Trigger::of(refusal, is_own_key(plan, way)),
    }
}

/// Whether the provider does not have the model whose name the settings put in the place of the
/// caller's: another lane may have it, and the caller cannot help it.
fn is_model_unknown(plan: &Plan, way: usize, refusal: &Refusal) -> bool {
    let asked = plan.rule().is_some() && refusal.kind == RefusalKind::NotFound;
    asked && plan.ways.get(way).is_some_and(Way::is_renamed)
}

fn is_own_key(plan: &Plan, way: usize) -> bool {
    plan.ways.get(way).is_some_and(|way| way.own_key)
}

/// What was made of a refusal.
struct Noted {
    /// The pause before another attempt, where there are to be more.
    pause: Option<Duration>,
    /// Whether the limit pool itself cools down, so that the next turn comes after that.
    cools_down: bool,
}

/// Tells pool and metrics of a refusal.
fn note_refusal(
    exchange: &mut Exchange,
    plan: &mut Plan,
    told: &RefusedWith<'_>,
    way: usize,
) -> Noted {
    let refusal = told.refusal;
    refusal::note(exchange, refusal);
    exchange.trace.refused(&labels::refusal(refusal));
    if refusal.limit_name.as_deref().is_some_and(is_long_context) {
        // It is the pool of long requests that has to pause, and not the one that this was taken for.
        take(exchange, plan, way);
    }
    let pause = next_pause(exchange, plan, refusal.retry_after);
    let cools_down = cool_down(exchange, plan, way, told, pause);
    Noted { pause, cools_down }
}

/// The pause before the attempt that follows a refusal, if one is worth it. There is none before another
/// lane.
fn pause_after(
    exchange: &mut Exchange,
    plan: &mut Plan,
    refusal: &Refusal,
    way: usize,
    noted: Noted,
) -> Option<Duration> {
    let trigger = trigger_of(plan, way, refusal);
    let pause = if trigger.is_some_and(|trigger| passes_on(exchange, plan, way, trigger)) {
        Duration::ZERO
    } else {
        let is_worth_it = is_worth_another(refusal) && plan.payload.repeatable();
        let pause = noted.pause.filter(|_| is_worth_it)?;
        forget_passed(plan);
        if noted.cools_down {
            Duration::ZERO
        } else {
            pause
        }
    };
    Some(pause)
}

/// Whether an attempt after a pause would start in the time that the call may wait.
fn is_in_time(exchange: &Exchange, deadline: Timestamp, pause: Duration) -> bool {
    exchange.shared.clock.now() + pause <= deadline
}

/// Lets the way's pool cool down when the refusal concerns everyone in it; whether it does.
fn cool_down(
    exchange: &Exchange,
    plan: &Plan,
    way: usize,
    told: &RefusedWith<'_>,
    unnamed: Option<Duration>,
) -> bool {
    let Some(paced) = plan.ways.get(way).and_then(|way| way.paced.as_ref()) else {
        return false;
    };
    let pause = Pause {
        unnamed,
        jitter: random_up_to(plan.live.settings.retry.jitter),
    };
    refusal::cool_down(exchange, &paced.pool, told, pause, paced.penalty_tokens)
}

/// The session goes on over the lane that has its prompt.
fn keep_session(exchange: &Exchange, plan: &Plan, way: usize) {
    let (Some(chooser), Some(session)) = (plan.chooser(), session(exchange)) else {
        return;
    };
    if let Some(way) = plan.ways.get(way) {
        let now = routing_time(exchange.shared.clock.now());
        chooser.lock().answered(session, way.lane.key(), now);
    }
}

/// All ways are open to the next attempt.
fn forget_passed(plan: &mut Plan) {
    for way in &mut plan.ways {
        way.passed = None;
    }
}

/// The pause before another attempt, or `None` when there were enough.
///
/// `Retry-After` is the floor; without it the pause doubles from `base_delay` to `delay_max`. The
/// jitter only ever adds.
fn next_pause(exchange: &Exchange, plan: &Plan, asked: Option<Duration>) -> Option<Duration> {
    let retry: &Retry = &plan.live.settings.retry;
    // An attempt that never got out counts too, or an unreachable upstream would be tried for ever.
    let made = (exchange.attempts + exchange.unsent).max(1);
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
            let Refused {
                refusal,
                mut head,
                mut body,
                translation,
            } = *refused;
            if let Some(translation) = translation {
                body = translation.error(&mut head, &body);
            }
            exchange.error_code = refusal.code.as_deref().map(Arc::from);
            answer_headers(&mut head.headers);
            head.headers.remove(http::header::CONTENT_LENGTH);
            let body = ReplyBody::whole(body);
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
            let dialect = exchange.endpoint.kind.dialect();
            (problem.in_words_of(dialect).into_response(), ending)
        }
    };
    own_headers(&exchange, &mut response);
    exchange.finish(ending);
    response
}

/// Passes a good answer on.
fn relay(call: Call, answer: Answer, sent_by: SentBy) -> Response<ReplyBody> {
    let SentBy {
        way,
        lease,
        passage,
        upstream,
    } = sent_by;
    let Answer {
        mut head,
        body,
        reader,
        connection,
    } = answer;
    let taken = call.plan.ways.get(way);
    let terms = taken.map_or(Terms::NONE, Way::terms);
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
            passage.end(&LaneOutcome::Whole);
            if let Some(lease) = lease {
                settle(lease, &terms, &outcome, true);
            }
            exchange.finish(Ending::Ok);
            *response.body_mut() = ReplyBody::whole(bytes);
        }
        AnswerBody::Rest(rest, ready) => {
            // A stream may be continued as soon as it has told its end.
            if let Some(id) = reader.response_id() {
                exchange.keep_response(id);
            }
            let guards = Guards {
                exchange,
                lease,
                passage,
                terms,
                connection,
                upstream,
            };
            let relay = Relay::new(rest, ready, reader, guards);
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
    if let Some(lane) = &exchange.lane {
        insert("x-paceline-lane", lane.shown());
    }
    if let Some(passed) = exchange.passed_lanes() {
        insert("x-paceline-passed", &passed);
    }
    if let Some(hedged) = exchange.hedged() {
        insert("x-paceline-hedged", hedged.lane.shown());
    }
}
