//! Plays a scenario, and tells what came of it.

use axum::http::StatusCode;
use paceline_admin_api::{
    SenderResult, SimulatedMetric, SimulatedPoint, SimulatedSender, SimulatedTenant,
    SimulatedWaits, Simulation, SimulationRequest, StepLimit,
};
use paceline_proving::{Report, Run, Scenario, Second, Waits};

use super::super::problem::Problem;
use super::{PATIENCE, scenario, settings};

/// The most points of a sender.
const POINTS_MAX: u64 = 300;

/// Plays what was asked for, for each sender.
///
/// # Errors
/// When it takes too long, or the limiter refuses the settings.
pub(super) fn play(
    request: &SimulationRequest,
    scenario: &Scenario,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Simulation, Problem> {
    let mut runs = Vec::new();
    for sender in &request.senders {
        let kind = scenario::sender(*sender);
        let run = Run::play_while(scenario, kind, request.seed, go_on)
            .map_err(|error| Problem::in_body("gateway", &error.to_string()))?;
        runs.push((*sender, run.ok_or_else(too_slow)?));
    }
    let seconds = runs
        .iter()
        .map(|(_, run)| run.timeline.seconds.len() as u64);
    let longest_s = seconds.max().unwrap_or(0).max(1);
    let step_s = longest_s.div_ceil(POINTS_MAX);
    Ok(Simulation {
        step_s,
        limits_per_step: limits_per_step(request, step_s),
        senders: runs
            .iter()
            .map(|(sender, run)| result(*sender, run, step_s))
            .collect(),
        toml: settings::toml(request),
    })
}

fn too_slow() -> Problem {
    let seconds = PATIENCE.as_secs();
    let message = format!(
        "the simulation was ended after {seconds} seconds of real time; ask for fewer requests, fewer \
         senders or less time"
    );
    Problem::new(StatusCode::BAD_REQUEST, "simulation_too_large", message)
}

#[expect(clippy::cast_precision_loss, reason = "a rate to be drawn")]
fn limits_per_step(request: &SimulationRequest, step_s: u64) -> Vec<StepLimit> {
    let limit = |quota: &paceline_admin_api::SimulatedQuota| StepLimit {
        metric: match quota.metric {
            SimulatedMetric::Requests => "requests".to_owned(),
            SimulatedMetric::Tokens => "tokens".to_owned(),
        },
        window_s: quota.window_s,
        units: quota.amount as f64 * step_s as f64 / quota.window_s.max(1) as f64,
    };
    request.quota.iter().map(limit).collect()
}

fn result(sender: SimulatedSender, run: &Run, step_s: u64) -> SenderResult {
    let report = &run.report;
    let refused = report.refused.first_minute + report.refused.later;
    SenderResult {
        sender,
        requests: report.requests,
        served: report.served,
        failed: report.requests.saturating_sub(report.served),
        attempts: report.attempts,
        refused_by_provider: refused,
        refusals_per_1000: per_1000(refused, report.attempts),
        quota_used: report.use_from_minute_2,
        wait: waits(&report.wait),
        last_answer_ms: ms(report.last_answer_s),
        tenants: tenants(report),
        points: points(&run.timeline.seconds, step_s),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn per_1000(part: u64, whole: u64) -> f64 {
    part as f64 * 1_000.0 / whole.max(1) as f64
}

fn tenants(report: &Report) -> Vec<SimulatedTenant> {
    let tenants = report.tenants.iter();
    tenants
        .map(|tenant| SimulatedTenant {
            tenant: tenant.tenant.clone(),
            requests: tenant.requests,
            served: tenant.served,
            tokens: tenant.tokens,
            wait_p95_ms: ms(tenant.wait.p95_s),
        })
        .collect()
}

fn waits(waits: &Waits) -> SimulatedWaits {
    SimulatedWaits {
        p50_ms: ms(waits.p50_s),
        p95_ms: ms(waits.p95_s),
        p99_ms: ms(waits.p99_s),
        max_ms: ms(waits.worst_s),
        mean_ms: ms(waits.mean_s),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times of a run are neither negative nor longer than hours"
)]
fn ms(seconds: f64) -> u64 {
    (seconds * 1_000.0).round() as u64
}

fn points(seconds: &[Second], step_s: u64) -> Vec<SimulatedPoint> {
    let step = usize::try_from(step_s).unwrap_or(usize::MAX).max(1);
    let point = |(index, chunk): (u64, &[Second])| SimulatedPoint {
        at_s: index * step_s,
        tokens: chunk.iter().map(|second| second.tokens).sum(),
        served: chunk.iter().map(|second| second.served).sum(),
        waiting: chunk.iter().map(|second| second.waiting).max().unwrap_or(0),
        refused: chunk.iter().map(|second| second.refused).sum(),
    };
    (0..).zip(seconds.chunks(step)).map(point).collect()
}
