//! Batches that a gateway executes itself, while its process is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use http::Method;
use paceline_simulator::{Latency, OutputLength, Simulator, SimulatorSettings};
use paceline_testkit::{Answer, GatewayCommand, GatewayProcess};
use serde_json::{Value, json};
use tokio::task::block_in_place;

const LINES: usize = 240;
const AT_ONCE: usize = 4;

/// What is done when the process is killed.
const KILLED_AT: [u64; 3] = [20, 60, 140];

async fn call(
    gateway: &GatewayProcess,
    method: Method,
    path: &str,
    kind: &str,
    body: String,
) -> Result<Answer> {
    let caller = gateway.caller();
    let headers = [("authorization", "Bearer sk-one"), ("content-type", kind)];
    let answer = caller
        .send(caller.request(method, path, &headers, body)?)
        .await?;
    ensure!(answer.status == 200, "{path}: {}", answer.text());
    Ok(answer)
}

async fn get(gateway: &GatewayProcess, path: &str) -> Result<Answer> {
    call(gateway, Method::GET, path, "text/plain", String::new()).await
}

/// Uploads a file of chats and has it executed; the batch's id.
async fn begin(gateway: &GatewayProcess) -> Result<String> {
    let mut form =
        "--cut\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--cut\r\n\
                    Content-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n"
            .to_owned();
    for number in 0..LINES {
        let body = json!({"model": "gpt-4o-mini", "max_tokens": 5,
                          "messages": [{"role": "user", "content": format!("say {number}")}]});
        let line = json!({"custom_id": format!("line-{number}"), "method": "POST",
                          "url": "/v1/chat/completions", "body": body});
        form.push_str(&format!("{line}\n"));
    }
    form.push_str("\r\n--cut--\r\n");
    let kind = "multipart/form-data; boundary=cut";
    let file = call(gateway, Method::POST, "/v1/files", kind, form).await?;
    let asked = json!({"input_file_id": file.json()["id"], "endpoint": "/v1/chat/completions",
                       "completion_window": "24h"});
    let kind = "application/json";
    let batch = call(
        gateway,
        Method::POST,
        "/v1/batches",
        kind,
        asked.to_string(),
    )
    .await?;
    Ok(batch.json()["id"].as_str().context("no id")?.to_owned())
}

/// Asks for a batch until this holds.
async fn until(
    gateway: &GatewayProcess,
    id: &str,
    holds: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let batch = get(gateway, &format!("/v1/batches/{id}")).await?.json();
        if holds(&batch) {
            return Ok(batch);
        }
        if Instant::now() > end {
            bail!("the batch stays {batch}\n{}", gateway.log().text());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Kills the gateway again and again while it executes a batch, and looks at what came of it.
async fn killed_and_finished(own_key: &str) -> Result<()> {
    let simulator = Simulator::start(SimulatorSettings {
        output_length: OutputLength::Exactly(5),
        latency: Latency {
            first_token: Duration::from_millis(40),
            ..Latency::default()
        },
        journal_capacity: 0,
        ..SimulatorSettings::default()
    })
    .await?;
    let limits = "[limits]\nrequests_per_minute = 1_000_000\nwindow = \"bucket\"\n";
    let configuration =
        format!("{own_key}{limits}[batches]\nenabled = true\nconcurrency = {AT_ONCE}\n");
    let gateway = block_in_place(|| {
        GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), simulator.address())
            .configuration(&configuration)
            .start()
    })?;
    let id = begin(&gateway).await?;
    let mut kills = 0;
    for done in KILLED_AT {
        let batch = until(&gateway, &id, |batch| {
            batch["request_counts"]["completed"].as_u64() >= Some(done)
        })
        .await?;
        // On a machine that stalls it may have gone on to its end meanwhile.
        if batch["status"] != "in_progress" {
            break;
        }
        kills += 1;
        block_in_place(|| {
            gateway.kill()?;
            gateway.restart()
        })?;
    }
    ensure!(kills > 0, "it was never killed");
    let over = ["completed", "failed", "cancelled", "expired"];
    let batch = until(&gateway, &id, |batch| {
        over.iter().any(|status| batch["status"] == *status)
    })
    .await?;
    ensure!(batch["status"] == "completed", "{batch}");
    let counts = json!({"total": LINES, "completed": LINES, "failed": 0});
    ensure!(batch["request_counts"] == counts, "{batch}");
    ensure!(batch["error_file_id"].is_null(), "{batch}");
    let file = batch["output_file_id"].as_str().context("no output")?;
    let content = get(&gateway, &format!("/v1/files/{file}/content")).await?;
    each_line_once(&content.text())?;
    repeats_are_those_under_way(&simulator, kills)
}

fn each_line_once(text: &str) -> Result<()> {
    let mut names = BTreeSet::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        ensure!(line["response"]["status_code"] == 200, "{line}");
        ensure!(names.insert(line["custom_id"].to_string()), "twice: {line}");
    }
    ensure!(names.len() == LINES, "{} of {LINES}", names.len());
    Ok(())
}

/// Each kill costs at most what was on its way.
fn repeats_are_those_under_way(simulator: &Simulator, kills: usize) -> Result<()> {
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for request in simulator.book() {
        *sent.entry(request.request.to_string()).or_default() += 1;
    }
    ensure!(sent.len() == LINES, "{} of {LINES} were sent", sent.len());
    let repeats: usize = sent.values().map(|count| count - 1).sum();
    ensure!(repeats <= kills * AT_ONCE, "{repeats} repeats");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_outlives_kills_and_each_line_has_one_result() -> Result<()> {
    killed_and_finished("[upstream]\napi_key = \"sk-of-the-gateway\"\n").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_its_owners_key_goes_on_when_the_owner_asks_after_a_kill() -> Result<()> {
    killed_and_finished("").await
}
