//! Which addresses are not of the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is when it is not a public one, in words that follow "which is".
///
/// The ranges are those of IANA's special-purpose registries (RFC 6890) behind which services of
/// one's own are found: nobody outside can mean one of them by a public name, but whoever controls
/// that name can make it lead there.
pub(super) fn private_range(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(ip) => private_v4(ip),
        IpAddr::V6(ip) => private_v6(ip),
    }
}

fn private_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [127, ..] => Some("an address of this machine"),
        [0, ..] => Some("an address of this network"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("an address of a private network"),
        [169, 254, ..] => Some("a link-local address, where clouds answer with their credentials"),
        [100, 64..=127, ..] => Some("an address of a carrier's own network"),
        [192, 0, 0, _] | [198, 18..=19, ..] => Some("an address for special purposes"),
        [224..=255, ..] => Some("an address of no single machine"),
        _ => None,
    }
}

fn private_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if ip.is_loopback() {
        return Some("an address of this machine");
    }
    if let Some(inner) = embedded(ip) {
        return private_v4(inner);
    }
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an address of this network"),
        [0xfc00..=0xfdff, ..] => Some("an address of a private network"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        [0xfec0..=0xfeff, ..] => Some("an address of a private network"),
        [0xff00..=0xffff, ..] => Some("an address of no single machine"),
        _ => None,
    }
}

/// The IPv4 address that packets to an IPv6 address end up at: mapped (RFC 4291), translated
/// (RFC 6052, RFC 8215) or 6to4 (RFC 3056).
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(join(high, low)),
        [0x64, 0xff9b, 1, .., high, low] => Some(join(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_dress() {
        for text in [
            "127.0.0.1",
            "127.255.0.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "fc00::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "::10.0.0.1",
            "fd00:ec2::254",
        ] {
            let address = text.parse().unwrap();
            assert!(private_range(address).is_some(), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_left_alone() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "223.255.255.255",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::",
        ] {
            let address = text.parse().unwrap();
            assert_eq!(private_range(address), None, "{text}");
        }
    }
}
