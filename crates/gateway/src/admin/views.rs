//! From the pools' own pictures to what the admin plane answers.

use paceline_admin_api::{
    ClockState, CoolDown, EpisodeState, LimitState, PoolState, QueueStatus, RateLimits,
    SharingState, ThrottleState, TierDepth, TokenTotals, WaitingCall,
};
use paceline_limiter::{
    DomainSnapshot, Episode, LimitSource, LimitView, Metric, Sum, ThrottleView, Tier, Timestamp,
    WaitingView, WindowModel,
};
use paceline_pace::Sharing;

use super::beliefs;
use crate::exchange::milliseconds;
use crate::pace::{LimitForecast, Pool, PoolForecast, WaitingRequest, forecast};
use crate::shared::Shared;

/// Every pool and its limits.
pub(super) fn rate_limits(shared: &Shared) -> RateLimits {
    let now = shared.clock.now();
    let pools = shared.registry.all_with_served().into_iter();
    RateLimits {
        pools: pools
            .map(|(pool, serves)| PoolState {
                serves,
                ..pool_state(&pool, now)
            })
            .collect(),
        provider_clock: shared.provider_clock().map(|offset| ClockState {
            ahead_ms: (offset.ahead_ns + 500_000).div_euclid(1_000_000),
            error_ms: offset.error_ns.div_ceil(1_000_000),
            answers: offset.answers,
        }),
    }
}

/// Every queue, with up to `calls_max` waiting requests.
pub(super) fn queue_status(shared: &Shared, calls_max: usize) -> QueueStatus {
    let mut status = QueueStatus::default();
    let mut by_tier = [0_u64; 3];
    for pool in shared.registry.all() {
        let snapshot = pool.snapshot();
        status.running += snapshot.in_flight as u64;
        for (count, waiting) in by_tier.iter_mut().zip(snapshot.waiting) {
            *count += waiting as u64;
        }
        let room = calls_max.saturating_sub(status.calls.len());
        let waiting = pool.waiting(room);
        let calls = waiting
            .iter()
            .map(|(who, view)| waiting_call(&pool, who, view));
        status.calls.extend(calls);
    }
    status.waiting = by_tier.iter().sum();
    status.tiers = Tier::ALL
        .iter()
        .zip(by_tier)
        .map(|(tier, waiting)| TierDepth {
            priority: tier.name().to_owned(),
            waiting,
        })
        .collect();
    status
}

fn waiting_call(pool: &Pool, who: &WaitingRequest, view: &WaitingView) -> WaitingCall {
    WaitingCall {
        request_id: who.request_id.to_string(),
        pool: pool.watch().name().to_string(),
        position: view.position as u64,
        eta_ms: view.eta.map(milliseconds),
        limited_by: view.binding.to_string(),
        waited_ms: milliseconds(view.waited),
        tenant: who.tenant.to_string(),
        session: who.session.as_deref().map(str::to_owned),
        priority: view.tier.name().to_owned(),
        model: who.model.to_string(),
        estimated_tokens: view.charge.get(Metric::Tokens),
        expected_output_tokens: who.expected_output_tokens,
    }
}

/// What is to be expected of a pool at the present demand.
pub(super) fn forecast_of(pool: &Pool, snapshot: &DomainSnapshot) -> PoolForecast {
    let head = pool.waiting(1);
    let binding = head.first().map(|(_, view)| view.binding);
    forecast(snapshot, &pool.watch().demand(pool.clock().now()), binding)
}

fn pool_state(pool: &Pool, now: Timestamp) -> PoolState {
    let snapshot = pool.snapshot();
    let totals = &snapshot.totals;
    let expected = forecast_of(pool, &snapshot);
    let limits = snapshot.limits.iter().zip(&expected.limits);
    let cool_down = snapshot
        .cool_down_until
        .map(|until| until.saturating_since(now));
    PoolState {
        name: pool.watch().name().to_string(),
        serves: Vec::new(),
        limits: limits
            .map(|(limit, expected)| limit_state(limit, expected, now))
            .collect(),
        charge: Some(beliefs::charge_state(&snapshot.charge)),
        in_flight: snapshot.in_flight as u64,
        concurrency_max: snapshot.concurrency_max,
        spacing_ms: milliseconds(snapshot.spacing),
        waiting: snapshot.waiting.iter().sum::<usize>() as u64,
        queue_growth_per_minute: expected.queue_growth_per_minute,
        probe_concurrency: snapshot.probe.map(|probe| probe.concurrency),
        cool_down: cool_down
            .filter(|left| !left.is_zero())
            .map(|left| CoolDown {
                remaining_ms: milliseconds(left),
            }),
        episode: snapshot.episode.map(|episode| episode_state(&episode, now)),
        throttles: snapshot.throttles.iter().map(throttle_state).collect(),
        sharing: pool.sharing().map(|sharing| sharing_state(&sharing, now)),
        tokens: TokenTotals {
            reserved: tokens(totals.reserved),
            settled: tokens(totals.settled),
            refunded: tokens(totals.refunded),
            outstanding: tokens(*totals.outstanding()),
            debt: tokens(totals.debt),
        },
    }
}

fn sharing_state(sharing: &Sharing, now: Timestamp) -> SharingState {
    SharingState {
        mode: sharing.mode.name().to_owned(),
        since_ms: milliseconds(now.saturating_since(sharing.since)),
        share: sharing.share_ppm.map(|share| f64::from(share) / 1e6),
        instances: sharing.instances,
        exchanges: sharing.exchanges,
        failures: sharing.failures,
        reason: sharing.reason.as_deref().map(str::to_owned),
    }
}

fn episode_state(episode: &Episode, now: Timestamp) -> EpisodeState {
    EpisodeState {
        number: episode.number,
        began_ms_ago: milliseconds(now.saturating_since(episode.began)),
        over: episode.ended.is_some(),
        kind: episode.kind.name().to_owned(),
        metric: episode.metric.map(|metric| metric.name().to_owned()),
        limit: episode.limit,
        used: episode.used,
        requested: episode.requested,
        refusals: episode.refusals,
        penalty_tokens: episode.penalty.get(Metric::Tokens),
    }
}

fn throttle_state(throttle: &ThrottleView) -> ThrottleState {
    ThrottleState {
        kind: throttle.kind.name().to_owned(),
        metric: throttle.metric.map(|metric| metric.name().to_owned()),
        share: share(throttle),
        units_per_minute: throttle.units_per_minute,
        remaining_ms: milliseconds(throttle.remaining),
    }
}

/// The share of the rate that may be used, as a fraction.
#[expect(
    clippy::cast_precision_loss,
    reason = "parts per million are far below 2^52"
)]
pub(super) fn share(throttle: &ThrottleView) -> f64 {
    throttle.share_ppm as f64 / 1e6
}

fn limit_state(limit: &LimitView, expected: &LimitForecast, now: Timestamp) -> LimitState {
    LimitState {
        metric: limit.metric.name().to_owned(),
        amount: limit.amount,
        window_ms: milliseconds(limit.window),
        kind: kind_name(limit.model).to_owned(),
        used: limit.used,
        clear_in_ms: milliseconds(limit.clear_in),
        source: source_name(limit.source).to_owned(),
        hit_in_ms: expected.hit_in.map(milliseconds),
        demand_ratio: expected.demand_ratio,
        belief: limit
            .belief
            .map(|belief| beliefs::belief_state(&belief, limit, now)),
    }
}

/// How the provider counts, in a word.
fn kind_name(model: WindowModel) -> &'static str {
    match model {
        WindowModel::Bucket { .. } => "bucket",
        WindowModel::Fixed { .. } => "fixed",
        WindowModel::FixedFromFirstUse => "fixed_from_first_use",
        WindowModel::Sliding => "sliding",
        WindowModel::Quantised { .. } => "quantised",
        WindowModel::Unknown { .. } => "unknown",
    }
}

/// Where a limit is known from, in a word.
pub(super) fn source_name(source: LimitSource) -> &'static str {
    match source {
        LimitSource::Configured => "configured",
        LimitSource::Learned => "learned",
    }
}

fn tokens(sum: Sum) -> u64 {
    u64::try_from(sum.get(Metric::Tokens)).unwrap_or(u64::MAX)
}
