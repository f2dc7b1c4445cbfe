//! A caller's stream with the bounds that HTTP itself does not set: on heads that trickle in, on callers
//! that do not take their answer, and on those who still send what was refused.
//!
//! To close a socket on which unread bytes lie resets the connection, and the caller's system then
//! throws away the answer that is on its way. So a refused body is read on after the answer and
//! discarded, until the caller closes or a bound is met.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::conversation::Conversation;

/// Longest time that refused bytes are read and discarded.
const LINGER_MAX: Duration = Duration::from_secs(30);
/// Longest pause between two pieces of them.
const LINGER_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How many are read and discarded, as a multiple of the largest body that is accepted.
const LINGER_BODIES: u64 = 4;
/// How many are read at once.
const LINGER_PIECE_BYTES: usize = 16 * 1024;

/// The bounds of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamBounds {
    /// From the first byte of a request's head to its last.
    pub(super) head_timeout: Duration,
    /// Longest time in which the caller takes no byte of what is written.
    pub(super) write_timeout: Duration,
    /// Largest body that is accepted, in bytes.
    pub(super) body_bytes_max: u64,
}

/// A caller's stream.
#[derive(Debug)]
pub(super) struct CallerStream<S = TcpStream> {
    inner: S,
    conversation: Arc<Conversation>,
    bounds: StreamBounds,
    /// Runs while a head is incomplete; beside it, which head that is.
    head: Option<(u64, Pin<Box<Sleep>>)>,
    /// Runs while the caller takes nothing.
    write: Option<Pin<Box<Sleep>>>,
    linger: Option<Linger>,
}

impl<S> CallerStream<S> {
    pub(super) fn new(inner: S, conversation: Arc<Conversation>, bounds: StreamBounds) -> Self {
        Self {
            inner,
            conversation,
            bounds,
            head: None,
            write: None,
            linger: None,
        }
    }

    /// Starts, stops or asks the clock of the head, by what a read has brought.
    fn check_head(&mut self, context: &mut Context<'_>, came: Option<usize>) -> io::Result<()> {
        let awaited = self.conversation.awaited_head();
        if self.head.as_ref().map(|(number, _)| *number) != awaited {
            self.head = None;
        }
        if let (Some(number), None, Some(1..)) = (awaited, &self.head, came) {
            let clock = tokio::time::sleep(self.bounds.head_timeout);
            self.head = Some((number, Box::pin(clock)));
        }
        let Some((_, clock)) = &mut self.head else {
            return Ok(());
        };
        match clock.as_mut().poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(timed_out(
                "the head of a request did not come within server.header_timeout",
            )),
        }
    }

    /// Passes on what a write came to, unless the caller has taken nothing for too long.
    fn check_write<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write = None;
            return written;
        }
        let timeout = self.bounds.write_timeout;
        let clock = self
            .write
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(clock.as_mut().poll(context));
        Poll::Ready(Err(timed_out(
            "the caller took nothing of its answer for server.write_timeout",
        )))
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for CallerStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.inner).poll_read(context, buffer);
        let came = read.is_ready().then(|| buffer.filled().len() - before);
        this.check_head(context, came)?;
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for CallerStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.check_write(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(context, pieces);
        this.check_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(context))?;
            if !this.conversation.is_unread() {
                return Poll::Ready(Ok(()));
            }
        }
        let bytes = this.bounds.body_bytes_max.saturating_mul(LINGER_BODIES);
        let linger = this.linger.get_or_insert_with(|| Linger::new(bytes));
        linger.poll(&mut this.inner, context).map(Ok)
    }
}

/// Reading and discarding what was refused.
#[derive(Debug)]
struct Linger {
    end: Instant,
    clock: Pin<Box<Sleep>>,
    bytes_left: u64,
}

impl Linger {
    fn new(bytes_max: u64) -> Self {
        let now = Instant::now();
        Self {
            end: now + LINGER_MAX,
            clock: Box::pin(tokio::time::sleep_until(now + LINGER_PAUSE_MAX)),
            bytes_left: bytes_max,
        }
    }

    /// Ready when the caller has closed or failed, or a bound is met.
    fn poll(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut piece = [0; LINGER_PIECE_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut piece);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Pending => return self.clock.as_mut().poll(context),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {
                    let count = buffer.filled().len() as u64;
                    let now = Instant::now();
                    if count == 0 || count >= self.bytes_left || now >= self.end {
                        return Poll::Ready(());
                    }
                    self.bytes_left -= count;
                    let until = self.end.min(now + LINGER_PAUSE_MAX);
                    self.clock.as_mut().reset(until);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
