//! Which way an attempt takes.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::select_all;
use paceline_config::{Choose, FallBack};
use paceline_limiter::{Prospect, Timestamp};
use paceline_provider::{Fault, Refusal, RefusalKind};
use paceline_routing::{Fit, Health, Lane, LaneId, SessionKey};
use paceline_tokens::prices::{CostBound, Date};

use super::Call;
use super::plan::Plan;
use super::turn::{self, Waiting};
use super::way::Way;
use crate::exchange::Exchange;
use crate::lanes::routing_time;
use crate::respond::Problem;

/// How long calls take over a lane of which that is not known.
const LATENCY_UNKNOWN: Duration = Duration::from_secs(1);

/// What makes a call go on to another lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// The quota is spent, or lets it go too late.
    Quota,
    /// The provider is overloaded.
    Overload,
    /// The provider fails or cannot be reached, or refuses the gateway's key, for good or for this.
    Error,
    /// The input is too long for the model.
    ContextLength,
}

impl Trigger {
    /// What a refusal makes of a call; `None` where another lane would refuse it too.
    pub(super) fn of(refusal: &Refusal, own_key: bool) -> Option<Self> {
        if refusal.kind == RefusalKind::ContextLengthExceeded {
            return Some(Self::ContextLength);
        }
        match refusal.fault() {
            Fault::Quota => Some(Self::Quota),
            Fault::Overload => Some(Self::Overload),
            Fault::Provider => Some(Self::Error),
            Fault::Account | Fault::Permission => own_key.then_some(Self::Error),
            Fault::Caller => None,
        }
    }

    /// As it is in headers, logs and records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Overload => "overload",
            Self::Error => "error",
            Self::ContextLength => "context_length",
        }
    }

    fn setting(self) -> FallBack {
        match self {
            Self::Quota => FallBack::Quota,
            Self::Overload => FallBack::Overload,
            Self::Error => FallBack::Error,
            Self::ContextLength => FallBack::ContextLength,
        }
    }
}

/// Whether a call goes on to another lane for this.
pub(super) fn falls_back(plan: &Plan, trigger: Trigger) -> bool {
    let rule = plan.rule();
    rule.is_some_and(|rule| rule.fall_back_on.contains(&trigger.setting()))
}

/// The place in the plan of the way that the next attempt takes. While every lane is ill it waits for
/// the first that comes back, as long as the call has patience for that and one may.
///
/// # Errors
/// When no lane can take the call, or none comes back in time.
pub(super) async fn choose(call: &mut Call) -> Result<usize, Box<Problem>> {
    // Nearly always a lane is there, and nothing has to be listened to.
    match look(call) {
        Look::Go(way) => return Ok(way),
        Look::Wait(_) => {}
        Look::Nothing(problem) => return Err(problem),
    }
    let exchange = &mut call.exchange;
    let clock = exchange.shared.clock;
    let began = clock.now();
    let patience = call.plan.live.settings.breaker.patience;
    // One patience for all waits of the call.
    let give_up = *exchange
        .lanes_patience_until
        .get_or_insert(began + patience);
    let give_up = call.deadline.min(give_up);
    let waiting = Waiting::of(exchange);
    let chosen = wait_for_lane(call, give_up).await;
    drop(waiting);
    call.exchange.waited += clock.now().saturating_since(began);
    chosen
}

async fn wait_for_lane(call: &Call, give_up: Timestamp) -> Result<usize, Box<Problem>> {
    let shared = &call.exchange.shared;
    let clock = shared.clock;
    let mut stopped = pin!(shared.stopped());
    loop {
        // Listened to before they are looked at, so that no change is missed.
        let ways = &call.plan.ways;
        let changes: Vec<_> = ways.iter().map(|way| way.lane.changes()).collect();
        let mut changes: Vec<_> = changes.into_iter().map(Box::pin).collect();
        for change in &mut changes {
            change.as_mut().enable();
        }
        let until = match look(call) {
            Look::Go(way) => return Ok(way),
            Look::Wait(until) => until,
            Look::Nothing(problem) => return Err(problem),
        };
        let now = clock.now();
        // Where a call is finding out whether its lane is well, that may be known any moment.
        let is_hopeless = until > give_up && !ways.iter().any(|way| way.lane.is_probed());
        if now >= give_up || is_hopeless {
            return Err(Box::new(all_ill(call, until.saturating_since(now))));
        }
        let wake = clock.instant(until.min(give_up));
        tokio::select! {
            _ = select_all(changes) => {}
            () = tokio::time::sleep_until(wake.into()) => {}
            () = &mut stopped => return Err(Box::new(Problem::shutting_down())),
        }
    }
}

/// What a look at the lanes says.
enum Look {
    /// This way.
    Go(usize),
    /// All are ill; the first may be tried then.
    Wait(Timestamp),
    /// No lane can take the call.
    Nothing(Box<Problem>),
}

fn look(call: &Call) -> Look {
    let (exchange, plan) = (&call.exchange, &call.plan);
    let lanes = views(exchange, plan);
    if lanes.is_empty() {
        let model = exchange.model.as_deref().unwrap_or("-");
        return Look::Nothing(Box::new(Problem::no_lane_takes(model)));
    }
    let Some(chooser) = plan.chooser().filter(|_| plan.ways.len() > 1) else {
        return look_for_words(&lanes);
    };
    let now = routing_time(exchange.shared.clock.now());
    let choice = chooser.lock().choose(session(exchange), &lanes, now);
    match (choice.order.first(), choice.returns_at()) {
        (Some(first), _) => Look::Go(first.lane.0 as usize),
        (None, Some(until)) => Look::Wait(Timestamp::from_nanos(until.as_nanos())),
        // Every lane says for itself why it does not take the call: the first one that can tells it.
        (None, None) => look_for_words(&lanes),
    }
}

/// The first lane that is not ill, whatever else speaks against it; where there is one lane, it takes
/// all that it is fit for.
fn look_for_words(lanes: &[Lane]) -> Look {
    let mut returns = None;
    for lane in lanes {
        match lane.health {
            Health::Ill { until, .. } => {
                returns = Some(returns.map_or(until, |least| until.min(least)));
            }
            Health::Well | Health::Returning { .. } | Health::Probe { .. } => {
                return Look::Go(lane.id.0 as usize);
            }
        }
    }
    match returns {
        Some(until) => Look::Wait(Timestamp::from_nanos(until.as_nanos())),
        None => Look::Nothing(Box::new(Problem::internal())),
    }
}

/// The session that a call belongs to, of its tenant and with its model: each model has its own cache.
pub(super) fn session(exchange: &Exchange) -> Option<SessionKey> {
    let caller = &exchange.caller;
    let session = caller.session.as_deref()?;
    let model = exchange.model.as_deref().unwrap_or_default();
    Some(SessionKey::of([&*caller.tenant, model, session]))
}

/// The lanes that are left, as they are now.
pub(super) fn views(exchange: &Exchange, plan: &Plan) -> Vec<Lane> {
    let ways = plan.ways.iter().enumerate();
    let worst = ways.filter_map(|(place, way)| {
        let trigger = way.passed?;
        (!falls_back(plan, trigger)).then(|| plan.group(place))
    });
    // What made the call go on does not open the way to later groups.
    let lowest = worst.min();
    let may_take = |place| lowest.is_none_or(|lowest| plan.group(place) <= lowest);
    // One moment for all: lanes that draw on one pool are to be equally good, not the last one better.
    let now = exchange.shared.clock.now();
    let places = plan.ways.iter().zip(0_u32..);
    let left = places.filter(|(way, place)| way.is_left() && may_take(*place as usize));
    left.map(|(way, place)| view(exchange, plan, (way, LaneId(place)), now))
        .collect()
}

fn view(exchange: &Exchange, plan: &Plan, (way, id): (&Way, LaneId), now: Timestamp) -> Lane {
    let lane = &way.lane;
    let latency = lane.latency(paceline_routing::Latency::expected);
    let mut view = Lane {
        priority: way.priority,
        weight: way.weight,
        health: lane.health(),
        latency,
        ..Lane::new(id, lane.key())
    };
    let is_too_long = way
        .context_tokens
        .is_some_and(|most| plan.expected_tokens > most);
    if is_too_long {
        view.fit = Fit::ContextTooLong;
    }
    if let Some(paced) = way.paced.as_ref().filter(|_| plan.ways.len() > 1) {
        let asked = turn::request(exchange, paced, None);
        let prospect = paced.pool.prospect(&asked, now);
        view.wait = expected_wait(&prospect, latency);
        view.room = f64::from(prospect.room_ppm) / 1e6;
        view.takes = f64::from(prospect.takes_ppm) / 1e6;
        view.in_flight = u32::try_from(prospect.in_flight).unwrap_or(u32::MAX);
        view.price_nanousd = price(exchange, plan, way);
    }
    view
}

/// The time until the limits let a call go. Where that depends on the end of others, it is taken from
/// how long they take.
fn expected_wait(prospect: &Prospect, latency: Option<Duration>) -> Option<Duration> {
    if prospect.is_hopeless {
        return None;
    }
    prospect.wait.or_else(|| {
        let each = latency.unwrap_or(LATENCY_UNKNOWN);
        let under_way = u32::try_from(prospect.in_flight.max(1)).unwrap_or(u32::MAX);
        let ahead = u32::try_from(prospect.waiting + 1).unwrap_or(u32::MAX);
        Some(each.saturating_mul(ahead) / under_way)
    })
}

/// What the call will probably cost over a way, where that decides.
fn price(exchange: &Exchange, plan: &Plan, way: &Way) -> Option<u64> {
    let rule = plan.rule()?;
    if rule.choose != Choose::Cheapest {
        return None;
    }
    let (book, provider) = exchange.shared.recorder.prices_at(&way.lane.provider);
    let day = Date::of_unix_seconds(exchange.shared.now_ms().unsigned_abs() / 1_000);
    let price = book.price_at(&provider, &way.lane.model, day)?;
    let output = exchange.expected_output_tokens.max(1);
    let input = exchange.estimated_input_tokens;
    price.most_of(&CostBound::text(input, Some(output))).ok()
}

/// What a caller is told while every lane is ill.
fn all_ill(call: &Call, wait: Duration) -> Problem {
    let views = call.plan.ways.iter().filter_map(|way| {
        let cause = way.lane.view()?.cause?;
        let status = cause
            .status
            .map_or(String::new(), |status| format!(" {status}"));
        Some(format!(
            "{} ({}{status})",
            way.lane.name,
            cause.kind.as_str()
        ))
    });
    let lanes = views.collect::<Vec<_>>().join(", ");
    Problem::lanes_ill(&lanes, wait)
}
