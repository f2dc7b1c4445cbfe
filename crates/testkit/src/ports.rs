//! Ports that stay ours while the server behind them comes and goes.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, Socket, Type};

/// A free loopback port, kept from everyone else until this is dropped.
///
/// A socket is bound to it and never listens. A server whose own socket may reuse addresses, as
/// that of nearly every server does, can listen there all the same; the system gives the port to
/// nobody who asks for any free one. While no server listens, connections are refused.
#[derive(Debug)]
pub(crate) struct ReservedPort {
    address: SocketAddr,
    _holder: Socket,
}

impl ReservedPort {
    /// Takes any free port.
    ///
    /// # Errors
    /// When the system has none.
    pub(crate) fn take() -> Result<Self> {
        let holder = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        holder.set_reuse_address(true)?;
        holder.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let address = holder.local_addr()?.as_socket();
        Ok(Self {
            address: address.context("the socket has no address")?,
            _holder: holder,
        })
    }

    /// The loopback address with this port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port alone.
    pub(crate) fn number(&self) -> u16 {
        self.address.port()
    }
}
