//! The body of a request, watched while it is taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;

use super::failure::SendError;
use crate::body::{BodyError, UpstreamBody};

/// How far a request has been taken, and since when.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// A piece was handed over, and the next one is not asked for yet.
    Handed(Instant),
    /// The caller has not sent the next piece yet.
    CallersTurn,
    /// All of it was taken.
    Ended(Instant),
}

/// What a body tells of itself.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<Stage>>);

/// How long the provider may take for what it does next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) write: Duration,
    pub(super) first_byte: Duration,
}

impl Progress {
    /// Ends when the provider took too long for the next piece, or to begin its answer.
    pub(super) async fn overdue(&self, patience: Patience) -> SendError {
        // A stage that is short must not be noticed late, so none is slept through.
        let nap_max = patience.write.min(patience.first_byte);
        loop {
            let stage = *self.0.lock();
            let now = Instant::now();
            let (began, limit, phase) = match stage {
                Stage::Handed(since) => (
                    since,
                    patience.write,
                    "without taking any of the request (write_timeout)",
                ),
                Stage::CallersTurn => (now, nap_max, ""),
                Stage::Ended(since) => (
                    since,
                    patience.first_byte,
                    "waiting for the first byte of the answer (first_byte_timeout)",
                ),
            };
            let end = began + limit;
            if now >= end {
                return SendError::Timeout { phase, limit };
            }
            tokio::time::sleep((end - now).min(nap_max)).await;
        }
    }
}

/// A body that tells how far it was taken.
pub(crate) struct Watched {
    body: UpstreamBody,
    /// What is left of a piece that is handed over in several.
    rest: Bytes,
    piece_bytes_max: usize,
    progress: Progress,
}

impl Watched {
    /// Hands `body` over as it is.
    pub(super) fn whole(body: UpstreamBody) -> Self {
        Self::in_pieces(body, usize::MAX)
    }

    /// Hands `body` over in pieces of at most so many bytes, so that it is seen when one is not
    /// taken.
    pub(super) fn in_pieces(body: UpstreamBody, piece_bytes_max: usize) -> Self {
        let now = Instant::now();
        let stage = match body.is_end_stream() {
            true => Stage::Ended(now),
            false => Stage::Handed(now),
        };
        Self {
            body,
            rest: Bytes::new(),
            piece_bytes_max,
            progress: Progress(Arc::new(Mutex::new(stage))),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// The body, as long as nothing of it was taken.
    pub(super) fn into_inner(self) -> UpstreamBody {
        self.body
    }

    fn note(&self, stage: Stage) {
        *self.progress.0.lock() = stage;
    }

    fn hand_over(&mut self, mut piece: Bytes) -> Frame<Bytes> {
        if piece.len() > self.piece_bytes_max {
            self.rest = piece.split_off(self.piece_bytes_max);
        }
        let now = Instant::now();
        self.note(match self.is_end_stream() {
            true => Stage::Ended(now),
            false => Stage::Handed(now),
        });
        Frame::data(piece)
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if !this.rest.is_empty() {
            let rest = std::mem::take(&mut this.rest);
            return Poll::Ready(Some(Ok(this.hand_over(rest))));
        }
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Pending => {
                this.note(Stage::CallersTurn);
                Poll::Pending
            }
            Poll::Ready(None) => {
                this.note(Stage::Ended(Instant::now()));
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(piece) => Poll::Ready(Some(Ok(this.hand_over(piece)))),
                Err(frame) => Poll::Ready(Some(Ok(frame))),
            },
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let behind = self.body.size_hint();
        let already = self.rest.len() as u64;
        let mut hint = SizeHint::new();
        hint.set_lower(behind.lower() + already);
        if let Some(upper) = behind.upper() {
            hint.set_upper(upper + already);
        }
        hint
    }
}
