//! The body of an answer, which holds the reservation of its call until it has ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{Reservation, Usage};

pin_project! {
    /// The body of an answer to a paced request; the call is in flight until it has ended.
    ///
    /// It passes every frame as it comes. Once the last one has, the call is settled; dropped before
    /// that, what was reserved counts as spent.
    #[derive(Debug)]
    pub struct PacedBody<B> {
        #[pin]
        body: B,
        end: Option<End>,
    }
}

/// What is to be done at the end.
#[derive(Debug)]
pub(super) struct End {
    pub(super) reservation: Reservation,
    pub(super) usage: Option<Usage>,
    pub(super) succeeded: bool,
}

impl End {
    fn settle(self) {
        match self.usage {
            _ if !self.succeeded => self.reservation.failed(),
            Some(usage) => self.reservation.settle(usage),
            None => self.reservation.served(),
        }
    }
}

impl<B: Body> PacedBody<B> {
    /// A body whose call has ended already.
    pub(super) const fn free(body: B) -> Self {
        Self { body, end: None }
    }

    pub(super) fn held(body: B, end: End) -> Self {
        if body.is_end_stream() {
            end.settle();
            return Self::free(body);
        }
        Self {
            body,
            end: Some(end),
        }
    }
}

impl<B: Body> Body for PacedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let polled = this.body.as_mut().poll_frame(context);
        let ended = match &polled {
            Poll::Pending => false,
            Poll::Ready(None) => true,
            Poll::Ready(Some(Err(_))) => {
                if let Some(end) = this.end.take() {
                    end.reservation.failed();
                }
                false
            }
            // Who reads a body need not ask again after its last frame.
            Poll::Ready(Some(Ok(_))) => this.body.is_end_stream(),
        };
        if ended && let Some(end) = this.end.take() {
            end.settle();
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
