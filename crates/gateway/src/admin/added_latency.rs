//! Time that the gateway itself takes, read from its own histogram.

use paceline_admin_api::AddedLatency;
use paceline_telemetry::{Metrics, names};

/// What the histogram tells; `None` before the first call.
pub(super) fn added_latency(metrics: &Metrics) -> Option<AddedLatency> {
    read(&metrics.encode().ok()?)
}

/// From the text that a scrape would get.
fn read(text: &str) -> Option<AddedLatency> {
    let name = names::ADDED_LATENCY_SECONDS.name;
    let of_name = text.lines().filter_map(|line| line.strip_prefix(name));
    let (mut sum, mut count) = (0.0_f64, 0_u64);
    let mut slots: Vec<(f64, u64)> = Vec::new();
    for line in of_name {
        let (series, value) = line.rsplit_once(' ')?;
        if series == "_sum" {
            sum = value.parse().ok()?;
        } else if series == "_count" {
            count = value.parse().ok()?;
        } else if let Some(labels) = series.strip_prefix("_bucket") {
            let bound = labels.split('"').nth(1)?;
            let bound = bound.parse().unwrap_or(f64::INFINITY);
            slots.push((bound, value.parse().ok()?));
        }
    }
    if count == 0 {
        return None;
    }
    let quantile = |per_mille: u64| {
        let rank = count.saturating_mul(per_mille).div_ceil(1_000);
        let slot = slots.iter().find(|(_, within)| *within >= rank);
        let bound = slot
            .map(|(bound, _)| *bound)
            .filter(|bound| bound.is_finite());
        bound.map(|seconds| seconds * 1e3)
    };
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let mean_ms = sum * 1e3 / count as f64;
    Some(AddedLatency {
        count,
        mean_ms,
        p50_ms: quantile(500),
        p95_ms: quantile(950),
        p99_ms: quantile(990),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_is_read_as_it_is_written() {
        let metrics = Metrics::new("test");
        assert_eq!(added_latency(&metrics), None);
        for _ in 0..98 {
            metrics.added_latency_seconds.observe(0.000_07);
        }
        metrics.added_latency_seconds.observe(0.004);
        metrics.added_latency_seconds.observe(7_000.0);
        let read = added_latency(&metrics).unwrap();
        assert_eq!(read.count, 100);
        assert_eq!((read.p50_ms, read.p95_ms), (Some(0.1), Some(0.1)));
        assert_eq!(read.p99_ms, Some(5.0));
        assert!((read.mean_ms - 70_000.1).abs() < 1.0, "{read:?}");
    }
}
