//! Spans and their encoding.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

use super::resource::Scope;
use super::{Attributes, Resource, SpanId, TraceId};

/// What a span stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Work inside the process.
    Internal,
    /// A call to another service.
    Client,
}

impl SpanKind {
    /// The number of OTLP's `SpanKind`.
    fn number(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Client => 3,
        }
    }
}

/// One span, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace that it is part of.
    pub trace: TraceId,
    /// Its id.
    pub id: SpanId,
    /// The span that it is below.
    pub parent: Option<SpanId>,
    /// Its name.
    pub name: Cow<'static, str>,
    /// What it stands for.
    pub kind: SpanKind,
    /// When it began.
    pub start: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// What is known of it.
    pub attributes: Attributes,
    /// Whether it failed.
    pub failed: bool,
}

/// Nanoseconds since 1970 as the text that OTLP/JSON wants.
pub(super) fn nanos(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().to_string()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    trace_id: TraceId,
    span_id: SpanId,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<SpanId>,
    name: &'a str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: &'a Attributes,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
struct Status {
    code: u8,
}

/// `STATUS_CODE_ERROR`.
const FAILED: Status = Status { code: 2 };

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire {
            trace_id: self.trace,
            span_id: self.id,
            parent_span_id: self.parent,
            name: &self.name,
            kind: self.kind.number(),
            start_time_unix_nano: nanos(self.start),
            // A clock that was set back must not give a span a negative length.
            end_time_unix_nano: nanos(self.end.max(self.start)),
            attributes: &self.attributes,
            status: self.failed.then_some(FAILED),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: [ResourceSpans<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: &'a Resource,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: &'a [Span],
}

/// The body of a request to `/v1/traces`.
///
/// # Errors
/// Never in practice: plain data is always encoded.
pub fn encode_spans(resource: &Resource, spans: &[Span]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Request {
        resource_spans: [ResourceSpans {
            resource,
            scope_spans: [ScopeSpans {
                scope: Scope::of(resource),
                spans,
            }],
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_span_is_written_as_the_specification_of_otlp_json_has_it() {
        let start = UNIX_EPOCH + Duration::from_nanos(1_544_712_660_000_000_001);
        let mut attributes = Attributes::default();
        attributes.add("a", 1_u64);
        let span = Span {
            trace: TraceId([0x5b; 16]),
            id: SpanId(0xeee1),
            parent: Some(SpanId(0xeee0)),
            name: "chat \"x\"".into(),
            kind: SpanKind::Client,
            start,
            end: start - Duration::from_secs(1),
            attributes,
            failed: true,
        };
        let resource = Resource {
            name: "n".to_owned(),
            version: "1.2.3",
            instance: "i".to_owned(),
        };
        let body = encode_spans(&resource, &[span]).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let text = |value: &str| serde_json::json!({ "stringValue": value });
        assert_eq!(
            body,
            serde_json::json!({ "resourceSpans": [{
                "resource": { "attributes": [
                    { "key": "service.name", "value": text("n") },
                    { "key": "service.version", "value": text("1.2.3") },
                    { "key": "service.instance.id", "value": text("i") },
                ]},
                "scopeSpans": [{
                    "scope": { "name": "paceline", "version": "1.2.3" },
                    "spans": [{
                        "traceId": "5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b",
                        "spanId": "000000000000eee1",
                        "parentSpanId": "000000000000eee0",
                        "name": "chat \"x\"",
                        "kind": 3,
                        "startTimeUnixNano": "1544712660000000001",
                        "endTimeUnixNano": "1544712660000000001",
                        "attributes": [{ "key": "a", "value": { "intValue": "1" } }],
                        "status": { "code": 2 },
                    }],
                }],
            }]})
        );
    }
}
