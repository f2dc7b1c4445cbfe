//! OpenTelemetry without a kit: contexts of traces, spans, histograms, and their encoding as
//! OTLP/JSON.
//!
//! Everything here is plain data; whoever has a connection sends it. Sources: the W3C
//! recommendation *Trace Context*, the OTLP specification 1.x (its JSON encoding writes ids in hex
//! and 64-bit numbers as strings), and OpenTelemetry's data model of metrics.

mod attribute;
mod context;
mod histogram;
mod metrics;
mod resource;
mod response;
mod span;

pub use attribute::{Attributes, VALUE_BYTES_MAX, Value};
pub use context::{Sampler, SpanId, TraceContext, TraceId};
pub use histogram::{Histograms, Instrument, Labels, SERIES_MAX};
pub use resource::Resource;
pub use response::rejected;
pub use span::{Span, SpanKind, encode_spans};
