//! Projections of known pools, worked out by hand.

use paceline_limiter::{
    Domain, DomainSettings, Limit, Request, Submission, TenantId, ThrottleKind, ThrottleView, Tier,
    Timestamp,
};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// 60,000 tokens a minute, which is 1,000 a second.
fn pool(model: WindowModel) -> (Domain, Timestamp) {
    let now = Timestamp::ZERO + Duration::from_hours(1);
    let limit = Limit {
        metric: Metric::Tokens,
        amount: 60_000,
        window: MINUTE,
        model,
        guard: Duration::ZERO,
    };
    let settings = DomainSettings {
        limits: vec![limit],
        ..DomainSettings::default()
    };
    (Domain::new(settings, now).unwrap(), now)
}

fn tokens(requests: u64, count: u64) -> Charge {
    Charge::ZERO
        .with(Metric::Requests, requests)
        .with(Metric::Tokens, count)
}

fn takes(pool: &DomainSnapshot, ahead: u64, batch: u64) -> u64 {
    let projection = project(pool, Duration::ZERO, tokens(1, ahead), tokens(10, batch)).unwrap();
    projection.takes.as_secs()
}

fn use_up(domain: &mut Domain, now: Timestamp, count: u64) {
    let request = Request {
        tenant: TenantId(1),
        weight: 1,
        tier: Tier::Standard,
        charge: tokens(1, count),
        parts: None,
        deadline: None,
        retry: false,
    };
    assert!(matches!(
        domain.submit(request, now),
        Submission::Admitted { .. }
    ));
}

#[test]
fn a_bucket_gives_what_it_holds_at_once_and_the_rest_at_its_pace() {
    let (mut domain, now) = pool(WindowModel::Bucket { burst: 60_000 });
    let fresh = domain.snapshot(now);
    assert_eq!(takes(&fresh, 0, 60_000), 0);
    assert_eq!(takes(&fresh, 0, 90_000), 30);
    assert_eq!(takes(&fresh, 60_000, 90_000), 90, "behind what waits");
    use_up(&mut domain, now, 40_000);
    let used = domain.snapshot(now);
    assert_eq!(takes(&used, 0, 30_000), 10, "20,000 are free");
}

#[test]
fn fixed_windows_give_their_amount_when_they_begin() {
    let phase = Timestamp::ZERO;
    let (mut domain, now) = pool(WindowModel::Fixed { phase });
    use_up(&mut domain, now, 40_000);
    let used = domain.snapshot(now);
    assert_eq!(takes(&used, 0, 20_000), 0);
    assert_eq!(takes(&used, 0, 20_001), 60, "when this window ends");
    assert_eq!(takes(&used, 0, 80_001), 120);
}

#[test]
fn a_pause_and_a_reduced_pace_are_counted() {
    let (domain, now) = pool(WindowModel::Bucket { burst: 60_000 });
    let mut snapshot = domain.snapshot(now);
    snapshot.throttles.push(ThrottleView {
        kind: ThrottleKind::Stabilisation,
        metric: Some(Metric::Tokens),
        share_ppm: 500_000,
        units_per_minute: None,
        remaining: MINUTE,
    });
    assert_eq!(takes(&snapshot, 0, 90_000), 60, "half the pace throughout");
    assert_eq!(
        takes(&snapshot, 0, 160_000),
        130,
        "half the pace for a minute"
    );
    let paused = project(&snapshot, MINUTE, Charge::ZERO, tokens(1, 10)).unwrap();
    assert_eq!(
        (paused.takes, paused.binds),
        (MINUTE, Some(Binds::CoolDown))
    );
}

#[test]
fn spacing_holds_a_batch_of_many_small_requests() {
    let (domain, now) = pool(WindowModel::Bucket { burst: 60_000 });
    let mut snapshot = domain.snapshot(now);
    snapshot.spacing = Duration::from_secs(2);
    let projection = project(&snapshot, Duration::ZERO, tokens(5, 5), tokens(10, 10)).unwrap();
    assert_eq!(projection.takes.as_secs(), 28);
    assert_eq!(projection.takes_alone.as_secs(), 18);
    assert_eq!(projection.binds, Some(Binds::Spacing));
}

#[test]
fn without_a_limit_nothing_is_projected() {
    let domain = Domain::new(DomainSettings::default(), Timestamp::ZERO).unwrap();
    let snapshot = domain.snapshot(Timestamp::ZERO);
    let projection = project(&snapshot, Duration::ZERO, Charge::ZERO, tokens(1, 1));
    assert_eq!(projection, None);
}

#[test]
fn absurd_amounts_do_no_harm() {
    for model in [
        WindowModel::Sliding,
        WindowModel::FixedFromFirstUse,
        WindowModel::Unknown { burst: 1 },
    ] {
        let (domain, now) = pool(model);
        let snapshot = domain.snapshot(now);
        let most = tokens(u64::MAX, u64::MAX);
        let projection = project(&snapshot, MINUTE, most, most).unwrap();
        assert!(projection.takes > MINUTE);
    }
}
