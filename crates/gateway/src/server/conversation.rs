//! What the two sides of a caller's connection have to know of each other: the stream sees bytes, the
//! service sees requests.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::body::{BodyError, ReplyBody};

/// How far the talk on one connection is.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// Request heads that came in full.
    heads: AtomicU64,
    /// Halves of exchanges that are not over: a request's body and the answer to it.
    open_halves: AtomicU32,
    /// Whether a body was given up before its end; the caller may still be sending it.
    unread: AtomicBool,
}

impl Conversation {
    /// Notes that a request has begun; its two halves tell their ends by being dropped.
    pub(super) fn begin(self: &Arc<Self>, body: Incoming) -> (CallerBody, Half) {
        self.heads.fetch_add(1, Ordering::Relaxed);
        self.open_halves.fetch_add(2, Ordering::Relaxed);
        let half = || Half(Arc::clone(self));
        let body = CallerBody {
            ended: body.is_end_stream(),
            body,
            half: half(),
        };
        (body, half())
    }

    /// The number of the head that is awaited; `None` while an exchange is under way.
    pub(super) fn awaited_head(&self) -> Option<u64> {
        let idle = self.open_halves.load(Ordering::Relaxed) == 0;
        idle.then(|| self.heads.load(Ordering::Relaxed))
    }

    /// Notes that nobody will read the rest of a body.
    pub(super) fn give_up(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether the caller may still be sending what nobody will read.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }
}

/// One half of an exchange, for as long as it is not over.
#[derive(Debug)]
pub(super) struct Half(Arc<Conversation>);

impl Drop for Half {
    fn drop(&mut self) {
        self.0.open_halves.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of a caller's request. To drop it before its end is to refuse the rest.
#[derive(Debug)]
pub(crate) struct CallerBody {
    body: Incoming,
    /// Whether there is nothing more to come, for good or ill.
    ended: bool,
    half: Half,
}

impl Body for CallerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            this.ended = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for CallerBody {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            self.half.0.give_up();
        }
    }
}

/// The body of an answer, which tells when it is over.
pub(super) struct Answer {
    pub(super) body: ReplyBody,
    pub(super) _half: Half,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
