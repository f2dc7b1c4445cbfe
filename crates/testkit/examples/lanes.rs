//! Prints what several lanes bring and what callers see while the provider of one of them is ill, with
//! real gateways before real simulators, over real sockets:
//!
//! ```sh
//! cargo run --release -p paceline-testkit --example lanes -- [--minutes COUNT] [--only NAME,…]
//! ```
//!
//! `--only` takes `keys`, `illnesses`, or names of rows. The rows of a table are measured beside each
//! other. `--minutes` is the time with the keys.

#![expect(
    clippy::print_stdout,
    reason = "the figures are what the example is for"
)]

use std::time::Duration;

use anyhow::{Context, Result, bail};
use paceline_testkit::{
    FirstBytes, IllnessReport, IllnessRun, Keys, KeysReport, KeysRun, ProviderReport,
};

/// Runs begin one after the other, so that they do not compete for the processor.
const STAGGER: Duration = Duration::from_millis(700);

/// The quota of each project.
const TOKENS_PER_MINUTE: u64 = 60_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let choice = Choice::read(std::env::args().skip(1))?;
    let keys = Keys::ALL.into_iter();
    let keys = keys.filter(|keys| choice.takes("keys", keys.words()));
    print_keys(keys.collect(), choice.minutes).await?;
    let illnesses = illnesses().into_iter();
    let illnesses = illnesses.filter(|(name, _)| choice.takes("illnesses", name));
    print_illnesses(illnesses.collect()).await
}

/// What is to be run.
struct Choice {
    minutes: u64,
    only: Vec<String>,
}

impl Choice {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut choice = Self {
            minutes: 3,
            only: Vec::new(),
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next();
            let value = value.with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--only" => choice.only = value.split(',').map(str::to_owned).collect(),
                "--minutes" => choice.minutes = value.parse().context("--minutes")?,
                _ => bail!("unknown option {name}"),
            }
        }
        if choice.minutes < 2 {
            bail!("--minutes is 2 at the least: the first minute is counted apart");
        }
        Ok(choice)
    }

    fn takes(&self, table: &str, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == table || name == row)
    }
}

/// The illnesses, by the names of their rows.
fn illnesses() -> Vec<(&'static str, IllnessRun)> {
    let late = IllnessRun::of(Some("delay;ms=5000"));
    let faults = [
        "500",
        "503",
        "hang",
        "web_page",
        "garbage",
        "reset",
        "cut_stream;after=2",
    ];
    let mut rows = vec![("none", IllnessRun::of(None))];
    rows.extend(faults.map(|fault| (fault, IllnessRun::of(Some(fault)))));
    rows.push(("delay;ms=5000", late.clone()));
    let bounded = IllnessRun {
        breaker: "late_after = \"3s\"".to_owned(),
        ..late.clone()
    };
    rows.push(("delay;ms=5000, `late_after = \"3s\"`", bounded));
    let hedged = IllnessRun {
        model: "hedge = true".to_owned(),
        ..late
    };
    rows.push(("delay;ms=5000, `hedge = true`", hedged));
    rows
}

async fn print_keys(rows: Vec<Keys>, minutes: u64) -> Result<()> {
    let minute = Duration::from_secs(60);
    let mut started = Vec::new();
    for (place, keys) in (0..).zip(rows) {
        let run = KeysRun {
            keys,
            tokens_per_minute: TOKENS_PER_MINUTE,
            first: minute,
            after: Duration::from_secs(60 * (minutes - 1)),
        };
        let running = tokio::spawn(async move {
            tokio::time::sleep(STAGGER * place).await;
            run.run().await
        });
        started.push((keys, running));
    }
    let mut reports = Vec::new();
    for (keys, running) in started {
        reports.push((keys, running.await??));
    }
    let one = reports.iter().find(|(keys, _)| *keys == Keys::One);
    let one = one.map(|(_, report)| report.quotas_used);
    if !reports.is_empty() {
        println!(
            "| keys | refused per 1,000: first minute | after | last refusal | of one project's quota | of what one key got | first lane : second | pools |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    }
    for (keys, report) in &reports {
        println!("| {} | {} |", keys.words(), keys_row(report, one));
    }
    println!();
    Ok(())
}

fn keys_row(report: &KeysReport, one: Option<f64>) -> String {
    let refused = |counts: (u64, u64)| {
        let per_thousand = ProviderReport::per_thousand(counts);
        format!("{per_thousand:.1} ({} of {})", counts.1, counts.0)
    };
    let last = report.last_refusal;
    let all = report.tokens_after.iter().sum::<i64>().max(1) as f64;
    let [first, second] = report
        .tokens_after
        .map(|tokens| 100.0 * tokens as f64 / all);
    format!(
        "{} | {} | {} | {:.1} % | {} | {first:.0} : {second:.0} | {}",
        refused(report.first),
        refused(report.after),
        seconds(last),
        100.0 * report.quotas_used,
        one.map_or("–".to_owned(), |one| format!(
            "{:.1} %",
            100.0 * report.quotas_used / one
        )),
        report.pools
    )
}

async fn print_illnesses(rows: Vec<(&'static str, IllnessRun)>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut started = Vec::new();
    for (place, (name, run)) in (0..).zip(rows) {
        let running = tokio::spawn(async move {
            tokio::time::sleep(STAGGER * place).await;
            run.run().await
        });
        started.push((name, running));
    }
    println!(
        "| the first lane | calls | whole answers | lost | failed attempts | late | first byte while well: p50 / p95 / max | while ill | tripped after | sent there while ill, after the trip | back after | trips, of the other | sent twice |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (name, running) in started {
        println!("| {name} | {} |", illness_row(&running.await??));
    }
    Ok(())
}

fn illness_row(report: &IllnessReport) -> String {
    let [first, second] = report.trips;
    let has_tripped = report.tripped_after.is_some();
    format!(
        "{} | {:.2} % | {} | {} | {} | {} | {} | {} | {} | {} | {first}, {second} | {}",
        report.calls,
        100.0 * report.whole(),
        report.lost,
        report.failed_attempts,
        report.late,
        first_bytes(report.well),
        first_bytes(report.ill),
        seconds(report.tripped_after),
        if has_tripped {
            report.sent_after_trip.to_string()
        } else {
            "–".to_owned()
        },
        seconds(report.returned_after),
        report.hedged
    )
}

fn first_bytes(times: FirstBytes) -> String {
    let [p50, p95, max] = [times.p50, times.p95, times.max].map(|time| time.as_secs_f64());
    format!("{p50:.2} / {p95:.2} / {max:.2} s")
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or("–".to_owned(), |time| {
        format!("{:.1} s", time.as_secs_f64())
    })
}
