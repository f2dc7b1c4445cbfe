//! Passing an answer on while reading what it says about its usage.

mod reader;
mod settle;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use paceline_routing::Outcome as LaneOutcome;
use tokio::time::Sleep;

pub(crate) use reader::{Outcome, Reader, Rewording};
pub(crate) use settle::settle;

use crate::body::BodyError;
use crate::exchange::{Ending, Exchange};
use crate::lanes::{Passage, outcome_of};
use crate::pace::Lease;
use crate::refusal::{self, Pause, RefusedWith};
use crate::serve::way::Terms;
use crate::upstream::{Connection, SendError, Total, Upstream};

/// The body of an answer that comes from upstream. It owns everything that must end with it: the
/// connection, the reservation and the request's story.
pub(crate) struct Relay {
    upstream: Incoming,
    /// Pieces read already, or held back by the reader until their end was seen.
    ready: VecDeque<Bytes>,
    reader: Reader,
    guards: Option<Guards>,
    silence: Silence,
    gather: Gather,
    /// Why the answer broke off; told after what came before it was sent.
    failure: Option<BodyError>,
    ended: bool,
    passes_unchanged: bool,
}

/// Events that come together are sent together.
///
/// The connection to the provider hands over one piece at a time, each after it was run again.
/// Sending each on its own would cost a system call for every event; giving way a few times before
/// sending lets those that are here already join, and costs a stream that comes slowly a few
/// microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gather {
    /// What is ready goes out with the head of the answer.
    First,
    /// The next pieces may join; so many times nothing came.
    Open(u8),
}

/// How often nothing more may come before what is ready goes out. The server looks twice each time
/// that it runs, so the connection to the provider runs half as often in between.
const GIVE_WAY_MAX: u8 = 4;

/// Pieces and bytes that are sent together at the most.
const GATHERED_PIECES_MAX: usize = 64;
const GATHERED_BYTES_MAX: usize = 16 * 1024;

/// What is released when an answer is over, in whatever way.
pub(crate) struct Guards {
    pub(crate) exchange: Exchange,
    pub(crate) lease: Option<Lease>,
    pub(crate) passage: Passage,
    pub(crate) terms: Terms,
    pub(crate) connection: Connection,
    pub(crate) upstream: Arc<Upstream>,
}

impl Guards {
    fn complete(self, reader: Reader) {
        let mut outcome = reader.outcome();
        let Self {
            mut exchange,
            lease,
            passage,
            terms,
            connection,
            upstream,
        } = self;
        connection.keep();
        if let Some(refusal) = &mut outcome.refusal {
            upstream.mask.refusal(refusal);
        }
        exchange.read(&outcome);
        passage.end(&match &outcome.refusal {
            // Whose key it was does not matter any more: the answer had begun.
            Some(refusal) => outcome_of(refusal, false),
            None => LaneOutcome::Whole,
        });
        if let (Some(refusal), Some(lease)) = (&outcome.refusal, &lease) {
            // Too late for a retry, but not too late for everyone else in the pool.
            refusal::note(&exchange, refusal);
            let told = RefusedWith {
                refusal,
                headers: None,
            };
            refusal::cool_down(&exchange, lease.pool(), &told, Pause::default(), 0);
        }
        let ending = match (outcome.failed, exchange.status) {
            (false, ..400) => Ending::Ok,
            _ => Ending::ProviderError,
        };
        if let Some(lease) = lease {
            settle(lease, &terms, &outcome, ending == Ending::Ok);
        }
        exchange.finish(ending);
    }

    fn broken(self, reader: Reader, ending: Ending, how: &LaneOutcome) {
        let outcome = reader.outcome();
        let Self {
            mut exchange,
            lease,
            passage,
            terms,
            ..
        } = self;
        exchange.read(&outcome);
        passage.end(how);
        if let Some(lease) = lease {
            settle(lease, &terms, &outcome, false);
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
    ) -> Self {
        Self {
            upstream,
            ready,
            passes_unchanged: reader.passes_unchanged(),
            reader,
            silence: Silence::new(&guards.upstream, guards.connection.total()),
            guards: Some(guards),
            gather: Gather::First,
            failure: None,
            ended: false,
        }
    }

    /// Whether what is ready goes out without waiting for more.
    fn gathered(&self) -> bool {
        self.ended
            || self.gather == Gather::First
            || self.ready.len() >= GATHERED_PIECES_MAX
            || self.ready_bytes() >= GATHERED_BYTES_MAX
    }

    /// Whether others may run before what is ready goes out.
    fn give_way(&mut self) -> bool {
        match &mut self.gather {
            Gather::Open(times) if *times < GIVE_WAY_MAX => {
                *times += 1;
                true
            }
            _ => false,
        }
    }

    fn ready_bytes(&self) -> usize {
        self.ready.iter().map(Bytes::len).sum()
    }

    /// What is ready, in one piece where that is small; `None` when nothing is.
    fn take_ready(&mut self) -> Option<Bytes> {
        let bytes = self.ready_bytes();
        if self.ready.len() <= 1 || bytes > 2 * GATHERED_BYTES_MAX {
            return self.ready.pop_front();
        }
        let mut together = BytesMut::with_capacity(bytes);
        for piece in self.ready.drain(..) {
            together.extend_from_slice(&piece);
        }
        Some(together.freeze())
    }

    /// The provider's connection ended in order, which an answer that lacks its end must not do here.
    fn end(&mut self) {
        let ready = &mut self.ready;
        let reader = std::mem::take(&mut self.reader).finished(&mut |piece| ready.push_back(piece));
        if let Some(error) = reader.flaw() {
            return self.break_off(reader, error);
        }
        self.ended = true;
        if let Some(guards) = self.guards.take() {
            guards.complete(reader);
        }
    }

    fn fail(&mut self, error: SendError) {
        let ready = &mut self.ready;
        let reader = std::mem::take(&mut self.reader);
        // In other words the caller gets an error where the provider's stream just breaks off.
        let tells = reader.is_reworded();
        let reader = reader.finished(&mut |piece| {
            if tells {
                ready.push_back(piece);
            }
        });
        self.break_off(reader, error);
    }

    /// Ends an answer that is not whole, so that it looks like none to the caller.
    fn break_off(&mut self, reader: Reader, error: SendError) {
        self.ended = true;
        self.gather = Gather::Open(0);
        if let Some(guards) = self.guards.take() {
            tracing::warn!(id = %guards.exchange.request_id, %error, "answer broken off");
            guards.broken(reader, Ending::UpstreamFailed, &LaneOutcome::from(&error));
        }
        self.failure = Some(error.into());
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
            if this.gathered()
                && let Some(piece) = this.take_ready()
            {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if this.ended {
                if this.failure.is_some() && this.give_way() {
                    // An error ends the connection at once: what was handed over before it is
                    // written only while the body has nothing to say.
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                return Poll::Ready(this.failure.take().map(Err));
            }
            match Pin::new(&mut this.upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.silence.broken();
                    this.gather = Gather::Open(0);
                    if let Ok(piece) = frame.into_data() {
                        let ready = &mut this.ready;
                        this.reader.read(piece, &mut |piece| ready.push_back(piece));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    let error = SendError::Cut(crate::upstream::chain(&error));
                    this.fail(error);
                }
                Poll::Ready(None) => this.end(),
                Poll::Pending if !this.ready.is_empty() => {
                    if this.give_way() {
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    let piece = this.take_ready().unwrap_or_default();
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                Poll::Pending => {
                    let error = ready!(this.silence.poll_too_long(context));
                    this.fail(error);
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
            guards.broken(reader, Ending::CallerGone, &LaneOutcome::Left);
        }
    }
}

/// Notices a provider that falls silent in the middle of an answer.
///
/// The timer is not set anew for each piece: when it fires, it looks when the last one came.
struct Silence {
    limit: Duration,
    last_piece: Instant,
    /// When the answer has to be complete, however often a piece comes.
    total: Total,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn new(source: &Upstream, total: Total) -> Self {
        Self {
            limit: source.idle_timeout,
            last_piece: Instant::now(),
            total,
            timer: None,
        }
    }

    fn broken(&mut self) {
        self.last_piece = Instant::now();
    }

    fn poll_too_long(&mut self, context: &mut Context<'_>) -> Poll<SendError> {
        loop {
            let silent = SendError::Timeout {
                phase: "in the middle of an answer",
                limit: self.limit,
            };
            let silent = (self.last_piece + self.limit, silent);
            let (end, error) = match self.total.end() {
                Some(total) if total.0 < silent.0 => total,
                _ => silent,
            };
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end.into())));
            ready!(timer.as_mut().poll(context));
            if Instant::now() >= end {
                return Poll::Ready(error);
            }
            timer.as_mut().reset(end.into());
        }
    }
}
