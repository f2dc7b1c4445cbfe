//! Where the provider is: its address, taken apart once.

use std::net::IpAddr;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use paceline_provider::Profile;
use url::Url;

/// Why a configured address cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// Neither http nor https.
    #[error("base_url must start with http:// or https://, got {0}")]
    Scheme(String),
    /// No usable host.
    #[error("base_url names no usable host: {0}")]
    Host(String),
    /// The certificate authorities or the own certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] super::tls::TlsError),
    /// The proxy cannot be used.
    #[error("proxy names no usable host")]
    Proxy,
}

/// The provider's address, taken apart once.
#[derive(Clone)]
pub(crate) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// For the `host` header.
    pub(crate) authority: Authority,
    pub(super) scheme: Scheme,
    /// Path below which the API lives, without a trailing slash: `/v1`.
    base_path: String,
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
    pub(crate) fn new(base_url: &Url) -> Result<Self, TargetError> {
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
        Ok(Self {
            host: bare_host,
            port,
            authority: authority.parse().map_err(|_| unusable())?,
            scheme,
            base_path: base_url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Completes a base path that is missing with the usual one of the provider.
    pub(super) fn complete(&mut self, profile: &Profile) {
        self.base_path = profile.base_path(&self.base_path, None).to_owned();
    }

    /// Whether the connection is encrypted.
    pub(super) fn is_secure(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// Whether the address itself says that it may be a private one: it holds no name, or this
    /// machine's.
    pub(super) fn is_explicit(&self) -> bool {
        let host = self.host.trim_end_matches('.');
        self.host.parse::<IpAddr>().is_ok() || host == "localhost" || host.ends_with(".localhost")
    }

    /// `host:port` as a proxy is asked for it.
    pub(super) fn host_and_port(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// A path below the API as a whole address.
    pub(super) fn absolute(&self, path: &Uri) -> Option<Uri> {
        let mut parts = path.clone().into_parts();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        Uri::from_parts(parts).ok()
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(base_url: &str) -> Result<Target, TargetError> {
        let url = Url::parse(base_url).unwrap();
        Target::new(&url)
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
