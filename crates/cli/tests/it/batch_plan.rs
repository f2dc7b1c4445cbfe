//! `paceline batch plan`: words, figures and exit codes, mostly without a provider.

use std::fs;
use std::path::Path;

use paceline_simulator::{Simulator, SimulatorSettings};
use paceline_testkit::{GatewayCommand, chat};
use serde_json::Value;

use crate::command::{Ended, ended, paceline, run};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// So many chats, each charged 300 tokens.
fn chats(folder: &Path, count: usize) -> String {
    let line = |number| {
        format!(
            r#"{{"custom_id":"line-{number}","method":"POST","url":"/v1/chat/completions","body":{{"model":"gpt-4o","max_tokens":300,"messages":[{{"role":"user","content":"Hello there"}}]}}}}"#
        )
    };
    let text: Vec<String> = (0..count).map(line).collect();
    let path = folder.join("requests.jsonl");
    fs::write(&path, text.join("\n")).unwrap();
    path.display().to_string()
}

fn plan(folder: &Path, input: &str, more: &[&str]) -> Ended {
    let mut arguments = vec!["batch", "plan", input];
    arguments.extend(more);
    run(folder, &arguments)
}

fn json(shown: &Ended) -> Value {
    serde_json::from_str(&shown.out).unwrap_or_else(|error| panic!("{error}: {}", shown.err))
}

#[test]
fn given_limits_decide_how_long_it_takes_and_what_binds() {
    let home = tempfile::tempdir().unwrap();
    let input = chats(home.path(), 400);
    let options = [
        "--tpm", "30000", "--rpm", "1000", "--window", "bucket", "--exact", "--json",
    ];
    let shown = plan(home.path(), &input, &options);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let plan = &json(&shown)["plan"];
    assert_eq!(
        (&plan["requests"], &plan["input_tokens"]),
        (&400.into(), &3_600.into())
    );
    // 120,000 tokens, of which 30,000 go at once and 30,000 each minute after that.
    let wall_ms = plan["course"]["wall_ms"].as_u64().unwrap();
    assert!((175_000..=190_000).contains(&wall_ms), "{wall_ms}");
    let bind = &plan["course"]["binds"][0]["bind"];
    assert_eq!(
        (&bind["kind"], &bind["metric"]),
        (&"limit".into(), &"tokens".into())
    );
    assert_eq!(plan["pools"][0]["source"], "given");
    // $2.50 a million for 9 tokens each, $10 for 300.
    assert_eq!(plan["cost"]["high_nanousd"], 400 * (22_500 + 3_000_000));
    let left = fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 1, "a plan writes nothing");
}

#[test]
fn a_time_that_cannot_be_met_has_an_exit_code_and_a_remedy() {
    let home = tempfile::tempdir().unwrap();
    let input = chats(home.path(), 400);
    let limits = ["--tpm", "30000", "--window", "bucket", "--by"];
    let late = plan(home.path(), &input, &[&limits[..], &["+1m"]].concat());
    assert_eq!(late.code, Some(1), "{}", late.err);
    assert!(late.out.contains("in time  no, "), "{}", late.out);
    assert!(late.out.contains("enough would be"), "{}", late.out);
    let widest = late.out.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{}", late.out);
    let met = plan(home.path(), &input, &[&limits[..], &["1h"]].concat());
    assert_eq!(met.code, Some(0), "{}", met.out);
    assert!(met.out.contains("in time  yes, "), "{}", met.out);
    let past = plan(home.path(), &input, &["--by", "2020-01-01"]);
    assert_eq!(past.code, Some(1));
    assert!(past.err.contains("has passed"), "{}", past.err);
}

#[test]
fn without_limits_it_says_so() {
    let home = tempfile::tempdir().unwrap();
    let input = chats(home.path(), 20);
    let shown = plan(
        home.path(),
        &input,
        &["--sequential", "--latency", "2s", "--speed", "100"],
    );
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.out.contains("none is known"), "{}", shown.out);
    // Twenty answers, each of 2 s and 300 tokens at 100 a second.
    assert!(
        shown.out.contains("time     100 s at least"),
        "{}",
        shown.out
    );
}

#[test]
fn what_is_wrong_with_the_input_is_told_with_its_line() {
    let home = tempfile::tempdir().unwrap();
    let input = home.path().join("requests.jsonl");
    let name = input.display().to_string();
    fs::write(&input, "{\"custom_id\":\"a\"}\nnonsense\n").unwrap();
    let shown = plan(home.path(), &name, &[]);
    assert_eq!(shown.code, Some(1));
    assert!(
        shown.err.contains("requests.jsonl, line 1") && shown.err.contains("line 2"),
        "{}",
        shown.err
    );
    let missing = plan(home.path(), "no-such-file.jsonl", &[]);
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.err.contains("no-such-file.jsonl"),
        "{}",
        missing.err
    );
    let folder = plan(home.path(), &home.path().display().to_string(), &[]);
    assert_eq!(folder.code, Some(1));
}

#[test]
fn a_gateway_that_does_not_answer_is_named() {
    let home = tempfile::tempdir().unwrap();
    let input = chats(home.path(), 1);
    let shown = plan(home.path(), &input, &["--via", "https://127.0.0.1:1/v1"]);
    assert_eq!(shown.code, Some(1));
    assert!(
        shown.err.contains("http:// addresses only"),
        "{}",
        shown.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_tells_its_limits() {
    let simulator = Simulator::start(SimulatorSettings::default())
        .await
        .unwrap();
    let gateway = GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), simulator.address())
        .configuration("[limits]\nrequests_per_minute = 60\nwindow = \"bucket\"\n")
        .variable("PACELINE_ADMIN_TOKEN", TOKEN)
        .start()
        .unwrap();
    gateway.until_ready().unwrap();
    let headers = [("authorization", "Bearer sk-test")];
    let answer = gateway
        .caller()
        .chat(&headers, chat(10, false))
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let home = tempfile::tempdir().unwrap();
    let input = chats(home.path(), 120);
    let via = format!("http://{}/v1", gateway.address());
    let arguments = ["batch", "plan", &input, "--via", &via, "--json"];
    let mut command = paceline(home.path(), &arguments);
    command.env("PACELINE_ADMIN_TOKEN", TOKEN);
    let shown = tokio::task::block_in_place(|| ended(&mut command));
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let plan = &json(&shown)["plan"];
    let pool = &plan["pools"][0];
    assert_eq!(
        (&pool["source"], &pool["requests"]),
        (&"gateway".into(), &120.into())
    );
    assert_eq!(pool["limits"][0]["amount"], 60);
    // 60 go at once, but for the one that went before, and the others at one a second.
    let wall_ms = plan["course"]["wall_ms"].as_u64().unwrap();
    assert!((60_000..=75_000).contains(&wall_ms), "{wall_ms}");
}
