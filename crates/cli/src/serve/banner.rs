//! What is shown when a gateway has started: where it is and where it sends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use paceline_config::Settings;
use paceline_gateway::token_path;

use crate::check::limits;

/// The lines of the banner.
pub(super) fn lines(
    settings: &Settings,
    address: SocketAddr,
    admin: Option<SocketAddr>,
) -> Vec<String> {
    let mut lines = vec![
        format!(
            "paceline {} listens on {address}",
            env!("CARGO_PKG_VERSION")
        ),
        format!(
            "  clients   OPENAI_BASE_URL=http://{}/v1",
            reachable(address)
        ),
        format!("  upstream  {}", settings.upstream.base_url),
    ];
    if let Some(store) = &settings.store {
        lines.push(format!("  store     {}", store.address()));
    }
    for (index, limit) in limits::summary(settings).into_iter().enumerate() {
        let label = if index == 0 { "limits" } else { "" };
        lines.push(format!("  {label:<8}  {limit}"));
    }
    lines.push(format!(
        "  admin     {}",
        admin_line(settings, address, admin)
    ));
    if settings.admin.enabled {
        let place = dashboard(admin.unwrap_or(address));
        lines.push(format!(
            "  dashboard {place}, signed in by paceline dashboard"
        ));
    }
    lines
}

/// Where people find the dashboard; without the token, since this is logged.
pub(super) fn dashboard(admin: SocketAddr) -> String {
    format!("http://{}/dashboard", reachable(admin))
}

fn admin_line(settings: &Settings, address: SocketAddr, admin: Option<SocketAddr>) -> String {
    if !settings.admin.enabled {
        return "switched off (admin.enabled)".to_owned();
    }
    let place = reachable(admin.unwrap_or(address));
    if settings.admin.token.is_some() {
        return format!("http://{place}, with the token of admin.token");
    }
    let token = token_path(&settings.admin);
    format!("http://{place}, with the token in {}", token.display())
}

/// The address that a client on this machine uses.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::SettingsArgs;
    use paceline_config::Secret;

    #[test]
    fn a_client_is_told_an_address_that_it_can_connect_to() {
        let cases = [
            ("0.0.0.0:4100", "127.0.0.1:4100"),
            ("[::]:4100", "[::1]:4100"),
            ("10.1.2.3:80", "10.1.2.3:80"),
        ];
        for (address, shown) in cases {
            assert_eq!(reachable(address.parse().unwrap()).to_string(), shown);
        }
    }

    #[test]
    fn the_store_is_shown_without_its_password() {
        let args = SettingsArgs {
            redis: Some(Secret::new("redis://app:canary@10.0.0.5:6379")),
            ..SettingsArgs::default()
        };
        let address = "127.0.0.1:4100".parse().unwrap();
        let environment = [("HOME".to_owned(), "/home/ada".to_owned())];
        let loaded = args.load(environment.into()).unwrap();
        let shown = lines(&loaded.settings, address, None);
        let line = "  store     redis://app:***@10.0.0.5:6379".to_owned();
        assert!(shown.contains(&line), "{shown:?}");
        assert!(!shown.concat().contains("canary"), "{shown:?}");
        let alone = SettingsArgs::default();
        let environment = [("HOME".to_owned(), "/home/ada".to_owned())];
        let loaded = alone.load(environment.into()).unwrap();
        let shown = lines(&loaded.settings, address, None);
        assert!(!shown.concat().contains("store"), "{shown:?}");
    }
}
