//! Which headers go on to the other side.

use std::borrow::Cow;

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST,
    HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};
use paceline_config::{self as config, KeyUse, Secret};
use paceline_provider::{KeyHeader, Profile};
use url::form_urlencoded;

use super::Target;
use crate::admin::SESSION_COOKIE;
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

/// Headers by which a caller says whose account at the provider a call is for. They go with the
/// caller's key: beside the gateway's own, the provider would refuse that key for what a caller named.
const ACCOUNT: [HeaderName; 6] = [
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    // Anthropic.
    HeaderName::from_static("anthropic-workspace-id"),
    // Google: the project that pays.
    HeaderName::from_static("x-goog-user-project"),
    // Amazon: the session that a signature is of.
    HeaderName::from_static("x-amz-security-token"),
    // Hugging Face: the organization that pays.
    HeaderName::from_static("x-hf-bill-to"),
];

/// The gateway's own key and when it is used.
pub(crate) struct OwnKey<'a> {
    pub(crate) key: Option<&'a Secret>,
    pub(crate) key_use: KeyUse,
}

/// The headers to send upstream for a caller's request.
///
/// `keep_encoding` lets the provider compress its answer; it is not kept where the answer must be
/// read for its usage, nor beside the gateway's own key, which an error may show.
pub(crate) fn request_headers(
    caller: &HeaderMap,
    target: &Target,
    own_key: &OwnKey<'_>,
    (profile, keep_encoding): (&Profile, bool),
) -> HeaderMap {
    let named_by_connection = connection_tokens(caller);
    let keep_encoding = keep_encoding && !own_key.is_used_for(caller);
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
        if *name == COOKIE {
            if let Some(others) = without_sessions(value) {
                headers.append(name, others);
            }
        } else if !skip {
            headers.append(name, value.clone());
        }
    }
    set_key(&mut headers, own_key, profile);
    for (name, value) in profile.headers {
        let name = HeaderName::from_static(name);
        headers
            .entry(name)
            .or_insert_with(|| HeaderValue::from_static(value));
    }
    headers
}

/// The query to send upstream for a caller's request: where the gateway's own key is used, without the
/// one that Google reads there, which the provider would refuse in its place.
pub(crate) fn request_query<'a>(
    query: &'a str,
    caller: &HeaderMap,
    own_key: &OwnKey<'_>,
    profile: &Profile,
) -> Cow<'a, str> {
    let is_read_there = matches!(profile.name, "gemini" | "gemini-compatible" | "vertex");
    if !is_read_there || !own_key.is_used_for(caller) {
        return Cow::Borrowed(query);
    }
    let is_key = |pair: &&str| {
        let name = form_urlencoded::parse(pair.as_bytes()).next();
        name.is_some_and(|(name, _)| name == "key" || name == "access_token")
    };
    let others: Vec<_> = query.split('&').filter(|pair| !is_key(pair)).collect();
    Cow::Owned(others.join("&"))
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

impl<'a> OwnKey<'a> {
    /// The key of a provider. Where it `always` is used, callers' keys go nowhere: they would go to
    /// several providers.
    pub(crate) fn of(upstream: &'a config::Upstream, always: bool) -> Self {
        let key_use = match always {
            true => KeyUse::Replace,
            false => upstream.api_key_use,
        };
        Self {
            key: upstream.api_key.as_ref(),
            key_use,
        }
    }

    /// Whether a request with these headers is sent with it.
    pub(crate) fn is_used_for(&self, headers: &HeaderMap) -> bool {
        let sends_one = KeyHeader::ALL
            .iter()
            .any(|header| headers.contains_key(header.name()));
        self.key.is_some() && (self.key_use == KeyUse::Replace || !sends_one)
    }
}

/// Cookies without those that open the dashboard, which browsers send to all paths of the address.
fn without_sessions(cookies: &HeaderValue) -> Option<HeaderValue> {
    let text = cookies.as_bytes();
    let pairs = text.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let others: Vec<&[u8]> = pairs
        .filter(|pair| !pair.is_empty() && !pair.starts_with(SESSION_COOKIE.as_bytes()))
        .collect();
    let others = HeaderValue::from_bytes(&others.join(&b"; "[..])).ok();
    others.filter(|others| !others.is_empty())
}

/// Puts the key where the provider looks for it: the gateway's own, or else the caller's, which its
/// client may have put where another provider does.
fn set_key(headers: &mut HeaderMap, own_key: &OwnKey<'_>, profile: &Profile) {
    let key = match own_key.key.filter(|_| own_key.is_used_for(headers)) {
        Some(key) => {
            for name in ACCOUNT {
                headers.remove(name);
            }
            key.expose().to_owned()
        }
        // Of a provider of which nothing is known, nobody knows where it looks.
        None if !profile.is_known() => return,
        None if headers.contains_key(profile.key.name()) => return,
        None => match callers_key(headers) {
            Some(key) => key,
            None => return,
        },
    };
    let Ok(mut value) = HeaderValue::from_str(&profile.key.value(&key)) else {
        return;
    };
    value.set_sensitive(true);
    for header in KeyHeader::ALL {
        headers.remove(header.name());
    }
    headers.insert(HeaderName::from_static(profile.key.name()), value);
}

/// The key that a caller sent, wherever it is.
fn callers_key(headers: &HeaderMap) -> Option<String> {
    KeyHeader::ALL.iter().find_map(|header| {
        let text = headers.get(header.name())?.to_str().ok()?;
        let key = match header {
            KeyHeader::Bearer => text.split_once(' ').map_or(text, |(_, key)| key),
            _ => text,
        };
        Some(key.trim().to_owned())
    })
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
        let target = Target::new(&url).unwrap();
        request_headers(&headers, &target, own_key, (Profile::COMPATIBLE, false))
    }

    const NO_KEY: OwnKey<'static> = OwnKey {
        key: None,
        key_use: KeyUse::Replace,
    };

    #[test]
    fn cookies_that_open_the_dashboard_stay_here_and_others_go_on() {
        for (cookie, expected) in [
            ("paceline_session_4100=abc", None),
            ("paceline_session=abc; ", None),
            ("a=1; paceline_session_4100=abc; b=2", Some("a=1; b=2")),
            ("a=paceline_session", Some("a=paceline_session")),
            (";;", None),
        ] {
            let sent = forwarded(&[("cookie", cookie)], &NO_KEY);
            let sent = sent.get("cookie").map(|value| value.to_str().unwrap());
            assert_eq!(sent, expected, "{cookie}");
        }
    }

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
    fn whose_account_a_call_is_for_goes_with_the_callers_key_alone() {
        let named = ACCOUNT;
        let caller: Vec<_> = named.iter().map(|name| (name.as_str(), "x")).collect();
        let key = Secret::new("sk-own");
        let own_key = OwnKey {
            key: Some(&key),
            key_use: KeyUse::WhenMissing,
        };
        let sent = forwarded(&caller, &own_key);
        let names: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["host", "authorization"]);
        let with_key = [&caller[..], &[("authorization", "Bearer sk-caller")]].concat();
        let sent = forwarded(&with_key, &own_key);
        assert!(named.iter().all(|name| sent.contains_key(name)));
    }

    #[test]
    fn a_key_in_the_query_does_not_go_with_the_gateways_own() {
        let key = Secret::new("AIza-own");
        let own_key = OwnKey {
            key: Some(&key),
            key_use: KeyUse::Replace,
        };
        let gemini = Profile::named("gemini").unwrap();
        let query = "alt=sse&k%65y=AIza-caller&access_token=ya29&a=key";
        for (profile, own_key, expected) in [
            (gemini, &own_key, "alt=sse&a=key"),
            (gemini, &NO_KEY, query),
            (Profile::COMPATIBLE, &own_key, query),
        ] {
            let sent = request_query(query, &HeaderMap::new(), own_key, profile);
            assert_eq!(sent, expected, "{}", profile.name);
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
