//! Scenarios that went wrong once, made as small as they can be: they must not go wrong again.

use std::path::{Path, PathBuf};

use paceline_proving::{Run, Scenario, Sender};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kept");
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    files
}

/// What is wrong with a scenario's run, whatever it is.
fn faults(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let scenario = match Scenario::parse(&path.display().to_string(), &text) {
        Ok(scenario) => scenario,
        Err(error) => panic!("{error}"),
    };
    let report = Run::judged(&scenario, Sender::Gateway, scenario.seed)
        .unwrap()
        .report;
    [report.violations, report.unmet].concat()
}

#[test]
fn what_was_mended_stays_mended() {
    let kept = files();
    assert!(!kept.is_empty());
    for path in kept {
        assert_eq!(faults(&path), Vec::<String>::new(), "{}", path.display());
    }
}
