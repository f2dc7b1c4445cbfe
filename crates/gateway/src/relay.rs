//! Passing an answer on while reading what it says about its usage.

mod reader;
mod settle;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use paceline_config::SettleRule;
use tokio::time::Sleep;

pub(crate) use reader::Reader;
pub(crate) use settle::settle;

use crate::body::BodyError;
use crate::exchange::{Ending, Exchange};
use crate::pace::Lease;
use crate::refusal;
use crate::upstream::{Connection, SendError, Upstream};

/// The body of an answer that comes from upstream. It owns everything that must end with it: the
/// connection, the reservation and the request's story.
pub(crate) struct Relay {
    upstream: Incoming,
    /// Pieces read already, or held back by the reader until their end was seen.
    ready: VecDeque<Bytes>,
    reader: Reader,
    guards: Option<Guards>,
    silence: Silence,
    ended: bool,
    passes_unchanged: bool,
}

/// What is released when an answer is over, in whatever way.
pub(crate) struct Guards {
    pub(crate) exchange: Exchange,
    pub(crate) lease: Option<Lease>,
    pub(crate) settle_rule: SettleRule,
    pub(crate) connection: Connection,
}

impl Guards {
    fn complete(self, reader: Reader) {
        let outcome = reader.outcome();
        let Self {
            mut exchange,
            lease,
            settle_rule,
            connection,
        } = self;
        connection.keep();
        exchange.usage = outcome.usage;
        if let (Some(refusal), Some(lease)) = (&outcome.refusal, &lease) {
            // Too late for a retry, but not too late for everyone else in the pool.
            refusal::note(&exchange, refusal);
            refusal::cool_down(lease.pool(), refusal, None, Duration::ZERO, 0);
        }
        let ending = match (outcome.failed, exchange.status) {
            (false, ..400) => Ending::Ok,
            _ => Ending::ProviderError,
        };
        if let Some(lease) = lease {
            settle(lease, settle_rule, &outcome, ending == Ending::Ok);
        }
        exchange.finish(ending);
    }

    fn broken(self, reader: Reader, ending: Ending) {
        let outcome = reader.outcome();
        let Self {
            mut exchange,
            lease,
            settle_rule,
            ..
        } = self;
        exchange.usage = outcome.usage;
        if let Some(lease) = lease {
            settle(lease, settle_rule, &outcome, false);
        }
        exchange.finish(ending);
    }
}

impl Relay {
    /// Relays `upstream`, whose first pieces may be in `ready` already.
    pub(crate) fn new(
        upstream: Incoming,
        ready: VecDeque<Bytes>,
        reader: Reader,
        guards: Guards,
        source: &Upstream,
    ) -> Self {
        Self {
            upstream,
            ready,
            passes_unchanged: reader.passes_unchanged(),
            reader,
            guards: Some(guards),
            silence: Silence::new(source),
            ended: false,
        }
    }

    fn end(&mut self) {
        self.ended = true;
        let ready = &mut self.ready;
        let reader = std::mem::take(&mut self.reader).finished(&mut |piece| ready.push_back(piece));
        if let Some(guards) = self.guards.take() {
            guards.complete(reader);
        }
    }

    fn fail(&mut self, error: SendError) -> BodyError {
        self.ended = true;
        self.ready.clear();
        if let Some(guards) = self.guards.take() {
            tracing::warn!(id = %guards.exchange.request_id, %error, "answer broken off");
            let reader = std::mem::take(&mut self.reader).finished(&mut |_| ());
            guards.broken(reader, Ending::UpstreamFailed);
        }
        error.into()
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        loop {
            if let Some(piece) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            match Pin::new(&mut this.upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.silence.broken();
                    if let Ok(piece) = frame.into_data() {
                        let ready = &mut this.ready;
                        this.reader.read(piece, &mut |piece| ready.push_back(piece));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let error = SendError::Cut(crate::upstream::chain(&error));
                    return Poll::Ready(Some(Err(this.fail(error))));
                }
                Poll::Ready(None) => this.end(),
                Poll::Pending => {
                    let error = ready!(this.silence.poll_too_long(context));
                    return Poll::Ready(Some(Err(this.fail(error))));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        if !self.passes_unchanged {
            return SizeHint::default();
        }
        let held: u64 = self.ready.iter().map(|piece| piece.len() as u64).sum();
        match self.upstream.size_hint().exact() {
            Some(rest) => SizeHint::with_exact(held + rest),
            None => SizeHint::default(),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(guards) = self.guards.take() {
            let reader = std::mem::take(&mut self.reader).finished(&mut |_| ());
            guards.broken(reader, Ending::CallerGone);
        }
    }
}

/// Notices a provider that falls silent in the middle of an answer.
///
/// The timer is not set anew for each piece: when it fires, it looks when the last one came.
struct Silence {
    limit: Duration,
    last_piece: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn new(source: &Upstream) -> Self {
        Self {
            limit: source.idle_timeout,
            last_piece: Instant::now(),
            timer: None,
        }
    }

    fn broken(&mut self) {
        self.last_piece = Instant::now();
    }

    fn poll_too_long(&mut self, context: &mut Context<'_>) -> Poll<SendError> {
        loop {
            let end = self.last_piece + self.limit;
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end.into())));
            ready!(timer.as_mut().poll(context));
            if Instant::now() >= end {
                return Poll::Ready(SendError::Timeout {
                    phase: "in the middle of an answer",
                    limit: self.limit,
                });
            }
            timer.as_mut().reset(end.into());
        }
    }
}
