//! Encoding of histograms.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::attribute::pairs;
use super::histogram::Series;
use super::resource::Scope;
use super::span::nanos;
use super::{Histograms, Instrument, Labels, Resource, Value};

/// Counts are since the start of the process, which is what Prometheus and its kin want.
const CUMULATIVE: u8 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_metrics: [ResourceMetrics<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceMetrics<'a> {
    resource: &'a Resource,
    scope_metrics: [ScopeMetrics; 1],
}

#[derive(Serialize)]
struct ScopeMetrics {
    scope: Scope,
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
struct Metric {
    name: &'static str,
    unit: &'static str,
    description: &'static str,
    histogram: Data,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    aggregation_temporality: u8,
    data_points: Vec<Point>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Point {
    start_time_unix_nano: String,
    time_unix_nano: String,
    count: String,
    sum: f64,
    min: f64,
    max: f64,
    bucket_counts: Vec<String>,
    explicit_bounds: &'static [f64],
    attributes: Labels,
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fixed = self.fixed.iter();
        let mut list: Vec<_> = fixed
            .map(|(name, text)| (*name, Value::Text(text.clone())))
            .collect();
        let chosen = self.chosen.as_ref();
        list.extend(chosen.map(|(name, text)| (*name, Value::Shared(text.clone()))));
        pairs(serializer, list.into_iter())
    }
}

impl Histograms {
    /// The body of a request to `/v1/metrics`; `None` while nothing was observed.
    ///
    /// # Errors
    /// Never in practice: plain data is always encoded.
    pub fn encode(
        &self,
        resource: &Resource,
        (start, now): (SystemTime, SystemTime),
    ) -> serde_json::Result<Option<Vec<u8>>> {
        let metrics: Vec<_> = self
            .read()
            .into_iter()
            .map(|(instrument, series)| metric(instrument, series, start, now))
            .collect();
        if metrics.is_empty() {
            return Ok(None);
        }
        let scope = Scope::of(resource);
        serde_json::to_vec(&Request {
            resource_metrics: [ResourceMetrics {
                resource,
                scope_metrics: [ScopeMetrics { scope, metrics }],
            }],
        })
        .map(Some)
    }
}

fn metric(
    instrument: &'static Instrument,
    series: Vec<(Labels, Series)>,
    start: SystemTime,
    now: SystemTime,
) -> Metric {
    let point = |(attributes, series): (Labels, Series)| Point {
        start_time_unix_nano: nanos(start),
        time_unix_nano: nanos(now),
        count: series.count.to_string(),
        sum: series.sum,
        min: series.min,
        max: series.max,
        bucket_counts: series.buckets.iter().map(u64::to_string).collect(),
        explicit_bounds: instrument.bounds,
        attributes,
    };
    Metric {
        name: instrument.name,
        unit: instrument.unit,
        description: instrument.description,
        histogram: Data {
            aggregation_temporality: CUMULATIVE,
            data_points: series.into_iter().map(point).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    static ONE: [Instrument; 1] = [Instrument {
        name: "x",
        unit: "s",
        description: "d",
        bounds: &[1.0, 2.0],
    }];

    #[test]
    fn a_histogram_is_written_as_the_specification_of_otlp_json_has_it() {
        let resource = Resource {
            name: "n".to_owned(),
            version: "1",
            instance: "i".to_owned(),
        };
        let histograms = Histograms::new(&ONE);
        let (start, now) = (UNIX_EPOCH, UNIX_EPOCH + Duration::from_nanos(5));
        let encode = || histograms.encode(&resource, (start, now)).unwrap();
        assert_eq!(encode(), None);
        let labels = Labels {
            fixed: vec![("a", "b".into())],
            chosen: Some(("model", "m\n".into())),
        };
        histograms.observe(0, labels, 1.5);
        let body: serde_json::Value = serde_json::from_slice(&encode().unwrap()).unwrap();
        let metrics = &body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
        assert_eq!(
            *metrics,
            serde_json::json!([{
                "name": "x", "unit": "s", "description": "d",
                "histogram": { "aggregationTemporality": 2, "dataPoints": [{
                    "startTimeUnixNano": "0", "timeUnixNano": "5",
                    "count": "1", "sum": 1.5, "min": 1.5, "max": 1.5,
                    "bucketCounts": ["0", "1", "0"], "explicitBounds": [1.0, 2.0],
                    "attributes": [
                        { "key": "a", "value": { "stringValue": "b" } },
                        { "key": "model", "value": { "stringValue": "m\n" } },
                    ],
                }]},
            }])
        );
    }
}
