//! Many requests at once on a connection: HTTP/2.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::HOST;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::failure::{ConnectError, chain};
use super::http1::as_built;
use super::pool::{Asked, Unanswered};
use super::shelf::Shelf;
use super::stream::Stream;
use super::watched::Watched;
use crate::body::UpstreamBody;

/// Streams on one connection, where the provider allows as many; RFC 9113 (6.5.2) recommends that
/// it allows no fewer. More go to another connection, so that one that breaks takes few along.
const STREAMS_MAX: usize = 100;

/// What the provider may send ahead on one stream while its caller takes nothing.
const STREAM_WINDOW_BYTES: u32 = 512 * 1024;

/// And on all of them: the sum, so that callers that take nothing never hold up the others.
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES * 100;

/// A connection with requests on it is asked for a sign of life this often, and given up when none
/// comes.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest head of an answer.
const HEAD_BYTES_MAX: u32 = 64 * 1024;

/// Bodies are handed over in pieces of this size, that of a frame.
const PIECE_BYTES_MAX: usize = 16 * 1024;

/// A connection that carries many requests at once.
#[derive(Debug)]
pub(super) struct Multiplexed {
    sender: SendRequest<Watched>,
    pub(super) opened: Instant,
    /// What the provider allows at present.
    streams_max: Arc<AtomicUsize>,
    usage: Mutex<Usage>,
}

#[derive(Debug)]
struct Usage {
    streams: usize,
    /// Fewer than the provider says it allows, once it has refused more.
    refused_at: usize,
    /// Whether it takes no further one.
    retired: bool,
    idle_since: Instant,
}

/// One stream of a connection.
#[derive(Debug)]
pub(super) struct Permit {
    connection: Arc<Multiplexed>,
    shelf: Arc<Shelf>,
}

impl Multiplexed {
    /// Begins HTTP/2 on a connection and waits, for at most `limit`, until the provider has said
    /// how many streams it allows.
    pub(super) async fn begin(stream: Stream, limit: Duration) -> Result<Self, ConnectError> {
        let begun = tokio::time::timeout(limit, Self::settle(stream)).await;
        begun.unwrap_or_else(|_| {
            Err(ConnectError::Slow {
                phase: "agreeing on HTTP/2".to_owned(),
                key: "connect_timeout",
                limit,
            })
        })
    }

    async fn settle(stream: Stream) -> Result<Self, ConnectError> {
        let spawner = Spawner::default();
        let failed = |error: hyper::Error| ConnectError::Http(chain(&error));
        let (sender, connection) = http2::Builder::new(spawner.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(HEAD_BYTES_MAX)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            // None may be opened before the provider has spoken, by which that is recognised.
            .initial_max_send_streams(0)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        let mut connection = Box::pin(connection);
        while connection.current_max_send_streams() == 0 {
            tokio::select! {
                ended = &mut connection => {
                    let reason = ended.err().map_or("it was closed".to_owned(), |e| chain(&e));
                    return Err(ConnectError::Http(reason));
                }
                () = spawner.polled.notified() => {}
            }
        }
        spawner.settled.store(true, Ordering::Release);
        let streams_max = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        let allowed = Arc::clone(&streams_max);
        tokio::spawn(async move {
            let ended = std::future::poll_fn(|context| {
                let ended = connection.as_mut().poll(context);
                allowed.store(connection.current_max_send_streams(), Ordering::Relaxed);
                ended
            });
            if let Err(error) = ended.await {
                tracing::debug!(error = %chain(&error), "upstream connection ended");
            }
        });
        Ok(Self {
            sender,
            opened: Instant::now(),
            streams_max,
            usage: Mutex::new(Usage {
                streams: 0,
                refused_at: usize::MAX,
                retired: false,
                idle_since: Instant::now(),
            }),
        })
    }

    /// Whether it takes no further request.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed() || self.usage.lock().retired
    }

    /// How long it has carried nothing; `None` while it carries something.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        let usage = self.usage.lock();
        (usage.streams == 0).then(|| usage.idle_since.elapsed())
    }
}

impl Permit {
    /// A stream, if the connection has room for one.
    pub(super) fn take(connection: &Arc<Multiplexed>, shelf: &Arc<Shelf>) -> Option<Self> {
        let allowed = connection.streams_max.load(Ordering::Relaxed);
        let mut usage = connection.usage.lock();
        if usage.streams >= allowed.min(STREAMS_MAX).min(usage.refused_at) {
            return None;
        }
        usage.streams += 1;
        Some(Self {
            connection: Arc::clone(connection),
            shelf: Arc::clone(shelf),
        })
    }

    /// Gives the stream back unused; the connection ends with its last one.
    pub(super) fn retire(self) {
        self.connection.usage.lock().retired = true;
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn ask(
        &self,
        request: Request<UpstreamBody>,
        asked: &Asked<'_>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let target = &asked.dialer.target;
        // What the provider turns away is gone, so it is kept as long as it can be turned away.
        let again = copy(&request);
        let mut request = request.map(|body| Watched::in_pieces(body, PIECE_BYTES_MAX));
        if let Some(whole) = target.absolute(request.uri()) {
            *request.uri_mut() = whole;
        }
        request.headers_mut().remove(HOST);
        let progress = request.body().progress();
        let mut sender = self.connection.sender.clone();
        let sending = sender.try_send_request(request);
        let mut error = match asked.wait(sending, &progress).await? {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        if let Some(unsent) = error.take_message() {
            let unsent = as_built(unsent.map(Watched::into_inner), target);
            return Err(Unanswered::Unsent(Box::new(unsent), chain(error.error())));
        }
        let error = error.into_error();
        match turned_away(&error) {
            None => Err(asked.failed(&error).into()),
            Some(TurnedAway::Crowded) => {
                let mut usage = self.connection.usage.lock();
                usage.refused_at = usage.streams.saturating_sub(1).max(1);
                Err(Unanswered::turned_away(again, chain(&error)))
            }
            Some(TurnedAway::Leaving) => Err(Unanswered::turned_away(again, chain(&error))),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut usage = self.connection.usage.lock();
        usage.streams -= 1;
        usage.idle_since = Instant::now();
        drop(usage);
        self.shelf.stream_ended();
    }
}

/// How a provider says that it did not look at a request.
enum TurnedAway {
    /// It takes no more streams at present (RFC 9113, 8.7: REFUSED_STREAM).
    Crowded,
    /// It closes the connection, and the stream is behind the last that it looked at (RFC 9113,
    /// 6.8: GOAWAY).
    Leaving,
}

fn turned_away(error: &hyper::Error) -> Option<TurnedAway> {
    let error = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    match () {
        () if refused => Some(TurnedAway::Crowded),
        // Streams that it may have looked at fail with the end of the connection instead.
        () if error.is_go_away() && error.is_remote() => Some(TurnedAway::Leaving),
        () => None,
    }
}

/// The same request once more; `None` where its body can be sent once only.
fn copy(request: &Request<UpstreamBody>) -> Option<Request<UpstreamBody>> {
    let UpstreamBody::Whole(body) = request.body() else {
        return None;
    };
    let mut copy = Request::new(UpstreamBody::Whole(body.clone()));
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

/// Starts the tasks of a connection. Until the provider has spoken, each turn of theirs is told, as
/// any may be the one in which it is heard.
#[derive(Clone, Default)]
struct Spawner {
    polled: Arc<Notify>,
    settled: Arc<AtomicBool>,
}

impl<F> Executor<F> for Spawner
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        if self.settled.load(Ordering::Acquire) {
            tokio::spawn(task);
            return;
        }
        let Self { polled, settled } = self.clone();
        let mut task: Pin<Box<F>> = Box::pin(task);
        tokio::spawn(std::future::poll_fn(move |context| {
            let done: Poll<()> = task.as_mut().poll(context);
            if !settled.load(Ordering::Acquire) {
                polled.notify_one();
            }
            done
        }));
    }
}
