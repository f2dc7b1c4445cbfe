//! Structured logs, Prometheus metrics with the one list of their names, and OpenTelemetry's data.
//!
//! Deliberately knows nothing of paceline's other crates: it offers instruments that take plain
//! numbers and words, so that a metric's name and meaning are found here and nowhere else.

mod logs;
mod metrics;
pub mod names;
pub mod otlp;

pub use logs::{LogFormat, LogSetupError, init_logs};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;

pub use metrics::{Bounded, DomainGauges, LabelSet, Metrics};
