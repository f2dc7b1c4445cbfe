//! How long a large batch takes to open, and how much memory: new, half done, and with a line edited.
//!
//! `cargo run --release -p paceline-batch --example index -- [LINES [BYTES [FOLDER]]]`
//!
//! Writes LINES lines (1,000,000) of BYTES bytes (2,000) to a folder of its own below FOLDER, and removes it at the
//! end. Memory is the highest that was resident since the step began.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use paceline_batch::{
    Answer, Finished, Items, Job, JobOptions, Journal, LineId, Opened, RunEnd, Source, open,
    plan_input,
};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Requests at once while the batch is brought to its half.
const AT_ONCE: usize = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let lines = arguments
        .next()
        .map_or(Ok(1_000_000), |word| word.parse())?;
    let bytes = arguments.next().map_or(Ok(2_000), |word| word.parse())?;
    let parent = arguments
        .next()
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = parent.join(format!("paceline-batch-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let measured = measure(&folder, lines, bytes).await;
    fs::remove_dir_all(&folder)?;
    measured
}

async fn measure(folder: &Path, lines: u32, bytes: usize) -> Outcome<()> {
    let input = folder.join("in.jsonl");
    write_input(&input, lines, bytes, "first")?;
    let job = Job {
        input: Source::File(input.clone()),
        output: folder.join("out.jsonl"),
        options: JobOptions::default(),
    };
    step("read for a plan", || {
        let mut seen = 0;
        plan_input(&job.input, &job.options, &mut |item| {
            seen += item.body.len();
        })?;
        Ok(())
    })?;
    let opened = step("open anew", || Ok(open(&job)?))?;
    half(opened, lines / 2).await?;
    let opened = step("open half done", || Ok(open(&job)?))?;
    println!(
        "  done {}, to do {}",
        opened.found.done_ok, opened.found.to_do
    );
    drop(opened);
    write_input(&input, lines, bytes, "other")?;
    let opened = step("open with a line edited", || Ok(open(&job)?))?;
    println!(
        "  dropped {}, to do {}",
        opened.found.stale, opened.found.to_do
    );
    let begun = Instant::now();
    opened.journal.finish(RunEnd::Interrupted).await?;
    println!("finish: {:.2} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Lines alike but for their names; the first one says `mark`.
fn write_input(path: &Path, lines: u32, bytes: usize, mark: &str) -> Outcome<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let words =
        "the quick brown fox jumps over the lazy dog \\\"and\\\" goes on; ".repeat(bytes / 60 + 1);
    for number in 0..lines {
        let mark = if number == 0 { mark } else { "other" };
        let head = format!(
            r#"{{"custom_id":"request-{number}","method":"POST","url":"/v1/chat/completions","body":{{"model":"gpt-4o-mini","user":"{mark}","messages":[{{"role":"user","content":""#
        );
        let tail = r#" "}],"max_tokens":100}}"#;
        let room = bytes.saturating_sub(head.len() + tail.len() + 1);
        let text = words.get(..room).unwrap_or_default().trim_end_matches('\\');
        writeln!(file, "{head}{text}{tail}")?;
    }
    file.flush()?;
    Ok(())
}

fn step<T>(what: &str, run: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    // Begins the count of the highest anew.
    fs::write("/proc/self/clear_refs", "5")?;
    let (begun, busy_s) = (Instant::now(), processor_s()?);
    let result = run()?;
    let seconds = begun.elapsed().as_secs_f64();
    let busy_s = processor_s()? - busy_s;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or_default();
    println!(
        "{what}: {seconds:.2} s, of them {busy_s:.2} s on the processor, {} at most",
        peak.trim()
    );
    Ok(result)
}

/// How long this thread was on a processor, whatever else the machine does.
fn processor_s() -> Outcome<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds: f64 = text.split(' ').next().unwrap_or_default().parse()?;
    Ok(nanoseconds / 1e9)
}

async fn half(mut opened: Opened, count: u32) -> Outcome<()> {
    let begun = Instant::now();
    let items = opened.work.items();
    let mut tasks = JoinSet::new();
    for id in opened.work.by_ref().take(count as usize) {
        if tasks.len() >= AT_ONCE
            && let Some(done) = tasks.join_next().await
        {
            done??;
        }
        tasks.spawn(request(id, items.clone(), opened.journal.clone()));
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let each_us = begun.elapsed().as_secs_f64() / f64::from(count.max(1)) * 1e6;
    println!("sent and done: {each_us:.1} us a request, {AT_ONCE} at once");
    Ok(())
}

async fn request(id: LineId, items: Items, journal: Journal) -> Outcome<()> {
    let item = items.read(id)?;
    journal.sent(id, 1).await?;
    let answer = Answer {
        status: 200,
        request_id: None,
        body: item.body,
    };
    let finished = Finished {
        custom_id: item.custom_id,
        answer: Some(answer),
        model: Some("gpt-4o-mini".to_owned()),
        cost_nanousd: Some(100_000),
        ..Finished::default()
    };
    Ok(journal.done(id, finished).await?)
}
