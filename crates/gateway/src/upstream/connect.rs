//! Where the provider is, and how a connection to it is opened.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

/// Why a configured address cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// Neither http nor https.
    #[error("upstream.base_url must start with http:// or https://, got {0}")]
    Scheme(String),
    /// No usable host.
    #[error("upstream.base_url names no usable host: {0}")]
    Host(String),
    /// The certificate authorities cannot be used.
    #[error(transparent)]
    Tls(#[from] super::tls::TlsError),
}

/// The provider's address, taken apart once.
#[derive(Clone)]
pub(crate) struct Target {
    host: String,
    port: u16,
    /// For the `host` header.
    pub(crate) authority: Authority,
    scheme: Scheme,
    /// Path below which the API lives, without a trailing slash: `/v1`.
    base_path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Target({}://{}{})",
            self.scheme, self.authority, self.base_path
        )
    }
}

impl Target {
    /// Takes `base_url` apart.
    ///
    /// # Errors
    /// When the address cannot be used for HTTP.
    pub(crate) fn new(
        base_url: &Url,
        tls: impl FnOnce() -> Result<Arc<rustls::ClientConfig>, super::tls::TlsError>,
    ) -> Result<Self, TargetError> {
        let scheme = match base_url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            other => return Err(TargetError::Scheme(other.to_owned())),
        };
        let unusable = || TargetError::Host(base_url.as_str().to_owned());
        let host = base_url.host_str().ok_or_else(unusable)?.to_owned();
        let port = base_url.port_or_known_default().ok_or_else(unusable)?;
        let authority = match base_url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        let bare_host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let tls = if scheme == Scheme::HTTPS {
            let name = ServerName::try_from(bare_host.clone()).map_err(|_| unusable())?;
            Some((TlsConnector::from(tls()?), name))
        } else {
            None
        };
        Ok(Self {
            host: bare_host,
            port,
            authority: authority.parse().map_err(|_| unusable())?,
            scheme,
            base_path: base_url.path().trim_end_matches('/').to_owned(),
            tls,
        })
    }

    /// The path and query to ask the provider for: what the caller asked for below `/v1`, below the
    /// configured base path.
    pub(crate) fn path(&self, path_below_version: &str, query: Option<&str>) -> Option<Uri> {
        let mut text = String::with_capacity(self.base_path.len() + path_below_version.len() + 32);
        text.push_str(&self.base_path);
        text.push_str(path_below_version);
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        let path_and_query: PathAndQuery = text.parse().ok()?;
        Some(Uri::from(path_and_query))
    }

    /// Opens a connection, TLS included.
    pub(super) async fn connect(&self) -> io::Result<Stream> {
        // Names are resolved for each connection, so that a change of address is followed.
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some((connector, name)) => {
                let tls = connector.connect(name.clone(), tcp).await?;
                Ok(Stream::Tls(Box::new(tls)))
            }
        }
    }
}

/// A connection to the provider, with or without TLS.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
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
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(base_url: &str) -> Result<Target, TargetError> {
        let url = Url::parse(base_url).unwrap();
        Target::new(&url, || Ok(super::super::tls::client_config(None).unwrap()))
    }

    #[test]
    fn paths_are_joined_below_the_configured_base() {
        for (base, path, query, expected) in [
            ("https://api.openai.com/v1", "/models", None, "/v1/models"),
            (
                "http://127.0.0.1:9/v1/",
                "/chat/completions",
                Some("a=b"),
                "/v1/chat/completions?a=b",
            ),
            ("http://127.0.0.1:9", "/models/x%2Fy", None, "/models/x%2Fy"),
            ("http://h/proxy/openai/v1", "", None, "/proxy/openai/v1"),
        ] {
            let uri = target(base).unwrap().path(path, query).unwrap();
            assert_eq!(uri.to_string(), expected);
        }
    }

    #[test]
    fn the_host_header_names_a_port_only_when_it_is_not_the_default() {
        for (base, authority) in [
            ("https://api.openai.com:443/v1", "api.openai.com"),
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]:8080/v1", "[::1]:8080"),
        ] {
            assert_eq!(target(base).unwrap().authority, authority);
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        assert!(matches!(
            target("ftp://example.org"),
            Err(TargetError::Scheme(_))
        ));
    }
}
