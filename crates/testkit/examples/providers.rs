//! Prints what a gateway without any configured limit makes of each provider, with real minutes over
//! real sockets:
//!
//! ```sh
//! cargo run --release -p paceline-testkit --example providers -- \
//!     [--only NAME,…] [--minutes COUNT] [--small]
//! ```
//!
//! With `--small`, requests are so small that the limits on requests bind. All run beside each other: what is limited is so little that they do not notice.

#![expect(
    clippy::print_stdout,
    reason = "the figures are what the example is for"
)]

use std::time::Duration;

use anyhow::{Context, Result, bail};
use paceline_limiter::WindowKind;
use paceline_simulator::Likeness;
use paceline_testkit::{Learned, ProviderReport, ProviderRun};

/// Providers begin one after the other, so that their first bursts do not compete for the processor.
const STAGGER: Duration = Duration::from_millis(700);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let Choice {
        providers,
        minutes,
        small,
    } = Choice::read(std::env::args().skip(1))?;
    println!(
        "| provider | answered | failed | refused per 1,000: first minute | after | limit that binds | used | learned |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let time = Duration::from_secs(60 * minutes);
    let mut started = Vec::new();
    for (index, likeness) in (0..).zip(providers) {
        let running = tokio::spawn(async move {
            tokio::time::sleep(STAGGER * index).await;
            let run = ProviderRun::of(likeness);
            let run = if small { run.small() } else { run };
            run.run(time).await
        });
        started.push((likeness, running));
    }
    for (likeness, running) in started {
        match running.await? {
            Ok(report) => println!("| {likeness} | {}", row(&report)),
            Err(error) => println!("| {likeness} | did not run: {error} |"),
        }
    }
    Ok(())
}

/// What is to be run.
struct Choice {
    providers: Vec<Likeness>,
    minutes: u64,
    small: bool,
}

impl Choice {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut choice = Self {
            providers: Likeness::ALL.to_vec(),
            minutes: 5,
            small: false,
        };
        while let Some(name) = arguments.next() {
            if name == "--small" {
                choice.small = true;
                continue;
            }
            let value = arguments.next();
            let value = value.with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--only" => {
                    let names = value.split(',').map(str::parse);
                    choice.providers = names.collect::<Result<_, _>>()?;
                }
                "--minutes" => choice.minutes = value.parse().context("--minutes")?,
                _ => bail!("unknown option {name}"),
            }
        }
        Ok(choice)
    }
}

fn row(report: &ProviderReport) -> String {
    let share = |counts: (u64, u64)| {
        let per_thousand = ProviderReport::per_thousand(counts);
        format!("{per_thousand:.0} ({} of {})", counts.1, counts.0)
    };
    let (name, used) = match &report.binding {
        Some(binding) => (
            binding.name.clone(),
            format!("{:.1} %", binding.used * 100.0),
        ),
        None => ("none".to_owned(), String::new()),
    };
    let mut learned: Vec<_> = report.learned.iter().map(words).collect();
    learned.extend(report.in_flight_max.map(|most| format!("{most} in flight")));
    format!(
        "{} | {} | {} | {} | {name} | {used} | {} |",
        report.answered,
        report.failed,
        share(report.first),
        share(report.after),
        learned.join("; ")
    )
}

fn words(learned: &Learned) -> String {
    let kind = match learned.kind {
        Some(WindowKind::Bucket) => "bucket",
        Some(WindowKind::Fixed) => "fixed",
        Some(WindowKind::Sliding) => "sliding",
        None => "kind unknown",
    };
    format!(
        "{} {:?} / {} s, {kind}",
        learned.amount,
        learned.metric,
        learned.window.as_secs()
    )
}
