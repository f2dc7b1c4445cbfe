//! The instruments themselves, made once from the list of names.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::names::{self, Metric};

/// Label names and values of one time series.
pub type LabelSet = Vec<(&'static str, String)>;

type FloatGauge = Gauge<f64, AtomicU64>;

/// Upper bounds in seconds: fine below a millisecond, where added latency lives, and up to the ten
/// minutes that a queued request may wait.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];

/// Upper bounds of a relative error.
const RATIOS: &[f64] = &[
    0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0,
];

/// The most series that one family may hold; further ones share the value `other`.
///
/// Label values come from configuration and from callers (the names of limit pools), so the number
/// of series must not be theirs to choose.
const SERIES_MAX: usize = 1_000;

/// The same for lanes, of which the configuration may name many; whoever counts them bounds those that
/// callers make up.
const LANE_SERIES_MAX: usize = 10_000;

/// Makes histograms with fixed bounds.
#[derive(Clone)]
struct Bounds(&'static [f64]);

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// A family of instruments with a bounded number of series.
pub struct Bounded<M, C = fn() -> M> {
    family: Family<LabelSet, M, C>,
    labels: &'static [&'static str],
    series_max: usize,
    seen: std::sync::Mutex<std::collections::HashSet<Vec<String>>>,
}

impl<M, C> std::fmt::Debug for Bounded<M, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bounded({:?})", self.labels)
    }
}

impl<M: Clone, C: MetricConstructor<M>> Bounded<M, C> {
    /// The instrument for these label values, in the order of the metric's label names.
    ///
    /// Takes locks: keep the result where it is used often.
    pub fn of(&self, values: &[&str]) -> M {
        let admitted = self.admit(values);
        let label_set: LabelSet = self
            .labels
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let value = if admitted {
                    values.get(index).copied()
                } else {
                    None
                };
                (*name, value.unwrap_or("other").to_owned())
            })
            .collect();
        self.family.get_or_create(&label_set).clone()
    }

    /// Forgets every series, for gauges that are filled anew at each scrape.
    pub fn clear(&self) {
        self.family.clear();
        self.seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clear();
    }

    /// The same, with room for another number of series.
    fn holding(self, series_max: usize) -> Self {
        Self { series_max, ..self }
    }

    fn admit(&self, values: &[&str]) -> bool {
        let mut seen = self
            .seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let key: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        if seen.contains(&key) {
            return true;
        }
        seen.len() < self.series_max && seen.insert(key)
    }
}

/// Gauges that describe one limit pool; filled at each scrape.
#[derive(Debug)]
pub struct DomainGauges {
    /// See [`names::QUEUE_DEPTH`].
    pub queue_depth: Bounded<FloatGauge>,
    /// See [`names::TOKENS_OUTSTANDING`].
    pub tokens_outstanding: Bounded<FloatGauge>,
    /// See [`names::LIMIT_AMOUNT`].
    pub limit_amount: Bounded<FloatGauge>,
    /// See [`names::LIMIT_USED`].
    pub limit_used: Bounded<FloatGauge>,
    /// See [`names::LIMIT_UTILISATION`].
    pub limit_utilisation: Bounded<FloatGauge>,
    /// See [`names::LIMIT_DEMAND`].
    pub limit_demand: Bounded<FloatGauge>,
    /// See [`names::LIMIT_HIT_IN`].
    pub limit_hit_in: Bounded<FloatGauge>,
    /// See [`names::FOREIGN_PER_MINUTE`].
    pub foreign_per_minute: Bounded<FloatGauge>,
    /// See [`names::BELIEF_CONFIDENCE`].
    pub belief_confidence: Bounded<FloatGauge>,
    /// See [`names::QUEUE_GROWTH`].
    pub queue_growth: Bounded<FloatGauge>,
    /// See [`names::CONCURRENCY`].
    pub concurrency: Bounded<FloatGauge>,
    /// See [`names::NEXT_LAUNCH`].
    pub next_launch: Bounded<FloatGauge>,
    /// See [`names::COOL_DOWN_SECONDS`].
    pub cool_down_seconds: Bounded<FloatGauge>,
    /// See [`names::THROTTLE_SHARE`].
    pub throttle_share: Bounded<FloatGauge>,
    /// See [`names::THROTTLE_SECONDS`].
    pub throttle_seconds: Bounded<FloatGauge>,
    /// See [`names::STORE_MODE`].
    pub store_mode: Bounded<FloatGauge>,
    /// See [`names::STORE_SHARE`].
    pub store_share: Bounded<FloatGauge>,
    /// See [`names::STORE_INSTANCES`].
    pub store_instances: Bounded<FloatGauge>,
    /// See [`names::STORE_EXCHANGES`].
    pub store_exchanges: Bounded<FloatGauge>,
}

impl DomainGauges {
    /// Forgets all series, so that pools which are gone do not linger.
    pub fn clear(&self) {
        for gauge in [
            &self.queue_depth,
            &self.tokens_outstanding,
            &self.limit_amount,
            &self.limit_used,
            &self.limit_utilisation,
            &self.limit_demand,
            &self.limit_hit_in,
            &self.foreign_per_minute,
            &self.belief_confidence,
            &self.queue_growth,
            &self.concurrency,
            &self.next_launch,
            &self.cool_down_seconds,
            &self.throttle_share,
            &self.throttle_seconds,
            &self.store_mode,
            &self.store_share,
            &self.store_instances,
            &self.store_exchanges,
        ] {
            gauge.clear();
        }
    }
}

/// All instruments of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// See [`names::CONNECTIONS_OPEN`].
    pub connections_open: Gauge,
    /// See [`names::CONNECTIONS_REFUSED`].
    pub connections_refused: Counter,
    /// See [`names::REQUESTS`].
    pub requests: Bounded<Counter>,
    /// See [`names::REQUESTS_IN_FLIGHT`].
    pub requests_in_flight: Bounded<Gauge>,
    /// See [`names::QUEUE_WAIT_SECONDS`].
    pub queue_wait_seconds: Bounded<Histogram, BoundsConstructor>,
    /// See [`names::DEFERRALS`].
    pub deferrals: Bounded<Counter>,
    /// See [`names::LIMIT_HITS`].
    pub limit_hits: Bounded<Counter>,
    /// See [`names::TOKENS`].
    pub tokens: Bounded<Counter>,
    /// Gauges of the limit pools.
    pub domains: DomainGauges,
    /// See [`names::SPACING_DELAY_SECONDS`].
    pub spacing_delay_seconds: Histogram,
    /// See [`names::ESTIMATE_ERROR`].
    pub estimate_error: Bounded<Histogram, BoundsConstructor>,
    /// See [`names::ESTIMATE_BIAS`].
    pub estimate_bias: Bounded<FloatGauge>,
    /// See [`names::OUTPUT_PREDICTIONS`].
    pub output_predictions: Bounded<Counter>,
    /// See [`names::OUTPUT_ERROR`].
    pub output_error: Histogram,
    /// See [`names::OUTPUT_COVERAGE`].
    pub output_coverage: Bounded<FloatGauge>,
    /// See [`names::USAGE_TOKENS`].
    pub usage_tokens: Bounded<Counter>,
    /// See [`names::UPSTREAM_FIRST_BYTE_SECONDS`].
    pub upstream_first_byte_seconds: Bounded<Histogram, BoundsConstructor>,
    /// See [`names::UPSTREAM_DURATION_SECONDS`].
    pub upstream_duration_seconds: Bounded<Histogram, BoundsConstructor>,
    /// See [`names::ADDED_LATENCY_SECONDS`].
    pub added_latency_seconds: Histogram,
    /// See [`names::REFUSALS`].
    pub refusals: Bounded<Counter>,
    /// See [`names::PROVIDER_429`].
    pub provider_429: Bounded<Counter>,
    /// See [`names::REFUSAL_EPISODES`].
    pub refusal_episodes: Bounded<Counter>,
    /// See [`names::RETRIES`].
    pub retries: Bounded<Counter>,
    /// See [`names::LANE_STATE`].
    pub lane_state: Bounded<FloatGauge>,
    /// See [`names::LANE_TRIPS`].
    pub lane_trips: Bounded<Counter>,
    /// See [`names::LANE_CALLS`].
    pub lane_calls: Bounded<Counter>,
    /// See [`names::FALLBACKS`].
    pub fallbacks: Bounded<Counter>,
    /// See [`names::HEDGES`].
    pub hedges: Bounded<Counter>,
    /// See [`names::UPSTREAM_REACHABLE`].
    pub upstream_reachable: Gauge,
    /// See [`names::STORE_MODE_CHANGES`].
    pub store_mode_changes: std::sync::Arc<Bounded<Counter>>,
    /// See [`names::BUDGET_ALERTS`].
    pub budget_alerts: Bounded<Counter>,
    /// See [`names::BATCH_PREFLIGHTS`].
    pub batch_preflights: Bounded<Counter>,
    /// See [`names::TELEMETRY_SPANS`].
    pub telemetry_spans: Bounded<Counter>,
    /// See [`names::TELEMETRY_EXPORTS`].
    pub telemetry_exports: Bounded<Counter>,
    /// See [`names::ALERT_WEBHOOKS`].
    pub alert_webhooks: Bounded<Counter>,
    /// See [`names::CONFIG_RELOADS`].
    pub config_reloads: Bounded<Counter>,
}

/// Names the constructor of histograms in the families' types.
#[derive(Clone)]
pub struct BoundsConstructor(Bounds);

impl MetricConstructor<Histogram> for BoundsConstructor {
    fn new_metric(&self) -> Histogram {
        self.0.new_metric()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new("unknown")
    }
}

impl Metrics {
    /// Makes all instruments; `version` is shown in [`names::BUILD_INFO`].
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::default();
        let register = &mut registry;
        let build_info: Bounded<Gauge> = family(register, names::BUILD_INFO);
        build_info.of(&[version]).set(1);
        Self {
            connections_open: single(register, names::CONNECTIONS_OPEN, Gauge::default()),
            connections_refused: single(register, names::CONNECTIONS_REFUSED, Counter::default()),
            requests: family(register, names::REQUESTS),
            requests_in_flight: family(register, names::REQUESTS_IN_FLIGHT),
            queue_wait_seconds: histograms(register, names::QUEUE_WAIT_SECONDS, SECONDS),
            deferrals: family(register, names::DEFERRALS),
            limit_hits: family(register, names::LIMIT_HITS),
            tokens: family(register, names::TOKENS),
            domains: domain_gauges(register),
            spacing_delay_seconds: seconds(register, names::SPACING_DELAY_SECONDS),
            estimate_error: histograms(register, names::ESTIMATE_ERROR, RATIOS),
            estimate_bias: family(register, names::ESTIMATE_BIAS),
            output_predictions: family(register, names::OUTPUT_PREDICTIONS),
            output_error: single(register, names::OUTPUT_ERROR, Bounds(RATIOS).new_metric()),
            output_coverage: family(register, names::OUTPUT_COVERAGE),
            usage_tokens: family(register, names::USAGE_TOKENS),
            upstream_first_byte_seconds: histograms(
                register,
                names::UPSTREAM_FIRST_BYTE_SECONDS,
                SECONDS,
            ),
            upstream_duration_seconds: histograms(
                register,
                names::UPSTREAM_DURATION_SECONDS,
                SECONDS,
            ),
            added_latency_seconds: seconds(register, names::ADDED_LATENCY_SECONDS),
            refusals: family(register, names::REFUSALS),
            provider_429: family(register, names::PROVIDER_429),
            refusal_episodes: family(register, names::REFUSAL_EPISODES),
            retries: family(register, names::RETRIES),
            lane_state: family(register, names::LANE_STATE).holding(LANE_SERIES_MAX),
            lane_trips: family(register, names::LANE_TRIPS).holding(LANE_SERIES_MAX),
            lane_calls: family(register, names::LANE_CALLS).holding(LANE_SERIES_MAX),
            fallbacks: family(register, names::FALLBACKS).holding(LANE_SERIES_MAX),
            hedges: family(register, names::HEDGES).holding(LANE_SERIES_MAX),
            upstream_reachable: single(register, names::UPSTREAM_REACHABLE, Gauge::default()),
            store_mode_changes: std::sync::Arc::new(family(register, names::STORE_MODE_CHANGES)),
            budget_alerts: family(register, names::BUDGET_ALERTS),
            batch_preflights: family(register, names::BATCH_PREFLIGHTS),
            telemetry_spans: family(register, names::TELEMETRY_SPANS),
            telemetry_exports: family(register, names::TELEMETRY_EXPORTS),
            alert_webhooks: family(register, names::ALERT_WEBHOOKS),
            config_reloads: family(register, names::CONFIG_RELOADS),
            registry,
        }
    }

    /// The exposition in the OpenMetrics text format.
    ///
    /// # Errors
    /// Never in practice: writing into a string does not fail.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn domain_gauges(registry: &mut Registry) -> DomainGauges {
    DomainGauges {
        queue_depth: family(registry, names::QUEUE_DEPTH),
        tokens_outstanding: family(registry, names::TOKENS_OUTSTANDING),
        limit_amount: family(registry, names::LIMIT_AMOUNT),
        limit_used: family(registry, names::LIMIT_USED),
        limit_utilisation: family(registry, names::LIMIT_UTILISATION),
        limit_demand: family(registry, names::LIMIT_DEMAND),
        limit_hit_in: family(registry, names::LIMIT_HIT_IN),
        foreign_per_minute: family(registry, names::FOREIGN_PER_MINUTE),
        belief_confidence: family(registry, names::BELIEF_CONFIDENCE),
        queue_growth: family(registry, names::QUEUE_GROWTH),
        concurrency: family(registry, names::CONCURRENCY),
        next_launch: family(registry, names::NEXT_LAUNCH),
        cool_down_seconds: family(registry, names::COOL_DOWN_SECONDS),
        throttle_share: family(registry, names::THROTTLE_SHARE),
        throttle_seconds: family(registry, names::THROTTLE_SECONDS),
        store_mode: family(registry, names::STORE_MODE),
        store_share: family(registry, names::STORE_SHARE),
        store_instances: family(registry, names::STORE_INSTANCES),
        store_exchanges: family(registry, names::STORE_EXCHANGES),
    }
}

fn single<M>(registry: &mut Registry, metric: Metric, instrument: M) -> M
where
    M: prometheus_client::registry::Metric + Clone,
{
    registry.register(metric.name, metric.help, instrument.clone());
    instrument
}

fn seconds(registry: &mut Registry, metric: Metric) -> Histogram {
    single(registry, metric, Bounds(SECONDS).new_metric())
}

fn family<M>(registry: &mut Registry, metric: Metric) -> Bounded<M>
where
    M: Clone + Default + std::fmt::Debug + Send + Sync + 'static,
    Family<LabelSet, M>: prometheus_client::registry::Metric,
{
    bounded(registry, metric, Family::default())
}

fn histograms(
    registry: &mut Registry,
    metric: Metric,
    bounds: &'static [f64],
) -> Bounded<Histogram, BoundsConstructor> {
    let family = Family::new_with_constructor(BoundsConstructor(Bounds(bounds)));
    bounded(registry, metric, family)
}

fn bounded<M, C>(
    registry: &mut Registry,
    metric: Metric,
    family: Family<LabelSet, M, C>,
) -> Bounded<M, C>
where
    Family<LabelSet, M, C>: prometheus_client::registry::Metric + Clone,
{
    registry.register(metric.name, metric.help, family.clone());
    Bounded {
        family,
        labels: metric.labels,
        series_max: SERIES_MAX,
        seen: std::sync::Mutex::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_metric_is_exposed_under_its_name() {
        let metrics = Metrics::new("1.2.3");
        touch_every_family(&metrics);
        let text = metrics.encode().unwrap();
        for metric in names::ALL {
            assert!(
                text.contains(&format!("# HELP {} ", metric.name)),
                "{} is listed but not exposed",
                metric.name
            );
        }
        let exposed = text
            .lines()
            .filter(|line| line.starts_with("# HELP "))
            .count();
        assert_eq!(exposed, names::ALL.len());
    }

    /// A family is exposed from its first series on.
    fn touch_every_family(metrics: &Metrics) {
        for counters in [
            &metrics.requests,
            &metrics.deferrals,
            &metrics.limit_hits,
            &metrics.output_predictions,
            &metrics.tokens,
            &metrics.usage_tokens,
            &metrics.refusals,
            &metrics.provider_429,
            &metrics.refusal_episodes,
            &metrics.retries,
            &metrics.lane_trips,
            &metrics.lane_calls,
            &metrics.fallbacks,
            &metrics.hedges,
            &metrics.store_mode_changes,
            &metrics.budget_alerts,
            &metrics.batch_preflights,
            &metrics.telemetry_spans,
            &metrics.telemetry_exports,
            &metrics.alert_webhooks,
            &metrics.config_reloads,
        ] {
            counters.of(&["a", "b"]).inc();
        }
        for histograms in [
            &metrics.queue_wait_seconds,
            &metrics.estimate_error,
            &metrics.upstream_first_byte_seconds,
            &metrics.upstream_duration_seconds,
        ] {
            histograms.of(&["a"]).observe(0.1);
        }
        let domains = &metrics.domains;
        for gauges in [
            &domains.queue_depth,
            &domains.tokens_outstanding,
            &domains.limit_amount,
            &domains.limit_used,
            &domains.limit_utilisation,
            &domains.limit_demand,
            &domains.limit_hit_in,
            &domains.foreign_per_minute,
            &domains.belief_confidence,
            &domains.queue_growth,
            &metrics.output_coverage,
            &metrics.lane_state,
            &domains.concurrency,
            &domains.next_launch,
            &domains.cool_down_seconds,
            &domains.throttle_share,
            &domains.throttle_seconds,
            &domains.store_mode,
            &domains.store_share,
            &domains.store_instances,
            &domains.store_exchanges,
            &metrics.estimate_bias,
        ] {
            gauges.of(&["a", "b", "c", "d"]).set(1.0);
        }
        metrics.requests_in_flight.of(&["waiting"]).inc();
    }

    #[test]
    fn the_number_of_series_is_bounded_whatever_callers_send() {
        let metrics = Metrics::new("1");
        for index in 0..(SERIES_MAX * 2) {
            metrics
                .requests
                .of(&[&format!("endpoint-{index}"), "ok"])
                .inc();
        }
        let text = metrics.encode().unwrap();
        let series = text
            .lines()
            .filter(|line| line.starts_with("paceline_requests_total"))
            .count();
        assert_eq!(series, SERIES_MAX + 1);
        assert!(text.contains(r#"endpoint="other""#));
    }

    #[test]
    fn label_values_cannot_forge_lines() {
        let metrics = Metrics::new("1");
        metrics.requests.of(&["a\"\n evil 1\n", "ok"]).inc();
        let text = metrics.encode().unwrap();
        assert!(!text.lines().any(|line| line.starts_with(" evil")));
    }
}
