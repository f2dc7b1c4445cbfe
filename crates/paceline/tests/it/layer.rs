//! The tower layer: a call is in flight until the body of its answer has ended.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderName, Request, Response};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use paceline::tower::{ByHeader, PaceError, PaceLayer};
use paceline::{Call, Metric, Pacer, Refused, Settling, Usage};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{MINUTE, assert_passed, exact};

type Frames = VecDeque<io::Result<&'static str>>;
type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>;

fn body(frames: impl Into<Frames>) -> Body {
    let frames = stream::iter(frames.into());
    let frames = frames.map(|text| text.map(|text| http_body::Frame::data(Bytes::from(text))));
    StreamBody::new(frames).boxed_unsync()
}

fn request(tokens: u64) -> Request<Empty<Bytes>> {
    let request = Request::get("/").header("x-tokens", tokens);
    request.body(Empty::new()).unwrap()
}

fn by_header(pacer: &Pacer) -> PaceLayer<ByHeader> {
    let header = ByHeader(HeaderName::from_static("x-tokens"));
    PaceLayer::new(pacer.clone(), header)
}

fn pacer() -> Pacer {
    let builder = Pacer::builder().tokens_per_minute(1_000);
    exact(builder.settling(Settling::AsUsed)).build().unwrap()
}

fn left(pacer: &Pacer) -> (usize, u64) {
    (pacer.in_flight(), pacer.remaining(Metric::Tokens).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_call_is_in_flight_until_its_body_has_ended() {
    let pacer = pacer();
    let service = by_header(&pacer).layer(service_fn(|_| async {
        Ok::<_, io::Error>(Response::new(body([Ok("Be"), Ok("cause")])))
    }));
    let answer = service.clone().oneshot(request(100)).await.unwrap();
    assert_eq!(left(&pacer), (1, 900));
    let mut answer = answer.into_body();
    answer.frame().await.unwrap().unwrap();
    assert_eq!(left(&pacer), (1, 900));
    let rest = answer.collect().await.unwrap().to_bytes();
    assert_eq!((rest, left(&pacer)), (Bytes::from("cause"), (0, 900)));

    // A reader that goes away, or never begins, ends the call too.
    let answer = service.oneshot(request(100)).await.unwrap();
    drop(answer);
    assert_eq!(left(&pacer), (0, 800));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_tells_its_last_frame_need_not_be_asked_again() {
    let pacer = pacer();
    let service = service_fn(|_| async {
        let body = Full::new(Bytes::from("Because"));
        Ok::<_, io::Error>(Response::new(body))
    });
    let answer = by_header(&pacer).layer(service).oneshot(request(10)).await;
    let mut body = answer.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(left(&pacer), (0, 990));

    let service =
        service_fn(|_| async { Ok::<_, io::Error>(Response::new(Empty::<Bytes>::new())) });
    let answer = by_header(&pacer).layer(service).oneshot(request(10)).await;
    assert_eq!(left(&pacer), (0, 980));
    drop(answer);
    assert_eq!(left(&pacer), (0, 980));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_ends_its_call_as_spent() {
    let pacer = pacer();
    let service = by_header(&pacer).layer(service_fn(|_| async {
        let frames = [Ok("Be"), Err(io::Error::other("cut"))];
        Ok::<_, io::Error>(Response::new(body(frames)))
    }));
    let answer = service.oneshot(request(100)).await.unwrap();
    assert!(answer.into_body().collect().await.is_err());
    assert_eq!(left(&pacer), (0, 900));
}

#[tokio::test(start_paused = true)]
async fn the_usage_in_a_header_settles_the_call_when_the_body_has_ended() {
    let pacer = pacer();
    let layer = by_header(&pacer).with_usage(|headers| {
        let used = headers.get("x-used")?.to_str().ok()?.parse().ok()?;
        Some(Usage::of_tokens(used))
    });
    let service = layer.layer(service_fn(|_| async {
        let answer = Response::builder().header("x-used", 30);
        answer.body(body([Ok("Because")]))
    }));
    let answer = service.oneshot(request(100)).await.unwrap();
    assert_eq!(left(&pacer), (1, 900));
    answer.into_body().collect().await.unwrap();
    assert_eq!(left(&pacer), (0, 970));
}

#[tokio::test(start_paused = true)]
async fn requests_wait_and_what_cannot_be_sent_is_not() {
    let pacer = pacer();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let layer = PaceLayer::new(pacer, |request: &Request<u64>| {
        Call::of_tokens(*request.body())
    });
    let mut service = layer.layer(service_fn(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, io::Error>(Response::new(Empty::<Bytes>::new())) }
    }));
    let start = Instant::now();
    service.call(Request::new(1_000)).await.unwrap();
    service.call(Request::new(1)).await.unwrap();
    assert_passed(start, MINUTE);
    let error = service.call(Request::new(1_001)).await.unwrap_err();
    assert!(matches!(
        error,
        PaceError::Refused(Refused::TooLarge { .. })
    ));
    assert_eq!(sent.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_pauses_everybody_and_a_failure_nobody() {
    for (status, pauses, left) in [
        (429, true, 1_000),
        (503, true, 900),
        (529, true, 900),
        (500, false, 900),
    ] {
        let pacer = pacer();
        let refuse = by_header(&pacer).layer(service_fn(move |_| async move {
            let answer = Response::builder().status(status).header("retry-after", 7);
            answer.body(body([Ok("no")]))
        }));
        let answer = refuse.oneshot(request(100)).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, Bytes::from("no"));
        let now = pacer.try_reserve(&Call::new()).await;
        let wait = now.err().and_then(|refused| refused.retry_after());
        let paused = wait.is_some_and(|wait| wait >= Duration::from_secs(7));
        assert_eq!(paused, pauses, "{status}");
        let state = (pacer.in_flight(), pacer.remaining(Metric::Tokens));
        assert_eq!(state, (0, Some(left)), "{status}");
    }
}

/// A service that never becomes ready, or fails when it is called.
#[derive(Clone)]
struct Broken {
    ready: bool,
}

impl Service<Request<Empty<Bytes>>> for Broken {
    type Response = Response<Empty<Bytes>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.ready {
            true => Poll::Ready(Ok(())),
            false => Poll::Ready(Err(io::Error::other("not ready"))),
        }
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        assert!(self.ready);
        Box::pin(async { Err(io::Error::other("cut")) })
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_reached_the_service_costs_nothing() {
    let pacer = pacer();
    let never = by_header(&pacer).layer(Broken { ready: false });
    let error = never.oneshot(request(100)).await.unwrap_err();
    assert!(matches!(error, PaceError::Service(_)));
    assert_eq!(left(&pacer), (0, 1_000));
    let fails = by_header(&pacer).layer(Broken { ready: true });
    assert!(fails.oneshot(request(100)).await.is_err());
    assert_eq!(left(&pacer), (0, 900));
}

#[tokio::test(start_paused = true)]
async fn limits_are_learned_from_the_answers_that_pass() {
    let pacer = Pacer::builder().build().unwrap();
    let service = by_header(&pacer).layer(service_fn(|_| async {
        let answer = Response::builder()
            .header("x-ratelimit-limit-tokens", 90_000)
            .header("x-ratelimit-remaining-tokens", 89_000)
            .header("x-ratelimit-reset-tokens", "667ms");
        answer.body(Empty::<Bytes>::new())
    }));
    service.oneshot(request(1_000)).await.unwrap();
    assert_eq!(pacer.limits()[0].amount, 90_000);
}
