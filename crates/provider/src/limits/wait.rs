//! How long, and whether at all, the provider wants to be asked again.

use crate::duration::{parse_decimal, parse_duration};
use crate::instant::parse_instant;
use http::HeaderMap;
use std::time::{Duration, SystemTime};

const NANOS_PER_MILLISECOND: u32 = 1_000_000;

/// How long the provider asks to wait: `retry-after-ms` first, then `retry-after` as seconds, which
/// may have decimals, or as a date (HTTP's or RFC 3339), which is taken relative to `now`.
///
/// A date in the past is zero. `None` where neither header is there and readable.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = |name: &str| headers.get(name)?.to_str().ok();
    let in_ms = value("retry-after-ms").and_then(|ms| parse_decimal(ms, NANOS_PER_MILLISECOND));
    in_ms.or_else(|| {
        let text = value("retry-after")?.trim();
        parse_duration(text)
            .or_else(|| Some(parse_instant(text)?.duration_since(now).unwrap_or_default()))
    })
}

/// What `x-should-retry` says, where it is there: the provider's own advice, which SDKs obey.
#[must_use]
pub fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-should-retry")?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}
