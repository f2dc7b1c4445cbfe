//! `paceline check`.

use std::fs;
use std::net::TcpListener;

use crate::command::{Running, ended, paceline, run, word_after};

const GOOD: &str = "\
[limits]
tokens_per_minute = 60_000
requests_per_minute = 300
concurrency = 8

[[domains]]
name = \"small\"
models = [\"gpt-4o-mini*\"]
tokens_per_minute = 200_000
window = \"bucket\"
";

#[test]
fn a_good_file_is_shown_with_its_limits() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("good.toml"), GOOD).unwrap();
    let checked = run(
        home.path(),
        &["check", "--config", "good.toml", "--offline"],
    );
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert_eq!(
        checked.out,
        "\
configuration is valid: good.toml
  pool     models        limit                    counted as
  small    gpt-4o-mini*  200,000 tokens a minute  bucket
  default  all others    300 requests a minute    unknown: the pace is safe for every kind
                         60,000 tokens a minute   unknown: the pace is safe for every kind
                         at most 8 at once
"
    );
}

#[test]
fn the_store_is_shown_without_its_password() {
    let home = tempfile::tempdir().unwrap();
    let file = "[store]\ntime_box = \"20ms\"\nca_file = \"ca.pem\"\n\
                [limits]\nrequests_per_minute = 300\nwhen_store_is_away = \"closed\"\n";
    fs::write(home.path().join("shared.toml"), file).unwrap();
    let args = ["check", "--config", "shared.toml", "--offline", "--verbose"];
    let url = "rediss://app:canary@10.0.0.5:6379";
    let checked = ended(paceline(home.path(), &args).env("PACELINE_STORE_URL", url));
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    let shown = "\
configuration is valid: shared.toml
  pool     models      limit                       counted as
  default  all others  300 requests a minute       unknown: the pace is safe for every kind
                       without the store: nothing

  store        rediss://app:***@10.0.0.5:6379
  prefix       ratelimit:
  time_box     20 ms
  lease        3.0 s
  ca_file      ca.pem
  first_share  0.25
";
    assert!(checked.out.starts_with(shown), "{}", checked.out);
    assert!(
        checked.out.contains("PACELINE_STORE_URL"),
        "{}",
        checked.out
    );
    assert!(!checked.out.contains("canary"), "{}", checked.out);
}

#[test]
fn a_store_of_the_command_line_wins_and_a_wrong_one_is_not_repeated() {
    let home = tempfile::tempdir().unwrap();
    let check = |redis: &str| {
        let args = ["check", "--offline", "--verbose", "--redis", redis];
        let variable = ("PACELINE_STORE_URL", "redis://variable");
        ended(paceline(home.path(), &args).env(variable.0, variable.1))
    };
    let checked = check("redis+cluster://a:1,b:2");
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(
        checked.out.contains("redis+cluster://a:1,b:2\n"),
        "{}",
        checked.out
    );
    let origin = checked
        .out
        .lines()
        .find(|line| line.trim().starts_with("store.url "));
    assert!(origin.unwrap().ends_with("--redis"), "{}", checked.out);
    let wrong = check("http://app:canary@h");
    assert_eq!(wrong.code, Some(3), "{}", wrong.out);
    assert!(
        wrong
            .err
            .contains("--redis: store.url: must begin with redis://, "),
        "{}",
        wrong.err
    );
    assert!(!wrong.err.contains("canary"), "{}", wrong.err);
}

#[test]
fn without_a_file_limits_are_learned() {
    let home = tempfile::tempdir().unwrap();
    let checked = run(home.path(), &["check", "--offline"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(
        checked.out.contains("learned from the provider's answers"),
        "{}",
        checked.out
    );
}

#[test]
fn every_problem_is_told_at_once_and_the_code_is_3() {
    let home = tempfile::tempdir().unwrap();
    let bad = "[server]\nlisten = 4100\n\n[limits]\ntoken_per_minute = 5\nheadroom = 7\n";
    fs::write(home.path().join("bad.toml"), bad).unwrap();
    for subcommand in ["check", "serve"] {
        let checked = run(home.path(), &[subcommand, "--config", "bad.toml"]);
        assert_eq!(checked.code, Some(3));
        assert_eq!(checked.out, "");
        for problem in [
            "bad.toml:2: server.listen: ",
            "bad.toml:5: limits.token_per_minute: ",
            "did you mean \"tokens_per_minute\"?",
            "bad.toml:6: limits.headroom: ",
            "error: the configuration is invalid: 3 problems; nothing was started",
        ] {
            assert!(checked.err.contains(problem), "{problem}: {}", checked.err);
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_a_problem_of_the_configuration() {
    let home = tempfile::tempdir().unwrap();
    let by_variable = ended(paceline(home.path(), &["check"]).env("PACELINE_CONFIG", "no.toml"));
    assert_eq!(by_variable.code, Some(3));
    assert!(
        by_variable.err.contains("no.toml: cannot be read"),
        "{}",
        by_variable.err
    );
}

#[test]
fn it_tells_where_each_value_comes_from() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("good.toml"), GOOD).unwrap();
    let args = [
        "check",
        "--config",
        "good.toml",
        "--offline",
        "--verbose",
        "--log-format",
        "json",
        "--listen",
        "127.0.0.1:4200",
    ];
    let checked = ended(paceline(home.path(), &args).env("OPENAI_MAX_RETRIES", "2"));
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    let origin = |path: &str| {
        let lines = checked.out.lines();
        let line = lines.filter_map(|line| line.trim().strip_prefix(path));
        line.map(str::trim).next().unwrap_or_default().to_owned()
    };
    assert_eq!(origin("limits.tokens_per_minute "), "good.toml:2");
    assert_eq!(origin("log.format "), "--log-format");
    assert_eq!(origin("server.listen "), "--listen");
    assert_eq!(origin("retry.retries_max "), "OPENAI_MAX_RETRIES");
}

#[test]
fn an_upstream_that_does_not_answer_gives_code_5() {
    let home = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}/v1", free.local_addr().unwrap());
    drop(free);
    let checked = run(home.path(), &["check", "--upstream", &upstream]);
    assert_eq!(checked.code, Some(5), "{}", checked.err);
    assert!(checked.out.contains("configuration is valid"));
    assert!(checked.err.contains(&upstream), "{}", checked.err);
    assert!(checked.err.contains("--offline"), "{}", checked.err);
}

#[test]
fn an_upstream_that_answers_is_told_with_its_status() {
    let home = tempfile::tempdir().unwrap();
    let mut provider = Running::start(&mut paceline(
        home.path(),
        &["provider", "--listen", "127.0.0.1:0"],
    ));
    let line = provider.line_with("simulated provider on ");
    let upstream = word_after(&line, "provider on ");
    let checked = run(home.path(), &["check", "--upstream", upstream]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(
        checked.out.contains("answers (status 401)"),
        "{}",
        checked.out
    );
}

/// Two providers, and names for what is behind them.
fn routed(first: &str, second: &str) -> String {
    format!(
        "[upstream]\nbase_url = \"{first}\"\napi_key = \"sk-canary-1\"\n\
         [providers.claude]\nprofile = \"anthropic\"\nbase_url = \"{second}\"\n\
         api_key = \"sk-canary-2\"\naccount = \"acme\"\n\
         [models.fast]\nlanes = [{{ model = \"gpt-4o-mini\", weight = 3 }}, {{ provider = \
         \"claude\", model = \"claude-haiku-4-5\", priority = 2 }}]\n\
         [models.\"gpt-*\"]\nlanes = [{{}}]\nchoose = \"in_order\"\n"
    )
}

#[test]
fn providers_and_the_lanes_behind_each_name_are_listed_without_keys() {
    let home = tempfile::tempdir().unwrap();
    let file = routed("https://a.example/v1", "https://b.example/v1");
    fs::write(home.path().join("routed.toml"), file).unwrap();
    let args = ["check", "--config", "routed.toml", "--offline"];
    let checked = run(home.path(), &args);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    let shown = "
  provider  profile     address               key
  upstream  compatible  https://a.example/v1  its own
  claude    anthropic   https://b.example/v1  its own, of acme

  model  chosen    priority  weight  lane
  fast   soonest          1       3  upstream/gpt-4o-mini
                          2       1  claude/claude-haiku-4-5
  gpt-*  in_order         1       1  upstream/gpt-*
";
    assert!(checked.out.contains(shown), "{}", checked.out);
    assert!(!checked.out.contains("canary"), "{}", checked.out);
}

#[test]
fn every_provider_is_asked_and_each_that_is_silent_is_named() {
    let home = tempfile::tempdir().unwrap();
    let mut provider = Running::start(&mut paceline(
        home.path(),
        &["provider", "--listen", "127.0.0.1:0"],
    ));
    let line = provider.line_with("simulated provider on ");
    let answers = word_after(&line, "provider on ").to_owned();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/v1", free.local_addr().unwrap());
    drop(free);
    let file = routed(&answers, &silent);
    fs::write(home.path().join("routed.toml"), file).unwrap();
    let checked = run(home.path(), &["check", "--config", "routed.toml"]);
    assert_eq!(checked.code, Some(5), "{}", checked.out);
    let told = format!("upstream {answers} answers (status ");
    assert!(checked.out.contains(&told), "{}", checked.out);
    let missed = format!("error: the provider claude {silent} does not answer: ");
    assert!(checked.err.contains(&missed), "{}", checked.err);
    assert!(
        checked.err.contains("providers.claude.base_url"),
        "{}",
        checked.err
    );
    assert!(!checked.err.contains("the upstream"), "{}", checked.err);
}
