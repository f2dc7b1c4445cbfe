//! `[telemetry]`: the OpenTelemetry collector that is told of calls.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::Secret;
use crate::checker::Checker;
use crate::quantity::Span;
use crate::secret::RawSecret;

const ENDPOINT: &str = "telemetry.otlp_endpoint";
const HEADERS: &str = "telemetry.otlp_headers";
const SERVICE_NAME: &str = "telemetry.service_name";

/// The keys that mean nothing without a collector.
const OTHERS: [&str; 7] = [
    HEADERS,
    SERVICE_NAME,
    "telemetry.traces",
    "telemetry.metrics",
    "telemetry.metrics_interval",
    "telemetry.sample",
    "telemetry.tags",
];

/// The port on which collectors take OTLP over gRPC.
const GRPC_PORT: u16 = 4317;

const SERVICE_NAME_BYTES_MAX: usize = 256;

/// The collector that is told of calls, and of what.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Address below which `/v1/traces` and `/v1/metrics` are; without a trailing slash.
    pub endpoint: Url,
    /// Headers of every request to the collector, with lower-case names. Values may be keys.
    pub headers: Vec<(String, Secret)>,
    /// The resource's `service.name`.
    pub service_name: String,
    /// Whether there are spans.
    pub traces: bool,
    /// Whether there are metrics.
    pub metrics: bool,
    /// How often metrics are sent.
    pub metrics_interval: Duration,
    /// Share of the traces that begin here of which spans are sent, from 0 to 1.
    pub sample: f64,
    /// Whether spans carry what callers send in `x-paceline-tags`.
    pub tags: bool,
}

/// Traces and metrics for an OpenTelemetry collector, as OTLP over HTTP in JSON. Prompts, answers
/// and keys are never in them.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawTelemetry {
    /// Address of the collector. Left out: there is none, and nothing is sent.
    #[schemars(extend("examples" = ["http://127.0.0.1:4318"]))]
    otlp_endpoint: Option<String>,
    /// Headers for the collector, as in `name=value,other=value` with what is special
    /// percent-encoded.
    #[schemars(extend("examples" = [{ "env": "COLLECTOR_HEADERS" }]))]
    otlp_headers: Option<RawSecret>,
    /// The name of this service in traces and metrics.
    service_name: String,
    /// Send a trace of each call.
    traces: bool,
    /// Send metrics of durations and tokens by model.
    metrics: bool,
    /// How often metrics are sent.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]
    metrics_interval: Span,
    /// Share of the traces that begin here to send; a caller's own trace is sent where the caller
    /// sends it.
    #[schemars(range(min = 0.0, max = 1.0))]
    sample: f64,
    /// Put what callers send in x-paceline-tags into traces.
    tags: bool,
}

impl Default for RawTelemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_headers: None,
            service_name: "paceline".to_owned(),
            traces: true,
            metrics: true,
            metrics_interval: Span(Duration::from_secs(60)),
            sample: 1.0,
            tags: false,
        }
    }
}

impl RawTelemetry {
    /// Checks the section; `None` when it names no collector.
    pub(crate) fn check(self, checker: &mut Checker<'_>) -> Option<Telemetry> {
        let Some(text) = self.otlp_endpoint else {
            for key in OTHERS {
                // Those of the environment are set for all programs of a machine.
                let ambient = matches!(checker.origin(key), crate::Origin::Variable(_));
                if checker.is_set(key) && !ambient {
                    checker.notice(key, "has no effect without telemetry.otlp_endpoint");
                }
            }
            return None;
        };
        let endpoint = endpoint(&text, checker);
        let name_fits = 1..=SERVICE_NAME_BYTES_MAX;
        if !name_fits.contains(&self.service_name.len()) {
            let what = format!("must be 1 to {SERVICE_NAME_BYTES_MAX} bytes");
            checker.problem(SERVICE_NAME, what, "as in \"paceline\"");
        }
        let headers = match self.otlp_headers {
            Some(secret) => headers(&secret.check(HEADERS, checker)?, checker),
            None => Some(Vec::new()),
        };
        if !self.traces && !self.metrics {
            let what = "has no effect: neither traces nor metrics are to be sent";
            checker.notice(ENDPOINT, what);
        }
        Some(Telemetry {
            endpoint: endpoint?,
            headers: headers?,
            service_name: self.service_name,
            traces: self.traces,
            metrics: self.metrics,
            metrics_interval: self.metrics_interval.0,
            sample: self.sample,
            tags: self.tags,
        })
    }
}

fn endpoint(text: &str, checker: &mut Checker<'_>) -> Option<Url> {
    let example = "as in \"http://127.0.0.1:4318\"";
    let parsed = Url::parse(text).ok();
    let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    let Some(mut url) = parsed.filter(usable) else {
        // Whatever it is, it might hold a key: it is not repeated.
        checker.problem(ENDPOINT, "must be an http or https address", example);
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        let what = "must not hold a user name or a password";
        checker.problem(ENDPOINT, what, "use telemetry.otlp_headers");
        return None;
    }
    if url.query().is_some() || url.fragment().is_some() {
        checker.problem(ENDPOINT, "must not have a query or a fragment", example);
        return None;
    }
    if url.port() == Some(GRPC_PORT) {
        let what = "is the port of OTLP over gRPC; OTLP over HTTP, which is what is sent, \
                    usually has 4318";
        checker.notice(ENDPOINT, what);
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Some(url)
}

/// Reads `name=value,name=value`, percent-decoded, as the OpenTelemetry specification of the OTLP
/// exporter has it. Nothing of the text is ever part of a message.
fn headers(text: &Secret, checker: &mut Checker<'_>) -> Option<Vec<(String, Secret)>> {
    let read: Option<Vec<_>> = text
        .expose()
        .split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(header)
        .collect();
    if read.is_none() {
        let what = "must be name=value pairs with commas between them, percent-encoded; \
                    headers that HTTP itself uses cannot be set";
        checker.problem(HEADERS, what, "the value is not shown here");
    }
    read
}

fn header(pair: &str) -> Option<(String, Secret)> {
    let (name, value) = pair.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let ours = [
        "host",
        "connection",
        "content-length",
        "content-type",
        "transfer-encoding",
    ];
    if name.is_empty() || !name.bytes().all(token) || ours.contains(&name.as_str()) {
        return None;
    }
    let value = decode(value.trim())?;
    let sendable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    sendable.then(|| (name, Secret::new(value)))
}

/// Percent-decoding; `None` where it is malformed or gives no text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let code = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
        bytes.push(u8::try_from(code).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_decoded_and_anything_doubtful_refused() {
        let read = |pair: &str| header(pair).map(|(name, value)| (name, value.expose().to_owned()));
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(read("Api-Key = abc"), pair("api-key", "abc"));
        assert_eq!(
            read("authorization=Basic%20YTpi=="),
            pair("authorization", "Basic YTpi==")
        );
        for wrong in [
            "",
            "x",
            "=x",
            "a b=c",
            "x=%0d%0aevil: 1",
            "x=%",
            "x=%4",
            "x=%zz",
            "x=%ff",
            "host=evil",
            "Content-Length=1",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
