//! Many threads, and pacers that outlive their runtime.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use paceline::{Call, Metric, Pacer, Reserve, TokenRateLimiter};

use super::exact;

#[test]
fn threads_together_take_exactly_what_there_is() {
    let limiter =
        TokenRateLimiter::new(exact(Pacer::builder().tokens_per_day(400)).build().unwrap());
    let granted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    if limiter.blocking_try_acquire_tokens(1).is_ok() {
                        granted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(granted.into_inner(), 400);
    assert_eq!(limiter.get_remaining_tokens(), Some(0));
}

#[test]
fn threads_wait_for_each_other_and_none_is_forgotten() {
    let pacer = Pacer::builder().concurrency(3).build().unwrap();
    let (running, most, done) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let turn = pacer.blocking_reserve(&Call::new()).unwrap();
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    turn.served();
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 400);
    assert!(most.into_inner() <= 3);
    assert_eq!((pacer.waiting(), pacer.in_flight()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_on_many_threads_are_all_served() {
    let window = Duration::from_millis(20);
    let builder = Pacer::builder().limit(Metric::Requests, 100, window);
    let pacer = exact(builder).build().unwrap();
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let pacer = pacer.clone();
            tokio::spawn(async move { pacer.reserve(&Call::new()).await.unwrap().served() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((pacer.waiting(), pacer.in_flight()), (0, 0));
}

#[test]
fn time_goes_on_when_the_runtime_has_ended() {
    let window = Duration::from_millis(50);
    let builder = Pacer::builder().limit(Metric::Requests, 1, window);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let pacer = runtime.block_on(async { exact(builder).build().unwrap() });
    drop(runtime);
    for _ in 0..3 {
        pacer.blocking_reserve(&Call::new()).unwrap().served();
    }
}

#[test]
fn other_runtimes_than_tokios_will_do() {
    let window = Duration::from_millis(50);
    let builder = Pacer::builder().limit(Metric::Requests, 1, window);
    let pacer = exact(builder).build().unwrap();
    futures_util::future::FutureExt::now_or_never(pacer.reserve(&Call::new()))
        .unwrap()
        .unwrap()
        .served();
    tokio_free_block_on(pacer.reserve(&Call::new()));
}

/// Waits for a turn on a thread that drives nothing else.
fn tokio_free_block_on(reserve: Reserve) {
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};

    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut reserve = Box::pin(reserve);
    loop {
        match reserve.as_mut().poll(&mut context) {
            Poll::Ready(turn) => return turn.unwrap().served(),
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn what_is_awaited_may_move_between_threads() {
    fn movable<T: Send>(_: &T) {}
    let pacer = Pacer::builder().concurrency(1).build().unwrap();
    let (call, limiter) = (Call::new(), TokenRateLimiter::new(pacer.clone()));
    movable(&pacer.reserve(&call));
    movable(&pacer.try_reserve(&call));
    movable(&pacer.with_rate_limiting(&call, async {}));
    movable(&limiter.acquire_tokens(1));
    movable(&limiter.try_acquire_tokens(1));
    movable(&pacer.blocking_try_reserve(&call));
}

#[test]
fn a_runtime_without_time_is_done_without() {
    let window = Duration::from_millis(50);
    let builder = Pacer::builder().limit(Metric::Requests, 1, window);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let pacer = exact(builder).build().unwrap();
        for _ in 0..3 {
            pacer.reserve(&Call::new()).await.unwrap().served();
        }
    });
}
