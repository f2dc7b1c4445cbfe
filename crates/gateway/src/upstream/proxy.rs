//! The way through a proxy.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode};
use paceline_config as config;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::failure::ConnectError;
use super::stream::Stream;
use super::target::{Target, TargetError};

/// The most that a proxy may say before the way is open.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A proxy, and who asks to use it.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// What it is called in messages: never with its password.
    pub(super) name: String,
    /// How TLS is spoken with the proxy itself, where it is.
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
    /// What goes into `proxy-authorization`.
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Takes the settings apart. `tls` says who is trusted.
    pub(super) fn new(settings: &config::Proxy, tls: TlsConnector) -> Result<Self, TargetError> {
        let target = Target::new(&settings.address).map_err(|_| TargetError::Proxy)?;
        let tls = match target.is_secure() {
            true => {
                let name = ServerName::try_from(target.host.clone());
                Some((tls, name.map_err(|_| TargetError::Proxy)?))
            }
            false => None,
        };
        let authorization = settings.credentials.as_ref().and_then(|credentials| {
            let encoded = STANDARD.encode(credentials.expose());
            let mut value = HeaderValue::from_str(&format!("Basic {encoded}")).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        Ok(Self {
            name: format!("{}://{}", target.scheme, target.authority),
            host: target.host,
            port: target.port,
            tls,
            authorization,
        })
    }

    /// An error of this proxy.
    pub(super) fn error(&self, reason: impl Into<String>) -> ConnectError {
        ConnectError::Proxy {
            proxy: self.name.clone(),
            reason: reason.into(),
        }
    }

    /// What a status other than success means.
    pub(super) fn refused(&self, status: StatusCode) -> ConnectError {
        let what = match (status, &self.authorization) {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, None) => {
                "asks for a user and a password (407): write them into the address in proxy"
            }
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(_)) => {
                "does not take the user and the password of proxy (407)"
            }
            _ => return self.error(format!("refused to open the way: status {status}")),
        };
        self.error(what)
    }

    /// Asks for a tunnel to `target` (RFC 9110, 9.3.6), within `limit`.
    pub(super) async fn open_tunnel(
        &self,
        stream: &mut Stream,
        target: &Target,
        limit: Duration,
    ) -> Result<(), ConnectError> {
        let answer = tokio::time::timeout(limit, self.ask(stream, target)).await;
        let status = answer.map_err(|_| ConnectError::Slow {
            phase: format!("the answer of the proxy {}", self.name),
            key: "connect_timeout",
            limit,
        })??;
        match status.is_success() {
            true => Ok(()),
            false => Err(self.refused(status)),
        }
    }

    async fn ask(&self, stream: &mut Stream, target: &Target) -> Result<StatusCode, ConnectError> {
        let to = target.host_and_port();
        let mut request = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n").into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"proxy-authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        let broken = |error: std::io::Error| self.error(format!("broke off: {error}"));
        stream.write_all(&request).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let mut head = Vec::new();
        // Nothing behind the head may be read: it would belong to the provider.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= HEAD_BYTES_MAX {
                return Err(self.error("answered with a head that does not end"));
            }
            head.push(stream.read_u8().await.map_err(broken)?);
        }
        status(&head).ok_or_else(|| self.error("did not answer in HTTP/1"))
    }
}

/// The status in the first line of an answer.
fn status(head: &[u8]) -> Option<StatusCode> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let (minor, rest) = rest.split_first()?;
    let code = rest.strip_prefix(b" ")?.get(..3)?;
    minor.is_ascii_digit().then_some(())?;
    StatusCode::from_bytes(code).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_and_nothing_else_is_taken_for_one() {
        for (head, code) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", Some(200)),
            ("HTTP/1.0 407\r\n\r\n", Some(407)),
            ("HTTP/2 200\r\n\r\n", None),
            ("HTTP/1.1 2", None),
            ("SSH-2.0", None),
            ("HTTP/1.x 200 ok", None),
            ("HTTP/1.1 xyz", None),
        ] {
            let read = status(head.as_bytes()).map(|status| status.as_u16());
            assert_eq!(read, code, "{head}");
        }
    }
}
