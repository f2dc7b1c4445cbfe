//! `paceline simulate` from outside.

use std::path::{Path, PathBuf};

use crate::command::run;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/simulate")
        .join(name)
}

/// A job for which the gateway is told all there is to know.
const JOB: &str = "name = \"a job\"
duration_s = 600
senders = [\"gateway\", \"retries_only\"]

[gateway]
knows = \"everything\"
settle = \"at_admission\"

[[provider.quota]]
metric = \"tokens\"
amount = 60_000

[[workload]]
arrivals.job = { requests = 150 }
prompt_tokens.fixed = 1_000

[expect]
refused_first_minute_max = 0
unserved_max = 0
";

#[test]
fn every_example_is_simulated() {
    let home = tempfile::tempdir().unwrap();
    let mut count = 0;
    for file in std::fs::read_dir(example("")).unwrap() {
        let path = file.unwrap().path();
        let shown = run(home.path(), &["simulate", path.to_str().unwrap()]);
        assert_eq!(shown.code, Some(0), "{}: {}", path.display(), shown.err);
        assert!(shown.out.contains("\npaceline: "), "{}", shown.out);
        count += 1;
    }
    assert!(count >= 6, "{count} examples");
}

#[test]
fn the_table_and_the_verdict_name_each_sender() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("job.toml"), JOB).unwrap();
    let shown = run(home.path(), &["simulate", "job.toml"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.out.starts_with("a job\n"), "{}", shown.out);
    let verdict = "paceline: never refused, every request served";
    assert!(shown.out.contains(verdict), "{}", shown.out);
    assert!(
        shown.out.contains("retries only: refused "),
        "{}",
        shown.out
    );
    // The same seed says the same, another seed something else.
    assert_eq!(run(home.path(), &["simulate", "job.toml"]).out, shown.out);
    let other = run(home.path(), &["simulate", "job.toml", "--seed", "9"]);
    assert_ne!(other.out, shown.out);
}

#[test]
fn several_seeds_are_summed_up() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("job.toml"), JOB).unwrap();
    let shown = run(home.path(), &["simulate", "job.toml", "--seeds", "3"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(
        shown.out.contains("3 of 3 seeds without a 429"),
        "{}",
        shown.out
    );
}

#[test]
fn programs_get_json_and_people_a_drawing() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("job.toml"), JOB).unwrap();
    let args = ["simulate", "job.toml", "--json", "--svg", "job.svg"];
    let shown = run(home.path(), &args);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    let figures: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(figures["scenario"], "a job");
    assert_eq!(figures["runs"][0]["served"], 150);
    assert_eq!(figures["runs"][0]["refused"]["first_minute"], 0);
    assert_eq!(figures["runs"][1]["sender"], "retries_only");
    let drawing = std::fs::read_to_string(home.path().join("job.svg")).unwrap();
    assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"));
    for part in ["tokens per second (TPM)", "level of TPM", "since the start"] {
        assert!(drawing.contains(part), "{part}");
    }
    assert_eq!(
        drawing.matches("NaN").count() + drawing.matches("inf").count(),
        0
    );
}

#[test]
fn what_is_wrong_with_a_scenario_is_told_with_its_place_and_code_3() {
    let home = tempfile::tempdir().unwrap();
    let wrong = JOB.replace("amount", "amuont");
    std::fs::write(home.path().join("job.toml"), wrong).unwrap();
    let shown = run(home.path(), &["simulate", "job.toml"]);
    assert_eq!(shown.code, Some(3));
    assert_eq!(
        shown.err,
        "error: job.toml:11: provider.quota[0].amuont: unknown field amuont; did you mean amount?\n"
    );
    let missing = run(home.path(), &["simulate", "nowhere.toml"]);
    assert_eq!(missing.code, Some(3));
    assert!(
        missing
            .err
            .starts_with("error: nowhere.toml: cannot be read: "),
        "{}",
        missing.err
    );
}

#[test]
fn what_was_expected_and_not_achieved_gives_code_1() {
    let home = tempfile::tempdir().unwrap();
    let strict = JOB.replace("unserved_max = 0", "worst_wait_s_max = 1.0");
    std::fs::write(home.path().join("job.toml"), strict).unwrap();
    let shown = run(home.path(), &["simulate", "job.toml"]);
    assert_eq!(shown.code, Some(1), "{}", shown.out);
    assert!(
        shown.out.contains("NOT AS EXPECTED: the worst wait is "),
        "{}",
        shown.out
    );
}
