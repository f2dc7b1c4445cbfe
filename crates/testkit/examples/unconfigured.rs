//! Prints what a gateway without any configured limit makes of a provider, for each kind of
//! limiter, with real minutes over real sockets:
//!
//! ```sh
//! cargo run --release -p paceline-testkit --example unconfigured -- \
//!     [--kind KIND,…] [--tpm TOKENS,…] [--charge max,sum] [--refund no,yes] [--jitter MS,…] \
//!     [--output PERCENT] [--minutes COUNT] [--parallel COUNT] [--job]
//! ```
//!
//! Every combination of what is named is one cell: a provider, a gateway and its callers. `--job`
//! does a finite job in each instead of keeping a backlog.

#![expect(
    clippy::print_stdout,
    reason = "the figures are what the example is for"
)]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use paceline_limiter::{LimitView, WindowKind};
use paceline_simulator::{ChargeFormula, QuotaKind};
use paceline_testkit::{Believed, JobReport, UnconfiguredReport, UnconfiguredRun};
use tokio::sync::Semaphore;

/// Cells begin one after the other, so that their first bursts do not compete for the processor.
const STAGGER: Duration = Duration::from_millis(700);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let matrix = Matrix::read(std::env::args().skip(1))?;
    if matrix.is_job {
        println!(
            "| provider's limiter | TPM | charge | refund | delay | refused | failed | last | best | late |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|");
    } else {
        println!(
            "| provider's limiter | TPM | charge | refund | delay | refused: first minute | after \
             | failed | used after the first minute | believed | after | limit | window | phase \
             | piece | charge believed | after | guard |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    }
    matrix.run().await
}

/// What is to be run.
struct Matrix {
    kinds: Vec<String>,
    tokens_per_minute: Vec<u64>,
    formulas: Vec<String>,
    refunds: Vec<String>,
    delays_ms: Vec<u64>,
    output_percent: u64,
    minutes: u64,
    parallel: usize,
    is_job: bool,
}

impl Matrix {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mut matrix = Self {
            kinds: list("bucket,fixed,first-use,sliding,1s,2s,10s"),
            tokens_per_minute: vec![30_000, 100_000],
            formulas: list("max,sum"),
            refunds: list("no"),
            delays_ms: vec![100],
            output_percent: 33,
            minutes: 3,
            parallel: 12,
            is_job: false,
        };
        while let Some(name) = arguments.next() {
            if name == "--job" {
                matrix.is_job = true;
                continue;
            }
            let value = arguments.next();
            let value = value.with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--kind" => matrix.kinds = list(&value),
                "--tpm" => matrix.tokens_per_minute = numbers(&value)?,
                "--charge" => matrix.formulas = list(&value),
                "--refund" => matrix.refunds = list(&value),
                "--jitter" => matrix.delays_ms = numbers(&value)?,
                "--output" => matrix.output_percent = value.parse().context("--output")?,
                "--minutes" => matrix.minutes = value.parse().context("--minutes")?,
                "--parallel" => matrix.parallel = value.parse().context("--parallel")?,
                _ => bail!("unknown option {name}"),
            }
        }
        Ok(matrix)
    }

    fn cells(&self) -> Result<Vec<(String, UnconfiguredRun)>> {
        let mut cells = Vec::new();
        for &tokens_per_minute in &self.tokens_per_minute {
            for kind in &self.kinds {
                for formula in &self.formulas {
                    for refund in &self.refunds {
                        for &delay_ms in &self.delays_ms {
                            let run = UnconfiguredRun {
                                kind: kind_of(kind)?,
                                tokens_per_minute,
                                formula: formula_of(formula)?,
                                refund: refund == "yes",
                                output_percent: self.output_percent,
                                arrival: (
                                    Duration::from_millis(5),
                                    Duration::from_millis(delay_ms),
                                ),
                            };
                            let name = format!(
                                "| {} | {tokens_per_minute} | {formula} | {refund} | 5-{delay_ms} ms",
                                name_of(kind)
                            );
                            cells.push((name, run));
                        }
                    }
                }
            }
        }
        Ok(cells)
    }

    async fn run(&self) -> Result<()> {
        let room = Arc::new(Semaphore::new(self.parallel.max(1)));
        let time = Duration::from_secs(60 * self.minutes);
        let is_job = self.is_job;
        let mut started = Vec::new();
        for (index, (name, run)) in (0..).zip(self.cells()?) {
            let room = Arc::clone(&room);
            let running = tokio::spawn(async move {
                let _place = room.acquire_owned().await?;
                tokio::time::sleep(STAGGER * (index % 32)).await;
                if is_job {
                    return Ok(job_row(&run.job().await?));
                }
                anyhow::Ok(row(&run.run(time).await?))
            });
            started.push((name, running));
        }
        for (name, running) in started {
            match running.await? {
                Ok(row) => println!("{name} {row}"),
                Err(error) => println!("{name} | did not run: {error} |"),
            }
        }
        Ok(())
    }
}

fn numbers(text: &str) -> Result<Vec<u64>> {
    let parsed = text.split(',').map(str::parse).collect::<Result<_, _>>();
    parsed.with_context(|| format!("{text:?} is no list of whole numbers"))
}

fn kind_of(name: &str) -> Result<QuotaKind> {
    Ok(match name {
        "bucket" => QuotaKind::Bucket,
        "fixed" => QuotaKind::Fixed,
        "first-use" => QuotaKind::FixedFromFirstUse,
        "sliding" => QuotaKind::Sliding,
        _ => {
            let seconds = name.strip_suffix('s').and_then(|text| text.parse().ok());
            let seconds: u64 = seconds.with_context(|| {
                format!("{name:?} is none of bucket, fixed, first-use, sliding, or as 10s")
            })?;
            QuotaKind::Quantised {
                quantum_ms: 1_000 * seconds,
            }
        }
    })
}

fn name_of(kind: &str) -> String {
    match kind {
        "fixed" => "fixed minute".to_owned(),
        "first-use" => "minute from first use".to_owned(),
        "bucket" | "sliding" => kind.to_owned(),
        seconds => format!("quantised to {}", seconds.replace('s', " s")),
    }
}

fn formula_of(name: &str) -> Result<ChargeFormula> {
    match name {
        "max" => Ok(ChargeFormula::MaxOfEstimateAndLimit),
        "sum" => Ok(ChargeFormula::EstimatePlusLimit),
        _ => bail!("{name:?} is neither max nor sum"),
    }
}

fn job_row(report: &JobReport) -> String {
    let (last, best) = (
        report.last_admission.as_secs_f64(),
        report.best.as_secs_f64(),
    );
    format!(
        "| {} | {} | {last:.1} s | {best:.1} s | {:.1} % |",
        report.refused,
        report.failed,
        (last / best - 1.0) * 100.0
    )
}

fn row(report: &UnconfiguredReport) -> String {
    let believed = &report.believed;
    let belief = believed.limit.and_then(|limit| limit.belief);
    let kind = belief.and_then(|belief| belief.kind);
    let verdict = |is_right| if is_right { "" } else { " ✗" };
    let kind = match kind {
        Some(WindowKind::Bucket) => "bucket",
        Some(WindowKind::Fixed) => "fixed",
        Some(WindowKind::Sliding) => "sliding",
        None => "unknown",
    };
    format!(
        "| {} | {} | {} | {:.1} % | {kind}{} | {} | {} |",
        report.refused_first,
        report.refused_after,
        report.failed,
        report.utilisation * 100.0,
        verdict(believed.kind_is_right),
        count(belief.and_then(|belief| belief.decided_after)),
        errors(believed, verdict(believed.formula_is_right))
    )
}

/// The errors of what is believed; an empty cell where nothing is.
fn errors(believed: &Believed, formula_verdict: &str) -> String {
    let percent = |ratio: Option<f64>| {
        ratio.map_or_else(String::new, |ratio| {
            format!("{:+.1} %", (ratio - 1.0) * 100.0)
        })
    };
    let milliseconds =
        |error: Option<i64>| error.map_or_else(String::new, |error| format!("{error:+} ms"));
    let belief = believed.limit.and_then(|limit| limit.belief);
    let piece = match (
        believed.piece_ratio,
        belief.and_then(|belief| belief.piece),
        believed.limit,
    ) {
        (Some(ratio), ..) => percent(Some(ratio)),
        (None, Some(units), Some(limit)) => {
            format!("{:.1} s, there is none", seconds(units, &limit))
        }
        _ => String::new(),
    };
    let guard = believed.limit.map(|limit| limit.guard.as_millis());
    let refunds = if believed.charge.formula.refunds {
        ", refunds"
    } else {
        ""
    };
    format!(
        "{} | {} | {} | {piece} | {:?}{refunds}{formula_verdict} | {} | {}",
        percent(believed.amount_ratio),
        milliseconds(believed.window_error_ms),
        milliseconds(believed.phase_error_ms),
        believed.charge.formula.combine,
        count(believed.charge.decided_after),
        guard.map_or_else(String::new, |guard| format!("{guard} ms")),
    )
}

/// How long a limit takes to refill some units.
fn seconds(units: u64, limit: &LimitView) -> f64 {
    units as f64 / limit.amount.max(1) as f64 * limit.window.as_secs_f64()
}

fn count(answers: Option<u64>) -> String {
    answers.map_or_else(|| "never".to_owned(), |answers| answers.to_string())
}
