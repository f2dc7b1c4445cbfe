//! Lanes as they stand, and the order to take one to be well.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use paceline_admin_api::{
    LaneCause, LaneLimit, LaneNow, LanePool, LaneState, LaneWindow, Lanes, LanesNow, ProviderState,
};
use paceline_config::{Settings, UPSTREAM, Upstream};
use paceline_limiter::{LimitView, Timestamp};
use paceline_routing::{BreakerView, Cause, Latency, StateView};

use super::parameters::NoParameters;
use super::problem::Problem;
use super::views::source_name;
use crate::clock::{Clock, unix_ms};
use crate::exchange::milliseconds;
use crate::lanes::Lane;
use crate::pace::Pool;
use crate::route::rules_of;
use crate::shared::Shared;

/// The routes of this module; the token is asked for around them.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/monitoring/lanes", get(lanes))
        .route("/monitoring/lanes/{name}/reset", post(reset))
}

async fn lanes(State(shared): State<Arc<Shared>>, _: NoParameters) -> Json<Lanes> {
    let live = shared.live();
    let all = live.lanes.all();
    let states = all
        .iter()
        .map(|lane| lane_state(lane, &live.settings, shared.clock));
    Json(Lanes {
        lanes: states.collect(),
        providers: providers(&live.settings),
    })
}

async fn reset(
    State(shared): State<Arc<Shared>>,
    name: Result<Path<String>, PathRejection>,
    _: NoParameters,
) -> Result<Json<LaneState>, Problem> {
    // Callers make up names of models that no other name here can have: there is no bound but theirs.
    let Ok(Path(name)) = name else {
        return Err(Problem::invalid("name", "UTF-8, percent-encoded"));
    };
    let live = shared.live();
    let lanes = live.lanes.all();
    let Some(lane) = lanes.iter().find(|lane| *lane.name == *name) else {
        return Err(Problem::not_found(
            "no lane has this name; /monitoring/lanes lists those that there are",
        ));
    };
    lane.reset();
    tracing::warn!(
        lane = %lane.name,
        asked_by = "an operator with the admin token",
        "the lane is taken to be well, whatever its calls told"
    );
    Ok(Json(lane_state(lane, &live.settings, shared.clock)))
}

/// The most lanes that are not well of which the feed tells more than that.
const ILL_TOLD_MAX: usize = 8;

/// How many lanes there are, and which are not well: for the feed.
pub(super) fn in_short(shared: &Shared) -> LanesNow {
    let (all, now) = (shared.live().lanes.all(), shared.clock.now());
    let mut ill: Vec<LaneNow> = all.iter().filter_map(|lane| lane_now(lane, now)).collect();
    let returning = ill.iter().filter(|lane| lane.share.is_some()).count();
    let out = ill.len() - returning;
    ill.sort_by_key(|lane| (lane.share.is_some(), Reverse(lane.ill_ms)));
    ill.truncate(ILL_TOLD_MAX);
    LanesNow {
        total: all.len() as u64,
        out: out as u64,
        returning: returning as u64,
        ill,
    }
}

/// `None` for a lane that is well or not watched.
fn lane_now(lane: &Lane, now: Timestamp) -> Option<LaneNow> {
    let view = lane.view()?;
    let ill_since = Timestamp::from_nanos(view.ill_since?.as_nanos());
    Some(LaneNow {
        name: lane.name.to_string(),
        state: view.state.as_str().to_owned(),
        share: match view.state {
            StateView::Returning { share } => Some(share),
            _ => None,
        },
        // In whole seconds, so that the time alone makes no more than one event a second.
        ill_ms: (now.saturating_since(ill_since).as_secs() + 1) * 1_000,
        cause: view
            .cause
            .as_ref()
            .map(|cause| cause.kind.as_str().to_owned()),
        status: view.cause.as_ref().and_then(|cause| cause.status),
    })
}

/// Fills the gauges of lanes. Where several have one name in metrics, the worst of them counts.
pub(super) fn fill_gauges(shared: &Shared) {
    let mut states: BTreeMap<Arc<str>, f64> = BTreeMap::new();
    for lane in shared.live().lanes.all() {
        let Some(view) = lane.view() else {
            continue;
        };
        let state = states.entry(Arc::clone(lane.label())).or_default();
        *state = state.max(gauge(view.state));
    }
    let gauges = &shared.metrics.lane_state;
    gauges.clear();
    for (label, state) in states {
        gauges.of(&[&label]).set(state);
    }
}

fn gauge(state: StateView) -> f64 {
    match state {
        StateView::Closed => 0.0,
        StateView::Returning { .. } => 1.0,
        StateView::HalfOpen { .. } => 2.0,
        StateView::Open => 3.0,
    }
}

fn lane_state(lane: &Lane, settings: &Settings, clock: Clock) -> LaneState {
    let now = clock.now();
    let rules = rules_of(settings, &lane.provider, &lane.model);
    let pools = lane.pools();
    let mut state = LaneState {
        name: lane.name.to_string(),
        provider: lane.provider.to_string(),
        model: lane.model.to_string(),
        models: rules.into_iter().map(str::to_owned).collect(),
        state: "unwatched".to_owned(),
        under_way: lane.under_way(),
        first_byte_p50_ms: lane.latency(Latency::p50).map(milliseconds),
        first_byte_p95_ms: lane.latency(Latency::p95).map(milliseconds),
        pools: pools.iter().map(|pool| lane_pool(pool, now)).collect(),
        ..LaneState::default()
    };
    if let Some(view) = lane.view() {
        watched(&mut state, &view, clock);
    }
    state
}

/// Adds what is known of a lane that is watched.
fn watched(state: &mut LaneState, view: &BreakerView, clock: Clock) {
    view.state.as_str().clone_into(&mut state.state);
    if let StateView::Returning { share } = view.state {
        state.share = Some(share);
    }
    let since = view.since;
    let has_begun = since > paceline_routing::Timestamp::ZERO;
    state.since_unix_ms = has_begun.then(|| date_ms(clock, since));
    state.ill_since_unix_ms = view.ill_since.map(|at| date_ms(clock, at));
    state.cause = view.cause.as_ref().map(|cause| lane_cause(cause, clock));
    state.next_probe_in_ms = view.next_probe.map(|at| {
        let at = Timestamp::from_nanos(at.as_nanos());
        milliseconds(at.saturating_since(clock.now()))
    });
    state.trips = view.trips;
    state.trips_in_a_row = view.trips_in_a_row;
    state.window = Some(LaneWindow {
        starts: view.starts,
        starts_failed: view.starts_failed,
        ends: view.ends,
        ends_failed: view.ends_failed,
        faults_in_a_row: view.faults_in_a_row,
        without_first_byte: view.waiting as u64,
    });
}

fn lane_cause(cause: &Cause, clock: Clock) -> LaneCause {
    LaneCause {
        kind: cause.kind.as_str().to_owned(),
        status: cause.status,
        message: cause.message.clone(),
        at_unix_ms: date_ms(clock, cause.at),
    }
}

/// A moment of the lanes' rules, in milliseconds since 1970.
fn date_ms(clock: Clock, at: paceline_routing::Timestamp) -> u64 {
    unix_ms(clock.date(Timestamp::from_nanos(at.as_nanos()))).unsigned_abs()
}

fn lane_pool(pool: &Pool, now: Timestamp) -> LanePool {
    let snapshot = pool.snapshot();
    let cool_down = snapshot.cool_down_until;
    let cool_down = cool_down.map(|until| until.saturating_since(now));
    LanePool {
        name: pool.watch().name().to_string(),
        in_flight: snapshot.in_flight as u64,
        waiting: snapshot.waiting.iter().sum::<usize>() as u64,
        cool_down_ms: milliseconds(cool_down.unwrap_or_default()),
        limits: snapshot.limits.iter().map(lane_limit).collect(),
    }
}

fn lane_limit(limit: &LimitView) -> LaneLimit {
    LaneLimit {
        metric: limit.metric.name().to_owned(),
        amount: limit.amount,
        window_ms: milliseconds(limit.window),
        used: limit.used,
        source: source_name(limit.source).to_owned(),
    }
}

fn providers(settings: &Settings) -> Vec<ProviderState> {
    let state = |name: &str, upstream: &Upstream| ProviderState {
        name: name.to_owned(),
        profile: upstream.profile.name.to_owned(),
        // Addresses with a user, a password or a query are not taken into the settings.
        address: upstream.base_url.to_string(),
        has_own_key: upstream.api_key.is_some(),
        account: upstream.account.clone(),
    };
    let further = settings.providers.iter();
    let further = further.map(|provider| state(&provider.name, &provider.upstream));
    let first = state(UPSTREAM, &settings.upstream);
    [first].into_iter().chain(further).collect()
}
