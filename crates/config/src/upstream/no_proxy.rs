//! Which hosts are reached without the proxy.

use std::net::IpAddr;

use url::{Host, Url};

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Direct {
    whom: Whom,
    /// The only port that is meant, where one is named.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Whom {
    Everyone,
    /// A name, with all names below it.
    Domain(String),
    /// Addresses whose first bits are these.
    Range(IpAddr, u8),
}

impl Direct {
    /// Reads an entry; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self {
                whom: Whom::Everyone,
                port: None,
            });
        }
        let (host, port) = split_port(text)?;
        let whom = match host.split_once('/') {
            Some((ip, bits)) => Whom::range(ip.parse().ok()?, bits.parse().ok()?)?,
            None => match host.parse::<IpAddr>() {
                Ok(ip) => Whom::Range(ip, bits_of(ip)),
                Err(_) => Whom::domain(host)?,
            },
        };
        Some(Self { whom, port })
    }

    /// Whether requests to `url` are meant.
    pub(super) fn covers(&self, url: &Url) -> bool {
        if self.port.is_some() && self.port != url.port_or_known_default() {
            return false;
        }
        match (&self.whom, url.host()) {
            (Whom::Everyone, _) => true,
            (Whom::Domain(domain), Some(Host::Domain(name))) => {
                let name = name.trim_end_matches('.');
                let below = name.strip_suffix(domain.as_str());
                below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
            }
            (Whom::Range(first, bits), Some(Host::Ipv4(ip))) => {
                shares(*first, IpAddr::V4(ip), *bits)
            }
            (Whom::Range(first, bits), Some(Host::Ipv6(ip))) => {
                shares(*first, IpAddr::V6(ip), *bits)
            }
            _ => false,
        }
    }
}

impl Whom {
    fn range(ip: IpAddr, bits: u8) -> Option<Self> {
        (bits <= bits_of(ip)).then_some(Self::Range(ip, bits))
    }

    fn domain(text: &str) -> Option<Self> {
        // `*.example.com` and `.example.com` are other ways to write `example.com`.
        let name = text.trim_start_matches("*.").trim_start_matches('.');
        let name = name.trim_end_matches('.');
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_name = !name.is_empty() && name.bytes().all(fits);
        is_name.then(|| Self::Domain(name.to_ascii_lowercase()))
    }
}

/// Splits `host:port`, `[v6]:port` and what has no port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, behind) = rest.split_once(']')?;
        return match behind.strip_prefix(':') {
            Some(port) => Some((host, Some(port.parse().ok()?))),
            None => behind.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port.parse().ok()?))),
        _ => Some((text, None)),
    }
}

fn bits_of(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Whether the first `bits` of two addresses are the same.
fn shares(first: IpAddr, second: IpAddr, bits: u8) -> bool {
    let aligned = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)) << 96,
        IpAddr::V6(ip) => u128::from(ip),
    };
    let different = aligned(first) ^ aligned(second);
    first.is_ipv4() == second.is_ipv4() && different.leading_zeros() >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_covers_a_name_with_all_below_it_an_address_or_a_range() {
        for (entry, url, covered) in [
            ("*", "https://anything.test", true),
            ("example.com", "https://example.com", true),
            ("example.com", "https://api.EXAMPLE.com", true),
            ("example.com", "https://notexample.com", false),
            (".example.com", "https://a.b.example.com", true),
            ("*.example.com", "https://a.example.com", true),
            ("example.com:8443", "https://example.com:8443", true),
            ("example.com:8443", "https://example.com", false),
            ("example.com:443", "https://example.com", true),
            ("10.0.0.0/8", "http://10.200.3.4", true),
            ("10.0.0.0/8", "http://11.0.0.1", false),
            ("10.0.0.0/8", "http://ten.test", false),
            ("0.0.0.0/0", "http://192.0.2.1", true),
            ("0.0.0.0/0", "http://[2001:db8::1]", false),
            ("127.0.0.1", "http://127.0.0.1:9", true),
            ("127.0.0.1:8", "http://127.0.0.1:9", false),
            ("[::1]:9", "http://[::1]:9", true),
            ("2001:db8::/32", "http://[2001:db8:1::2]", true),
            ("::1", "http://[::2]", false),
        ] {
            let direct = Direct::parse(entry).unwrap();
            let url = Url::parse(url).unwrap();
            assert_eq!(direct.covers(&url), covered, "{entry} {url}");
        }
    }

    #[test]
    fn what_is_no_host_is_no_entry() {
        for text in [
            "",
            " ",
            "a b",
            "http://x",
            "10.0.0.0/33",
            "x:99999",
            "[::1",
            "x/8",
            ".",
        ] {
            assert_eq!(Direct::parse(text), None, "{text}");
        }
    }
}
