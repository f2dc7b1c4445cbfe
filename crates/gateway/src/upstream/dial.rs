//! Opening a connection: name, addresses, proxy and TLS, each in its own time.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use paceline_config as config;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use super::failure::ConnectError;
use super::network::private_range;
use super::places::Place;
use super::proxy::Proxy;
use super::race::first_of;
use super::resolve::{Resolve, System};
use super::stream::{Stream, Tcp};
use super::target::{Target, TargetError};
use super::tls::{Files, Tls, client_config};

/// How a server is reached.
pub(crate) struct Dialer {
    pub(crate) target: Target,
    tls: Option<Tls>,
    proxy: Option<Proxy>,
    resolver: Arc<dyn Resolve>,
    /// Whether a name may lead to a private address.
    private_addresses: bool,
    limits: Limits,
}

/// How long each phase may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    resolve: Duration,
    connect: Duration,
    tls: Duration,
    write: Duration,
}

/// What a connection is wanted for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) version: config::HttpVersion,
    /// Whether a proxy has to pass bytes on, and not requests.
    pub(super) tunnel: bool,
}

/// A connection that HTTP can begin on.
pub(super) struct Dialed {
    pub(super) stream: Stream,
    /// Whether HTTP/2 is to be spoken.
    pub(super) http2: bool,
    /// Whether it ends at a proxy that passes on what it is asked for by whole addresses.
    pub(super) to_proxy: bool,
}

impl Way {
    /// One on which HTTP/1.1 can change to another protocol.
    pub(super) const UPGRADABLE: Self = Self {
        version: config::HttpVersion::One,
        tunnel: true,
    };
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let through = self.proxy.as_ref().map(|proxy| proxy.name.as_str());
        write!(f, "Dialer({:?} through {through:?})", self.target)
    }
}

impl Dialer {
    /// Reads the settings.
    ///
    /// # Errors
    /// When the address, the proxy, the certificate authorities or the own certificate cannot be
    /// used.
    pub(super) fn new(settings: &config::Upstream) -> Result<Self, TargetError> {
        let files = Files {
            ca: settings.ca_file.as_deref(),
            ca_extra: settings.ca_extra_file.as_deref(),
            own: settings.client_certificate.as_ref(),
        };
        let proxy = settings.proxy.as_ref().map(|proxy| {
            // What the gateway proves itself with is for the provider alone.
            let trusted = client_config(Files { own: None, ..files })?;
            Proxy::new(proxy, TlsConnector::from(Arc::new(trusted)))
        });
        let limits = Limits {
            resolve: settings.resolve_timeout,
            connect: settings.connect_timeout,
            tls: settings.tls_timeout,
            write: settings.write_timeout,
        };
        let mut dialer = Self::direct(&settings.base_url, files, limits)?;
        dialer.target.complete(settings.profile);
        dialer.proxy = proxy.transpose()?;
        dialer.private_addresses = settings.private_addresses;
        Ok(dialer)
    }

    /// The way to a server of the operator's own choice that is no provider.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub(super) fn to_others(url: &Url) -> Result<Self, TargetError> {
        // Who asks for a connection sets one limit to all of it.
        let limit = Duration::from_secs(60);
        let limits = Limits {
            resolve: limit,
            connect: limit,
            tls: limit,
            write: limit,
        };
        let mut dialer = Self::direct(url, Files::default(), limits)?;
        dialer.private_addresses = true;
        Ok(dialer)
    }

    fn direct(url: &Url, files: Files<'_>, limits: Limits) -> Result<Self, TargetError> {
        let target = Target::new(url)?;
        let tls = match target.is_secure() {
            true => {
                let name = ServerName::try_from(target.host.clone());
                let name = name.map_err(|_| TargetError::Host(url.as_str().to_owned()))?;
                Some(Tls::new(name, files)?)
            }
            false => None,
        };
        Ok(Self {
            target,
            tls,
            proxy: None,
            resolver: Arc::new(System),
            private_addresses: false,
            limits,
        })
    }

    /// The proxy that requests go through.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    /// Looks names up elsewhere.
    #[cfg(test)]
    pub(super) fn set_resolver(&mut self, resolver: Arc<dyn Resolve>) {
        self.resolver = resolver;
    }

    /// Opens a connection. Names are looked up for each, so that a change of address is followed.
    pub(super) async fn connect(
        &self,
        way: Way,
        place: Option<Place>,
    ) -> Result<Dialed, ConnectError> {
        let target = &self.target;
        let asks_for_http2 = way.version == config::HttpVersion::Two;
        let mut to_proxy = false;
        let stream = match &self.proxy {
            None => {
                let may_be_private = self.private_addresses || target.is_explicit();
                self.tcp(&target.host, target.port, may_be_private, place)
                    .await?
            }
            Some(proxy) => {
                to_proxy = self.tls.is_none() && !way.tunnel && !asks_for_http2;
                self.through(proxy, !to_proxy, place).await?
            }
        };
        let Some(tls) = &self.tls else {
            return Ok(Dialed {
                stream,
                // Without TLS there is nothing to agree by.
                http2: asks_for_http2,
                to_proxy,
            });
        };
        let connector = match way.version {
            config::HttpVersion::One => &tls.http1,
            config::HttpVersion::Two => &tls.http2,
            config::HttpVersion::Auto => &tls.either,
        };
        let stream = self
            .secured((connector, &tls.name), stream, &target.host_and_port())
            .await?;
        let http2 = stream.agreed_on_http2();
        if asks_for_http2 && !http2 {
            let to = target.host_and_port();
            return Err(ConnectError::NotHttp2 { to });
        }
        Ok(Dialed {
            stream,
            http2,
            to_proxy,
        })
    }

    /// A connection to the proxy, or through it.
    async fn through(
        &self,
        proxy: &Proxy,
        tunnel: bool,
        place: Option<Place>,
    ) -> Result<Stream, ConnectError> {
        // The proxy was named by the operator and may well be in the own network. Where the
        // provider's name leads is for it to look up, and to judge.
        let reached = self.tcp(&proxy.host, proxy.port, true, place).await;
        let about_proxy = |error: ConnectError| match error {
            ConnectError::Slow { .. } => error,
            other => proxy.error(format!("cannot be used: {other}")),
        };
        let mut stream = reached.map_err(about_proxy)?;
        if let Some((connector, name)) = &proxy.tls {
            let secured = self.secured((connector, name), stream, &proxy.name);
            stream = secured.await.map_err(about_proxy)?;
        }
        if tunnel {
            let limit = self.limits.connect;
            proxy.open_tunnel(&mut stream, &self.target, limit).await?;
        }
        Ok(stream)
    }

    async fn tcp(
        &self,
        host: &str,
        port: u16,
        may_be_private: bool,
        place: Option<Place>,
    ) -> Result<Stream, ConnectError> {
        let found = self.addresses(host).await?;
        let addresses = match may_be_private {
            true => found,
            false => public_ones(host, found)?,
        };
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
        let to = format!("{host} port {port}");
        let limit = self.limits.connect;
        let connecting = first_of(addresses.collect(), TcpStream::connect);
        let stream = match timeout(limit, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(reason)) => return Err(ConnectError::Tcp { to, reason }),
            Err(_) => {
                return Err(ConnectError::Slow {
                    phase: format!("connecting to {to}"),
                    key: "connect_timeout",
                    limit,
                });
            }
        };
        // Latency is all that this costs where it cannot be set.
        let _ = stream.set_nodelay(true);
        Ok(Stream::Plain(Tcp::new(stream, self.limits.write, place)))
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, ConnectError> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let limit = self.limits.resolve;
        let failed = |reason: String| ConnectError::Lookup {
            host: host.to_owned(),
            reason,
        };
        match timeout(limit, self.resolver.resolve(host)).await {
            Ok(Ok(found)) if found.is_empty() => Err(failed("it has no address".to_owned())),
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(ConnectError::Slow {
                phase: format!("looking up {host}"),
                key: "resolve_timeout",
                limit,
            }),
        }
    }

    async fn secured(
        &self,
        (connector, name): (&TlsConnector, &ServerName<'static>),
        stream: Stream,
        to: &str,
    ) -> Result<Stream, ConnectError> {
        let limit = self.limits.tls;
        match timeout(limit, connector.connect(name.clone(), stream)).await {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(ConnectError::Tls {
                to: to.to_owned(),
                reason: error.to_string(),
            }),
            Err(_) => Err(ConnectError::Slow {
                phase: format!("the TLS handshake with {to}"),
                key: "tls_timeout",
                limit,
            }),
        }
    }
}

/// The public ones of what a name leads to.
fn public_ones(host: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, ConnectError> {
    let mut private = None;
    let mut public = found;
    public.retain(|address| match private_range(*address) {
        None => true,
        Some(range) => {
            private.get_or_insert((*address, range));
            false
        }
    });
    match private {
        Some((address, range)) if public.is_empty() => Err(ConnectError::Private {
            host: host.to_owned(),
            address,
            range,
        }),
        _ => Ok(public),
    }
}
