//! `[upstream]`: the provider that requests are sent to.

mod address;
mod no_proxy;
mod proxy;
mod translation;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use paceline_provider::Profile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::checker::Checker;
use crate::profile::ProfileName;
use crate::quantity::Span;
use crate::secret::RawSecret;
use crate::{Origin, Secret, Server};

pub use proxy::Proxy;
pub use translation::{EarlierThinking, Effort, LateSystem, MaxTokensField, Thinking, Translation};

pub(crate) const API_KEY: &str = "upstream.api_key";

/// The variable whose key is only lent: it is often set for other reasons than the gateway's.
const AMBIENT: &str = "OPENAI_API_KEY";

/// The provider that requests are sent to, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Whose ways it has.
    pub profile: &'static Profile,
    /// The account whose quota it draws on; providers of one account share their limit pools. `None`:
    /// as the provider's answers tell.
    pub account: Option<String>,
    /// Address with its version path and without a trailing slash, as in
    /// `https://api.openai.com/v1`.
    pub base_url: Url,
    /// The gateway's own key; `None` passes the caller's key through.
    pub api_key: Option<Secret>,
    /// When [`api_key`](Self::api_key) is used.
    pub api_key_use: KeyUse,
    /// Which version of HTTP is spoken.
    pub http_version: HttpVersion,
    /// The proxy that it is reached through; `None` for the direct way.
    pub proxy: Option<Proxy>,
    /// Whether a name of the public internet may lead to a private address.
    pub private_addresses: bool,
    /// Time to look the name up.
    pub resolve_timeout: Duration,
    /// Time to connect over TCP, and through a proxy; also the longest wait for a connection when
    /// there are [`connections_max`](Self::connections_max).
    pub connect_timeout: Duration,
    /// Time for the TLS handshake.
    pub tls_timeout: Duration,
    /// Longest time in which nothing of a request is taken.
    pub write_timeout: Duration,
    /// Time from the end of the request to the first byte of the answer.
    pub first_byte_timeout: Duration,
    /// Longest pause between two pieces of an answer.
    pub idle_timeout: Duration,
    /// Longest time of one attempt from its start to the end of the answer; `None` for no limit.
    pub total_timeout: Option<Duration>,
    /// Connections open at once, of all threads together; `None` for no limit.
    pub connections_max: Option<NonZeroUsize>,
    /// Unused connections kept open by each thread.
    pub idle_connections_max: usize,
    /// Age at which a connection takes no further request.
    pub connection_lifetime: Duration,
    /// PEM file of the only certificate authorities to trust; `None` means the built-in roots.
    pub ca_file: Option<PathBuf>,
    /// PEM file of certificate authorities to trust as well.
    pub ca_extra_file: Option<PathBuf>,
    /// What the gateway proves itself with where a provider asks for a certificate.
    pub client_certificate: Option<ClientCertificate>,
    /// Whether the provider is tried, for at most 3 s, before the first request is sent.
    pub check: bool,
    /// Whether streams are asked for their usage, which is withheld from callers that did not ask.
    pub include_usage: bool,
    /// What becomes of calls in another API's words.
    pub translation: Translation,
}

/// Which version of HTTP is spoken to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum HttpVersion {
    /// One call at a time on each connection.
    #[serde(rename = "1.1")]
    One,
    /// Many calls at once on each connection; over http without asking first.
    #[serde(rename = "2")]
    Two,
    /// What the provider prefers, over https; over http it is 1.1.
    #[serde(rename = "auto")]
    Auto,
}

/// A certificate of the gateway's own, and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file of the certificate, followed by those between it and its authority.
    pub certificate_file: PathBuf,
    /// PEM file of its private key.
    pub key_file: PathBuf,
}

/// When the gateway's own key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyUse {
    /// In place of whatever the caller sent.
    Replace,
    /// Only for a caller that sent no key.
    WhenMissing,
}

/// The provider that requests are sent to.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawUpstream {
    /// Whose ways it has: its dialect, where the key goes, how it counts and refuses. Left out: as the
    /// address tells.
    #[schemars(extend("examples" = ["anthropic"]))]
    pub(crate) profile: Option<ProfileName>,
    /// The account whose quota it draws on: providers of one account share their limits. Left out: as
    /// the provider's answers tell.
    #[schemars(extend("examples" = ["acme"]))]
    account: Option<String>,
    /// Address with its version path, http or https.
    pub(crate) base_url: String,
    /// The gateway's own key. Left out: the caller's key is passed through.
    #[schemars(extend("examples" = [{ "env": "PROVIDER_KEY" }]))]
    api_key: Option<RawSecret>,
    /// When the gateway's own key is used. Left out: replace, or when_missing for a key that comes
    /// from OPENAI_API_KEY alone.
    #[schemars(extend("examples" = ["replace"]))]
    api_key_use: Option<KeyUse>,
    /// Which version of HTTP is spoken to the provider.
    http_version: HttpVersion,
    /// Address of the proxy that the provider is reached through, http or https, with user and
    /// password where it asks for them; or `environment`, to go by HTTPS_PROXY, HTTP_PROXY and
    /// NO_PROXY. Left out: there is none, whatever those variables say.
    #[schemars(extend("examples" = ["http://proxy.internal:3128"]))]
    proxy: Option<RawSecret>,
    /// Hosts that are reached without the proxy: names with all below them, addresses, ranges as
    /// in 10.0.0.0/8, each with a port if it is meant for that alone, or `*`.
    #[schemars(extend("examples" = [["internal", "10.0.0.0/8"]]))]
    no_proxy: Vec<String>,
    /// Whether the name in base_url may lead to a private address: one of this machine or of a
    /// network of your own. Not needed where base_url holds such an address itself, or localhost.
    private_addresses: bool,
    /// Time to look the provider's name up.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "5m"))]
    resolve_timeout: Span,
    /// Time to connect over TCP, and through the proxy; also the longest wait for one of
    /// connections_max.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "5m"))]
    connect_timeout: Span,
    /// Time for the TLS handshake.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "5m"))]
    tls_timeout: Span,
    /// Longest time in which the provider takes nothing of a request.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "24h"))]
    write_timeout: Span,
    /// Time from the end of the request to the first byte of the answer.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "24h"))]
    first_byte_timeout: Span,
    /// Longest pause between two pieces of an answer.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "24h"))]
    idle_timeout: Span,
    /// Longest time of one attempt, from its start to the end of the answer. Left out: no limit.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "24h", "examples" = ["30m"]))]
    total_timeout: Option<Span>,
    /// Connections open at once, of all threads together. Left out: no limit.
    #[schemars(range(min = 1, max = 1_000_000), extend("examples" = [500]))]
    connections_max: Option<NonZeroUsize>,
    /// Unused connections kept open by each thread.
    #[schemars(range(min = 0, max = 100_000))]
    idle_connections_max: usize,
    /// Age at which a connection takes no further request, so that a new address of the provider
    /// is found.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "24h"))]
    connection_lifetime: Span,
    /// PEM file of the only certificate authorities to trust. Left out: the built-in roots.
    #[schemars(extend("x-kind" = "path", "examples" = ["/etc/ssl/company.pem"]))]
    ca_file: Option<PathBuf>,
    /// PEM file of certificate authorities to trust beside the built-in roots or those of ca_file.
    #[schemars(extend("x-kind" = "path", "examples" = ["/etc/ssl/company.pem"]))]
    ca_extra_file: Option<PathBuf>,
    /// PEM file of the certificate that the gateway shows to a provider that asks for one.
    #[schemars(extend("x-kind" = "path", "examples" = ["/etc/paceline/client.pem"]))]
    client_certificate_file: Option<PathBuf>,
    /// PEM file of the private key of that certificate. Left out: it is in the same file.
    #[schemars(extend("x-kind" = "path", "examples" = ["/etc/paceline/client.key"]))]
    client_key_file: Option<PathBuf>,
    /// Whether the provider is tried, for at most 3 s, before the first request is sent.
    check: bool,
    /// Whether streams are asked for their usage, which is withheld from callers that did not ask.
    include_usage: bool,
    /// What becomes of calls that come in another API's words, where that leaves a choice.
    translation: Translation,
}

impl Default for RawUpstream {
    fn default() -> Self {
        Self {
            profile: None,
            account: None,
            base_url: "https://api.openai.com/v1".to_owned(),
            api_key: None,
            api_key_use: None,
            http_version: HttpVersion::One,
            proxy: None,
            no_proxy: Vec::new(),
            private_addresses: false,
            resolve_timeout: Span(Duration::from_secs(3)),
            connect_timeout: Span(Duration::from_secs(3)),
            tls_timeout: Span(Duration::from_secs(5)),
            write_timeout: Span(Duration::from_secs(60)),
            first_byte_timeout: Span(Duration::from_secs(600)),
            idle_timeout: Span(Duration::from_secs(300)),
            total_timeout: None,
            connections_max: None,
            idle_connections_max: 128,
            connection_lifetime: Span(Duration::from_secs(600)),
            ca_file: None,
            ca_extra_file: None,
            client_certificate_file: None,
            client_key_file: None,
            check: true,
            include_usage: true,
            translation: Translation::default(),
        }
    }
}

impl RawUpstream {
    /// Checks these keys as they stand in the table at `section`; `None` when there is no address to go
    /// on with.
    pub(crate) fn check(
        self,
        section: &str,
        server: &Server,
        checker: &mut Checker<'_>,
    ) -> Option<Upstream> {
        let at = |key: &str| format!("{section}.{key}");
        let api_key_at = at("api_key");
        let base_url = address::base_url(&self.base_url, &at("base_url"), server, checker);
        let ambient =
            matches!(checker.origin(&api_key_at), Origin::Variable(name) if name == AMBIENT);
        let api_key = self.api_key.and_then(|key| key.check(&api_key_at, checker));
        let ca_file = file(self.ca_file.as_deref(), &at("ca_file"), checker);
        let ca_extra_file = file(self.ca_extra_file.as_deref(), &at("ca_extra_file"), checker);
        let client_certificate = client_certificate(
            (self.client_certificate_file, &at("client_certificate_file")),
            (self.client_key_file, &at("client_key_file")),
            checker,
        );
        let written = proxy::Written {
            proxy: self.proxy,
            no_proxy: self.no_proxy,
        };
        let proxy = written.check(section, base_url.as_ref(), checker);
        let unlent = match ambient {
            true => KeyUse::WhenMissing,
            false => KeyUse::Replace,
        };
        if api_key.is_some() && !server.listen.ip().is_loopback() {
            let what = format!(
                "is lent to whoever can reach {}, which is more than this machine",
                server.listen
            );
            checker.notice(&api_key_at, what);
        }
        if self.account.as_ref().is_some_and(|name| !is_plain(name)) {
            let what = "must be 1 to 64 letters, digits, -, _ and .";
            checker.problem(&at("account"), what, "any name for it will do");
        }
        let base_url = base_url?;
        let host = base_url.host_str().unwrap_or_default();
        let by_address = || Profile::for_base_url(host, base_url.path());
        Some(Upstream {
            profile: self.profile.map_or_else(by_address, ProfileName::profile),
            account: self.account,
            base_url,
            api_key,
            api_key_use: self.api_key_use.unwrap_or(unlent),
            http_version: self.http_version,
            proxy,
            private_addresses: self.private_addresses,
            resolve_timeout: self.resolve_timeout.0,
            connect_timeout: self.connect_timeout.0,
            tls_timeout: self.tls_timeout.0,
            write_timeout: self.write_timeout.0,
            first_byte_timeout: self.first_byte_timeout.0,
            idle_timeout: self.idle_timeout.0,
            total_timeout: self.total_timeout.map(|limit| limit.0),
            connections_max: self.connections_max,
            idle_connections_max: self.idle_connections_max,
            connection_lifetime: self.connection_lifetime.0,
            ca_file,
            ca_extra_file,
            client_certificate,
            check: self.check,
            include_usage: self.include_usage,
            translation: self.translation,
        })
    }
}

/// Whether a name can be part of the names of pools.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=64).contains(&name.len()) && name.chars().all(plain)
}

/// The file at `setting`, where one is named.
fn file(path: Option<&Path>, setting: &str, checker: &mut Checker<'_>) -> Option<PathBuf> {
    let path = path?;
    if path.as_os_str().is_empty() {
        checker.problem(setting, "must not be empty", "");
    }
    Some(checker.resolve(setting, path))
}

/// A key without a certificate proves nothing; a certificate may have its key in its own file.
fn client_certificate(
    (certificate, certificate_at): (Option<PathBuf>, &str),
    (key, key_at): (Option<PathBuf>, &str),
    checker: &mut Checker<'_>,
) -> Option<ClientCertificate> {
    let certificate_file = file(certificate.as_deref(), certificate_at, checker);
    let key_file = file(key.as_deref(), key_at, checker);
    if certificate_file.is_none() && key_file.is_some() {
        checker.notice(key_at, format!("has no effect without {certificate_at}"));
    }
    let certificate_file = certificate_file?;
    Some(ClientCertificate {
        key_file: key_file.unwrap_or_else(|| certificate_file.clone()),
        certificate_file,
    })
}
