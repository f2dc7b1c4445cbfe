//! Whole runs against a simulated provider, over real sockets and real files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::{HeaderMap, HeaderValue, header};
use paceline_batch::{
    Ask, Change, Concurrency, Control, Job, JobOptions, Orders, Pricing, Report, Run, RunEnd,
    RunSettings, Source, Stop, StopAt, Target, ask, open,
};
use paceline_simulator::{FaultRule, Latency, OutputLength, Simulator, SimulatorSettings};
use paceline_tokens::prices::PriceBook;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);

/// A provider, a folder and a file of requests.
struct Stage {
    simulator: Simulator,
    folder: TempDir,
}

impl Stage {
    async fn new(lines: usize) -> Result<Self> {
        Self::with(lines, SimulatorSettings::default()).await
    }

    async fn with(lines: usize, settings: SimulatorSettings) -> Result<Self> {
        let simulator = Simulator::start(SimulatorSettings {
            output_length: OutputLength::Exactly(10),
            ..settings
        });
        let stage = Self {
            simulator: simulator.await?,
            folder: tempfile::tempdir()?,
        };
        stage.write(0..lines)?;
        Ok(stage)
    }

    fn write(&self, lines: impl Iterator<Item = usize>) -> Result<()> {
        let mut text = String::new();
        for line in lines {
            writeln!(
                text,
                r#"{{"custom_id":"line-{line}","method":"POST","url":"/v1/chat/completions","body":{{"model":"gpt-4o-mini","max_tokens":20,"messages":[{{"role":"user","content":"number {line}"}}]}}}}"#
            )?;
        }
        Ok(std::fs::write(self.input(), text)?)
    }

    fn input(&self) -> PathBuf {
        self.folder.path().join("requests.jsonl")
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("results.jsonl")
    }

    fn job(&self) -> Job {
        Job {
            input: Source::File(self.input()),
            output: self.output(),
            options: JobOptions::default(),
        }
    }

    fn settings(&self) -> Result<RunSettings> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_static("Bearer sk-test"),
        );
        Ok(RunSettings {
            target: Target {
                base_url: self.simulator.base_url().parse()?,
                headers,
                ca_file: None,
            },
            orders: Orders {
                concurrency: Concurrency::Fixed(8),
                paused: false,
                stop_at: StopAt::default(),
                stop: None,
            },
            attempts_max: 5,
            line_deadline: None,
            attempt_timeout: None,
            pricing: Pricing {
                book: Arc::new(PriceBook::built_in()),
                provider: Arc::from("openai"),
            },
            listener: None,
        })
    }

    async fn run(&self, settings: RunSettings) -> Result<Report> {
        Ok(timeout(PATIENCE, self.start(settings)?.ended()).await?)
    }

    fn start(&self, settings: RunSettings) -> Result<Run> {
        let opened = tokio::task::block_in_place(|| open(&self.job()))?;
        Ok(Run::start(opened, settings)?)
    }

    /// How many results each name has, in both files.
    fn results(&self) -> Result<BTreeMap<String, usize>> {
        let mut counts = BTreeMap::new();
        for path in [self.output(), paceline_batch::errors_path(&self.output())] {
            for name in names(&path)? {
                *counts.entry(name).or_default() += 1;
            }
        }
        Ok(counts)
    }

    fn ensure_each_once(&self, lines: usize) -> Result<()> {
        let results = self.results()?;
        let expected: BTreeSet<_> = (0..lines).map(|line| format!("line-{line}")).collect();
        let found: BTreeSet<_> = results.keys().cloned().collect();
        ensure!(
            found == expected,
            "{:?}",
            found.symmetric_difference(&expected)
        );
        ensure!(results.values().all(|count| *count == 1), "{results:?}");
        Ok(())
    }
}

fn names(path: &Path) -> Result<Vec<String>> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Ok(Vec::new());
    };
    let name = |line: &str| -> Result<String> {
        let value: serde_json::Value = serde_json::from_str(line)?;
        Ok(value["custom_id"]
            .as_str()
            .context("no custom_id")?
            .to_owned())
    };
    text.lines().map(name).collect()
}

async fn until(control: &Control, done: u64) -> Result<()> {
    let reached = async {
        while control.progress().sums.done() < done {
            sleep(Duration::from_millis(5)).await;
        }
    };
    Ok(timeout(PATIENCE, reached).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_gets_exactly_one_result() -> Result<()> {
    let stage = Stage::new(100).await?;
    let report = stage.run(stage.settings()?).await?;
    ensure!(report.end == RunEnd::Complete, "{report:?}");
    stage.ensure_each_once(100)?;
    let manifest = report.manifest.context("no manifest")?;
    ensure!(
        manifest.lines.ok == 100 && manifest.lines.left == 0,
        "{manifest:?}"
    );
    ensure!(manifest.tokens.output == 1_000, "{manifest:?}");
    // 10 output tokens at 0.60 dollars a million, and the input at 0.15.
    let cost = manifest.tokens.input * 150 + manifest.tokens.output * 600;
    ensure!(manifest.cost.nanousd == cost, "{manifest:?}, not {cost}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_stopped_is_gone_on_with_and_nothing_is_sent_twice() -> Result<()> {
    let slow = SimulatorSettings {
        latency: Latency {
            first_token: Duration::from_millis(50),
            ..Latency::default()
        },
        ..SimulatorSettings::default()
    };
    let stage = Stage::with(60, slow).await?;
    let run = stage.start(stage.settings()?)?;
    until(&run.control(), 10).await?;
    run.control().stop(Stop::WhenDone);
    let report = timeout(PATIENCE, run.ended()).await?;
    ensure!(report.end == RunEnd::Interrupted, "{report:?}");
    let manifest = report.manifest.context("no manifest")?;
    ensure!(
        manifest.lines.left > 0 && manifest.lines.ok >= 10,
        "{manifest:?}"
    );
    let report = stage.run(stage.settings()?).await?;
    ensure!(report.end == RunEnd::Complete, "{report:?}");
    stage.ensure_each_once(60)?;
    let manifest = report.manifest.context("no manifest")?;
    ensure!(manifest.possibly_sent_twice.total == 0, "{manifest:?}");
    ensure!(
        stage.simulator.book().len() == 60,
        "{}",
        stage.simulator.book().len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_at_a_sudden_end_is_sent_again_and_reported() -> Result<()> {
    let slow = SimulatorSettings {
        latency: Latency {
            first_token: Duration::from_secs(30),
            ..Latency::default()
        },
        ..SimulatorSettings::default()
    };
    let stage = Stage::with(12, slow).await?;
    let run = stage.start(stage.settings()?)?;
    let control = run.control();
    let sent = async {
        while stage.simulator.journal(0).len() < 8 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, sent).await?;
    control.stop(Stop::Now);
    let report = timeout(PATIENCE, run.ended()).await?;
    ensure!(report.end == RunEnd::Interrupted, "{report:?}");
    let opened = tokio::task::block_in_place(|| open(&stage.job()))?;
    ensure!(opened.found.maybe_sent.count == 8, "{:?}", opened.found);
    ensure!(opened.found.to_do == 12, "{:?}", opened.found);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_that_may_pass_are_tried_again_and_others_are_results() -> Result<()> {
    let stage = Stage::new(20).await?;
    stage.simulator.set_faults(vec![FaultRule {
        fault: "500".to_owned(),
        times: Some(3),
        ..FaultRule::default()
    }])?;
    let report = stage.run(stage.settings()?).await?;
    let manifest = report.manifest.context("no manifest")?;
    ensure!(manifest.lines.ok == 20, "{manifest:?}");
    ensure!(report.progress.retries == 3, "{:?}", report.progress);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_cannot_go_well_fails_alone() -> Result<()> {
    let unknown = SimulatorSettings {
        unknown_models: vec!["gpt-none".to_owned()],
        ..SimulatorSettings::default()
    };
    let stage = Stage::with(5, unknown).await?;
    let mut text = std::fs::read_to_string(stage.input())?;
    text.push_str(r#"{"custom_id":"line-5","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-none","messages":[{"role":"user","content":"hello"}]}}"#);
    std::fs::write(stage.input(), text)?;
    let report = stage.run(stage.settings()?).await?;
    ensure!(report.end == RunEnd::Complete, "{report:?}");
    stage.ensure_each_once(6)?;
    let failed = names(&paceline_batch::errors_path(&stage.output()))?;
    ensure!(failed == ["line-5"], "{failed:?}");
    let manifest = report.manifest.context("no manifest")?;
    ensure!(manifest.lines.failed == 1, "{manifest:?}");
    ensure!(
        manifest.errors.contains_key("model_not_found"),
        "{manifest:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_ends_the_run_with_all_lines_left() -> Result<()> {
    let stage = Stage::new(30).await?;
    let mut settings = stage.settings()?;
    let wrong = HeaderValue::from_static("Bearer nonsense");
    settings.target.headers.insert(header::AUTHORIZATION, wrong);
    let report = stage.run(settings).await?;
    ensure!(report.end == RunEnd::Failed, "{report:?}");
    let error = report.error.context("no error")?.to_string();
    ensure!(error.contains("the key is refused"), "{error}");
    let opened = tokio::task::block_in_place(|| open(&stage.job()))?;
    ensure!(opened.found.to_do == 30, "{:?}", opened.found);
    ensure!(opened.found.maybe_sent.count == 0, "{:?}", opened.found);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_of_cost_is_not_passed_and_is_used_as_far_as_it_goes() -> Result<()> {
    let stage = Stage::new(200).await?;
    let mut settings = stage.settings()?;
    // A line costs about 7,500 and may cost 27,000 at most.
    settings.orders.stop_at.cost_nanousd = Some(300_000);
    let report = stage.run(settings).await?;
    ensure!(report.end == RunEnd::Limit, "{report:?}");
    let manifest = report.manifest.context("no manifest")?;
    let cost = manifest.cost.nanousd;
    ensure!(cost <= 300_000, "{manifest:?}");
    ensure!(cost >= 300_000 - 60_000, "{manifest:?}");
    ensure!(manifest.possibly_sent_twice.total == 0, "{manifest:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_failures_stop_a_run() -> Result<()> {
    let stage = Stage::new(200).await?;
    stage.simulator.set_faults(vec![FaultRule {
        fault: "429_too_large".to_owned(),
        ..FaultRule::default()
    }])?;
    let mut settings = stage.settings()?;
    settings.orders.stop_at.errors = Some(10);
    let report = stage.run(settings).await?;
    ensure!(report.end == RunEnd::Limit, "{report:?}");
    let manifest = report.manifest.context("no manifest")?;
    ensure!((10..18).contains(&manifest.lines.failed), "{manifest:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_past_its_deadline_fails_and_says_so() -> Result<()> {
    let slow = SimulatorSettings {
        latency: Latency {
            first_token: Duration::from_secs(30),
            ..Latency::default()
        },
        ..SimulatorSettings::default()
    };
    let stage = Stage::with(3, slow).await?;
    let mut settings = stage.settings()?;
    settings.line_deadline = Some(Duration::from_millis(300));
    let report = stage.run(settings).await?;
    let manifest = report.manifest.context("no manifest")?;
    ensure!(
        manifest.errors.get("deadline_passed") == Some(&3),
        "{manifest:?}"
    );
    // They were with the provider, which may bill them.
    ensure!(manifest.cost.unpriced == 3, "{manifest:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_paused_retuned_and_ended_from_outside() -> Result<()> {
    let stage = Stage::new(500).await?;
    let mut settings = stage.settings()?;
    settings.orders.paused = true;
    settings.orders.concurrency = Concurrency::SEQUENTIAL;
    let run = stage.start(settings)?;
    sleep(Duration::from_millis(100)).await;
    let paused = ask(&stage.output(), &Ask::Status).await?;
    ensure!(paused.paused && paused.sums.done() == 0, "{paused:?}");
    let change = Change {
        concurrency: Some(4),
        ..Change::default()
    };
    ask(&stage.output(), &Ask::Set(change)).await?;
    ask(&stage.output(), &Ask::Resume).await?;
    until(&run.control(), 20).await?;
    ensure!(run.control().progress().concurrency == 4);
    ask(&stage.output(), &Ask::Stop { now: false }).await?;
    let report = timeout(PATIENCE, run.ended()).await?;
    ensure!(report.end == RunEnd::Interrupted, "{report:?}");
    let gone = ask(&stage.output(), &Ask::Status).await;
    ensure!(gone.is_err(), "{gone:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_after_the_other_goes_in_the_order_of_the_input() -> Result<()> {
    let stage = Stage::new(25).await?;
    let mut settings = stage.settings()?;
    settings.orders.concurrency = Concurrency::SEQUENTIAL;
    stage.run(settings).await?;
    let expected: Vec<_> = (0..25).map(|line| format!("line-{line}")).collect();
    ensure!(names(&stage.output())? == expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_hangs_does_not_hold_back_another() -> Result<()> {
    let stage = Stage::new(300).await?;
    let mut text = std::fs::read_to_string(stage.input())?;
    for line in 300..320 {
        writeln!(
            text,
            r#"{{"custom_id":"line-{line}","method":"POST","url":"/v1/chat/completions","body":{{"model":"gpt-4.1","messages":[{{"role":"user","content":"hello"}}]}}}}"#
        )?;
    }
    std::fs::write(stage.input(), text)?;
    stage.simulator.set_faults(vec![FaultRule {
        fault: "hang".to_owned(),
        model: Some("gpt-4o-mini".to_owned()),
        ..FaultRule::default()
    }])?;
    let mut settings = stage.settings()?;
    settings.orders.concurrency = Concurrency::Auto { most: 64 };
    let run = stage.start(settings)?;
    until(&run.control(), 20).await?;
    run.control().stop(Stop::Now);
    timeout(PATIENCE, run.ended()).await?;
    ensure!(names(&stage.output())?.len() == 20);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_can_be_reached_lines_wait_and_none_fails() -> Result<()> {
    let stage = Stage::new(40).await?;
    let mut settings = stage.settings()?;
    settings.attempts_max = 1;
    let here = settings.target.base_url.clone();
    // Nobody listens on the discard port.
    settings.target.base_url = "http://127.0.0.1:9/v1".parse()?;
    let run = stage.start(settings)?;
    let control = run.control();
    let noticed = async {
        while control.progress().trouble.is_none() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, noticed).await?;
    let progress = control.progress();
    ensure!(progress.sums.done() == 0, "{progress:?}");
    ensure!(progress.retrying + progress.in_flight <= 8, "{progress:?}");
    control.stop(Stop::WhenDone);
    let report = timeout(PATIENCE, run.ended()).await?;
    let manifest = report.manifest.context("no manifest")?;
    ensure!(
        manifest.lines.left == 40 && manifest.lines.failed == 0,
        "{manifest:?}"
    );
    ensure!(manifest.possibly_sent_twice.total == 0, "{manifest:?}");
    let mut settings = stage.settings()?;
    settings.target.base_url = here;
    stage.run(settings).await?;
    stage.ensure_each_once(40)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_of_cost_is_not_taken_for_held_where_no_price_is_known() -> Result<()> {
    let stage = Stage::new(5).await?;
    let mut settings = stage.settings()?;
    settings.pricing.provider = Arc::from("custom");
    settings.orders.stop_at.cost_nanousd = Some(1_000_000_000);
    let report = stage.run(settings).await?;
    let error = report.error.context("no error")?.to_string();
    ensure!(
        error.contains("no price of gpt-4o-mini at custom"),
        "{error}"
    );
    ensure!(stage.simulator.book().is_empty());
    Ok(())
}
