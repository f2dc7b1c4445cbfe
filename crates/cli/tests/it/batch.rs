//! `paceline batch` as a process, against a simulated provider.

mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use paceline_simulator::{FaultRule, Latency, OutputLength, Simulator, SimulatorSettings};
use paceline_testkit::{GatewayCommand, GatewayProcess};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::block_in_place;

/// Limits that hold nothing back.
const LIMITS: &str = "[limits]\nrequests_per_minute = 1_000_000\nwindow = \"bucket\"\n[retry]\nbase_delay = \"10ms\"\njitter = \"5ms\"\n";

const PATIENCE: Duration = Duration::from_secs(120);

struct Stage {
    simulator: Simulator,
    folder: TempDir,
}

impl Stage {
    async fn new(lines: usize, first_token: Duration) -> Result<Self> {
        let settings = SimulatorSettings {
            output_length: OutputLength::Exactly(10),
            latency: Latency {
                first_token,
                ..Latency::default()
            },
            journal_capacity: 0,
            ..SimulatorSettings::default()
        };
        Self::of(lines, settings).await
    }

    /// In front of a provider with these settings.
    async fn of(lines: usize, settings: SimulatorSettings) -> Result<Self> {
        let stage = Self {
            simulator: Simulator::start(settings).await?,
            folder: tempfile::tempdir()?,
        };
        fs::write(stage.path("paceline.toml"), LIMITS)?;
        let mut text = String::new();
        for line in 0..lines {
            let body = format!(
                r#"{{"model":"gpt-4o-mini","max_tokens":20,"messages":[{{"role":"user","content":"number {line}"}}]}}"#
            );
            writeln!(
                text,
                r#"{{"custom_id":"line-{line}","method":"POST","url":"/v1/chat/completions","body":{body}}}"#
            )?;
        }
        fs::write(stage.path("requests.jsonl"), text)?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare_command(arguments);
        command
            .args(["--config", "paceline.toml"])
            .args(["--upstream", &self.simulator.base_url()]);
        command
    }

    /// Without saying where to send to.
    fn bare_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paceline"));
        command
            .args(["batch", "run", "requests.jsonl", "-o", "results.jsonl"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("OPENAI_API_KEY", "sk-test")
            .env("PACELINE_STATE_DIR", self.path("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        let child = self.command(arguments).spawn()?;
        block_in_place(|| within(child))
    }

    fn manifest(&self) -> Result<Value> {
        let text = fs::read_to_string(self.path("results.manifest.json"))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// How often each name is in the results.
    fn results(&self) -> Result<BTreeMap<String, usize>> {
        let mut counts = BTreeMap::new();
        for file in ["results.jsonl", "results.errors.jsonl"] {
            for name in names(&self.path(file))? {
                *counts.entry(name).or_default() += 1;
            }
        }
        Ok(counts)
    }
}

/// Waits for a process, within a bound.
fn within(mut child: Child) -> Result<Output> {
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > PATIENCE {
            child.kill()?;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(child.wait_with_output()?)
}

fn names(path: &Path) -> Result<Vec<String>> {
    let Ok(text) = fs::read_to_string(path) else {
        return Ok(Vec::new());
    };
    let name = |line: &str| -> Result<String> {
        let value: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        Ok(value["custom_id"]
            .as_str()
            .context("no custom_id")?
            .to_owned())
    };
    text.lines().map(name).collect()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_run_to_its_end_and_the_same_command_has_nothing_to_do_then() -> Result<()> {
    let stage = Stage::new(40, Duration::ZERO).await?;
    let output = stage.run(&[])?;
    ensure!(output.status.success(), "{}", told(&output));
    ensure!(
        told(&output).contains("40 ok of 40 lines"),
        "{}",
        told(&output)
    );
    ensure!(stage.results()?.len() == 40);
    let again = stage.run(&[])?;
    ensure!(again.status.success(), "{}", told(&again));
    ensure!(
        told(&again).contains("nothing is left to do"),
        "{}",
        told(&again)
    );
    ensure!(stage.simulator.book().len() == 40);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_leaves_out_what_is_done_and_changes_nothing() -> Result<()> {
    let stage = Stage::new(20, Duration::ZERO).await?;
    ensure!(stage.run(&[])?.status.success());
    let journal = stage.path("results.jsonl.paceline/journal");
    let before = fs::read(&journal)?;
    let edited = fs::read_to_string(stage.path("requests.jsonl"))?;
    let edited = edited.replacen("number 7", "number seven", 1);
    fs::write(stage.path("requests.jsonl"), edited)?;
    let plan = Command::new(env!("CARGO_BIN_EXE_paceline"))
        .args(["batch", "plan", "requests.jsonl", "-o", "results.jsonl"])
        .args(["--config", "paceline.toml", "--json"])
        .current_dir(stage.folder.path())
        .env_clear()
        .env("PACELINE_STATE_DIR", stage.path("state"))
        .output()?;
    ensure!(plan.status.success(), "{}", told(&plan));
    let plan: Value = serde_json::from_slice(&plan.stdout)?;
    ensure!(plan["plan"]["requests"] == 1, "{plan}");
    ensure!(plan["done_before"]["lines"] == 19, "{plan}");
    // The run has told how long answers are: ten tokens each.
    let output = &plan["plan"]["models"][0];
    ensure!(output["output_basis"]["learned"] == 1, "{plan}");
    ensure!(output["output_tokens"]["expected"] == 10, "{plan}");
    ensure!(fs::read(&journal)? == before);
    ensure!(stage.simulator.book().len() == 20);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_every_line_has_one_result_and_repeats_are_reported() -> Result<()> {
    const LINES: usize = 600;
    let stage = Stage::new(LINES, Duration::from_millis(30)).await?;
    stage.simulator.set_faults(vec![FaultRule {
        share: 0.02,
        ..FaultRule::default()
    }])?;
    for kill in 0..8_u64 {
        let mut child = stage.command(&["--concurrency", "16"]).spawn()?;
        let time = Duration::from_millis(250 + kill * 7919 % 400);
        let ended = block_in_place(|| {
            std::thread::sleep(time);
            let ended = child.try_wait()?.is_some();
            child.kill()?;
            child.wait()?;
            Ok::<_, std::io::Error>(ended)
        })?;
        if ended {
            break;
        }
    }
    let output = stage.run(&["--concurrency", "16", "--retry-failed"])?;
    ensure!(output.status.success(), "{}", told(&output));
    let results = stage.results()?;
    ensure!(results.len() == LINES, "{} of {LINES}", results.len());
    ensure!(results.values().all(|count| *count == 1), "{results:?}");
    let mut billed: BTreeMap<String, usize> = BTreeMap::new();
    // What ended in a fault of the provider's was tried again by the gateway, which is no repeat of the batch's.
    let book = stage.simulator.book();
    for request in book.iter().filter(|request| request.served) {
        *billed.entry(request.request.to_string()).or_default() += 1;
    }
    let twice: BTreeSet<_> = billed
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|(name, _)| name.clone())
        .collect();
    let manifest = stage.manifest()?;
    let reported = manifest["possibly_sent_twice"]["custom_ids"]
        .as_array()
        .context("no list")?;
    let reported: BTreeSet<_> = reported
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    ensure!(billed.len() == LINES, "{} billed", billed.len());
    let unreported: Vec<_> = twice.difference(&reported).collect();
    ensure!(
        unreported.is_empty(),
        "{unreported:?} of {} are not among {} reported",
        twice.len(),
        reported.len()
    );
    ensure!(reported.len() <= 8 * 16, "{} reported", reported.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_finishes_what_runs_and_leaves_the_rest_for_later() -> Result<()> {
    let stage = Stage::new(400, Duration::from_millis(50)).await?;
    let child = stage.command(&["--concurrency", "8"]).spawn()?;
    let pid = rustix::process::Pid::from_child(&child);
    let output = block_in_place(|| {
        std::thread::sleep(Duration::from_millis(900));
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        within(child)
    })?;
    ensure!(
        output.status.code() == Some(130),
        "{:?}: {}",
        output.status,
        told(&output)
    );
    ensure!(
        told(&output).contains("the same command goes on"),
        "{}",
        told(&output)
    );
    let manifest = stage.manifest()?;
    ensure!(manifest["possibly_sent_twice"]["total"] == 0, "{manifest}");
    ensure!(manifest["lines"]["left"].as_u64() > Some(0), "{manifest}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_json_lines() -> Result<()> {
    let stage = Stage::new(5, Duration::ZERO).await?;
    let output = stage.run(&["--json"])?;
    let text = String::from_utf8(output.stdout)?;
    let events: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    let events = events.with_context(|| text.clone())?;
    let kinds: Vec<_> = events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    ensure!(
        kinds.first() == Some(&"opened") && kinds.last() == Some(&"ended"),
        "{kinds:?}"
    );
    ensure!(
        kinds.iter().filter(|kind| **kind == "done").count() == 5,
        "{kinds:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_fail_have_an_exit_code_of_their_own() -> Result<()> {
    let stage = Stage::new(3, Duration::ZERO).await?;
    stage.simulator.set_faults(vec![FaultRule {
        fault: "429_too_large".to_owned(),
        times: Some(1),
        ..FaultRule::default()
    }])?;
    let output = stage.run(&[])?;
    ensure!(
        output.status.code() == Some(8),
        "{:?}: {}",
        output.status,
        told(&output)
    );
    ensure!(
        told(&output).contains("results.errors.jsonl"),
        "{}",
        told(&output)
    );
    let again = stage.run(&["--retry-failed"])?;
    ensure!(again.status.success(), "{}", told(&again));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_said_before_anything_is_sent() -> Result<()> {
    let stage = Stage::new(2, Duration::ZERO).await?;
    fs::write(
        stage.path("requests.jsonl"),
        "{\"custom_id\":\"a\"}\nnonsense\n",
    )?;
    let output = stage.run(&[])?;
    ensure!(!output.status.success());
    let said = told(&output);
    ensure!(
        said.contains("requests.jsonl, line 1") && said.contains("line 2"),
        "{said}"
    );
    fs::write(stage.path("requests.jsonl"), "")?;
    ensure!(told(&stage.run(&[])?).contains("it is empty"));
    ensure!(stage.simulator.book().is_empty());
    Ok(())
}

/// A gateway as a process of its own, in front of the stage's provider.
fn gateway(stage: &Stage) -> Result<GatewayProcess> {
    block_in_place(|| {
        GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), stage.simulator.address())
            .configuration(LIMITS)
            .start()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_through_a_running_gateway() -> Result<()> {
    let stage = Stage::new(10, Duration::ZERO).await?;
    let gateway = gateway(&stage)?;
    let address = format!("http://{}/v1", gateway.address());
    let child = stage.bare_command(&["--via", &address]).spawn()?;
    let output = block_in_place(|| within(child))?;
    ensure!(output.status.success(), "{}", told(&output));
    ensure!(stage.results()?.len() == 10);
    let logged = gateway.log().lines_with("priority=\"batch\"").len();
    ensure!(logged == 10, "{logged} of 10 are in the gateway's log");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_clients_find_a_gateway_a_batch_finds_it_too() -> Result<()> {
    let stage = Stage::new(4, Duration::ZERO).await?;
    let gateway = gateway(&stage)?;
    let listen = gateway.address().to_string();
    let address = format!("http://{listen}/v1");
    let mut command = stage.bare_command(&["--listen", &listen]);
    let child = command.env("OPENAI_BASE_URL", &address).spawn()?;
    let output = block_in_place(|| within(child))?;
    ensure!(output.status.success(), "{}", told(&output));
    ensure!(stage.results()?.len() == 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_another_that_counts_the_same_quota_it_does_not_start() -> Result<()> {
    let stage = Stage::new(4, Duration::ZERO).await?;
    let gateway = gateway(&stage)?;
    let state = gateway.folder().join(".local/state/paceline");
    ensure!(state.is_dir(), "{}", gateway.folder().display());
    let state = state.to_string_lossy().into_owned();
    let output = stage.run(&["--state-dir", &state])?;
    ensure!(output.status.code() == Some(3), "{}", told(&output));
    ensure!(told(&output).contains("--via"), "{}", told(&output));
    ensure!(stage.simulator.book().is_empty());
    let output = stage.run(&["--state-dir", &state, "--alone"])?;
    ensure!(output.status.success(), "{}", told(&output));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_or_with_a_wrong_one_it_says_so() -> Result<()> {
    let stage = Stage::new(4, Duration::ZERO).await?;
    let mut command = stage.bare_command(&[]);
    let child = command.env_remove("OPENAI_API_KEY").spawn()?;
    let output = block_in_place(|| within(child))?;
    ensure!(output.status.code() == Some(3), "{}", told(&output));
    ensure!(
        told(&output).contains("OPENAI_API_KEY"),
        "{}",
        told(&output)
    );
    let output = stage.run(&["--key", "nonsense"])?;
    ensure!(output.status.code() == Some(1), "{}", told(&output));
    ensure!(
        told(&output).contains("the key is refused"),
        "{}",
        told(&output)
    );
    ensure!(!told(&output).contains("nonsense"), "{}", told(&output));
    Ok(())
}
