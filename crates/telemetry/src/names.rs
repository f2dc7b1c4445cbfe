//! Every metric's name, kind and meaning, in one place.
//!
//! Counters are exposed with the suffix `_total` that the exposition format adds.

/// What kind of instrument a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever rises; its exposed name ends in `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts observations into buckets.
    Histogram,
}

/// A metric: its name without any suffix, its labels and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name, with the prefix and the unit.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The label names, in the order of exposition.
    pub labels: &'static [&'static str],
    /// One sentence for whoever reads the exposition.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*
        /// All metrics, in the order of this file.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD_INFO = Gauge "paceline_build_info" ["version"] "Always 1; carries the running version";
    CONNECTIONS_OPEN = Gauge "paceline_connections_open" [] "Caller connections that are open now";
    CONNECTIONS_REFUSED = Counter "paceline_connections_refused" [] "Caller connections closed because the limit on open connections was reached";
    REQUESTS = Counter "paceline_requests" ["endpoint", "outcome"] "Finished requests by endpoint and outcome";
    REQUESTS_IN_FLIGHT = Gauge "paceline_requests_in_flight" ["state"] "Requests under way, by state: waiting for their turn or running upstream";
    QUEUE_DEPTH = Gauge "paceline_queue_depth" ["domain", "tier"] "Requests waiting in a limit pool by tier";
    QUEUE_WAIT_SECONDS = Histogram "paceline_queue_wait_seconds" ["tier"] "Time from arrival to admission by tier";
    DEFERRALS = Counter "paceline_deferrals" ["limited_by"] "Requests that could not go at once, by what held them back";
    LIMIT_HITS = Counter "paceline_limit_hits" ["domain", "metric", "window"] "Requests that a limit held back or made impossible";
    TOKENS = Counter "paceline_tokens" ["domain", "state"] "Tokens reserved, settled as spent, refunded, and charged above the reservation (debt)";
    TOKENS_OUTSTANDING = Gauge "paceline_tokens_outstanding" ["domain"] "Tokens reserved for requests that are not settled yet";
    LIMIT_AMOUNT = Gauge "paceline_limit_amount" ["domain", "metric", "window", "source"] "The amount that a limit allows in its window";
    LIMIT_USED = Gauge "paceline_limit_used" ["domain", "metric", "window", "source"] "The level of a limit's window now";
    LIMIT_UTILISATION = Gauge "paceline_limit_utilisation_ratio" ["domain", "metric", "window", "source"] "Level over amount; above 1 is debt";
    LIMIT_DEMAND = Gauge "paceline_limit_demand_ratio" ["domain", "metric", "window", "source"] "Present demand over what the limit lets through; above 1 the queue grows";
    LIMIT_HIT_IN = Gauge "paceline_limit_hit_in_seconds" ["domain", "metric", "window", "source"] "Time until the limit is hit at the present demand; absent while it is not going to be";
    FOREIGN_PER_MINUTE = Gauge "paceline_foreign_per_minute" ["domain", "metric", "window"] "Units a minute that others take from a limit";
    BELIEF_CONFIDENCE = Gauge "paceline_belief_confidence_ratio" ["domain", "metric", "window"] "How sure it is how a limit's window is counted; 0 while answers do not tell";
    QUEUE_GROWTH = Gauge "paceline_queue_growth_per_minute" ["domain"] "Requests a minute by which the queue grows once a limit is hit, at the present demand";
    CONCURRENCY = Gauge "paceline_concurrency" ["domain"] "Requests of a limit pool that are running upstream";
    NEXT_LAUNCH = Gauge "paceline_next_launch_epoch_seconds" ["domain"] "Unix time of the next planned launch; 0 when nothing waits";
    SPACING_DELAY_SECONDS = Histogram "paceline_spacing_delay_seconds" [] "Waits that ended with the spacing between launches as the last obstacle";
    COOL_DOWN_SECONDS = Gauge "paceline_cool_down_seconds" ["domain"] "Time left until a limit pool launches again after a refusal by the provider";
    REFUSAL_EPISODES = Counter "paceline_refusal_episodes" ["domain", "kind"] "Episodes of refusals by the provider, each with one pause and one cut, by kind";
    THROTTLE_SHARE = Gauge "paceline_throttle_share_ratio" ["domain", "kind", "metric"] "Share of the rate that may be used after a refusal, by what bounds it";
    THROTTLE_SECONDS = Gauge "paceline_throttle_seconds" ["domain", "kind", "metric"] "Time left until a bound on the rate after a refusal is over";
    STORE_MODE = Gauge "paceline_store_mode" ["domain", "mode"] "Always 1; carries who decides on a limit pool whose limits are counted in a store";
    STORE_MODE_CHANGES = Counter "paceline_store_mode_changes" ["domain", "mode"] "How often another began to decide on a limit pool, by who did";
    STORE_SHARE = Gauge "paceline_store_share_ratio" ["domain"] "Part of the quota that is this instance's while the store is away";
    STORE_INSTANCES = Gauge "paceline_store_instances" ["domain"] "Instances that share a limit pool, with this one";
    STORE_EXCHANGES = Gauge "paceline_store_exchanges" ["domain", "result"] "Exchanges with the store since the pool was made: answered or failed";
    ESTIMATE_ERROR = Histogram "paceline_estimate_error_ratio" ["estimator"] "Relative error of the input-token estimate, (estimate - actual) / actual, as an absolute value";
    ESTIMATE_BIAS = Gauge "paceline_estimate_bias_ratio" ["estimator"] "Mean signed relative error of the input-token estimate";
    OUTPUT_PREDICTIONS = Counter "paceline_output_predictions" ["result"] "Learned 95 % predictions of the length of an answer: covered, exceeded, or none for want of answers to learn from";
    OUTPUT_ERROR = Histogram "paceline_output_error_ratio" [] "Relative error of the typical length that was predicted for an answer, as an absolute value";
    OUTPUT_COVERAGE = Gauge "paceline_output_coverage_ratio" ["model"] "Share of a model's answers that were no longer than the learned 95 % prediction";
    USAGE_TOKENS = Counter "paceline_usage_tokens" ["kind"] "Tokens that the provider reported as used, by kind";
    UPSTREAM_FIRST_BYTE_SECONDS = Histogram "paceline_upstream_first_byte_seconds" ["endpoint"] "Time from sending a request upstream to the first byte of its answer";
    UPSTREAM_DURATION_SECONDS = Histogram "paceline_upstream_duration_seconds" ["endpoint"] "Time from sending a request upstream to the end of its answer";
    ADDED_LATENCY_SECONDS = Histogram "paceline_added_latency_seconds" [] "Time spent in the gateway itself before sending upstream, without the wait for a turn";
    REFUSALS = Counter "paceline_refusals" ["source", "kind"] "Refused requests: by the gateway or by the provider, and why";
    PROVIDER_429 = Counter "paceline_provider_429" ["vendor", "kind"] "Answers with status 429, or the same inside a stream, by vendor and kind of limit";
    RETRIES = Counter "paceline_retries" ["reason"] "Attempts beyond the first, by what made them necessary";
    LANE_STATE = Gauge "paceline_lane_state" ["lane"] "How a lane does: 0 closed, which is well, 1 returning, 2 half open, 3 open";
    LANE_TRIPS = Counter "paceline_lane_trips" ["lane", "cause"] "How often a lane was found to be ill, by what it was ill of";
    LANE_CALLS = Counter "paceline_lane_calls" ["lane", "outcome"] "Calls that were sent over a lane, by what their end says about it";
    FALLBACKS = Counter "paceline_fallbacks" ["from", "why"] "Calls that went on from a lane to another, by what made them";
    HEDGES = Counter "paceline_hedges" ["lane", "outcome"] "Second attempts that were made beside late first ones, by their lane and how they came out";
    UPSTREAM_REACHABLE = Gauge "paceline_upstream_reachable" [] "1 while a provider is reached, 0 when none was the last time that it was tried";
    BUDGET_ALERTS = Counter "paceline_budget_alerts" ["budget", "percent"] "Thresholds of budgets that were reached, by budget and percent of its amount";
    BATCH_PREFLIGHTS = Counter "paceline_batch_preflights" ["result"] "Questions before a batch by what was answered: admitted, refused for its rate, refused for a budget, or with limits that are not known";
    TELEMETRY_SPANS = Counter "paceline_telemetry_spans" ["result"] "Spans for the OpenTelemetry collector: sent, rejected by it, failed to be sent, or dropped because the queue was full";
    TELEMETRY_EXPORTS = Counter "paceline_telemetry_exports" ["signal", "result"] "Batches for the OpenTelemetry collector by signal and result";
    ALERT_WEBHOOKS = Counter "paceline_alert_webhooks" ["result"] "Alerts for the webhook: taken, refused, failed after all tries, or dropped because too many waited";
    CONFIG_RELOADS = Counter "paceline_config_reloads" ["result"] "Configuration reloads by result";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_well_formed() {
        let mut seen = std::collections::BTreeSet::new();
        for metric in ALL {
            assert!(seen.insert(metric.name), "{} is listed twice", metric.name);
            assert!(metric.name.starts_with("paceline_"));
            assert!(
                !metric.name.ends_with("_total"),
                "the suffix is added at exposition"
            );
            assert!(
                !metric.help.ends_with('.'),
                "the exposition adds the full stop"
            );
        }
    }

    /// Name, kind and labels of every row of the tables of metrics in the documentation.
    fn documented() -> Vec<(String, String, Vec<String>)> {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
        let page = std::fs::read_to_string(page).unwrap();
        let mut rows: Vec<(String, String, Vec<String>)> = Vec::new();
        for line in page.lines() {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let ["", name, kind, labels, _, ..] = cells[..] else {
                continue;
            };
            if !name.starts_with("`paceline_") {
                continue;
            }
            let plain = |text: &str| text.trim().trim_matches('`').to_owned();
            let labels = match labels {
                "the same" => rows.last().unwrap().2.clone(),
                "" => Vec::new(),
                labels => labels.split(',').map(plain).collect(),
            };
            rows.push((plain(name), kind.to_owned(), labels));
        }
        rows
    }

    #[test]
    fn the_page_of_metrics_has_every_metric_and_no_other() {
        let exposed = |metric: &Metric| {
            let (kind, end) = match metric.kind {
                Kind::Counter => ("counter", "_total"),
                Kind::Gauge => ("gauge", ""),
                Kind::Histogram => ("histogram", ""),
            };
            let labels: Vec<_> = metric.labels.iter().map(ToString::to_string).collect();
            (format!("{}{end}", metric.name), kind.to_owned(), labels)
        };
        let mut listed: Vec<_> = ALL.iter().map(exposed).collect();
        let mut documented = documented();
        listed.sort();
        documented.sort();
        let missing: Vec<_> = listed
            .iter()
            .filter(|row| !documented.contains(row))
            .collect();
        let gone: Vec<_> = documented
            .iter()
            .filter(|row| !listed.contains(row))
            .collect();
        assert!(
            missing.is_empty() && gone.is_empty(),
            "{missing:#?} {gone:#?}"
        );
        assert_eq!(
            listed.len(),
            documented.len(),
            "a metric is described twice"
        );
    }
}
