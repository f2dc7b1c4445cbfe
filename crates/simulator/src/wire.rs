//! What goes over a socket when HTTP is no longer kept to.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::sleep,
};

use crate::{court::Ticket, simulator::SharedStream};

/// What to do with a socket, step by step. A request that no step has served when the script ends
/// is one that the provider failed to serve.
#[derive(Debug)]
pub(crate) struct Script {
    steps: Vec<Step>,
    ticket: Option<Ticket>,
}

/// One step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send these bytes.
    Send(Bytes),
    /// Send these bytes one by one.
    Drip(Bytes, Duration),
    /// Do nothing for a time.
    Wait(Duration),
    /// Settle the request as served.
    Served,
    /// Do nothing until the other side goes away.
    Hang,
    /// Reset the connection instead of closing it.
    Reset,
}

impl Script {
    pub(crate) const fn new(steps: Vec<Step>, mut ticket: Option<Ticket>) -> Self {
        if let Some(ticket) = &mut ticket {
            ticket.fail();
        }
        Self { steps, ticket }
    }

    /// Plays all steps and closes the socket. A caller that goes away ends it early.
    pub(crate) async fn play(mut self, mut stream: SharedStream) {
        for step in std::mem::take(&mut self.steps) {
            if self.perform(step, &mut stream).await.is_err() {
                return;
            }
        }
        // A socket that is gone needs no close.
        let _ = stream.shutdown().await;
    }

    async fn perform(&mut self, step: Step, stream: &mut SharedStream) -> io::Result<()> {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await?,
            Step::Wait(time) => sleep(time).await,
            Step::Drip(bytes, every) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    sleep(every).await;
                }
            }
            Step::Served => {
                if let Some(ticket) = self.ticket.take() {
                    ticket.served();
                }
            }
            Step::Hang => {
                let mut ignored = [0; 1024];
                while stream.read(&mut ignored).await? > 0 {}
            }
            Step::Reset => {
                stream.reset_on_close();
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        Ok(())
    }
}

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// The head of an answer as bytes.
pub(crate) fn head(status: StatusCode, headers: &HeaderMap, framing: Framing) -> Bytes {
    let mut text = Vec::with_capacity(512);
    let reason = status.canonical_reason().unwrap_or("Unknown");
    text.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).as_bytes());
    for (name, value) in headers {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    let end = match framing {
        Framing::Length(length) => format!("content-length: {length}\r\n\r\n"),
        Framing::Chunked => "transfer-encoding: chunked\r\n\r\n".to_owned(),
    };
    text.extend_from_slice(end.as_bytes());
    text.into()
}

/// A chunk of a chunked body.
pub(crate) fn chunk(bytes: &[u8]) -> Bytes {
    let mut text = format!("{:x}\r\n", bytes.len()).into_bytes();
    text.extend_from_slice(bytes);
    text.extend_from_slice(b"\r\n");
    text.into()
}
