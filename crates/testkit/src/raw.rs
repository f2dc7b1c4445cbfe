//! Bytes on a socket, for requests that no client library would send.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What came back.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// Everything that was read.
    pub bytes: Vec<u8>,
    /// Whether the other side closed the connection.
    pub closed: bool,
}

impl RawAnswer {
    /// The status of the first answer; 0 when there is none.
    pub fn status(&self) -> u16 {
        let text = String::from_utf8_lossy(&self.bytes);
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok());
        status.unwrap_or_default()
    }
}

/// Sends `request` as it is and reads until the other side closes or nothing comes for `quiet`.
///
/// # Errors
/// When no connection can be had.
pub async fn raw_exchange(
    address: SocketAddr,
    request: &[u8],
    quiet: Duration,
) -> Result<RawAnswer> {
    let mut stream = TcpStream::connect(address).await?;
    // The other side may refuse and close before everything is written.
    drop(stream.write_all(request).await);
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match timeout(quiet, stream.read(&mut buffer)).await {
            Err(_) => {
                return Ok(RawAnswer {
                    bytes,
                    closed: false,
                });
            }
            Ok(Ok(0) | Err(_)) => {
                return Ok(RawAnswer {
                    bytes,
                    closed: true,
                });
            }
            Ok(Ok(count)) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}
