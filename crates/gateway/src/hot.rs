//! Instruments that every request touches, resolved once: finding a series by its labels costs more
//! than counting.

use std::sync::OnceLock;

use paceline_provider::EndpointKind;
use paceline_telemetry::{Counter, Gauge, Histogram, Metrics};
use paceline_tokens::Estimator;

use crate::exchange::Ending;
use crate::labels;

/// More than there are kinds of endpoints; a kind beyond it is looked up each time.
const ENDPOINTS: usize = 64;

/// Instruments that every request touches.
#[derive(Debug)]
pub(crate) struct HotMetrics {
    pub(crate) waiting: Gauge,
    pub(crate) running: Gauge,
    pub(crate) queue_wait_seconds: [Histogram; 3],
    /// By [`Estimator::ALL`].
    pub(crate) estimate_error: [Histogram; Estimator::ALL.len()],
    pub(crate) output_predictions: PredictionCounters,
    pub(crate) usage: UsageCounters,
    endpoints: Vec<EndpointMetrics>,
}

/// Predictions of the length of answers, by what became of them.
#[derive(Debug)]
pub(crate) struct PredictionCounters {
    pub(crate) covered: Counter,
    pub(crate) exceeded: Counter,
    /// Too little was known to predict.
    pub(crate) none: Counter,
}

/// Tokens that the provider reported, by kind.
#[derive(Debug)]
pub(crate) struct UsageCounters {
    pub(crate) input: Counter,
    pub(crate) cached_input: Counter,
    pub(crate) output: Counter,
    pub(crate) reasoning: Counter,
}

/// Series of one endpoint, made when they are first needed.
#[derive(Debug, Default)]
struct EndpointMetrics {
    endings: [OnceLock<Counter>; Ending::COUNT],
    first_byte_seconds: OnceLock<Histogram>,
    duration_seconds: OnceLock<Histogram>,
}

impl HotMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            waiting: metrics.requests_in_flight.of(&["waiting"]),
            running: metrics.requests_in_flight.of(&["running"]),
            queue_wait_seconds: paceline_config::Tier::ALL
                .map(|tier| metrics.queue_wait_seconds.of(&[tier.name()])),
            estimate_error: Estimator::ALL
                .map(|estimator| metrics.estimate_error.of(&[estimator.name()])),
            output_predictions: PredictionCounters {
                covered: metrics.output_predictions.of(&["covered"]),
                exceeded: metrics.output_predictions.of(&["exceeded"]),
                none: metrics.output_predictions.of(&["none"]),
            },
            usage: UsageCounters {
                input: metrics.usage_tokens.of(&["input"]),
                cached_input: metrics.usage_tokens.of(&["cached_input"]),
                output: metrics.usage_tokens.of(&["output"]),
                reasoning: metrics.usage_tokens.of(&["reasoning"]),
            },
            endpoints: (0..ENDPOINTS).map(|_| EndpointMetrics::default()).collect(),
        }
    }

    /// Counts a finished request.
    pub(crate) fn finished(&self, metrics: &Metrics, kind: EndpointKind, ending: Ending) {
        let make = || {
            metrics
                .requests
                .of(&[labels::endpoint(kind), ending.name()])
        };
        let series = self.endpoints.get(kind as usize);
        match series.and_then(|series| series.endings.get(ending as usize)) {
            Some(counter) => counter.get_or_init(make).inc(),
            None => make().inc(),
        };
    }

    /// Requests that ended so far, by how they did.
    pub(crate) fn finished_by_outcome(&self) -> [(&'static str, u64); Ending::COUNT] {
        Ending::ALL.map(|ending| {
            let counters = self.endpoints.iter().map(|series| {
                let counter = series.endings.get(ending as usize);
                counter.and_then(OnceLock::get).map_or(0, Counter::get)
            });
            (ending.name(), counters.sum())
        })
    }

    /// The histogram of times to the first byte.
    pub(crate) fn first_byte(&self, metrics: &Metrics, kind: EndpointKind, seconds: f64) {
        let make = || {
            metrics
                .upstream_first_byte_seconds
                .of(&[labels::endpoint(kind)])
        };
        match self.endpoints.get(kind as usize) {
            Some(series) => series.first_byte_seconds.get_or_init(make).observe(seconds),
            None => make().observe(seconds),
        }
    }

    /// The histogram of times to the end of an answer.
    pub(crate) fn duration(&self, metrics: &Metrics, kind: EndpointKind, seconds: f64) {
        let make = || {
            metrics
                .upstream_duration_seconds
                .of(&[labels::endpoint(kind)])
        };
        match self.endpoints.get(kind as usize) {
            Some(series) => series.duration_seconds.get_or_init(make).observe(seconds),
            None => make().observe(seconds),
        }
    }
}
