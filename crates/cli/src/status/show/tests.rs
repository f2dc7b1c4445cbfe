//! What a known state looks like.

use paceline_admin_api::{ClockState, CoolDown, Lanes, RateLimits, TierDepth, TokenTotals};

use super::*;

fn totals() -> TokenTotals {
    TokenTotals {
        reserved: 1_000,
        settled: 700,
        refunded: 100,
        outstanding: 200,
        debt: 50,
    }
}

fn state() -> State {
    let tokens = LimitState {
        metric: "tokens".into(),
        amount: 60_000,
        window_ms: 60_000,
        kind: "unknown".into(),
        used: 45_000,
        clear_in_ms: 45_000,
        source: "learned".into(),
        hit_in_ms: Some(12_000),
        demand_ratio: 1.25,
        belief: None,
    };
    let requests = LimitState {
        metric: "requests".into(),
        amount: 300,
        used: 6,
        clear_in_ms: 0,
        hit_in_ms: None,
        ..tokens.clone()
    };
    State {
        address: "http://127.0.0.1:4100".into(),
        rate_limits: RateLimits {
            pools: vec![PoolState {
                name: "default".into(),
                serves: vec![],
                limits: vec![requests, tokens],
                charge: None,
                in_flight: 2,
                concurrency_max: Some(8),
                spacing_ms: 250,
                waiting: 12,
                queue_growth_per_minute: 3.4,
                probe_concurrency: None,
                sharing: None,
                cool_down: Some(CoolDown {
                    remaining_ms: 3_200,
                }),
                episode: None,
                throttles: vec![],
                tokens: totals(),
            }],
            provider_clock: Some(ClockState {
                ahead_ms: 1_340,
                error_ms: 380,
                answers: 12,
            }),
        },
        queue_status: QueueStatus {
            waiting: 12,
            running: 2,
            tiers: [("interactive", 0), ("batch", 12)]
                .map(|(priority, waiting)| TierDepth {
                    priority: priority.into(),
                    waiting,
                })
                .into(),
            calls: vec![WaitingCall {
                request_id: "pl-1".into(),
                pool: "default".into(),
                position: 1,
                eta_ms: Some(400),
                limited_by: "tokens per minute".into(),
                waited_ms: 12_000,
                tenant: "batch\x1b[2J".into(),
                session: None,
                priority: "batch".into(),
                model: "gpt-4o".into(),
                estimated_tokens: 1_600,
                expected_output_tokens: 240,
            }],
        },
        lanes: Lanes::default(),
        estimates: None,
    }
}

#[test]
fn a_gateway_at_work_is_shown_with_pools_limits_and_queue() {
    let text = lines(&state(), Style::default()).join("\n");
    let expected = "\
http://127.0.0.1:4100   2 running, 12 waiting (12 batch)
the provider's clock +1.3 s ± 0.4 s, by 12 answers

pool default: 2 of 8 running, 12 waiting, 250 ms between two launches, 3 requests a minute more than fit, cooling down for 3.2 s
       6  of 300 requests a minute   ░░░░░░░░░░░░░░░░   2 %  learned, unknown
  45,000  of 60,000 tokens a minute  ████████████░░░░  75 %  learned, unknown, clear in 45 s, hit in 12 s
  tokens so far: 1,000 reserved, 700 spent, 100 given back, 200 open, 50 beyond what was reserved

  pool     place  starts in  waits for          waited  tenant     priority  tokens  answer  request
  default      1     400 ms  tokens per minute    12 s  batch\u{fffd}[2J  batch      1,600     240  pl-1
  ... and 11 more";
    assert_eq!(text, expected);
}

#[test]
fn a_gateway_without_traffic_says_so() {
    let mut state = state();
    state.rate_limits = RateLimits::default();
    state.queue_status = QueueStatus::default();
    assert_eq!(
        lines(&state, Style::default()).join("\n"),
        "http://127.0.0.1:4100   0 running, 0 waiting\n\n\
         no limit pool yet: the first request of a model makes one"
    );
}

#[test]
fn what_bounds_the_pace_after_refusals_is_told_with_the_time_left() {
    let mut state = state();
    let throttle = |kind: &str, share, units_per_minute, remaining_ms| ThrottleState {
        kind: kind.into(),
        metric: Some("tokens".into()),
        share,
        units_per_minute,
        remaining_ms,
    };
    state.rate_limits.pools[0].throttles = vec![
        throttle("slow_start", 0.25, None, 1_500),
        throttle("stabilisation", 0.82, Some(49_200), 810_000),
        throttle("growth", 1.2, Some(72_000), 600_000),
    ];
    let text = lines(&state, Style::default()).join("\n");
    for expected in [
        "slow start of tokens at 25 % for 1.5 s",
        "stabilisation of tokens at 82 % (49,200 a minute) for ",
        "growth of tokens held at 72,000 a minute, let go after ",
    ] {
        assert!(text.contains(expected), "{text}");
    }
}
