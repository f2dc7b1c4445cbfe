//! `[upstream]`: the provider that requests are sent to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use crate::checker::Checker;
use crate::node::clip;
use crate::quantity::Span;
use crate::report::Fault;
use crate::secret::RawSecret;
use crate::{Origin, Secret, Server};

pub(crate) const API_KEY: &str = "upstream.api_key";
const BASE_URL: &str = "upstream.base_url";

/// The variable whose key is only lent: it is often set for other reasons than the gateway's.
const AMBIENT: &str = "OPENAI_API_KEY";

/// The provider that requests are sent to, and how.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Address with its version path and without a trailing slash, as in
    /// `https://api.openai.com/v1`.
    pub base_url: Url,
    /// The gateway's own key; `None` passes the caller's key through.
    pub api_key: Option<Secret>,
    /// When [`api_key`](Self::api_key) is used.
    pub api_key_use: KeyUse,
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// Time from the end of the request to the first byte of the answer.
    pub first_byte_timeout: Duration,
    /// Longest pause between two pieces of an answer.
    pub idle_timeout: Duration,
    /// Unused connections kept open by each thread.
    pub idle_connections_max: usize,
    /// PEM file of the only certificate authorities to trust; `None` means the built-in roots.
    pub ca_file: Option<PathBuf>,
    /// Whether the provider is tried, for at most 3 s, before the first request is sent.
    pub check: bool,
    /// Whether streams are asked for their usage, which is withheld from callers that did not ask.
    pub include_usage: bool,
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
    /// Address with its version path, http or https.
    base_url: String,
    /// The gateway's own key. Left out: the caller's key is passed through.
    #[schemars(extend("examples" = [{ "env": "PROVIDER_KEY" }]))]
    api_key: Option<RawSecret>,
    /// When the gateway's own key is used. Left out: replace, or when_missing for a key that comes
    /// from OPENAI_API_KEY alone.
    #[schemars(extend("examples" = ["replace"]))]
    api_key_use: Option<KeyUse>,
    /// Time to connect, TLS included.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "5m"))]
    connect_timeout: Span,
    /// Time from the end of the request to the first byte of the answer.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "24h"))]
    first_byte_timeout: Span,
    /// Longest pause between two pieces of an answer.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "24h"))]
    idle_timeout: Span,
    /// HTTP/1.1 alone is spoken to the provider: false is refused.
    http1_only: bool,
    /// Unused connections kept open by each thread.
    #[schemars(range(min = 0, max = 100_000))]
    idle_connections_max: usize,
    /// PEM file of the only certificate authorities to trust. Left out: the built-in roots.
    #[schemars(extend("x-kind" = "path", "examples" = ["/etc/ssl/company.pem"]))]
    ca_file: Option<PathBuf>,
    /// Whether the provider is tried, for at most 3 s, before the first request is sent.
    check: bool,
    /// Whether streams are asked for their usage, which is withheld from callers that did not ask.
    include_usage: bool,
}

impl Default for RawUpstream {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            api_key: None,
            api_key_use: None,
            connect_timeout: Span(Duration::from_secs(3)),
            first_byte_timeout: Span(Duration::from_secs(600)),
            idle_timeout: Span(Duration::from_secs(300)),
            http1_only: true,
            idle_connections_max: 128,
            ca_file: None,
            check: true,
            include_usage: true,
        }
    }
}

impl RawUpstream {
    /// Checks the section; `None` when there is no address to go on with.
    pub(crate) fn check(self, server: &Server, checker: &mut Checker<'_>) -> Option<Upstream> {
        let base_url = base_url(&self.base_url, server, checker);
        let ambient = matches!(checker.origin(API_KEY), Origin::Variable(name) if name == AMBIENT);
        let api_key = self.api_key.and_then(|key| key.check(API_KEY, checker));
        let ca_file = self
            .ca_file
            .map(|path| checker.resolve("upstream.ca_file", &path));
        if ca_file
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            checker.problem("upstream.ca_file", "must not be empty", "");
        }
        if !self.http1_only {
            let what = "must be true: HTTP/1.1 is all that is spoken to the provider";
            checker.problem("upstream.http1_only", what, "leave it out");
        }
        let unlent = match ambient {
            true => KeyUse::WhenMissing,
            false => KeyUse::Replace,
        };
        if api_key.is_some() && !server.listen.ip().is_loopback() {
            let what = format!(
                "is lent to whoever can reach {}, which is more than this machine",
                server.listen
            );
            checker.notice(API_KEY, what);
        }
        Some(Upstream {
            base_url: base_url?,
            api_key,
            api_key_use: self.api_key_use.unwrap_or(unlent),
            connect_timeout: self.connect_timeout.0,
            first_byte_timeout: self.first_byte_timeout.0,
            idle_timeout: self.idle_timeout.0,
            idle_connections_max: self.idle_connections_max,
            ca_file,
            check: self.check,
            include_usage: self.include_usage,
        })
    }
}

fn base_url(text: &str, server: &Server, checker: &mut Checker<'_>) -> Option<Url> {
    let url = match parse(text) {
        Ok(url) => url,
        Err(Fault { what, hint }) => {
            checker.problem(BASE_URL, what, hint);
            return None;
        }
    };
    if leads_to(&url, server.listen) {
        let hint = match checker.origin(BASE_URL) {
            Origin::Variable(name) if name == "OPENAI_BASE_URL" => {
                "OPENAI_BASE_URL is read by clients too; give the gateway its provider with \
                 PACELINE_UPSTREAM_BASE_URL instead, and start it without OPENAI_BASE_URL"
            }
            _ => "name the provider's address here and the gateway's in its clients",
        };
        let what = format!(
            "leads back to server.listen ({}): requests would go round in a loop (got \"{url}\")",
            server.listen
        );
        checker.problem(BASE_URL, what, hint);
        return None;
    }
    if url.scheme() == "http" && !is_local(&url) {
        checker.notice(BASE_URL, "sends keys and prompts unencrypted: it is http");
    }
    if url.host_str() == Some("api.openai.com") && url.path() == "/" {
        checker.notice(
            BASE_URL,
            "has no version path; https://api.openai.com/v1 has one",
        );
    }
    Some(url)
}

/// Reads an address that requests can be sent below.
fn parse(text: &str) -> Result<Url, Fault> {
    // Whatever stands before an @ may be a password, so such an address is never repeated.
    let got = match text.contains('@') {
        true => String::new(),
        false => format!(" (got {})", clip(text)),
    };
    let example = "as in \"https://api.openai.com/v1\"";
    let mut url = Url::parse(text).map_err(|error| {
        let reason = error.to_string();
        Fault::new(
            format!("must be an http or https address{got}: {reason}"),
            example,
        )
    })?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(Fault::new(
            format!("must be an http or https address{got}"),
            example,
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let what = "must not hold a user name or a password";
        return Err(Fault::new(what, "use upstream.api_key"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Fault::new(
            format!("must not have a query or a fragment{got}"),
            example,
        ));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Whether requests to `url` would arrive at `listen`, as far as can be told without asking a
/// name server.
fn leads_to(url: &Url, listen: SocketAddr) -> bool {
    if listen.port() == 0 || url.port_or_known_default() != Some(listen.port()) {
        return false;
    }
    let own = listen.ip();
    let reaches = |ip: IpAddr| ip == own || (own.is_unspecified() && ip.is_loopback());
    match url.host() {
        Some(Host::Ipv4(ip)) => reaches(IpAddr::V4(ip)) || ip.is_unspecified() && is_own_host(own),
        Some(Host::Ipv6(ip)) => reaches(IpAddr::V6(ip)) || ip.is_unspecified() && is_own_host(own),
        Some(Host::Domain(name)) => name == "localhost" && is_own_host(own),
        None => false,
    }
}

/// Whether the name `localhost` leads to an address.
fn is_own_host(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
