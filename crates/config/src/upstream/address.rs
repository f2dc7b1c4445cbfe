//! The address of a provider: what may be written, and what is worth a word.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use crate::checker::Checker;
use crate::node::clip;
use crate::report::Fault;
use crate::{Origin, Server};

/// Checks the address at `setting` of a provider that requests are sent to.
pub(super) fn base_url(
    text: &str,
    setting: &str,
    server: &Server,
    checker: &mut Checker<'_>,
) -> Option<Url> {
    let url = match parse(text) {
        Ok(url) => url,
        Err(Fault { what, hint }) => {
            checker.problem(setting, what, hint);
            return None;
        }
    };
    if leads_to(&url, server.listen) {
        let hint = match checker.origin(setting) {
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
        checker.problem(setting, what, hint);
        return None;
    }
    if url.scheme() == "http" && !is_local(&url) {
        checker.notice(setting, "sends keys and prompts unencrypted: it is http");
    }
    if url.host_str() == Some("api.openai.com") && url.path() == "/" {
        checker.notice(
            setting,
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
