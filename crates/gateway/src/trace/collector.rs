//! The connection to the collector.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use paceline_config as config;

use crate::post::{PostError, Poster};
use crate::upstream::public_target;

/// The collector, as one task reaches it.
pub(super) struct Collector(Poster);

/// Whether the collector's address can be used.
///
/// # Errors
/// A sentence that names the setting.
pub(crate) fn usable(settings: Option<&config::Telemetry>) -> Result<(), String> {
    match settings.map(Collector::new) {
        Some(Err(error)) => Err(error),
        _ => Ok(()),
    }
}

impl Collector {
    /// Reads the settings; connects to nothing yet.
    pub(super) fn new(settings: &config::Telemetry) -> Result<Self, String> {
        let target = public_target(&settings.endpoint).map_err(|_| {
            let endpoint = &settings.endpoint;
            format!("telemetry.otlp_endpoint names no usable host: {endpoint}")
        })?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static("paceline-otlp"));
        for (name, value) in &settings.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(value.expose());
            let (Ok(name), Ok(mut value)) = (name, value) else {
                return Err("telemetry.otlp_headers cannot be sent in HTTP".to_owned());
            };
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(Self(Poster::new(target, headers)))
    }

    /// Posts `body`; the answer of a collector that took it.
    ///
    /// # Errors
    /// When it did not.
    pub(super) async fn post(&mut self, path: &str, body: Bytes) -> Result<Bytes, PostError> {
        self.0.post(path, &[], body).await
    }
}
