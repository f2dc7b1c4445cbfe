//! Listening sockets that several threads share.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 4_096;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {reason}")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// What the system said, and what may help.
    pub reason: String,
}

/// Listening sockets on one address, one for each thread.
///
/// The first one is bound without sharing, so that a second gateway on the same address is noticed
/// instead of silently taking half of the connections.
///
/// # Errors
/// When the address is in use or may not be used.
pub(crate) fn bind(
    address: SocketAddr,
    count: usize,
) -> Result<Vec<std::net::TcpListener>, ListenError> {
    let failed = |error: io::Error| ListenError {
        address,
        reason: explain(&error),
    };
    if address.port() != 0 {
        drop(std::net::TcpListener::bind(address).map_err(failed)?);
    }
    let first = open(address).map_err(failed)?;
    let actual = first.local_addr().map_err(failed)?;
    let mut listeners = vec![first];
    for _ in 1..count {
        listeners.push(open(actual).map_err(failed)?);
    }
    Ok(listeners)
}

fn open(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "the address is in use; stop what listens there or choose another with --listen".into()
        }
        io::ErrorKind::PermissionDenied => {
            "not permitted; ports below 1024 need privileges, choose another with --listen".into()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; use 127.0.0.1 or 0.0.0.0".into()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_refused_with_a_remedy() {
        let taken = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let address = taken[0].local_addr().unwrap();
        assert_eq!(taken[1].local_addr().unwrap(), address);
        let error = bind(address, 1).unwrap_err();
        assert!(error.to_string().contains("--listen"), "{error}");
    }
}
