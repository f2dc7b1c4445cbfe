//! What browsers tell of where a request comes from.
//!
//! A page of anybody can make a browser send requests to any address that it reaches, this gateway
//! among them. Browsers say so in headers that pages cannot change (Fetch Metadata and `Origin`);
//! programs send none of them.

use http::{HeaderMap, HeaderValue, header};

const SITE: &str = "sec-fetch-site";
const DESTINATION: &str = "sec-fetch-dest";

/// Whether a page of another origin sends this.
pub(crate) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    // `none` is a person who typed the address, or followed a bookmark.
    let site = headers.get(SITE).map(HeaderValue::as_bytes);
    if !matches!(site, None | Some(b"same-origin" | b"none")) {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let origin = origin.to_str().unwrap_or_default();
    let origin_host = origin.split_once("://").map(|(_, host)| host);
    match (host, origin_host) {
        (Some(host), Some(origin_host)) => !host.eq_ignore_ascii_case(origin_host),
        _ => true,
    }
}

/// Whether a browser would show the answer as a page, which then could do what pages of this
/// address can.
pub(crate) fn is_shown_as_page(headers: &HeaderMap) -> bool {
    let destination = headers.get(DESTINATION).map(HeaderValue::as_bytes);
    matches!(
        destination,
        Some(b"document" | b"iframe" | b"frame" | b"fencedframe" | b"object" | b"embed")
    )
}
