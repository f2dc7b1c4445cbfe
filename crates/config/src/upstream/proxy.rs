//! The proxy that a provider is reached through.

use url::Url;

use super::no_proxy::Direct;
use crate::checker::Checker;
use crate::report::Fault;
use crate::secret::RawSecret;
use crate::{Origin, Secret};

/// The word that stands for the variables of the environment.
const ENVIRONMENT: &str = "environment";

/// A proxy, and who asks to use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Its address, http or https, without user, password and path.
    pub address: Url,
    /// `user:password`, as they are sent.
    pub credentials: Option<Secret>,
}

/// The two keys as written.
pub(super) struct Written {
    pub(super) proxy: Option<RawSecret>,
    pub(super) no_proxy: Vec<String>,
}

impl Written {
    /// The proxy for requests to `base_url`, if they go through one.
    pub(super) fn check(
        self,
        section: &str,
        base_url: Option<&Url>,
        checker: &mut Checker<'_>,
    ) -> Option<Proxy> {
        let setting = format!("{section}.proxy");
        let list_setting = format!("{section}.no_proxy");
        let mut direct = Vec::new();
        for text in &self.no_proxy {
            match Direct::parse(text) {
                Some(entry) => direct.push(entry),
                None => checker.problem(
                    &list_setting,
                    format!("must be hosts, addresses or ranges (got {text:?})"),
                    "as in \"example.com\", \"10.0.0.0/8\" or \"[::1]:8080\"",
                ),
            }
        }
        let Some(written) = self.proxy else {
            if !self.no_proxy.is_empty() {
                let what = format!("has no effect without {setting}");
                checker.notice(&list_setting, what);
            }
            return None;
        };
        let in_file =
            written.is_literal() && matches!(checker.origin(&setting), Origin::File { .. });
        let written = written.fetch(&setting, checker)?;
        let base_url = base_url?;
        let proxy = if written.expose() == ENVIRONMENT {
            let variables = checker
                .variable("no_proxy")
                .or(checker.variable("NO_PROXY"));
            // What is wrong in a variable that is not ours is for its other readers to complain of.
            let entries = variables.unwrap_or_default().split(',');
            direct.extend(entries.filter_map(Direct::parse));
            from_environment(base_url, &setting, checker)?
        } else {
            let proxy = reported(parse(written.expose()), &setting, checker)?;
            if in_file && proxy.credentials.is_some() {
                let what = "is written in the file itself with its password; \
                            { env = \"NAME\" } or { file = \"PATH\" } keeps it out";
                checker.notice(&setting, what);
            }
            proxy
        };
        let goes_direct = direct.iter().any(|entry| entry.covers(base_url));
        (!goes_direct).then_some(proxy)
    }
}

/// The proxy that the environment names for the scheme of `base_url`.
fn from_environment(base_url: &Url, setting: &str, checker: &mut Checker<'_>) -> Option<Proxy> {
    let names = match base_url.scheme() {
        "https" => ["https_proxy", "HTTPS_PROXY"],
        _ => ["http_proxy", "HTTP_PROXY"],
    };
    let (name, text) = names
        .into_iter()
        .find_map(|name| Some((name, checker.variable(name)?)))?;
    // Here an address may lack its scheme, by custom.
    let parsed = match text.contains("://") {
        true => parse(text),
        false => parse(&format!("http://{text}")),
    };
    let parsed = parsed.map_err(|fault| Fault::new(format!("{name} {}", fault.what), fault.hint));
    reported(parsed, setting, checker)
}

fn reported(
    parsed: Result<Proxy, Fault>,
    setting: &str,
    checker: &mut Checker<'_>,
) -> Option<Proxy> {
    parsed
        .map_err(|fault| checker.problem(setting, fault.what, fault.hint))
        .ok()
}

/// Reads an address, which is never repeated in a message: it may hold a password.
fn parse(text: &str) -> Result<Proxy, Fault> {
    let hint = "as in \"http://proxy.internal:3128\"; the value is not shown here";
    let fault = |what: &str| Fault::new(what, hint);
    let url = Url::parse(text).map_err(|_| fault("must be an http or https address"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(fault(
            "must be an http or https address: other kinds of proxies are not spoken to",
        ));
    }
    let beside = url.query().is_some() || url.fragment().is_some();
    if url.host_str().is_none() || beside || !matches!(url.path(), "" | "/") {
        return Err(fault("must be a host and a port alone"));
    }
    let credentials = credentials(&url).map_err(|()| {
        fault("must have a user and a password of text without control characters, and no \":\" in the user")
    })?;
    let mut address = url;
    // Neither fails for an address that has a host.
    let _ = address.set_username("");
    let _ = address.set_password(None);
    Ok(Proxy {
        address,
        credentials,
    })
}

/// User and password as they are sent (RFC 7617): percent-decoded, with a colon between them.
fn credentials(url: &Url) -> Result<Option<Secret>, ()> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let user = decoded(url.username()).ok_or(())?;
    let password = decoded(url.password().unwrap_or_default()).ok_or(())?;
    if user.contains(':') {
        return Err(());
    }
    Ok(Some(Secret::new(format!("{user}:{password}"))))
}

fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = (*byte == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escape.unwrap_or(*byte));
        at += if escape.is_some() { 3 } else { 1 };
    }
    let decoded = String::from_utf8(decoded).ok()?;
    (!decoded.chars().any(char::is_control)).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_decoded_and_kept_apart_from_the_address() {
        let proxy = parse("http://me:p%40ss%3Aword@proxy.test:3128/").unwrap();
        assert_eq!(proxy.address.as_str(), "http://proxy.test:3128/");
        assert_eq!(proxy.credentials.as_ref().unwrap().expose(), "me:p@ss:word");
        assert!(!format!("{proxy:?}").contains("p@ss"));
        assert!(parse("https://proxy.test").unwrap().credentials.is_none());
    }

    #[test]
    fn a_bad_address_is_refused_and_not_repeated() {
        for text in [
            "socks5://me:hush@proxy.test:1080",
            "me:hush@proxy.test",
            "http://me:hush@proxy.test/path",
            "http://me%3Ayou:hush@proxy.test",
            "http://me:hush%0a@proxy.test",
            "http://me:hush@proxy.test?x",
        ] {
            let fault = parse(text).unwrap_err();
            assert!(
                !fault.what.contains("hush") && !fault.hint.contains("hush"),
                "{text}"
            );
        }
    }
}
