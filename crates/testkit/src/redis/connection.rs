//! A connection that a test looks into a store with.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Reply;

/// One connection to a server, without TLS, that waits for each answer.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects. No answer may take longer than `patience` to come, from here on.
    ///
    /// # Errors
    /// When nothing listens or the connection is not accepted in time.
    pub fn open(address: SocketAddr, patience: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let stream = BufReader::new(stream);
        Ok(Self { stream })
    }

    /// Sends a command and waits for its answer.
    ///
    /// # Errors
    /// When the server refuses (the message is the server's own) or does not answer in time.
    pub fn command(&mut self, words: &[&str]) -> Result<Reply> {
        let name = words.first().copied().unwrap_or_default();
        let mut bytes = format!("*{}\r\n", words.len());
        for word in words {
            bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        let stream = self.stream.get_mut();
        stream
            .write_all(bytes.as_bytes())
            .with_context(|| format!("{name} cannot be sent"))?;
        let reply = Reply::read(&mut self.stream);
        match reply.with_context(|| format!("{name} was not answered"))? {
            Reply::Error(message) => bail!("{message}"),
            reply => Ok(reply),
        }
    }
}
