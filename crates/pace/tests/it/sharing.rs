//! While the store answers.

use paceline_limiter::{Combine, Tier};
use paceline_pace::SharingMode;
use tokio::time::Instant;

use crate::provider::{KINDS, Kind};
use crate::world::{Load, World, pass};

#[tokio::test(start_paused = true)]
async fn processes_use_one_quota_as_if_they_were_one() {
    for kind in KINDS {
        let mut world = World::new(kind, 60_000);
        let processes: Vec<_> = (0..4).map(|_| world.start(Load::default())).collect();
        let warm = pass(120).await;
        let end = pass(180).await;
        assert_eq!(
            world
                .provider
                .refused_since(warm - std::time::Duration::from_secs(120)),
            0,
            "{kind:?}"
        );
        let part = world.provider.use_between(warm, end);
        assert!(part > 0.97, "{kind:?}: {part}");
        for process in &processes {
            assert_eq!(process.mode(), SharingMode::Exact);
            let part = process.served() as f64 / 60_000.0 / 5.0;
            assert!((0.2..0.35).contains(&part), "{kind:?}: {part}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn limits_that_are_learned_are_shared() {
    for kind in KINDS {
        let mut world = World::new(kind, 60_000).learned();
        let _processes: Vec<_> = (0..4).map(|_| world.start(Load::default())).collect();
        let warm = pass(180).await;
        let end = pass(180).await;
        let early = world
            .provider
            .refused_since(warm - std::time::Duration::from_secs(180));
        let late = world.provider.refused_since(warm);
        let part = world.provider.use_between(warm, end);
        println!("{kind:?}: {early} refused, {late} late, {part:.3} used");
        assert!(late == 0 && early <= 4, "{kind:?}: {early} {late}");
        assert!(part > 0.95, "{kind:?}: {part}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_requests_are_charged_is_learned_together_where_all_send_at_once() {
    let worlds = [
        (Combine::Max, Kind::Bucket),
        (Combine::Max, Kind::Fixed),
        (Combine::Max, Kind::Sliding),
        (Combine::Sum, Kind::Fixed),
        (Combine::Input, Kind::Bucket),
    ];
    for (combine, kind) in worlds {
        let mut world = World::new(kind, 60_000).learned().charging(combine);
        let started = Instant::now();
        let processes: Vec<_> = (0..4).map(|_| world.start(Load::default())).collect();
        let warm = pass(150).await;
        let end = pass(120).await;
        let refused = world.provider.refused_since(started);
        let part = world.provider.use_between(warm, end);
        assert!(refused <= 2, "{combine:?}, {kind:?}: {refused}");
        assert!(part > 0.97, "{combine:?}, {kind:?}: {part}");
        for process in &processes {
            let believed = process.pool.memory().charge.map(|charge| charge.combine);
            assert_eq!(believed, Some(combine), "{kind:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tenants_of_different_processes_share_by_weight() {
    for kind in KINDS {
        let mut world = World::new(kind, 60_000);
        let loads = [(0, 1, 80), (0, 1, 80), (1, 2, 240)].map(|(tenant, weight, callers)| Load {
            tenant,
            weight,
            callers,
            ..Load::default()
        });
        let processes = loads.map(|load| world.start(load));
        pass(120).await;
        let before: Vec<_> = processes.iter().map(|process| process.served()).collect();
        pass(240).await;
        let served = |index: usize| (processes[index].served() - before[index]) as f64;
        let part = served(2) / (served(0) + served(1) + served(2));
        assert!((part - 2.0 / 3.0).abs() < 0.033, "{kind:?}: {part}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_here_goes_before_batches_elsewhere() {
    let mut world = World::new(Kind::Bucket, 60_000);
    let batch = world.start(Load {
        tier: Tier::Batch,
        callers: 40,
        ..Load::default()
    });
    let urgent = world.start(Load {
        tier: Tier::Interactive,
        callers: 40,
        tenant: 1,
        ..Load::default()
    });
    pass(120).await;
    let before = (batch.served(), urgent.served());
    pass(240).await;
    let batch = (batch.served() - before.0) as f64;
    let urgent = (urgent.served() - before.1) as f64;
    let part = batch / (batch + urgent);
    assert!((0.02..0.12).contains(&part), "{part}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_comes_finds_what_is_used() {
    for kind in KINDS {
        let mut world = World::new(kind, 60_000);
        let first = world.start(Load::default());
        let start = pass(30).await;
        let second = world.start(Load::default());
        let end = pass(60).await;
        assert_eq!(world.provider.refused_since(start), 0, "{kind:?}");
        assert!(second.served() > 0 || kind != Kind::Bucket);
        first.leave().await;
        drop(first);
        let _ = (end, pass(10).await);
        assert_eq!(second.pool.sharing().unwrap().instances, 1, "{kind:?}");
    }
}
