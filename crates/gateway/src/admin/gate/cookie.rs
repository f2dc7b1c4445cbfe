//! The cookie of a session.
//!
//! Browsers send a cookie to every port of a host, so that its name carries the port: gateways beside
//! each other do not take each other's sessions for their own, or sign each other out.

use axum::http::{HeaderMap, HeaderValue, header};

use super::sessions::AGE_MAX;

/// The most cookies of one name that are looked at; a page of another port may have set some.
const LOOKED_AT_MAX: usize = 8;

/// How the names of all of them begin.
pub(crate) const NAME: &str = "paceline_session";

/// The name of the cookie under the address that a request names.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':') {
        Some((_, port)) if is_port(port) => format!("{NAME}_{port}"),
        _ => NAME.to_owned(),
    }
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The sessions that a request shows, in its order.
pub(super) fn shown(headers: &HeaderMap) -> Vec<&str> {
    let name = name(headers);
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines.filter_map(|line| line.to_str().ok());
    let pairs = pairs.flat_map(|line| line.split(';')).map(str::trim);
    let values = pairs.filter_map(|pair| pair.strip_prefix(&*name)?.strip_prefix('='));
    values.take(LOOKED_AT_MAX).collect()
}

/// The header that gives a browser its session.
pub(super) fn set(headers: &HeaderMap, id: &str) -> Option<HeaderValue> {
    cookie(headers, id, AGE_MAX.as_secs())
}

/// The header that takes it away.
pub(super) fn clear(headers: &HeaderMap) -> Option<HeaderValue> {
    cookie(headers, "", 0)
}

fn cookie(headers: &HeaderMap, value: &str, age_s: u64) -> Option<HeaderValue> {
    let name = name(headers);
    let secure = if is_https(headers) { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Whether the browser speaks TLS to whatever is in front of the gateway. Who lies about it gets a
/// cookie that is of no use, and nothing else.
fn is_https(headers: &HeaderMap) -> bool {
    let proto = headers.get("x-forwarded-proto");
    proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_name_carries_the_port_that_the_browser_asks() {
        for (host, expected) in [
            ("127.0.0.1:4100", "paceline_session_4100"),
            ("[::1]:4101", "paceline_session_4101"),
            ("[::1]", "paceline_session"),
            ("localhost", "paceline_session"),
            ("localhost:", "paceline_session"),
            ("a:4100;x=1", "paceline_session"),
            ("a:999999", "paceline_session"),
        ] {
            assert_eq!(name(&headers(&[("host", host)])), expected, "{host}");
        }
    }

    #[test]
    fn sessions_of_other_ports_and_names_are_not_taken() {
        let all = headers(&[
            ("host", "127.0.0.1:4100"),
            ("cookie", "paceline_session_4101=a; paceline_session_4100=b"),
            (
                "cookie",
                "x=paceline_session_4100=c;paceline_session_4100=d",
            ),
            ("cookie", "paceline_session_41000=e; paceline_session=f"),
        ]);
        assert_eq!(shown(&all), ["b", "d"]);
    }

    #[test]
    fn scripts_and_other_sites_do_not_get_the_cookie() {
        let plain = headers(&[("host", "127.0.0.1:4100")]);
        let cookie = set(&plain, "id").unwrap();
        assert_eq!(
            cookie,
            "paceline_session_4100=id; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict"
        );
        let behind_tls = headers(&[("host", "p.internal"), ("x-forwarded-proto", "https")]);
        let cleared = clear(&behind_tls).unwrap();
        assert_eq!(
            cleared,
            "paceline_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure"
        );
    }
}
