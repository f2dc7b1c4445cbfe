//! The bodies that the gateway sends: answers to callers and requests upstream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

use crate::announce::Announced;
use crate::relay::Relay;
use crate::server::CallerBody;

/// Any error of a body; what went wrong was logged where it happened.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer to a caller.
pub(crate) enum ReplyBody {
    /// Known in full.
    Whole(Full<Bytes>),
    /// Relayed from upstream as it comes.
    Relay(Box<Relay>),
    /// A stream that tells its place in the queue first.
    Announced(Box<Announced>),
    /// From the admin plane.
    Admin(axum::body::Body),
}

impl ReplyBody {
    /// No bytes.
    pub(crate) fn empty() -> Self {
        Self::Whole(Full::default())
    }

    /// Bytes known in full.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::Relay(body) => Pin::new(body.as_mut()).poll_frame(context),
            Self::Announced(body) => Pin::new(body.as_mut()).poll_frame(context),
            Self::Admin(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Admin(body) => body.is_end_stream(),
            // These do work at their end, so they must be polled to it.
            Self::Relay(_) | Self::Announced(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Relay(body) => body.size_hint(),
            Self::Announced(_) => SizeHint::default(),
            Self::Admin(body) => body.size_hint(),
        }
    }
}

/// The body of a request sent upstream.
pub(crate) enum UpstreamBody {
    /// Read in full before; can be sent again.
    Whole(Full<Bytes>),
    /// Passed on while it comes in; can be sent once.
    Streamed {
        /// What was read of it already.
        head: Option<Bytes>,
        /// The rest, from the caller.
        rest: CallerBody,
    },
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map_err(|never| match never {}),
            Self::Streamed { head, rest } => match head.take() {
                Some(head) => Poll::Ready(Some(Ok(Frame::data(head)))),
                None => Pin::new(rest).poll_frame(context).map_err(Into::into),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed { head, rest } => head.is_none() && rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed { head, rest } => {
                let already = head.as_ref().map_or(0, Bytes::len) as u64;
                let behind = rest.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(behind.lower() + already);
                if let Some(upper) = behind.upper() {
                    hint.set_upper(upper + already);
                }
                hint
            }
        }
    }
}
