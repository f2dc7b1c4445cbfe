//! Cold start, learned limits, and refusals that come anyway.

use std::time::Duration;

use paceline_limiter::{
    Binding, Charge, ChargeFormula, ChargeParts, Combine, Domain, DomainSettings, Event,
    LimitSource, Memory, Metric, Observation, Outcome, ProviderRefusal, RefusalKind, Request,
    Reservation, Settlement, Submission, Timestamp, WindowModel,
};

use crate::provider::at;
use crate::world::{MINUTE, MS, SECOND, bucket, limit, request, settings, tokens};

/// Later than any time in these tests: the figures are as fresh as can be.
const JUST_NOW: Timestamp = Timestamp::from_nanos(u64::MAX);

fn observed(limit: u64, remaining: i64, reset_ms: u64) -> Observation {
    let reset = (reset_ms > 0).then(|| Duration::from_millis(reset_ms));
    Observation {
        metric: Metric::Tokens,
        limit,
        remaining,
        reset,
        as_of: JUST_NOW,
        reservation: None,
        window: None,
        processing: None,
    }
}

fn quota_refusal(retry_after: Option<Duration>) -> ProviderRefusal {
    ProviderRefusal {
        metric: Some(Metric::Tokens),
        limit: None,
        used: None,
        level: None,
        requested: None,
        window: None,
        sent_at: at(0),
        retry_after,
        wait_named: retry_after.is_some(),
        jitter: Duration::from_millis(7),
        penalty: Charge::ZERO,
        kind: RefusalKind::Quota,
    }
}

fn probing(slots: u32) -> Domain {
    let settings = DomainSettings {
        probe_concurrency: Some(slots),
        ..settings(&[])
    };
    Domain::new(settings, at(0)).unwrap()
}

/// Submits until something has to wait; what was admitted.
fn fill(domain: &mut Domain, now: u64) -> Vec<Reservation> {
    let mut admitted = Vec::new();
    loop {
        match domain.submit(request(1, tokens(10)), at(now)) {
            Submission::Admitted(reservation) => admitted.push(reservation),
            Submission::Queued(ticket) => {
                assert!(domain.cancel(ticket.id, at(now)));
                return admitted;
            }
            Submission::Refused(refusal) => panic!("{refusal:?}"),
        }
    }
}

fn settle(domain: &mut Domain, reservations: &[Reservation], outcome: Outcome, now: u64) {
    for reservation in reservations {
        domain.settle(
            reservation.id,
            Settlement {
                actual: None,
                charged: None,
                outcome,
            },
            at(now),
        );
    }
}

#[test]
fn with_nothing_known_a_few_probes_go_and_the_rest_wait() {
    let mut domain = probing(2);
    assert_eq!(fill(&mut domain, 0).len(), 2);
    let Submission::Queued(ticket) = domain.submit(request(1, tokens(1)), at(0)) else {
        panic!("it waits")
    };
    assert_eq!(
        (ticket.outlook.binding, ticket.outlook.eta),
        (Binding::Probe, None)
    );
    domain.observe(observed(1_000, 990, 600), at(MS));
    let mut events = Vec::new();
    domain.poll(at(SECOND), &mut events);
    assert_eq!(events.len(), 1, "the first answer lifts the bound");
    assert_eq!(domain.snapshot(at(MS)).probe, None);
}

#[test]
fn without_headers_the_probe_doubles_per_full_round_and_halves_on_refusal() {
    let mut domain = probing(1);
    for slots in [1, 2, 4, 8, 16] {
        let round = fill(&mut domain, 0);
        assert_eq!(round.len(), slots);
        settle(&mut domain, &round, Outcome::Success, 0);
    }
    let round = fill(&mut domain, 0);
    assert_eq!(round.len(), 32);
    for reservation in &round {
        settle(&mut domain, &[*reservation], Outcome::Refused, 0);
        domain.refused(quota_refusal(None), at(0));
    }
    // Once for all of them.
    let probe = domain.snapshot(at(0)).probe.unwrap();
    assert_eq!(probe.concurrency, 16);
}

#[test]
fn a_domain_with_all_its_limits_configured_does_not_probe() {
    let calls = paceline_limiter::Limit {
        metric: Metric::Requests,
        ..bucket(100, MINUTE)
    };
    let limits = [bucket(1_000, MINUTE), calls];
    let settings = DomainSettings {
        probe_concurrency: Some(1),
        ..settings(&limits)
    };
    let mut domain = Domain::new(settings, at(0)).unwrap();
    assert_eq!(fill(&mut domain, 0).len(), 100);
}

#[test]
fn the_window_follows_from_the_first_answers() {
    for (limit, answers, window_s) in [
        (600, &[(590, 999)][..], 60),
        // One answer can fit another window by chance, two do not.
        (600, &[(300, 500)], 60),
        (600, &[(300, 500), (240, 600)], 1),
        (60_000, &[(53_993, 1_001), (47_987, 2_002)], 10),
        (10_000, &[(9_999, 8_640)], 60),
        (10_000, &[(9_999, 8_640), (9_998, 17_280)], 86_400),
        (3_600, &[(3_594, 5_999), (3_587, 12_999)], 3_600),
        // More than a minute is left: it is no minute.
        (200, &[(199, 432_000)], 86_400),
        (1_000, &[(1_000, 0)], 60),
        (1_000, &[(900, 0)], 60),
        // Nothing usual: the default.
        (1_000, &[(500, 100_000)], 60),
    ] {
        let mut domain = probing(1);
        domain.observe(observed(limit, i64::try_from(limit).unwrap(), 0), at(0));
        let mut now = 0;
        for (remaining, reset_ms) in answers {
            // Whatever window is believed, it is over by then.
            now += 2 * 86_400 * SECOND;
            let sent = domain.submit(request(1, tokens(1)), at(now));
            let Submission::Admitted(own) = sent else {
                panic!("{sent:?}")
            };
            domain.observe(
                Observation {
                    reservation: Some(own.id),
                    as_of: at(now),
                    ..observed(limit, *remaining, *reset_ms)
                },
                at(now),
            );
            domain.abandon(own.id, at(now));
        }
        let view = domain.snapshot(at(now)).limits[0];
        assert_eq!(
            view.window,
            Duration::from_secs(window_s),
            "{limit} {answers:?}"
        );
        assert_eq!(view.source, LimitSource::Learned);
        assert_eq!(view.amount, limit);
    }
}

#[test]
fn what_others_use_raises_the_level_and_nothing_lowers_it() {
    for model in [
        WindowModel::Bucket { burst: 1_000 },
        WindowModel::Fixed { phase: at(0) },
        WindowModel::FixedFromFirstUse,
        WindowModel::Sliding,
        WindowModel::Unknown { burst: 1_000 },
    ] {
        let mut domain = Domain::new(settings(&[limit(1_000, MINUTE, model)]), at(0)).unwrap();
        let used = |domain: &Domain| domain.snapshot(at(SECOND)).limits[0].used;
        domain.submit(request(1, tokens(100)), at(SECOND));
        domain.observe(observed(1_000, 950, 0), at(SECOND));
        assert_eq!(
            used(&domain),
            100,
            "{model:?}: late or partial answers change nothing"
        );
        domain.observe(observed(1_000, 300, 0), at(SECOND));
        assert_eq!(used(&domain), 700, "{model:?}");
        domain.observe(observed(1_000, -200, 0), at(SECOND));
        assert!(used(&domain) >= 1_000, "{model:?}");
        domain.observe(observed(1_000, 5_000, 0), at(SECOND));
        domain.observe(observed(0, i64::MIN, 0), at(SECOND));
        assert!(used(&domain) >= 1_000, "{model:?}");
    }
}

#[test]
fn a_configured_limit_stands_unless_less_is_enforced_over_the_same_window() {
    let mut domain = Domain::new(settings(&[bucket(1_000, MINUTE)]), at(0)).unwrap();
    let amounts = |domain: &Domain| {
        let view = domain.snapshot(at(0)).limits[0];
        (view.amount, view.configured_amount, view.source)
    };
    domain.observe(observed(5_000, 4_900, 1_200), at(0));
    assert_eq!(amounts(&domain), (1_000, None, LimitSource::Configured));
    // Less, but of another window.
    domain.observe(observed(100, 90, 1_000), at(0));
    assert_eq!(amounts(&domain).0, 1_000);
    domain.observe(observed(500, 490, 1_200), at(0));
    assert_eq!(
        amounts(&domain),
        (500, Some(1_000), LimitSource::Configured)
    );
    domain.observe(observed(1_000, 990, 600), at(0));
    assert_eq!(amounts(&domain), (1_000, None, LimitSource::Configured));
}

#[test]
fn a_learned_limit_counts_what_is_in_flight() {
    let mut domain = probing(4);
    for _ in 0..4 {
        domain.submit(request(1, tokens(100)), at(0));
    }
    domain.observe(observed(1_000, 900, 6_000), at(0));
    assert_eq!(domain.snapshot(at(0)).limits[0].used, 500);
}

#[test]
fn a_refusal_pauses_the_whole_domain_once_per_episode() {
    let mut domain = Domain::new(settings(&[bucket(1_000, MINUTE)]), at(0)).unwrap();
    let until = |domain: &Domain| domain.snapshot(domain_now()).cool_down_until;
    fn domain_now() -> paceline_limiter::Timestamp {
        at(0)
    }
    domain.refused(quota_refusal(Some(Duration::from_secs(5))), at(0));
    assert_eq!(until(&domain), Some(at(5 * SECOND + 7 * MS)));
    domain.refused(quota_refusal(None), at(SECOND));
    domain.refused(quota_refusal(Some(Duration::from_secs(2))), at(SECOND));
    assert_eq!(
        until(&domain),
        Some(at(5 * SECOND + 7 * MS)),
        "never shortened, nor stacked"
    );
    domain.refused(quota_refusal(Some(Duration::from_secs(9))), at(SECOND));
    assert_eq!(
        until(&domain),
        Some(at(10 * SECOND + 7 * MS)),
        "the provider asks for more"
    );
    let images = paceline_limiter::Charge::ZERO.with(Metric::Images, 1);
    let Submission::Queued(ticket) = domain.submit(request(1, images), at(SECOND)) else {
        panic!("even what the refusal was not about waits")
    };
    assert_eq!(ticket.outlook.binding, Binding::CoolDown);
    assert_eq!(ticket.outlook.eta, Some(Duration::from_millis(9_007)));
    assert_eq!(domain.next_wake(), Some(at(10 * SECOND + 7 * MS)));
    assert_eq!(domain.totals().quota_refusals, 4);
}

#[test]
fn a_pause_without_a_time_is_one_second() {
    for kind in [RefusalKind::Quota, RefusalKind::Overload] {
        let mut domain = Domain::new(settings(&[]), at(0)).unwrap();
        domain.refused(
            ProviderRefusal {
                kind,
                ..quota_refusal(None)
            },
            at(0),
        );
        assert_eq!(
            domain.snapshot(at(0)).cool_down_until,
            Some(at(SECOND + 7 * MS))
        );
    }
}

#[test]
fn a_quota_refusal_raises_the_level_and_an_overload_does_not() {
    let used = |refusal: ProviderRefusal| {
        let mut domain = Domain::new(settings(&[bucket(1_000, MINUTE)]), at(0)).unwrap();
        domain.refused(refusal, at(0));
        domain.snapshot(at(0)).limits[0].used
    };
    let refusal = quota_refusal(None);
    assert_eq!(used(refusal), 1_000);
    assert_eq!(
        used(ProviderRefusal {
            used: Some(640),
            ..refusal
        }),
        640
    );
    let named = ProviderRefusal {
        limit: Some(1_000),
        used: Some(870),
        ..refusal
    };
    assert_eq!(used(named), 870);
    assert_eq!(
        used(ProviderRefusal {
            limit: Some(1_000),
            ..refusal
        }),
        1_000
    );
    assert_eq!(
        used(ProviderRefusal {
            kind: RefusalKind::Overload,
            ..refusal
        }),
        0
    );
    assert_eq!(
        used(ProviderRefusal {
            metric: None,
            ..refusal
        }),
        0
    );
}

#[test]
fn a_limit_named_in_a_refusal_is_learned() {
    let mut domain = probing(4);
    let named = ProviderRefusal {
        limit: Some(2_000),
        used: Some(1_900),
        ..quota_refusal(None)
    };
    domain.refused(named, at(0));
    let view = domain.snapshot(at(0)).limits[0];
    assert_eq!(
        (view.amount, view.used, view.source),
        (2_000, 1_900, LimitSource::Learned)
    );
}

fn used(domain: &Domain, now: u64) -> u64 {
    domain.snapshot(at(now)).limits[0].used
}

/// A domain whose one limit of 1,000 tokens a minute was spent at once at time 0.
fn spent(model: WindowModel) -> Domain {
    let limits = [limit(1_000, MINUTE, model)];
    let mut domain = Domain::new(settings(&limits), at(0)).unwrap();
    let Submission::Admitted(_) = domain.submit(request(1, tokens(1_000)), at(0)) else {
        panic!("it fits")
    };
    domain
}

#[test]
fn an_answer_that_comes_late_does_not_bring_back_what_has_drained() {
    let mut domain = spent(WindowModel::Bucket { burst: 1_000 });
    let old = Observation {
        as_of: at(0),
        ..observed(1_000, 0, 60_000)
    };
    domain.observe(old, at(30 * SECOND));
    assert_eq!(used(&domain, 30 * SECOND), 500);
    let fresh = Observation {
        as_of: at(30 * SECOND),
        ..old
    };
    domain.observe(fresh, at(30 * SECOND));
    assert_eq!(used(&domain, 30 * SECOND), 1_000, "somebody else took 500");
}

#[test]
fn an_answer_that_comes_late_does_not_bring_back_what_has_expired() {
    for model in [WindowModel::Sliding, WindowModel::FixedFromFirstUse] {
        let mut domain = spent(model);
        let old = Observation {
            as_of: at(SECOND),
            ..observed(1_000, 0, 59_000)
        };
        domain.observe(old, at(61 * SECOND));
        assert_eq!(used(&domain, 61 * SECOND), 0, "{model:?}");
        let fresh = Observation {
            as_of: at(61 * SECOND),
            ..observed(1_000, 400, 59_000)
        };
        domain.observe(fresh, at(61 * SECOND));
        assert_eq!(
            used(&domain, 61 * SECOND),
            600,
            "{model:?}: somebody else took 600"
        );
    }
}

#[test]
fn what_the_provider_counts_does_not_fill_the_bucket_that_only_smooths() {
    let limits = [limit(6_000, MINUTE, WindowModel::Unknown { burst: 50 })];
    let mut domain = Domain::new(settings(&limits), at(0)).unwrap();
    domain.observe(observed(6_000, 3_000, 30_000), at(0));
    let Submission::Admitted(_) = domain.submit(request(1, tokens(50)), at(0)) else {
        panic!("half of the quota is left, and the bucket that smooths is empty")
    };
}

#[test]
fn a_penalty_counts_on_top_of_what_is_used() {
    let limits = [limit(1_000, MINUTE, WindowModel::Bucket { burst: 1_000 })];
    let mut domain = Domain::new(settings(&limits), at(0)).unwrap();
    let refusal = ProviderRefusal {
        limit: Some(1_000),
        used: Some(900),
        penalty: tokens(300),
        ..quota_refusal(Some(Duration::from_secs(1)))
    };
    domain.refused(refusal, at(0));
    assert_eq!(used(&domain, 0), 1_200);
    domain.refused(
        ProviderRefusal {
            kind: RefusalKind::Overload,
            ..refusal
        },
        at(0),
    );
    assert_eq!(used(&domain, 0), 1_200, "overload is not quota");
}

#[test]
fn charges_that_nobody_can_pay_do_not_overflow_what_is_counted() {
    let mut domain = probing(4);
    let mut sent = Vec::new();
    for _ in 0..3 {
        if let Submission::Admitted(reservation) =
            domain.submit(request(1, tokens(u64::MAX)), at(0))
        {
            sent.push(reservation);
        }
    }
    assert_eq!(sent.len(), 3);
    for (index, reservation) in (1..).zip(sent) {
        let observation = Observation {
            as_of: at(0),
            reservation: Some(reservation.id),
            ..observed(1_000, 900, 6_000)
        };
        domain.observe(observation, at(index * SECOND));
    }
    let view = domain.snapshot(at(4 * SECOND)).limits[0];
    assert!(view.used >= 1_000, "what is under way may still count");
}

#[test]
fn room_kept_for_a_debt_is_free_again_once_its_request_has_failed() {
    let window = limit(1_000, MINUTE, WindowModel::FixedFromFirstUse);
    let mut domain = Domain::new(settings(&[window]), at(0)).unwrap();
    let formula = ChargeFormula {
        combine: Combine::Max,
        refunds: true,
        ..ChargeFormula::CAUTIOUS
    };
    let memory = Memory {
        limits: Vec::new(),
        charge: Some(formula),
    };
    domain.recall(&memory, Duration::ZERO, at(0));
    // Charged 400 at admission, and up to 800 in the end.
    let sized = Request {
        parts: Some(ChargeParts {
            input: 400,
            output_max: 400,
        }),
        ..request(1, tokens(1))
    };
    let Submission::Admitted(first) = domain.submit(sized, at(0)) else {
        panic!("an empty window has room")
    };
    let second = domain.submit(sized, at(0));
    assert!(matches!(second, Submission::Queued(_)), "{second:?}");
    let mut events = Vec::new();
    domain.poll(at(0), &mut events);
    assert!(domain.next_wake() > Some(at(SECOND)), "{events:?}");
    settle(&mut domain, &[first], Outcome::Failed, SECOND);
    assert_eq!(domain.next_wake(), Some(at(SECOND)));
    domain.poll(at(SECOND), &mut events);
    assert!(matches!(events[..], [Event::Admitted { .. }]), "{events:?}");
}
