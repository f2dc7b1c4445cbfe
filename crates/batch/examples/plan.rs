//! How long a plan of a large batch takes, and how much memory.
//!
//! `cargo run --release -p paceline-batch --example plan -- [LINES [BYTES [FOLDER]]]`
//!
//! Writes LINES lines (1,000,000) of BYTES bytes (2,000) to a file below FOLDER, plans them against limits on
//! tokens and requests, and removes the file.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use paceline_batch::plan::{Latency, LimitsSource, PlanSettings, Planner, Pool, Settle};
use paceline_batch::{Concurrency, JobOptions, Pricing, Source, plan_input};
use paceline_limiter::{
    Charge, ChargeFormula, Combine, DomainSettings, Limit, Metric, Timestamp, WindowModel,
};
use paceline_tokens::prices::PriceBook;
use paceline_tokens::{Calibrations, OutputLengths};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let lines = arguments
        .next()
        .map_or(Ok(1_000_000), |word| word.parse())?;
    let bytes = arguments.next().map_or(Ok(2_000), |word| word.parse())?;
    let folder = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let path = folder.join(format!("paceline-plan-{}.jsonl", std::process::id()));
    let planned = write_input(&path, lines, bytes).and_then(|()| plan(&path));
    fs::remove_file(&path)?;
    planned
}

fn write_input(path: &Path, lines: u32, bytes: usize) -> Outcome<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let words = "the quick brown fox jumps over the lazy dog, \\\"and\\\" goes on; ";
    for number in 0..lines {
        let head = format!(
            r#"{{"custom_id":"request-{number}","method":"POST","url":"/v1/chat/completions","body":{{"model":"gpt-4o-mini","messages":[{{"role":"user","content":""#
        );
        let tail = format!(r#""}}],"max_tokens":{}}}}}"#, 50 + number % 200);
        let room = bytes.saturating_sub(head.len() + tail.len() + 1);
        let text = words.repeat(room / words.len());
        writeln!(file, "{head}{text}{tail}")?;
    }
    Ok(file.flush()?)
}

fn plan(path: &Path) -> Outcome<()> {
    let begun = Instant::now();
    let mut planner = Planner::new(settings(), |_| pool());
    let source = Source::File(path.to_owned());
    let input = plan_input(&source, &JobOptions::default(), &mut |item| {
        planner.add(&item);
    })?;
    let read_s = begun.elapsed().as_secs_f64();
    // A time that is too short, so that what would be enough is looked for too.
    let plan = planner.plan(Some(Duration::from_secs(3_600)))?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!(
        "{} requests of {} MB: {:.1} s, of them {read_s:.1} s for reading; memory {}",
        plan.requests,
        input.bytes / 1_000_000,
        begun.elapsed().as_secs_f64(),
        peak.unwrap_or_default().trim()
    );
    println!("{:?}\n{:?}", plan.course, plan.deadline);
    Ok(())
}

fn settings() -> PlanSettings {
    PlanSettings {
        pricing: Pricing {
            book: Arc::new(PriceBook::built_in()),
            provider: "openai".into(),
        },
        calibrations: Calibrations::default(),
        output_lengths: OutputLengths::default(),
        default_output_tokens: 1_000,
        exact: false,
        concurrency: Concurrency::default(),
        latency: Latency::default(),
        start: Timestamp::ZERO,
    }
}

fn pool() -> Pool {
    let limit = |metric, amount| Limit {
        metric,
        amount,
        window: Duration::from_secs(60),
        model: WindowModel::Sliding,
        guard: Duration::from_millis(200),
    };
    Pool {
        name: "default".to_owned(),
        source: LimitsSource::Given,
        settings: DomainSettings {
            limits: vec![
                limit(Metric::Tokens, 2_000_000),
                limit(Metric::Requests, 10_000),
            ],
            ..DomainSettings::default()
        },
        charge: ChargeFormula {
            combine: Combine::Max,
            ..ChargeFormula::CAUTIOUS
        },
        settle: Settle::AsReserved,
        used: Charge::ZERO,
    }
}
