//! What a scenario must hold beyond its form.

use super::{
    Arrivals, Fault, FaultKind, Gateway, Kind, Provider, Scenario, ScenarioFault, Size, Workload,
};
use crate::time::Span;

/// The most requests of a job or a burst, and the most that steady arrivals may bring in all.
const REQUESTS_MAX: u64 = 10_000_000;
/// The longest simulation: 30 days.
const DURATION_S_MAX: u64 = 30 * 86_400;

struct Faults(Vec<ScenarioFault>);

impl Faults {
    fn refuse(&mut self, wrong: bool, key: impl Into<String>, what: impl Into<String>, hint: &str) {
        if wrong {
            self.0.push(ScenarioFault {
                line: 0,
                key: key.into(),
                what: what.into(),
                hint: hint.to_owned(),
            });
        }
    }

    fn percent(&mut self, value: f64, most: f64, key: String) {
        self.refuse(
            !(0.0..=most).contains(&value),
            key,
            format!("must be between 0 and {most} (got {value})"),
            "",
        );
    }

    fn span(&mut self, span: Span, key: &str) {
        self.refuse(
            span.0 > span.1,
            key,
            format!("runs backwards (got [{}, {}])", span.0, span.1),
            "write the shortest time first",
        );
        self.refuse(
            span.1 > 86_400_000,
            key,
            "is longer than a day",
            "times are in milliseconds",
        );
    }
}

/// Everything that is wrong; empty where nothing is.
pub(super) fn scenario(scenario: &Scenario) -> Vec<ScenarioFault> {
    let mut faults = Faults(Vec::new());
    for (value, key, least) in [
        (scenario.duration_s, "duration_s", 1),
        (scenario.drain_s, "drain_s", 0),
    ] {
        faults.refuse(
            !(least..=DURATION_S_MAX).contains(&value),
            key,
            format!("must be between {least} and {DURATION_S_MAX} (got {value})"),
            "30 days are the longest that is simulated",
        );
    }
    faults.refuse(
        scenario.senders.is_empty(),
        "senders",
        "is empty",
        "leave it out for the gateway alone",
    );
    for (span, key) in [
        (scenario.delay.to_provider_ms, "delay.to_provider_ms"),
        (scenario.delay.from_provider_ms, "delay.from_provider_ms"),
        (scenario.delay.processing_ms, "delay.processing_ms"),
        (scenario.delay.streaming_ms, "delay.streaming_ms"),
    ] {
        faults.span(span, key);
    }
    senders(scenario, &mut faults);
    provider(scenario, &mut faults);
    faults.refuse(
        scenario.workload.is_empty(),
        "workload",
        "is empty",
        "add a [[workload]] with arrivals",
    );
    for (index, stream) in scenario.workload.iter().enumerate() {
        workload(stream, &format!("workload[{index}]"), &mut faults);
    }
    for (index, rule) in scenario.fault.iter().enumerate() {
        fault(rule, &format!("fault[{index}]"), &mut faults);
    }
    faults.0
}

fn senders(scenario: &Scenario, faults: &mut Faults) {
    let zero = [
        (scenario.delay.timeout_s, "delay.timeout_s"),
        (scenario.gateway.count as u64, "gateway.count"),
        (
            u64::from(scenario.gateway.concurrency.unwrap_or(1)),
            "gateway.concurrency",
        ),
        (
            u64::from(scenario.gateway.probe_concurrency),
            "gateway.probe_concurrency",
        ),
        (
            u64::from(scenario.retries_only.concurrency),
            "retries_only.concurrency",
        ),
        (
            u64::from(scenario.fixed_rate.concurrency),
            "fixed_rate.concurrency",
        ),
        (scenario.fixed_rate.burst_s, "fixed_rate.burst_s"),
    ];
    for (value, key) in zero {
        faults.refuse(value == 0, key, "must be at least 1 (got 0)", "");
    }
    faults.refuse(
        scenario.gateway.count > 1_000,
        "gateway.count",
        format!("must be at most 1000 (got {})", scenario.gateway.count),
        "",
    );
    queue(&scenario.gateway, faults);
    let shortest = scenario
        .provider
        .quota
        .iter()
        .map(|quota| quota.window_s)
        .min()
        .unwrap_or(60);
    faults.refuse(
        scenario.gateway.guard_ms >= shortest.saturating_mul(1_000),
        "gateway.guard_ms",
        format!("must be shorter than the shortest window, {shortest} s"),
        "the guard covers the spread of the delay to the provider",
    );
}

fn queue(gateway: &Gateway, faults: &mut Faults) {
    faults.refuse(
        gateway.headroom_percent > 99,
        "gateway.headroom_percent",
        format!("must be at most 99 (got {})", gateway.headroom_percent),
        "",
    );
    let shares = gateway.shares_percent.unwrap_or_default();
    let sum: u64 = shares.iter().copied().map(u64::from).sum();
    faults.refuse(
        sum > 100,
        "gateway.shares_percent",
        format!("must give at most 100 together (got {sum})"),
        "lower one of them",
    );
    for (seconds, key) in [
        (gateway.max_wait_s, "gateway.max_wait_s"),
        (gateway.stabilisation_s, "gateway.stabilisation_s"),
    ] {
        faults.refuse(
            seconds.is_some_and(|seconds| seconds > DURATION_S_MAX),
            key,
            format!("must be at most {DURATION_S_MAX}"),
            "",
        );
    }
}

fn provider(scenario: &Scenario, faults: &mut Faults) {
    let provider = &scenario.provider;
    faults.refuse(
        provider.quota.is_empty(),
        "provider.quota",
        "is empty",
        "add a [[provider.quota]] with metric and amount",
    );
    for (index, quota) in provider.quota.iter().enumerate() {
        let key = |name: &str| format!("provider.quota[{index}].{name}");
        faults.refuse(
            quota.amount == 0,
            key("amount"),
            "must be at least 1 (got 0)",
            "a limit of nothing admits nothing",
        );
        faults.refuse(
            !(1..=DURATION_S_MAX).contains(&quota.window_s),
            key("window_s"),
            format!("must be between 1 and {DURATION_S_MAX}"),
            "",
        );
        let empty = matches!(
            quota.kind,
            Kind::BucketBurst { burst: 0 } | Kind::Quantised { quantum_ms: 0 }
        );
        faults.refuse(
            empty,
            key("kind"),
            "holds nothing",
            "make burst or quantum_ms positive",
        );
    }
    others(provider, faults);
    changes(provider, faults);
}

fn others(provider: &Provider, faults: &mut Faults) {
    for (index, foreign) in provider.foreign.iter().enumerate() {
        let key = |name: &str| format!("provider.foreign[{index}].{name}");
        faults.percent(foreign.percent, 100.0, key("percent"));
        faults.refuse(
            foreign.every_ms == 0,
            key("every_ms"),
            "must be at least 1 (got 0)",
            "",
        );
        let known = provider
            .quota
            .iter()
            .any(|quota| quota.metric == foreign.metric);
        faults.refuse(
            !known,
            key("metric"),
            "names no limit of this provider",
            "take the metric of one of its quotas",
        );
    }
    for (index, burst) in provider.foreign_burst.iter().enumerate() {
        let key = |name: &str| format!("provider.foreign_burst[{index}].{name}");
        faults.refuse(
            burst.every_s == 0,
            key("every_s"),
            "must be at least 1 (got 0)",
            "",
        );
        faults.refuse(
            burst.requests > 100_000,
            key("requests"),
            "must be at most 100000",
            "",
        );
    }
}

fn changes(provider: &Provider, faults: &mut Faults) {
    for (index, pair) in provider.change.windows(2).enumerate() {
        let backwards = matches!(pair, [first, second] if first.at_s > second.at_s);
        faults.refuse(
            backwards,
            format!("provider.change[{}].at_s", index + 1),
            "lies before the change above it",
            "write changes in the order of their times",
        );
    }
    for (index, change) in provider.change.iter().enumerate() {
        let key = format!("provider.change[{index}].percent");
        faults.refuse(
            !(change.percent > -100.0 && change.percent <= 10_000.0),
            key,
            format!(
                "must be above -100 and at most 10000 (got {})",
                change.percent
            ),
            "-50 halves the limits, 100 doubles them",
        );
    }
}

fn workload(stream: &Workload, path: &str, faults: &mut Faults) {
    let key = |name: &str| format!("{path}.{name}");
    faults.refuse(
        stream.tenants == 0 || stream.tenants > 10_000,
        key("tenants"),
        format!("must be between 1 and 10000 (got {})", stream.tenants),
        "",
    );
    faults.refuse(
        !(0.1..=100.0).contains(&stream.characters_per_token),
        key("characters_per_token"),
        "must be between 0.1 and 100",
        "English has about 4",
    );
    size(stream.prompt_tokens, key("prompt_tokens"), faults);
    size(stream.output_tokens, key("output_tokens"), faults);
    let arrivals = key("arrivals");
    match stream.arrivals {
        Arrivals::Job {
            requests,
            concurrency,
        } => {
            faults.refuse(
                requests == 0 || requests > REQUESTS_MAX,
                format!("{arrivals}.job.requests"),
                format!("must be between 1 and {REQUESTS_MAX} (got {requests})"),
                "",
            );
            faults.refuse(
                concurrency == Some(0),
                format!("{arrivals}.job.concurrency"),
                "must be at least 1 (got 0)",
                "leave it out to send all at once",
            );
        }
        Arrivals::Steady { percent_of_quota } => {
            faults.refuse(
                !(percent_of_quota > 0.0 && percent_of_quota <= 10_000.0),
                format!("{arrivals}.steady.percent_of_quota"),
                format!("must be above 0 and at most 10000 (got {percent_of_quota})"),
                "",
            );
        }
        Arrivals::PerMinute { requests } => {
            faults.refuse(
                !(requests > 0.0 && requests <= 1e7),
                format!("{arrivals}.per_minute.requests"),
                format!("must be above 0 and at most 10000000 (got {requests})"),
                "",
            );
        }
        Arrivals::Bursts { requests, every_s } => {
            faults.refuse(
                requests == 0 || requests > REQUESTS_MAX || every_s == 0,
                format!("{arrivals}.bursts"),
                "needs requests and every_s of at least 1",
                "",
            );
        }
    }
}

fn size(size: Size, key: String, faults: &mut Faults) {
    match size {
        Size::Fixed(_) => {}
        Size::Lognormal { mean, max } => faults.refuse(
            mean == 0 || max < mean,
            key,
            "needs a mean of at least 1 and a max that is not below it",
            "",
        ),
        Size::Mixed { large_percent, .. } => {
            faults.percent(large_percent, 100.0, format!("{key}.mixed.large_percent"));
        }
        Size::Between { min, max } => {
            faults.refuse(
                min > max,
                key,
                "runs backwards",
                "min must not be above max",
            );
        }
    }
}

fn fault(rule: &Fault, path: &str, faults: &mut Faults) {
    faults.percent(rule.percent, 100.0, format!("{path}.percent"));
    faults.refuse(
        rule.to_s.is_some_and(|to| to < rule.from_s),
        format!("{path}.to_s"),
        "lies before from_s",
        "",
    );
    let timed = matches!(rule.kind, FaultKind::Late | FaultKind::ClockJump);
    faults.refuse(
        timed && rule.by_ms == 0,
        format!("{path}.by_ms"),
        "is missing or 0",
        "say by how many milliseconds",
    );
    faults.refuse(
        rule.kind == FaultKind::Late && rule.by_ms < 0,
        format!("{path}.by_ms"),
        "is negative",
        "an answer can only come later",
    );
    faults.refuse(
        rule.by_ms.unsigned_abs() > 86_400_000,
        format!("{path}.by_ms"),
        "is longer than a day",
        "times are in milliseconds",
    );
}
