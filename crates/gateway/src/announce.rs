//! Telling a streaming caller its place in the queue, as comments of the event stream, while it waits.
//!
//! Comments are lines that start with a colon; every client of server-sent events ignores them. They
//! commit the answer to status 200, so whatever goes wrong later is told as an error event.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::{Body, Frame};
use paceline_limiter::{Outlook, WaiterId};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Interval;

use crate::body::{BodyError, ReplyBody};
use crate::exchange::milliseconds;
use crate::pace::Pool;
use crate::upstream::is_event_stream;

/// Where a request waits, for those who tell about it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    place: Mutex<Option<(Weak<Pool>, WaiterId)>>,
    queued: Notify,
}

impl Progress {
    /// Notes that the request waits.
    pub(crate) fn waits(&self, pool: &Arc<Pool>, waiter: WaiterId) {
        *self.place.lock() = Some((Arc::downgrade(pool), waiter));
        self.queued.notify_one();
    }

    /// Notes that the request waits no more.
    pub(crate) fn goes(&self) {
        *self.place.lock() = None;
    }

    /// Resolves when the request begins to wait.
    pub(crate) async fn queued(&self) {
        self.queued.notified().await;
    }

    fn outlook(&self) -> Option<Outlook> {
        let (pool, waiter) = self.place.lock().clone()?;
        pool.upgrade()?.outlook(waiter)
    }
}

type Pending = Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>;

/// A stream that begins with comments and goes on with the answer.
pub(crate) struct Announced {
    phase: Phase,
    progress: Arc<Progress>,
    interval: Pin<Box<Interval>>,
}

enum Phase {
    /// The answer is not there yet.
    Waiting(Pending),
    /// The answer streams.
    Streaming(ReplyBody),
    /// The answer is an error, being read to be told as an event.
    Failing(ReplyBody, BytesMut),
    Ended,
}

impl Announced {
    /// Starts the answer to a request that waits.
    pub(crate) fn start(
        outcome: Pending,
        progress: Arc<Progress>,
        every: Duration,
        request_id: &str,
    ) -> Response<ReplyBody> {
        let mut interval = tokio::time::interval(every.max(Duration::from_millis(10)));
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut response = Response::new(ReplyBody::Announced(Box::new(Self {
            phase: Phase::Waiting(outcome),
            progress,
            interval: Box::pin(interval),
        })));
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream; charset=utf-8"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-paceline-request-id", id);
        }
        response
    }

    fn poll_waiting(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Phase::Waiting(outcome) = &mut self.phase else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(response) = outcome.as_mut().poll(context) {
            let streams = response.status().is_success() && is_event_stream(response.headers());
            let body = response.into_body();
            self.phase = if streams {
                Phase::Streaming(body)
            } else {
                Phase::Failing(body, BytesMut::new())
            };
            return Poll::Ready(None);
        }
        loop {
            ready!(self.interval.as_mut().get_mut().poll_tick(context));
            if let Some(outlook) = self.progress.outlook() {
                return Poll::Ready(Some(comment(&outlook)));
            }
        }
    }

    fn poll_failing(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Phase::Failing(body, read) = &mut self.phase else {
            return Poll::Ready(None);
        };
        while let Some(frame) = ready!(Pin::new(&mut *body).poll_frame(context)) {
            let Ok(frame) = frame else {
                break;
            };
            if let Ok(piece) = frame.into_data() {
                read.extend_from_slice(&piece);
            }
        }
        let event = error_event(read);
        self.phase = Phase::Ended;
        Poll::Ready(Some(event))
    }
}

/// The place in the queue as a comment, in words that a program can read as well.
fn comment(outlook: &Outlook) -> Bytes {
    let eta = match outlook.eta {
        Some(eta) => format!(" eta_ms={}", milliseconds(eta)),
        None => String::new(),
    };
    Bytes::from(format!(
        ": paceline position={}{eta} limited_by=\"{}\"\n\n",
        outlook.position, outlook.binding
    ))
}

/// An error body as one event; line breaks inside JSON carry no meaning.
fn error_event(body: &[u8]) -> Bytes {
    let mut event = BytesMut::from(&b"data: "[..]);
    event.extend(body.iter().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        other => *other,
    }));
    event.extend_from_slice(b"\n\ndata: [DONE]\n\n");
    event.freeze()
}

impl Body for Announced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            let piece = match &mut this.phase {
                Phase::Waiting(_) => ready!(this.poll_waiting(context)),
                Phase::Failing(..) => ready!(this.poll_failing(context)),
                Phase::Streaming(body) => return Pin::new(body).poll_frame(context),
                Phase::Ended => return Poll::Ready(None),
            };
            if let Some(piece) = piece {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_limiter::Binding;

    #[test]
    fn a_comment_names_position_time_and_limit() {
        let outlook = Outlook {
            position: 3,
            eta: Some(Duration::from_millis(1_250)),
            binding: Binding::CoolDown,
        };
        let text = comment(&outlook);
        assert_eq!(
            text,
            ": paceline position=3 eta_ms=1250 limited_by=\"cool-down\"\n\n"
        );
    }

    #[test]
    fn an_error_is_one_event_whatever_it_contains() {
        let event = error_event(b"{\n\"error\": {}\r\n}");
        assert_eq!(event, "data: { \"error\": {}  }\n\ndata: [DONE]\n\n");
    }
}
