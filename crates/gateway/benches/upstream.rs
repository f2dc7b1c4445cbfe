//! HTTP/2 against HTTP/1.1 towards the provider: the same calls through a gateway that speaks one,
//! and one that speaks the other, in turns, and the ratio between them.
//!
//! `cargo bench -p paceline-gateway --bench upstream` prints the median of the rounds.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use paceline_testkit::TestGateway;
use tokio::net::{TcpListener, TcpStream};

/// Callers at once.
const CALLERS: usize = 64;

/// Rounds of each version; the first warms up and is not counted.
const ROUNDS: usize = 6;

/// Calls of one caller in a round.
const CALLS: usize = 50;

/// Events of one stream, and the pause between two, about that of a fast model.
const EVENTS: usize = 200;
const PAUSE: Duration = Duration::from_millis(2);

/// Limits that hold nobody up.
const LIMITS: &str =
    "[limits]\nrequests_per_minute = 100000000\ntokens_per_minute = 1000000000000\n";

/// What one round showed.
#[derive(Clone, Copy)]
struct Round {
    per_second: f64,
    median_ms: f64,
    p99_ms: f64,
}

/// What the callers do.
#[derive(Clone, Copy)]
enum Load {
    /// Short answers, one after the other.
    Calls,
    /// Streams of events.
    Streams,
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(compare())
}

async fn compare() -> Result<()> {
    for (load, name) in [(Load::Calls, "short calls"), (Load::Streams, "streams")] {
        let one = gateway(false, "1.1").await?;
        let two = gateway(true, "2").await?;
        let (mut ones, mut twos) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ones.push(round(one.address(), load).await?);
            twos.push(round(two.address(), load).await?);
        }
        let (one, two) = (middle(&ones[1..]), middle(&twos[1..]));
        told(&format!("{name}, HTTP/1.1"), one);
        told(&format!("{name}, HTTP/2  "), two);
        told(
            &format!("{name}, ratio   "),
            Round {
                per_second: two.per_second / one.per_second,
                median_ms: two.median_ms / one.median_ms,
                p99_ms: two.p99_ms / one.p99_ms,
            },
        );
    }
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "the figures are what this program is for"
)]
fn told(what: &str, round: Round) {
    let Round {
        per_second,
        median_ms,
        p99_ms,
    } = round;
    println!("{what}: {per_second:.2} per second, median {median_ms:.2} ms, p99 {p99_ms:.2} ms");
}

/// The medians over rounds.
fn middle(rounds: &[Round]) -> Round {
    let median = |of: fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Round {
        per_second: median(|round| round.per_second),
        median_ms: median(|round| round.median_ms),
        p99_ms: median(|round| round.p99_ms),
    }
}

/// A gateway in front of a provider that speaks this version.
async fn gateway(http2: bool, version: &str) -> Result<TestGateway> {
    let provider = provider(http2).await?;
    let configuration = format!("[upstream]\nhttp_version = \"{version}\"\n{LIMITS}");
    TestGateway::start(provider, &configuration)
}

/// All callers make their calls; a call of [`Load::Streams`] counts each event.
async fn round(gateway: SocketAddr, load: Load) -> Result<Round> {
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| tokio::spawn(caller(gateway, load)))
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await??);
    }
    let elapsed = began.elapsed().as_secs_f64();
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    let each = match load {
        Load::Calls => 1,
        Load::Streams => EVENTS,
    };
    let count = u32::try_from(times.len() * each)?;
    Ok(Round {
        per_second: f64::from(count) / elapsed,
        median_ms: at(50),
        p99_ms: at(99),
    })
}

/// One caller, over one connection; how long each call took.
async fn caller(gateway: SocketAddr, load: Load) -> Result<Vec<Duration>> {
    let stream = TcpStream::connect(gateway).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut times = Vec::new();
    let calls = match load {
        Load::Calls => CALLS,
        Load::Streams => 1,
    };
    for _ in 0..calls {
        let began = Instant::now();
        sender.ready().await?;
        let answer = sender.send_request(request(load)?).await?;
        ensure!(answer.status() == 200, "answered with {}", answer.status());
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(!body.is_empty(), "an answer without a body");
        times.push(began.elapsed());
    }
    Ok(times)
}

fn request(load: Load) -> Result<Request<Full<Bytes>>> {
    let stream = matches!(load, Load::Streams);
    let body = format!(
        r#"{{"model":"m","stream":{stream},"max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/chat/completions")
        .header(HOST, "gateway")
        .header(CONTENT_TYPE, "application/json");
    Ok(request.body(Full::new(Bytes::from(body)))?)
}

/// A provider that answers at once, and streams with short pauses.
async fn provider(http2: bool) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let stream = TokioIo::new(stream);
            tokio::spawn(async move {
                let service = service_fn(answer);
                let _ = match http2 {
                    true => {
                        let builder = http2::Builder::new(TokioExecutor::new());
                        builder.serve_connection(stream, service).await
                    }
                    false => {
                        http1::Builder::new()
                            .serve_connection(stream, service)
                            .await
                    }
                };
            });
        }
    });
    Ok(address)
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let body = request.into_body().collect().await;
    let asked = body.map(|body| body.to_bytes()).unwrap_or_default();
    let wants_stream = asked.windows(13).any(|window| window == b"\"stream\":true");
    let mut response = match wants_stream {
        true => Response::new(BodyExt::boxed(StreamBody::new(stream::unfold(0, event)))),
        false => Response::new(Full::new(Bytes::from_static(ANSWER)).boxed()),
    };
    let kind = if wants_stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    Ok(response)
}

const ANSWER: &[u8] = br#"{"id":"a","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

const EVENT: &[u8] = b"data: {\"id\":\"a\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"},\"finish_reason\":null}]}\n\n";

async fn event(number: usize) -> Option<(Result<Frame<Bytes>, Infallible>, usize)> {
    let event = match number {
        ..EVENTS => {
            tokio::time::sleep(PAUSE).await;
            EVENT
        }
        EVENTS => b"data: [DONE]\n\n",
        _ => return None,
    };
    Some((Ok(Frame::data(Bytes::from_static(event))), number + 1))
}
