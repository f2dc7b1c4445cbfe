//! While the store does not answer, and after.

use std::time::Duration;

use paceline_pace::{SharingMode, WhenAway};

use crate::provider::{KINDS, Kind};
use crate::store::Trouble;
use crate::world::{Load, Process, World, pass};

fn start(world: &mut World) -> Vec<Process> {
    (0..4).map(|_| world.start(Load::default())).collect()
}

fn all(processes: &[Process], trouble: Trouble) {
    for process in processes {
        process.way.set(trouble);
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_store_everyone_goes_on_with_a_share() {
    for kind in KINDS {
        for trouble in [Trouble::Cut, Trouble::Frozen] {
            let mut world = World::new(kind, 60_000);
            let processes = start(&mut world);
            let lost = pass(130).await;
            all(&processes, trouble);
            // Who has nothing to ask notices it at the next sign of life.
            pass(4).await;
            for process in &processes {
                assert_eq!(process.mode(), SharingMode::Share);
            }
            let back = pass(56).await;
            let alone = world.provider.use_between(lost, back);
            all(&processes, Trouble::None);
            let again = pass(5).await;
            for process in &processes {
                assert_eq!(process.mode(), SharingMode::Exact);
            }
            let end = pass(120).await;
            let refused = world.provider.refused_since(lost);
            let part = world.provider.use_between(again, end);
            println!("{kind:?} {trouble:?}: {refused} refused, {alone:.3} alone, {part:.3} after");
            assert_eq!(refused, 0, "{kind:?} {trouble:?}");
            assert!(alone > 0.84, "{kind:?} {trouble:?}: {alone}");
            // Where a window goes in one burst, requests that overtake each other look like the use of others.
            assert!(part > 0.88, "{kind:?} {trouble:?}: {part}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_empty_lets_nobody_burst() {
    for kind in KINDS {
        let mut world = World::new(kind, 60_000);
        let processes = start(&mut world);
        let lost = pass(135).await;
        all(&processes, Trouble::Cut);
        pass(20).await;
        world.store.forget();
        all(&processes, Trouble::None);
        let back = pass(5).await;
        for process in &processes {
            assert_eq!(process.mode(), SharingMode::Exact);
        }
        let end = pass(180).await;
        let refused = world.provider.refused_since(lost);
        let part = world.provider.use_between(back, end);
        println!("{kind:?}: {refused} refused, {part:.3} after");
        assert_eq!(refused, 0, "{kind:?}");
        assert!(part > 0.88, "{kind:?}: {part}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cut_off_alone_keeps_to_its_share() {
    for kind in KINDS {
        let mut world = World::new(kind, 60_000);
        let processes = start(&mut world);
        let lost = pass(135).await;
        processes[0].way.set(Trouble::Cut);
        let back = pass(40).await;
        assert_eq!(processes[0].mode(), SharingMode::Share);
        assert_eq!(processes[1].mode(), SharingMode::Exact);
        let during = world.provider.use_between(lost, back);
        processes[0].way.set(Trouble::None);
        let again = pass(5).await;
        let end = pass(180).await;
        let refused = world.provider.refused_since(lost);
        let part = world.provider.use_between(again, end);
        println!("{kind:?}: {refused} refused, {during:.3} during, {part:.3} after");
        // Until the others miss it they use what it uses too: what their answers tell makes good for it.
        assert!(refused <= 24, "{kind:?}: {refused}");
        assert!(part > 0.88, "{kind:?}: {part}");
    }
}

#[tokio::test(start_paused = true)]
async fn closed_means_that_everyone_waits() {
    let mut world = World::new(Kind::Bucket, 60_000).when_away(WhenAway::Closed);
    let processes = start(&mut world);
    pass(130).await;
    all(&processes, Trouble::Cut);
    let lost = pass(1).await;
    let back = pass(20).await;
    assert_eq!(processes[0].mode(), SharingMode::Closed);
    assert!(world.provider.use_between(lost, back) < 1e-9);
    all(&processes, Trouble::None);
    let again = pass(2).await;
    let end = pass(60).await;
    assert!(world.provider.use_between(again, end) > 0.95);
}

#[tokio::test(start_paused = true)]
async fn a_frozen_store_costs_the_time_box_once() {
    let mut world = World::new(Kind::Bucket, 600_000);
    let process = world.start(Load {
        callers: 1,
        ..Load::default()
    });
    pass(10).await;
    process.way.set(Trouble::Frozen);
    let before = process.served();
    let start = tokio::time::Instant::now();
    while process.served() == before || process.mode() == SharingMode::Exact {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // The time box twice, as long as a call takes, and one more call.
    assert!(
        start.elapsed() < Duration::from_millis(1_200),
        "{:?}",
        start.elapsed()
    );
    let went = process.served();
    pass(10).await;
    assert!(process.served() > went);
}

#[tokio::test(start_paused = true)]
async fn what_goes_in_a_moment_without_the_store_is_counted_when_it_is_back() {
    for kind in KINDS {
        let mut world = World::new(kind, 60_000);
        let processes = start(&mut world);
        // The moment is where a window begins, at which everyone goes.
        let start = pass(179).await;
        tokio::time::sleep(Duration::from_millis(990)).await;
        all(&processes[1..], Trouble::Frozen);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(processes[0].mode(), SharingMode::Exact);
        all(&processes, Trouble::None);
        let again = pass(5).await;
        for process in &processes {
            assert_eq!(process.mode(), SharingMode::Exact);
        }
        let end = pass(120).await;
        let refused = world.provider.refused_since(start);
        let part = world.provider.use_between(again, end);
        println!("{kind:?}: {refused} refused, {part:.3} after");
        assert!(refused <= 10, "{kind:?}: {refused}");
    }
}
