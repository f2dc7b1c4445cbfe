//! A feed of changes: `/monitoring/events`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::get;
use futures_util::{Stream, stream};
use paceline_admin_api::{EpisodeNow, LedgerNow, LimitNow, Now, PoolNow};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::lanes;
use super::parameters::NoParameters;
use super::problem::Problem;
use crate::exchange::milliseconds;
use crate::pace::Pool;
use crate::shared::Shared;

/// The least time between two events.
const INTERVAL: Duration = Duration::from_millis(500);

/// How often something is sent while nothing changes, so that a listener that is gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The most listeners at once.
const LISTENERS_MAX: usize = 16;

/// Places for listeners.
#[derive(Clone, Debug)]
struct Listeners(Arc<Semaphore>);

pub(super) fn routes() -> Router<Arc<Shared>> {
    let listeners = Listeners(Arc::new(Semaphore::new(LISTENERS_MAX)));
    Router::new()
        .route("/monitoring/events", get(events))
        .layer(Extension(listeners))
}

/// Each event holds everything, so that a listener that comes back needs nothing of what it missed:
/// its `Last-Event-ID` may be anything.
async fn events(
    State(shared): State<Arc<Shared>>,
    Extension(Listeners(places)): Extension<Listeners>,
    _: NoParameters,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let unavailable =
        |code, message: &str| Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, message));
    if *shared.stopping.borrow() {
        return unavailable("shutting_down", "the gateway stops");
    }
    let Ok(place) = places.try_acquire_owned() else {
        let message = format!("{LISTENERS_MAX} listen already; close one of them first");
        return unavailable("too_many_listeners", &message);
    };
    let feed = Feed {
        shared,
        last: None,
        next_at: Instant::now(),
        number: 0,
        _place: place,
    };
    let heartbeat = KeepAlive::new().interval(HEARTBEAT).text("still here");
    Ok(Sse::new(stream::unfold(feed, next)).keep_alive(heartbeat))
}

/// One listener.
struct Feed {
    shared: Arc<Shared>,
    /// What it was told last.
    last: Option<Now>,
    next_at: Instant,
    number: u64,
    _place: OwnedSemaphorePermit,
}

/// The next event, when something has changed; `None` when the gateway stops.
async fn next(mut feed: Feed) -> Option<(Result<Event, Infallible>, Feed)> {
    loop {
        tokio::select! {
            () = sleep_until(feed.next_at) => {}
            () = feed.shared.stopped() => return None,
        }
        let mut now = picture(&feed.shared);
        feed.next_at = Instant::now() + INTERVAL;
        if let Some(last) = &feed.last {
            now.finished = finished_since(&now, last);
            if is_same(&now, last) {
                continue;
            }
        }
        feed.number += 1;
        let event = Event::default().event("now").id(feed.number.to_string());
        // Nothing in it could fail to be written.
        let event = event.json_data(&now).ok()?;
        feed.last = Some(now);
        return Some((Ok(event), feed));
    }
}

fn finished_since(now: &Now, last: &Now) -> BTreeMap<String, u64> {
    let counts = now.finished_total.iter().map(|(outcome, total)| {
        let before = last.finished_total.get(outcome).copied().unwrap_or(0);
        (outcome.clone(), total.saturating_sub(before))
    });
    counts.collect()
}

/// Whether nothing has changed but the time.
fn is_same(now: &Now, last: &Now) -> bool {
    now.pools == last.pools
        && now.finished_total == last.finished_total
        && now.upstream_reached == last.upstream_reached
        && now.ledger == last.ledger
        && now.lanes == last.lanes
}

fn picture(shared: &Shared) -> Now {
    let totals = shared.hot.finished_by_outcome();
    let totals: BTreeMap<String, u64> = totals.map(|(name, count)| (name.to_owned(), count)).into();
    Now {
        at_ms: shared.now_ms(),
        pools: shared
            .registry
            .all()
            .iter()
            .map(|pool| pool_now(shared, pool))
            .collect(),
        finished: totals.keys().map(|outcome| (outcome.clone(), 0)).collect(),
        finished_total: totals,
        upstream_reached: shared.may_reach_any(),
        ledger: shared.recorder.kept().map(|kept| {
            let health = kept.health();
            LedgerNow {
                writable: health.is_well(),
                queued: health.queued,
                spilled: health.spilled,
                lost: health.lost,
            }
        }),
        lanes: lanes::in_short(shared),
    }
}

fn pool_now(shared: &Shared, pool: &Pool) -> PoolNow {
    let (snapshot, now) = (pool.snapshot(), shared.clock.now());
    let pause = snapshot.cool_down_until;
    PoolNow {
        name: pool.watch().name().to_string(),
        limits: snapshot
            .limits
            .iter()
            .map(|limit| LimitNow {
                metric: limit.metric.name().to_owned(),
                window_ms: milliseconds(limit.window),
                used: limit.used,
                amount: limit.amount,
            })
            .collect(),
        in_flight: snapshot.in_flight as u64,
        waiting: snapshot.waiting.iter().sum::<usize>() as u64,
        limited_by: pool
            .waiting(1)
            .first()
            .map(|(_, view)| view.binding.to_string()),
        cool_down_ms: pause.map_or(0, |until| milliseconds(until.saturating_since(now))),
        episode: snapshot.episode.map(|episode| EpisodeNow {
            number: episode.number,
            kind: episode.kind.name().to_owned(),
            over: episode.ended.is_some(),
            refusals: episode.refusals,
        }),
        store_mode: pool.sharing().map(|sharing| sharing.mode.name().to_owned()),
    }
}
