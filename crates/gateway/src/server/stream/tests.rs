//! In virtual time, over a pipe that holds 64 bytes.

use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

const BOUNDS: StreamBounds = StreamBounds {
    head_timeout: Duration::from_secs(10),
    write_timeout: Duration::from_secs(60),
    body_bytes_max: 1_000,
};

fn stream(unread: bool) -> (CallerStream<DuplexStream>, DuplexStream) {
    let (ours, theirs) = duplex(64);
    let conversation = Arc::new(Conversation::default());
    if unread {
        conversation.give_up();
    }
    (CallerStream::new(ours, conversation, BOUNDS), theirs)
}

/// How long closing takes, in seconds.
async fn closing(stream: &mut CallerStream<DuplexStream>) -> f64 {
    let start = Instant::now();
    poll_fn(|context| Pin::new(&mut *stream).poll_shutdown(context))
        .await
        .unwrap();
    start.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_in_is_given_up_and_a_silent_connection_is_not() {
    let (mut stream, mut caller) = stream(false);
    let mut buffer = [0; 16];
    let silent = tokio::time::timeout(Duration::from_secs(600), stream.read(&mut buffer));
    assert!(silent.await.is_err(), "nothing has begun");
    let start = Instant::now();
    tokio::spawn(async move {
        while caller.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let error = loop {
        match stream.read(&mut buffer).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let seconds = start.elapsed().as_secs_f64();
    assert!((10.0..11.5).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_takes_nothing_is_given_up_and_a_slow_one_is_not() {
    let (mut stream, mut caller) = stream(false);
    let slow = tokio::spawn(async move {
        let mut buffer = [0; 8];
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(59)).await;
            caller.read_exact(&mut buffer).await.unwrap();
        }
        caller
    });
    stream.write_all(&[0; 64 + 20 * 8]).await.unwrap();
    let _caller = slow.await.unwrap();
    let start = Instant::now();
    let error = stream.write_all(&[0; 65]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!((start.elapsed().as_secs_f64() - 60.0).abs() < 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_was_read_to_its_end_is_closed_at_once() {
    let (mut stream, _caller) = stream(false);
    assert!(closing(&mut stream).await < 0.1);
}

#[tokio::test(start_paused = true)]
async fn refused_bytes_are_read_on_until_the_caller_closes() {
    let (mut stream, mut caller) = stream(true);
    let caller = tokio::spawn(async move {
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            caller.write_all(&[b'x'; 100]).await.unwrap();
        }
    });
    let seconds = closing(&mut stream).await;
    assert!((2.9..3.2).contains(&seconds), "{seconds}");
    caller.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn reading_on_is_bounded_in_silence_time_and_amount() {
    let (mut stalled, _caller) = stream(true);
    let seconds = closing(&mut stalled).await;
    assert!((4.9..5.1).contains(&seconds), "silence: {seconds}");
    let cases = [(1_000, 1, 30.0, "time"), (10, 50, 0.8, "amount")];
    for (pause_ms, bytes, expected, bound) in cases {
        let (mut stream, mut caller) = stream(true);
        tokio::spawn(async move {
            while caller.write_all(&vec![b'x'; bytes]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            }
        });
        let seconds = closing(&mut stream).await;
        assert!(
            (seconds - expected).abs() < 1.1 * expected / 20.0,
            "{bound}: {seconds}"
        );
    }
}
