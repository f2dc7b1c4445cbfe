//! The configurations that are shown to people: each one loads, and those in the guide are real files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::loading::{notices, problems};

/// The variables that the examples name.
const NAMED: [(&str, &str); 7] = [
    ("PROXY_WITH_PASSWORD", "http://name:secret@10.0.0.9:3128"),
    ("PROVIDER_KEY", "sk-1"),
    ("ADMIN_TOKEN", "0123456789abcdef"),
    ("REDIS_URL", "redis://:secret@10.0.0.5:6379"),
    (
        "DATABASE_URL",
        "postgres://paceline:secret@10.0.0.6/paceline",
    ),
    ("ALERT_WEBHOOK", "https://hooks.example/paceline"),
    ("ALERT_SECRET", "0123456789abcdef"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of a folder with this extension, and their texts, in the order of their names.
fn files(folder: &Path, extension: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

fn examples() -> Vec<(String, String)> {
    files(&root().join("examples"), "toml")
}

/// The TOML blocks of a page.
fn blocks(page: &str) -> Vec<&str> {
    let after_each = page.split("```toml\n").skip(1);
    after_each
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect()
}

#[test]
fn every_example_file_loads_and_nothing_in_it_is_doubtful() {
    let examples = examples();
    assert!(examples.len() >= 5, "{}", examples.len());
    for (name, text) in examples {
        assert_eq!(problems(&text, &NAMED), "", "{name}");
        assert_eq!(notices(&text, &NAMED), [""; 0], "{name}");
    }
}

#[test]
fn every_toml_block_of_the_documentation_loads() {
    let docs = root().join("docs");
    let mut pages = files(&docs, "md");
    pages.extend(files(&docs.join("errors"), "md"));
    let mut count = 0;
    for (name, page) in &pages {
        for block in blocks(page) {
            assert_eq!(problems(block, &NAMED), "", "{name}\n{block}");
            count += 1;
        }
    }
    assert!(count >= 8, "{count}");
}

/// What the guide shows can then be run as it stands.
#[test]
fn every_block_of_the_guide_to_limits_is_part_of_an_example_file() {
    let page = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let examples = examples();
    let shown = blocks(&page);
    assert!(shown.len() >= 4, "{}", shown.len());
    for block in shown {
        let found = examples.iter().any(|(_, text)| text.contains(block));
        assert!(found, "in no file of examples/:\n{block}");
    }
}
