//! The store's address: as far as it must be known here, and as it may be shown.

use std::fmt;

use crate::report::Fault;

/// What an address may begin with, and whether that is TLS.
const SCHEMES: [(&str, bool); 8] = [
    ("redis", false),
    ("rediss", true),
    ("valkey", false),
    ("valkeys", true),
    ("redis+sentinel", false),
    ("rediss+sentinel", true),
    ("redis+cluster", false),
    ("rediss+cluster", true),
];

const EXAMPLE: &str = "as in \"redis://127.0.0.1:6379\"";

/// The parts of an address. `Display` leaves out what may be secret; there is no `Debug`.
pub(super) struct Address<'a> {
    scheme: &'a str,
    /// User and password, as written.
    login: Option<&'a str>,
    /// Hosts and what follows them.
    place: &'a str,
    /// What stands behind the question mark.
    parameters: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// Takes an address apart; whoever connects reads the parts. No fault repeats any of them.
    pub(super) fn read(text: &'a str) -> Result<Self, Fault> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        if !SCHEMES.iter().any(|(name, _)| *name == scheme) {
            return Err(unknown_scheme());
        }
        let (rest, parameters) = match rest.split_once('?') {
            Some((rest, parameters)) => (rest, Some(parameters)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if path.contains('@') || parameters.is_some_and(|text| text.contains('@')) {
            let what = "has an @ behind its hosts";
            let hint = "percent-encode user and passwords: %2F for /, %3F for ?, %40 for @";
            return Err(Fault::new(what, hint));
        }
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        if hosts.is_empty() {
            return Err(Fault::new("names no host", EXAMPLE));
        }
        let place = rest.get(rest.len() - hosts.len() - path.len()..);
        Ok(Self {
            scheme,
            login,
            place: place.unwrap_or_default(),
            parameters,
        })
    }

    pub(super) fn is_encrypted(&self) -> bool {
        SCHEMES.contains(&(self.scheme, true))
    }

    /// Whether there is something that is not shown.
    pub(super) fn has_secret(&self) -> bool {
        self.login.is_some() || self.parameters().any(|(_, shown)| !shown)
    }

    /// Each parameter, and whether it may be shown.
    fn parameters(&self) -> impl Iterator<Item = (&'a str, bool)> {
        let parameters = self.parameters.into_iter().flat_map(|all| all.split('&'));
        parameters.map(|parameter| (parameter, parameter.starts_with("master=")))
    }
}

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        match self.login.map(|login| login.split_once(':')) {
            Some(Some((user, _))) => write!(f, "{user}:***@")?,
            // Whoever writes one word there may have meant the password.
            Some(None) => f.write_str("***@")?,
            None => {}
        }
        f.write_str(self.place)?;
        for (index, (parameter, shown)) in self.parameters().enumerate() {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            match (shown, parameter.split_once('=')) {
                (true, _) => f.write_str(parameter)?,
                (false, Some((name, _))) => write!(f, "{name}=***")?,
                (false, None) => f.write_str("***")?,
            }
        }
        Ok(())
    }
}

/// The fault of an address that begins with something else. What it is stays unsaid: where no
/// address is, there may be a password.
fn unknown_scheme() -> Fault {
    let names = SCHEMES.map(|(name, _)| format!("{name}://"));
    let names = match names.as_slice() {
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
        [] => String::new(),
    };
    Fault::new(format!("must begin with {names}"), EXAMPLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match Address::read(text) {
            Ok(address) => address.to_string(),
            Err(fault) => format!("{}; {}", fault.what, fault.hint),
        }
    }

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        for (text, expected) in [
            ("redis://10.0.0.5:6379/3", "redis://10.0.0.5:6379/3"),
            ("redis://:canary@h", "redis://:***@h"),
            ("redis://canary@h", "redis://***@h"),
            ("valkeys://app:canary@h:1", "valkeys://app:***@h:1"),
            ("redis://app:@h", "redis://app:***@h"),
            ("redis://app:can@ary@h", "redis://app:***@h"),
            ("redis://app:can:ary@[::1]:1", "redis://app:***@[::1]:1"),
            (
                "rediss+sentinel://app:canary@a:1,b/2?sentinel_password=canary&master=main&canary",
                "rediss+sentinel://app:***@a:1,b/2?sentinel_password=***&master=main&***",
            ),
            ("redis+cluster://a:1,b:2", "redis+cluster://a:1,b:2"),
            ("redis://h?", "redis://h?***"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn a_wrong_address_is_not_repeated() {
        for text in [
            "redis://app:can/ary@h",
            "redis://app:can?ary@h",
            "redis+sentinel://h?master=main&sentinel_password=can@ary",
            "redis://app:canary@",
            "redis://app:canary@/0",
            "http://app:canary@h",
            "canary",
            "canary://h",
            "://canary",
            "",
        ] {
            assert!(Address::read(text).is_err(), "{text}");
            assert!(!shown(text).contains("canary"), "{}", shown(text));
            assert!(!shown(text).contains("ary@"), "{}", shown(text));
        }
    }

    #[test]
    fn every_scheme_says_whether_it_is_encrypted() {
        for (scheme, encrypted) in SCHEMES {
            let text = format!("{scheme}://h");
            let read = Address::read(&text).map(|address| address.is_encrypted());
            assert_eq!(read, Ok(encrypted), "{scheme}");
        }
    }

    #[test]
    fn an_address_is_secret_where_something_is_left_out() {
        for (text, secret) in [
            ("redis://h:1/2", false),
            ("redis+sentinel://h?master=main", false),
            ("redis://app:x@h", true),
            ("redis+sentinel://h?master=main&sentinel_password=x", true),
        ] {
            let read = Address::read(text).map(|address| address.has_secret());
            assert_eq!(read, Ok(secret), "{text}");
        }
    }
}
