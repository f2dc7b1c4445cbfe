//! Prints how close the gateway comes to the best possible pace, for each kind of limiter, with
//! real minutes: `cargo run --release -p paceline-testkit --example pacing [WINDOW_SECONDS]`.

#![expect(
    clippy::print_stdout,
    reason = "the figures are what the example is for"
)]

use std::time::Duration;

use anyhow::{Context, Result};
use paceline_simulator::QuotaKind;
use paceline_testkit::PacingRun;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let seconds = match std::env::args().nth(1) {
        None => 60,
        Some(text) => text.parse().context("the window is a number of seconds")?,
    };
    print_table(Duration::from_secs(seconds)).await
}

/// Each kind of limiter with the gateway's settings for it.
fn runs(window: Duration) -> Vec<(&'static str, QuotaKind, String, Option<f64>)> {
    let quantised = |quantum_ms| QuotaKind::Quantised { quantum_ms };
    let smooth = Some(0.5 / window.as_secs_f64());
    vec![
        (
            "bucket",
            QuotaKind::Bucket,
            "window = \"bucket\"".to_owned(),
            None,
        ),
        (
            "fixed",
            QuotaKind::Fixed,
            "window = \"fixed\"".to_owned(),
            None,
        ),
        (
            "fixed from first use",
            QuotaKind::FixedFromFirstUse,
            "window = \"fixed_from_first_use\"".to_owned(),
            None,
        ),
        (
            "sliding",
            QuotaKind::Sliding,
            "window = \"sliding\"".to_owned(),
            None,
        ),
        (
            "quantised 10 s",
            quantised(10_000),
            "window = \"quantised\"\nquantum = \"10s\"".to_owned(),
            None,
        ),
        (
            "bucket as unknown",
            QuotaKind::Bucket,
            "window = \"unknown\"".to_owned(),
            smooth,
        ),
        (
            "sliding as unknown",
            QuotaKind::Sliding,
            "window = \"unknown\"".to_owned(),
            smooth,
        ),
        (
            "fixed as unknown",
            QuotaKind::Fixed,
            "window = \"unknown\"".to_owned(),
            smooth,
        ),
        (
            "quantised 1 s as unknown",
            quantised(1_000),
            "window = \"unknown\"".to_owned(),
            smooth,
        ),
    ]
}

async fn print_table(window: Duration) -> Result<()> {
    println!(
        "{:26} {:>8} {:>8} {:>10} {:>10} {:>8}",
        "limiter", "answered", "refused", "last", "best", "late"
    );
    let started = runs(window)
        .into_iter()
        .map(|(name, provider, gateway_window, smooth_burst)| {
            let run = PacingRun {
                provider,
                gateway_window,
                window,
                latency: Duration::from_millis(300),
                // The default guard, in proportion.
                guard: window / 300,
                smooth_burst,
            };
            // All at once: a run is mostly waiting, and nine minutes in a row would be long.
            (name, tokio::spawn(async move { run.run().await }))
        });
    // Collected, so that all of them are started before the first is waited for.
    let started: Vec<_> = started.collect();
    for (name, run) in started {
        let report = run.await??;
        println!(
            "{name:26} {:>8} {:>8} {:>8.2} s {:>8.2} s {:>6.2} %",
            report.answered,
            report.refused,
            report.last_admission.as_secs_f64(),
            report.best.as_secs_f64(),
            (report.ratio() - 1.0) * 100.0
        );
    }
    Ok(())
}
