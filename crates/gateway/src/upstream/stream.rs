//! The bytes of a connection, with or without TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::client::TlsStream;

use super::places::Place;

/// A TCP connection that fails when nothing that is written to it is taken for too long, and that
/// gives its place back when it is closed.
pub(super) struct Tcp {
    stream: TcpStream,
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    _place: Option<Place>,
}

impl Tcp {
    pub(super) fn new(stream: TcpStream, write_timeout: Duration, place: Option<Place>) -> Self {
        Self {
            stream,
            write_timeout,
            stalled: None,
            _place: place,
        }
    }

    /// What follows from a write: while it has to wait, the time runs.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.write_timeout;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Stalled)))
    }
}

/// What a write fails with when nothing was taken for too long.
#[derive(Debug, thiserror::Error)]
#[error("nothing of what was written was taken in time")]
pub(super) struct Stalled;

impl Stalled {
    /// Whether this is why a connection failed.
    pub(super) fn caused(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            // HTTP/2 tells each stream the kind of the connection's error alone; the system's own
            // time-outs carry its number.
            let is_ours = |error: &io::Error| {
                error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
            };
            let io_error = error.downcast_ref::<io::Error>();
            let http2 = error
                .downcast_ref::<h2::Error>()
                .and_then(h2::Error::get_io);
            if io_error.or(http2).is_some_and(is_ours) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// A connection, as far as it has been made: plain, or encrypted on top of what was there.
pub(super) enum Stream {
    Plain(Tcp),
    Tls(Box<TlsStream<Self>>),
}

impl Stream {
    /// Whether HTTP/2 was agreed on.
    pub(super) fn agreed_on_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(super::tls::HTTP2),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(&mut tcp.stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => {
                let written = Pin::new(&mut tcp.stream).poll_write(context, bytes);
                tcp.watch(context, written)
            }
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => {
                let written = Pin::new(&mut tcp.stream).poll_write_vectored(context, slices);
                tcp.watch(context, written)
            }
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(&mut tcp.stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(&mut tcp.stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
