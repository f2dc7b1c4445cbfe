//! The page and its files, as browsers are to treat them.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use paceline_dashboard::{Asset, INDEX, asset};

/// Where the page is.
const PLACE: &str = "/dashboard";

/// What the page may load and do: its own files, and requests to where it is from. Nothing in place,
/// nothing from elsewhere, no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// Goes with each file, and with the refusal of one.
const HEADERS: [(HeaderName, &str); 8] = [
    (header::CACHE_CONTROL, "no-cache"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::VARY, "accept-encoding"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Puts the headers on whatever is answered.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A file; the page itself at every path that is none, since it finds its own way from there.
pub(super) async fn file(uri: Uri, headers: HeaderMap) -> Response {
    let name = uri.path().strip_prefix("/dashboard/").unwrap_or_default();
    match asset(name).or_else(|| asset(INDEX)) {
        Some(asset) => answer(asset, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(asset: &'static Asset, headers: &HeaderMap) -> Response {
    let gzip = asset.gzip().filter(|_| takes_gzip(headers));
    let tag = match gzip {
        Some(_) => asset.gzip_tag(),
        None => asset.tag(),
    };
    let tag = [(header::ETAG, tag)];
    if is_known(headers, tag[0].1) {
        return (StatusCode::NOT_MODIFIED, tag).into_response();
    }
    let kind = [(header::CONTENT_TYPE, asset.content_type())];
    match gzip {
        Some(gzip) => {
            let coding = [(header::CONTENT_ENCODING, "gzip")];
            (tag, kind, coding, gzip).into_response()
        }
        None => (tag, kind, asset.bytes()).into_response(),
    }
}

/// Whether the caller has the file with this tag (RFC 9110, section 13.1.2: tags are compared weakly).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    let mut codings = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=");
        let weight = weight.and_then(|weight| weight.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// Whether this is a browser that wants to show something to a person.
pub(in crate::admin) fn wants_page<B>(request: &http::Request<B>) -> bool {
    let lines = request.headers().get_all(header::ACCEPT).iter();
    let mut kinds = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    let is_page = kinds.any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/html")
    });
    is_page && [Method::GET, Method::HEAD].contains(request.method())
}

/// Shows a browser that was given no more than the address where the page is.
pub(in crate::admin) async fn front(request: Request, next: Next) -> Response {
    if request.uri().path() != "/" || !wants_page(&request) {
        return next.run(request).await;
    }
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "accept"),
    ];
    (headers, Redirect::to(PLACE)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))]
            .into_iter()
            .collect()
    }

    #[test]
    fn gzip_goes_to_those_alone_who_take_it() {
        for (accepted, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip; q=1.0, *;q=0", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("br", false),
            ("gzipped", false),
            ("", false),
        ] {
            let asked = headers(header::ACCEPT_ENCODING, accepted);
            assert_eq!(takes_gzip(&asked), takes, "{accepted}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_file_that_is_there_already_is_known_by_its_tag() {
        for (given, known) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"a", false),
            ("\"A\"", false),
            ("\"a-gzip\"", false),
            ("", false),
        ] {
            let asked = headers(header::IF_NONE_MATCH, given);
            assert_eq!(is_known(&asked, "\"a\""), known, "{given}");
        }
    }

    #[test]
    fn only_browsers_are_shown_the_page() {
        for (method, accepted, shown) in [
            ("GET", "text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("HEAD", "application/xml, TEXT/HTML;q=0.9", true),
            ("POST", "text/html", false),
            ("GET", "*/*", false),
            ("GET", "application/json", false),
            ("GET", "text/html5", false),
        ] {
            let request = Request::builder().method(method);
            let request = request.header("accept", accepted).body(()).unwrap();
            assert_eq!(wants_page(&request), shown, "{method} {accepted}");
        }
    }
}
