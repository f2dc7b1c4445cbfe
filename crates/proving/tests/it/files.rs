//! Scenario files: what is wrong is told with its place.

use std::path::Path;

use paceline_proving::Scenario;

const GOOD: &str = "duration_s = 60

[[provider.quota]]
metric = \"tokens\"
amount = 60000

[[workload]]
arrivals.job = { requests = 10 }
";

fn complaint(text: &str) -> String {
    Scenario::parse("day.toml", text).unwrap_err().to_string()
}

#[test]
fn what_is_not_known_is_refused_with_file_line_key_and_the_nearest_name() {
    let text = GOOD.replace("amount", "amonut");
    assert_eq!(
        complaint(&text),
        "day.toml:5: provider.quota[0].amonut: unknown field amonut; did you mean amount?"
    );
    let text = GOOD.replace("\"tokens\"", "\"tokenz\"");
    assert_eq!(
        complaint(&text),
        "day.toml:4: provider.quota[0].metric: unknown variant tokenz; did you mean tokens?"
    );
    let text = GOOD.replace("arrivals.job", "arrivals.jobb");
    assert_eq!(
        complaint(&text),
        "day.toml:8: workload[0].arrivals.jobb: unknown variant jobb; did you mean job?"
    );
}

#[test]
fn what_is_missing_or_of_the_wrong_type_is_told_with_its_line() {
    let wrong = complaint(&GOOD.replace("60000", "\"many\""));
    assert!(
        wrong.starts_with("day.toml:5: provider.quota[0].amount: invalid type"),
        "{wrong}"
    );
    let missing = complaint(&GOOD.replace("duration_s = 60", ""));
    assert!(
        missing.contains("missing field `duration_s`")
            || missing.contains("missing field duration_s"),
        "{missing}"
    );
    let broken = complaint(&GOOD.replace("[[workload]]", "[[workload"));
    assert!(broken.starts_with("day.toml:7: "), "{broken}");
}

#[test]
fn what_cannot_be_is_told_all_at_once() {
    let text = GOOD
        .replace("60000", "0")
        .replace("duration_s = 60", "duration_s = 0")
        .replace("requests = 10", "requests = 0");
    assert_eq!(
        complaint(&text),
        "day.toml:1: duration_s: must be between 1 and 2592000 (got 0); 30 days are the longest \
         that is simulated
day.toml:5: provider.quota[0].amount: must be at least 1 (got 0); a limit of nothing admits nothing
day.toml:8: workload[0].arrivals.job.requests: must be between 1 and 10000000 (got 0)"
    );
}

#[test]
fn a_scenario_survives_being_written_and_read_again() {
    let scenario = Scenario::parse("day.toml", GOOD).unwrap();
    let text = scenario.to_toml().unwrap();
    assert_eq!(Scenario::parse("again.toml", &text).unwrap(), scenario);
}

#[test]
fn the_scenario_of_the_guide_and_all_examples_load() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = std::fs::read_to_string(root.join("docs/simulate.md")).unwrap();
    let mut texts: Vec<(String, String)> = guide
        .split("```toml scenario\n")
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0)
        .map(|block| ("simulate.md".to_owned(), block.to_owned()))
        .collect();
    assert!(!texts.is_empty());
    for entry in std::fs::read_dir(root.join("examples/simulate")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        texts.push((path.display().to_string(), text));
    }
    assert!(texts.len() >= 7, "{}", texts.len());
    for (name, text) in texts {
        if let Err(error) = Scenario::parse(&name, &text) {
            panic!("{error}");
        }
    }
}
