//! Whether a simulation can be played, and will not take long.

use paceline_admin_api::{SimulatedQuota, SimulatedWorkload, SimulationRequest};
use paceline_config::presets;

/// The most requests of all senders together.
pub(super) const REQUESTS_MAX: u64 = 50_000;

/// The most limits, and the most streams of requests.
const LIMITS_MAX: usize = 8;
const STREAMS_MAX: usize = 50;

/// The largest amount of a limit.
const AMOUNT_MAX: u64 = 1_000_000_000_000;

/// The longest name of a tenant, in bytes.
const NAME_MAX: usize = 256;

/// What is wrong: paths and what is expected.
pub(super) struct Wrong(pub(super) Vec<(String, String)>);

impl Wrong {
    fn unless(&mut self, right: bool, path: impl Into<String>, expected: impl Into<String>) {
        if !right {
            self.0.push((path.into(), expected.into()));
        }
    }

    fn within(&mut self, value: u64, (low, high): (u64, u64), path: impl Into<String>) {
        let expected = format!("a whole number from {low} to {high}");
        self.unless((low..=high).contains(&value), path, expected);
    }

    fn optional(&mut self, value: Option<u64>, range: (u64, u64), path: &str) {
        if let Some(value) = value {
            self.within(value, range, path);
        }
    }
}

/// Everything that is wrong with a request.
pub(super) fn wrong(request: &SimulationRequest) -> Vec<(String, String)> {
    let mut wrong = Wrong(Vec::new());
    wrong.within(request.duration_s, (10, 3_600), "duration_s");
    let senders = &request.senders;
    let once = |index: usize| {
        !senders
            .iter()
            .take(index)
            .any(|it| Some(it) == senders.get(index))
    };
    wrong.unless(
        !senders.is_empty() && (0..senders.len()).all(once),
        "senders",
        "one or several of gateway, retries_only, fixed_rate, each once",
    );
    wrong.unless(
        (0.0..=100.0).contains(&request.foreign_percent),
        "foreign_percent",
        "a number from 0 to 100",
    );
    quota(request, &mut wrong);
    let streams = &request.workload;
    wrong.unless(
        (1..=STREAMS_MAX).contains(&streams.len()),
        "workload",
        format!("1 to {STREAMS_MAX} streams of requests"),
    );
    for (index, stream) in streams.iter().enumerate().take(STREAMS_MAX) {
        workload(stream, &format!("workload[{index}]"), &mut wrong);
    }
    gateway(request, &mut wrong);
    if wrong.0.is_empty() {
        let count = expected_requests(request);
        #[expect(clippy::cast_precision_loss, reason = "a small bound")]
        let fits = count <= REQUESTS_MAX as f64;
        let expected = format!(
            "at most {REQUESTS_MAX} requests of all streams, for all senders together (these are about {count:.0})"
        );
        wrong.unless(fits, "workload", expected);
    }
    wrong.0
}

fn quota(request: &SimulationRequest, wrong: &mut Wrong) {
    wrong.unless(
        (1..=LIMITS_MAX).contains(&request.quota.len()),
        "quota",
        format!("1 to {LIMITS_MAX} limits"),
    );
    for (index, quota) in request.quota.iter().enumerate().take(LIMITS_MAX) {
        let path = |key: &str| format!("quota[{index}].{key}");
        let is_of = |other: &SimulatedQuota| {
            (other.metric, other.window_s) == (quota.metric, quota.window_s)
        };
        wrong.unless(
            !request.quota.iter().take(index).any(is_of),
            format!("quota[{index}]"),
            "another metric or window than the limits above it",
        );
        wrong.within(quota.amount, (1, AMOUNT_MAX), path("amount"));
        wrong.within(quota.window_s, (1, 86_400), path("window_s"));
        wrong.optional(quota.burst, (1, AMOUNT_MAX), &path("burst"));
        wrong.optional(quota.quantum_ms, (1, 3_600_000), &path("quantum_ms"));
    }
}

fn workload(stream: &SimulatedWorkload, path: &str, wrong: &mut Wrong) {
    let key = |name: &str| format!("{path}.{name}");
    let name = &stream.tenant;
    wrong.unless(
        (1..=NAME_MAX).contains(&name.len()) && !name.contains(char::is_control),
        key("tenant"),
        "a name of 1 to 256 bytes without control characters",
    );
    wrong.within(stream.weight.into(), (1, 1_000), key("weight"));
    wrong.within(stream.prompt_tokens, (1, 1_000_000), key("prompt_tokens"));
    wrong.within(stream.output_tokens, (1, 1_000_000), key("output_tokens"));
    wrong.optional(stream.max_tokens, (1, 1_000_000), &key("max_tokens"));
    wrong.within(stream.start_s, (0, 3_600), key("start_s"));
    let ways = [
        stream.requests_per_minute.is_some(),
        stream.job.is_some(),
        stream.bursts.is_some(),
    ];
    wrong.unless(
        ways.iter().filter(|given| **given).count() == 1,
        path,
        "one of requests_per_minute, job and bursts",
    );
    if let Some(rate) = stream.requests_per_minute {
        wrong.unless(
            rate > 0.0 && rate <= 1e6,
            key("requests_per_minute"),
            "a number above 0, up to 1000000",
        );
    }
    if let Some(job) = stream.job {
        wrong.within(job.requests, (1, REQUESTS_MAX), key("job.requests"));
        wrong.optional(job.concurrency, (1, REQUESTS_MAX), &key("job.concurrency"));
    }
    if let Some(bursts) = stream.bursts {
        wrong.within(bursts.requests, (1, REQUESTS_MAX), key("bursts.requests"));
        wrong.within(bursts.every_s, (1, 3_600), key("bursts.every_s"));
    }
}

fn gateway(request: &SimulationRequest, wrong: &mut Wrong) {
    let gateway = &request.gateway;
    if let Some(preset) = &gateway.preset {
        let names: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
        let expected = format!("one of {}", names.join(", "));
        wrong.unless(names.contains(&&**preset), "gateway.preset", expected);
    }
    let shortest = request.quota.iter().map(|quota| quota.window_s).min();
    let guard_max = shortest.unwrap_or(60).saturating_mul(500).min(60_000);
    for (value, range, key) in [
        (gateway.headroom_percent.into(), (0, 99), "headroom_percent"),
        (gateway.guard_ms, (0, guard_max), "guard_ms"),
        (gateway.spacing_ms, (0, 3_600_000), "spacing_ms"),
        (gateway.penalty_tokens, (0, 1_000_000_000), "penalty_tokens"),
        (
            gateway.probe_concurrency.into(),
            (1, 1_000),
            "probe_concurrency",
        ),
    ] {
        wrong.within(value, range, format!("gateway.{key}"));
    }
    for (value, range, key) in [
        (
            gateway.concurrency.map(u64::from),
            (1, 1_000_000),
            "concurrency",
        ),
        (gateway.retries_max.map(u64::from), (0, 100), "retries_max"),
        (gateway.stabilisation_s, (0, 86_400), "stabilisation_s"),
        (gateway.max_wait_s, (0, 604_800), "max_wait_s"),
        (gateway.waiting_max, (1, 10_000_000), "waiting_max"),
        (
            gateway.waiting_per_tenant_max,
            (1, 10_000_000),
            "waiting_per_tenant_max",
        ),
    ] {
        wrong.optional(value, range, &format!("gateway.{key}"));
    }
    let shares = super::settings::shares_percent(gateway);
    wrong.unless(
        shares.iter().copied().map(u64::from).sum::<u64>() <= 100,
        "gateway.interactive_percent",
        "shares that give at most 100 together, with those of standard (25) and batch (5)",
    );
}

/// How many requests there will be on average, over all senders.
#[expect(clippy::cast_precision_loss, reason = "an expectation")]
fn expected_requests(request: &SimulationRequest) -> f64 {
    let of = |stream: &SimulatedWorkload| {
        let active_s = request.duration_s.saturating_sub(stream.start_s) as f64;
        let steady = stream.requests_per_minute.unwrap_or(0.0) * active_s / 60.0;
        let job = stream.job.map_or(0, |job| job.requests) as f64;
        let bursts = stream.bursts.map_or(0.0, |bursts| {
            bursts.requests as f64 * (active_s / bursts.every_s as f64).ceil()
        });
        steady + job + bursts
    };
    let each: f64 = request.workload.iter().map(of).sum();
    each * request.senders.len() as f64
}
