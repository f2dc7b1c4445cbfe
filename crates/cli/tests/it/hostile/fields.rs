//! The fields that a caller controls, and requests with a text in one of them.

use super::texts::MARK;

/// Where a text is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The value of a header.
    Header(&'static str),
    /// Behind the scheme of the key.
    Key,
    /// A string of the body; the name is that of the place in [`BODY`].
    Body(&'static str),
    /// A piece of the path, below the API.
    Path,
    /// The value of a parameter of the API's query.
    Query,
    /// A whole path of the admin plane, the text percent-encoded in the place of `@`.
    Admin(&'static str, &'static str),
    /// A member of the body that orders something of the admin plane.
    Order,
}

/// Every field that ends in a call of the API.
pub(crate) const OF_CALLS: [Field; 34] = [
    Field::Header("x-paceline-tenant"),
    Field::Header("x-paceline-session"),
    Field::Header("x-paceline-tags"),
    Field::Header("x-paceline-priority"),
    Field::Header("x-paceline-max-wait"),
    Field::Header("x-paceline-announce"),
    Field::Header("x-paceline-unknown"),
    Field::Header("user-agent"),
    Field::Header("referer"),
    Field::Header("x-custom"),
    Field::Header("x-request-id"),
    Field::Header("x-client-request-id"),
    Field::Header("idempotency-key"),
    Field::Header("traceparent"),
    Field::Header("tracestate"),
    Field::Header("openai-organization"),
    Field::Header("openai-project"),
    Field::Header("openai-beta"),
    Field::Header("cookie"),
    Field::Header("content-type"),
    Field::Header("x-forwarded-for"),
    Field::Key,
    Field::Body("model"),
    Field::Body("user"),
    Field::Body("tier"),
    Field::Body("metadata"),
    Field::Body("metadata_name"),
    Field::Body("custom_id"),
    Field::Body("cache_key"),
    Field::Body("role"),
    Field::Body("name"),
    Field::Body("content"),
    Field::Path,
    Field::Query,
];

/// Every field of the admin plane.
pub(crate) const OF_ADMIN: [Field; 16] = [
    Field::Admin("GET", "/monitoring/token-usage?tenant=@"),
    Field::Admin("GET", "/monitoring/token-usage?session=@"),
    Field::Admin("GET", "/monitoring/token-usage?model=@"),
    Field::Admin("GET", "/monitoring/token-usage?group_by=@"),
    Field::Admin("GET", "/monitoring/token-usage?from=@"),
    Field::Admin("GET", "/monitoring/token-usage?@=1"),
    Field::Admin("GET", "/monitoring/requests?key=@"),
    Field::Admin("GET", "/monitoring/requests?cursor=@"),
    Field::Admin("GET", "/monitoring/requests/@"),
    Field::Admin("GET", "/monitoring/session-usage/@"),
    Field::Admin("GET", "/monitoring/export?tag=@"),
    Field::Admin("GET", "/monitoring/queue/@"),
    Field::Admin("DELETE", "/monitoring/queue/@"),
    Field::Admin("DELETE", "/monitoring/sessions/@"),
    Field::Admin("GET", "/monitoring/@"),
    Field::Order,
];

const BODY: &str = r#"{"model":@model,"max_tokens":5,"user":@user,"service_tier":@tier,"metadata":{@metadata_name:@metadata},"custom_id":@custom_id,"prompt_cache_key":@cache_key,"messages":[{"role":@role,"name":@name,"content":@content}]}"#;

/// What stands in the places of the body that are not under test.
const PLAIN: [(&str, &str); 10] = [
    ("metadata_name", "team"),
    ("model", "gpt-4o-mini"),
    ("user", "u"),
    ("tier", "default"),
    ("metadata", "m"),
    ("custom_id", "c"),
    ("cache_key", "k"),
    ("role", "user"),
    ("name", "n"),
    ("content", "hello"),
];

/// A request of a call with `text` in `field`, that is found by `name` as its tenant; as its session where
/// the tenant is under test.
pub(crate) fn call(field: Field, text: &[u8], name: &str) -> Vec<u8> {
    let found_by = match field {
        Field::Header("x-paceline-tenant") => "x-paceline-session",
        _ => "x-paceline-tenant",
    };
    let mut headers: Vec<(&str, Vec<u8>)> = vec![
        ("host", b"localhost".to_vec()),
        ("connection", b"close".to_vec()),
        (found_by, name.as_bytes().to_vec()),
    ];
    match field {
        Field::Header(name) => headers.push((name, text.to_vec())),
        Field::Key => headers.push(("authorization", [b"Bearer ", text].concat())),
        _ => {}
    }
    for (name, value) in [
        ("authorization", "Bearer sk-test"),
        ("content-type", "application/json"),
    ] {
        if !headers.iter().any(|(given, _)| *given == name) {
            headers.push((name, value.as_bytes().to_vec()));
        }
    }
    let target = match field {
        Field::Path => [b"/v1/chat/completions/", &*encoded(text)].concat(),
        Field::Query => [b"/v1/chat/completions?api-version=", &*encoded(text)].concat(),
        _ => b"/v1/chat/completions".to_vec(),
    };
    let under_test = match field {
        Field::Body(place) => Some((place, text)),
        _ => None,
    };
    request("POST", &target, &headers, &body(under_test))
}

/// A request of the admin plane with `text` in `field`.
pub(crate) fn order(field: Field, text: &[u8], token: &str) -> Vec<u8> {
    let headers: Vec<(&str, Vec<u8>)> = vec![
        ("host", b"localhost".to_vec()),
        ("connection", b"close".to_vec()),
        ("authorization", format!("Bearer {token}").into_bytes()),
        ("content-type", b"application/json".to_vec()),
    ];
    match field {
        Field::Admin(method, path) => {
            let (before, after) = path.split_once('@').unwrap();
            let target = [before.as_bytes(), &encoded(text), after.as_bytes()].concat();
            request(method, &target, &headers, b"")
        }
        _ => {
            let body = [b"{\"pool\":", &*string(text), b"}"].concat();
            request("POST", b"/monitoring/reset-rate-limits", &headers, &body)
        }
    }
}

fn request(method: &str, target: &[u8], headers: &[(&str, Vec<u8>)], body: &[u8]) -> Vec<u8> {
    let mut request = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
    for (name, value) in headers {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
    request.extend(body);
    request
}

fn body(under_test: Option<(&str, &[u8])>) -> Vec<u8> {
    let mut body = BODY.as_bytes().to_vec();
    for (place, plain) in PLAIN {
        let text = match under_test {
            Some((tested, text)) if tested == place => text,
            _ => plain.as_bytes(),
        };
        let name = format!("@{place}");
        // The last one: what was put in before may hold the name of a place.
        let at = body
            .windows(name.len())
            .rposition(|piece| piece == name.as_bytes());
        let at = at.unwrap();
        body.splice(at..at + name.len(), string(text));
    }
    body
}

/// A string of JSON; bytes that are no characters stand in it as they are.
fn string(text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => serde_json::to_vec(text).unwrap(),
        Err(_) => [b"\"", text, b"\""].concat(),
    }
}

fn encoded(text: &[u8]) -> Vec<u8> {
    text.iter()
        .flat_map(|byte| format!("%{byte:02X}").into_bytes())
        .collect()
}

/// What a ledger has of a text that came in a header, if it may come in one: visible ASCII, of bounded length.
pub(crate) fn in_header(text: &[u8]) -> Option<String> {
    let line = text.split(|byte| *byte == b'\n').next()?;
    let text = std::str::from_utf8(line).ok()?.trim();
    let fits =
        (1..=256).contains(&text.len()) && text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    fits.then(|| text.to_owned())
}

/// What a ledger has of a text that came in a body: cut at 256 bytes, with replaced control characters.
pub(crate) fn in_body(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text)
        .ok()?
        .replace(char::is_control, "\u{fffd}");
    let end = text.floor_char_boundary(256);
    assert!(text[..end].contains(MARK));
    Some(text[..end].to_owned())
}
