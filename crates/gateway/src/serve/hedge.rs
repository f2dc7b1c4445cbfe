//! A second attempt beside a first one that is late, over another lane.
//!
//! It is made where the configuration asks for it and somebody waits for the answer. It takes a turn
//! and room in the budgets like any other, or is not made: it never waits for either. The first good
//! answer counts, and the other attempt is broken off.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use paceline_config::Tier;
use paceline_routing::{LaneId, Latency, Outcome as LaneOutcome};

use super::attempt::{NotReady, SentBy, give_way, ready, take};
use super::choose::views;
use super::plan::Plan;
use super::send::{self, Outgoing, Sent};
use super::turn;
use crate::exchange::{Ending, Exchange};
use crate::lanes::routing_time;
use crate::server::Worker;
use crate::upstream::SendError;

/// How long a second attempt waits for word from the budgets, which may be kept elsewhere.
const BUDGET_PATIENCE: Duration = Duration::from_millis(50);

/// What came of an attempt, and what it holds.
type Landed = (Result<Sent, SendError>, SentBy);

/// When the first attempt of the call is late; `None` where there is to be no second one.
pub(super) fn late_after(exchange: &Exchange, plan: &Plan, way: usize) -> Option<Duration> {
    plan.rule().filter(|rule| rule.hedge.is_some())?;
    let is_first = exchange.attempts == 0 && exchange.unsent == 0;
    let is_awaited = exchange.caller.tier == Tier::Interactive;
    if !is_first || !is_awaited || plan.ways.len() < 2 || !plan.payload.repeatable() {
        return None;
    }
    let p95 = plan.ways.get(way)?.lane.latency(Latency::p95);
    plan.chooser()?.lock().late_after(p95)
}

/// A second attempt under way.
type Flight = Pin<Box<dyn Future<Output = Box<Second>> + Send>>;

/// How a race ended.
enum End {
    /// The first attempt is over, and the second, if there is one, is still under way.
    First(Result<Sent, SendError>, Option<Flight>),
    /// The second has answered.
    Second(Box<Second>),
}

/// A second attempt that is over.
struct Second {
    exchange: Exchange,
    sent: Result<Sent, SendError>,
    sent_by: SentBy,
}

/// Sends a first attempt, and a second one beside it where no answer begins in time; what comes of the
/// one that the call goes on with.
pub(super) async fn race(
    worker: &Worker,
    exchange: &mut Exchange,
    plan: &mut Plan,
    (mut first, outgoing): (SentBy, Box<Outgoing>),
    late_after: Duration,
) -> Landed {
    let beside = exchange.beside();
    let first_way = first.way;
    let end = {
        let sending = send::send(exchange, &first.upstream, outgoing, first.lease.as_mut());
        let mut sending = pin!(sending);
        let ready = async {
            tokio::time::sleep(late_after).await;
            second(worker, plan, beside, first_way).await
        };
        let ready = tokio::select! {
            biased;
            sent = &mut sending => Err(sent),
            ready = ready => Ok(ready),
        };
        match ready {
            Err(sent) => End::First(sent, None),
            Ok(None) => End::First(sending.await, None),
            Ok(Some((story, sent_by, outgoing))) => {
                let mut second: Flight = Box::pin(fly(story, sent_by, outgoing));
                tokio::select! {
                    biased;
                    sent = &mut sending => End::First(sent, Some(second)),
                    landed = &mut second => match landed.sent {
                        Ok(Sent::Answer(_)) => End::Second(landed),
                        _ => {
                            fall_out(plan, landed);
                            End::First(sending.await, None)
                        }
                    },
                }
            }
        }
    };
    match end {
        End::First(sent, None) => (sent, first),
        End::First(Ok(Sent::Answer(answer)), Some(second)) => {
            // Its story ends as that of a call whose caller leaves.
            drop(second);
            if exchange.hedged().is_some() {
                exchange.attempts += 1;
                count(exchange, "lost");
            }
            (Ok(Sent::Answer(answer)), first)
        }
        End::First(failed, Some(second)) => {
            let ending = match failed {
                Err(_) => Ending::UpstreamFailed,
                Ok(_) => Ending::ProviderError,
            };
            give_way(exchange, plan, failed, first);
            let landed = second.await;
            exchange.go_on_with(landed.exchange, ending);
            let has_won = matches!(landed.sent, Ok(Sent::Answer(_)));
            count(exchange, if has_won { "won" } else { "failed" });
            (landed.sent, landed.sent_by)
        }
        End::Second(landed) => {
            first.passage.end(&LaneOutcome::Overtaken);
            exchange.go_on_with(landed.exchange, Ending::CallerGone);
            count(exchange, "won");
            (landed.sent, landed.sent_by)
        }
    }
}

/// A second attempt that is ready to go out.
type Ready = (Exchange, SentBy, Box<Outgoing>);

/// A second attempt that is ready to go out, where there may be one now.
async fn second(worker: &Worker, plan: &mut Plan, beside: Exchange, first: usize) -> Option<Ready> {
    let shared = Arc::clone(&beside.shared);
    let lanes = views(&beside, plan);
    let now = routing_time(shared.clock.now());
    let first = LaneId(u32::try_from(first).ok()?);
    let lane = plan.chooser()?.lock().second(first, lanes, now)?;
    let way = usize::try_from(lane.0).ok()?;
    let made = make(worker, plan, beside, way).await;
    if made.is_none() {
        plan.chooser()?.lock().not_second();
    }
    made
}

/// Takes the turn and the room in the budgets for a second attempt, if both are there at once.
async fn make(worker: &Worker, plan: &mut Plan, mut beside: Exchange, way: usize) -> Option<Ready> {
    take(&mut beside, plan, way);
    let body = plan.payload.whole();
    plan.ways
        .get_mut(way)?
        .say(body, &plan.live.settings)
        .ok()?;
    let lease = match &plan.ways.get(way)?.paced {
        Some(paced) => Some(turn::at_once(&mut beside, paced).await?),
        None => None,
    };
    let settings = &plan.live.settings;
    if !settings.budgets.is_empty() {
        let purse = &worker.shared.purse;
        let held = purse.reserve(settings, &beside, BUDGET_PATIENCE);
        beside.reserved = held.await.ok()?;
    }
    match ready(worker, &mut beside, plan, way, lease) {
        Ok((sent_by, outgoing)) => Some((beside, sent_by, outgoing)),
        Err(NotReady::Ill | NotReady::Problem(_)) => None,
    }
}

/// Sends a second attempt.
async fn fly(mut exchange: Exchange, mut sent_by: SentBy, outgoing: Box<Outgoing>) -> Box<Second> {
    let lease = sent_by.lease.as_mut();
    let sent = send::send(&mut exchange, &sent_by.upstream, outgoing, lease).await;
    Box::new(Second {
        exchange,
        sent,
        sent_by,
    })
}

/// Ends a second attempt that did not answer, while the first goes on.
fn fall_out(plan: &mut Plan, landed: Box<Second>) {
    let Second {
        mut exchange,
        sent,
        sent_by,
    } = *landed;
    let ending = match sent {
        Err(_) => Ending::UpstreamFailed,
        Ok(_) => Ending::ProviderError,
    };
    give_way(&mut exchange, plan, sent, sent_by);
    let hedges = &exchange.shared.metrics.hedges;
    if let Some(lane) = &exchange.lane {
        hedges.of(&[lane.label(), "failed"]).inc();
    }
    exchange.finish(ending);
}

/// Counts a second attempt by how it came out.
fn count(exchange: &Exchange, outcome: &str) {
    if let Some(hedged) = exchange.hedged() {
        let hedges = &exchange.shared.metrics.hedges;
        hedges.of(&[hedged.lane.label(), outcome]).inc();
    }
}
