//! Which headers go on to the other side.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST,
    HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};
use paceline_config::{KeyUse, Secret};

use super::Target;
use crate::caller::PREFIX;

/// Headers that belong to one connection, not to the message (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The gateway's own key and when it is used.
pub(crate) struct OwnKey<'a> {
    pub(crate) key: Option<&'a Secret>,
    pub(crate) key_use: KeyUse,
}

/// The headers to send upstream for a caller's request.
///
/// `keep_encoding` lets the provider compress its answer; it is not kept where the answer must be
/// read for its usage.
pub(crate) fn request_headers(
    caller: &HeaderMap,
    target: &Target,
    own_key: &OwnKey<'_>,
    keep_encoding: bool,
) -> HeaderMap {
    let named_by_connection = connection_tokens(caller);
    let mut headers = HeaderMap::with_capacity(caller.len() + 2);
    if let Ok(host) = HeaderValue::from_str(target.authority.as_str()) {
        headers.insert(HOST, host);
    }
    for (name, value) in caller {
        let skip = *name == HOST
            || *name == CONTENT_LENGTH
            || *name == EXPECT
            || (*name == ACCEPT_ENCODING && !keep_encoding)
            || name.as_str().starts_with(PREFIX)
            || is_hop_by_hop(name, &named_by_connection);
        if !skip {
            headers.append(name, value.clone());
        }
    }
    set_key(&mut headers, own_key);
    headers
}

/// The headers to send to the caller for an upstream answer.
pub(crate) fn answer_headers(upstream: &mut HeaderMap) {
    for name in connection_tokens(upstream) {
        upstream.remove(name);
    }
    for name in HOP_BY_HOP {
        upstream.remove(name);
    }
    // The provider's answers never carry ours; a proxy in front of it might.
    let ours: Vec<HeaderName> = upstream
        .keys()
        .filter(|name| name.as_str().starts_with(PREFIX))
        .cloned()
        .collect();
    for name in ours {
        upstream.remove(name);
    }
}

/// Whether an answer is a stream of server-sent events.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let text = value.as_bytes();
        text.len() >= 17 && text[..17].eq_ignore_ascii_case(b"text/event-stream")
    })
}

fn set_key(headers: &mut HeaderMap, own_key: &OwnKey<'_>) {
    let Some(key) = own_key.key else {
        return;
    };
    let missing = !headers.contains_key(AUTHORIZATION) && !headers.contains_key("api-key");
    if own_key.key_use == KeyUse::WhenMissing && !missing {
        return;
    }
    if let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", key.expose())) {
        value.set_sensitive(true);
        headers.remove("api-key");
        headers.insert(AUTHORIZATION, value);
    }
}

fn is_hop_by_hop(name: &HeaderName, named_by_connection: &[HeaderName]) -> bool {
    HOP_BY_HOP.contains(name) || named_by_connection.contains(name)
}

/// Headers that `connection` names as belonging to it; almost always none beyond `keep-alive`.
fn connection_tokens(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| token.trim().parse().ok())
        // Naming these cannot strip what the gateway itself relies on.
        .filter(|name: &HeaderName| {
            *name != HOST && *name != AUTHORIZATION && *name != CONTENT_TYPE
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    fn forwarded(caller: &[(&str, &str)], own_key: &OwnKey<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in caller {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let url = Url::parse("http://provider.test:81/v1").unwrap();
        let target = Target::new(&url, || crate::upstream::tls::client_config(None)).unwrap();
        request_headers(&headers, &target, own_key, false)
    }

    const NO_KEY: OwnKey<'static> = OwnKey {
        key: None,
        key_use: KeyUse::Replace,
    };

    #[test]
    fn headers_of_the_connection_and_our_own_stay_here() {
        let sent = forwarded(
            &[
                ("connection", "keep-alive, x-private"),
                ("x-private", "1"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("content-length", "5"),
                ("x-paceline-tenant", "a"),
                ("host", "evil.test"),
                ("authorization", "Bearer sk-caller"),
                ("openai-beta", "x"),
                ("accept-encoding", "gzip"),
            ],
            &NO_KEY,
        );
        let names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["host", "authorization", "openai-beta"]);
        assert_eq!(sent["host"], "provider.test:81");
    }

    #[test]
    fn the_own_key_replaces_or_fills_in_as_configured() {
        let key = Secret::new("sk-own");
        for (key_use, caller, expected) in [
            (KeyUse::Replace, Some("Bearer sk-caller"), "Bearer sk-own"),
            (
                KeyUse::WhenMissing,
                Some("Bearer sk-caller"),
                "Bearer sk-caller",
            ),
            (KeyUse::WhenMissing, None, "Bearer sk-own"),
        ] {
            let own_key = OwnKey {
                key: Some(&key),
                key_use,
            };
            let caller: Vec<_> = caller
                .map(|key| ("authorization", key))
                .into_iter()
                .collect();
            assert_eq!(forwarded(&caller, &own_key)["authorization"], expected);
        }
    }

    #[test]
    fn a_caller_cannot_strip_the_key_by_naming_it_in_connection() {
        let sent = forwarded(
            &[
                ("connection", "authorization"),
                ("authorization", "Bearer x"),
            ],
            &NO_KEY,
        );
        assert!(sent.contains_key("authorization"));
    }
}
