//! Processes that are killed in the middle, or find a disk that takes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bench::{Bench, complete, line};

/// The example `drive`, which is built with the tests.
fn driver() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().and_then(Path::parent).unwrap();
    let program = folder.join("examples/drive");
    assert!(
        program.is_file(),
        "build it: cargo build -p paceline-batch --examples"
    );
    program
}

fn drive(bench: &Bench) -> Command {
    let mut command = Command::new(driver());
    command.arg(bench.input()).arg(bench.path("out.jsonl"));
    command
}

/// What a process told until it was killed: after so many lines, or at its end.
fn told(mut command: Command, kill_after: usize) -> Vec<String> {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told: Vec<String> = lines
        .by_ref()
        .take(kill_after)
        .map(Result::unwrap)
        .collect();
    child.kill().unwrap();
    told.extend(lines.map(Result::unwrap));
    child.wait().unwrap();
    told
}

fn names<'a>(told: &'a [String], word: &'a str) -> impl Iterator<Item = &'a str> {
    told.iter()
        .filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' '))
}

fn results(bench: &Bench) -> BTreeMap<String, u64> {
    let mut results = BTreeMap::new();
    for line in bench.lines("out.jsonl") {
        let name = line["custom_id"].as_str().unwrap().to_owned();
        let version = line["response"]["body"]["version"].as_u64().unwrap();
        assert!(results.insert(name, version).is_none(), "twice: {line}");
    }
    results
}

/// Kills at ever other moments, edits lines in between, and looks at what is there in the end.
async fn killed_again_and_again(order: Option<&str>) {
    const LINES: usize = 400;
    const KILLS: usize = 24;
    let bench = Bench::new();
    let mut versions = vec![1_u32; LINES];
    let mut sent: BTreeMap<String, u32> = BTreeMap::new();
    let mut maybe = BTreeSet::new();
    for round in 0..KILLS {
        let lines = versions.iter().enumerate();
        let text: String = lines
            .map(|(number, version)| line(&format!("n{number}"), *version))
            .collect();
        fs::write(bench.input(), text).unwrap();
        let mut command = drive(&bench);
        command.args(order);
        // Some are killed while they open, when results are being rewritten.
        let told = told(command, [0, 7, 60, 1, 33][round % 5]);
        for name in names(&told, "sent") {
            *sent.entry(name.to_owned()).or_default() += 1;
        }
        maybe.extend(names(&told, "maybe").map(str::to_owned));
        // One that may be done already is edited; it is to be done again.
        let edited = (round * 7) % LINES;
        versions[edited] += 1;
        sent.remove(&format!("n{edited}"));
    }
    let lines = versions.iter().enumerate();
    let text: String = lines
        .map(|(number, version)| line(&format!("n{number}"), *version))
        .collect();
    fs::write(bench.input(), text).unwrap();
    let mut command = drive(&bench);
    command.args(order);
    let told = told(command, usize::MAX);
    assert_eq!(told.last().unwrap(), &format!("finished {LINES}"));
    for name in names(&told, "sent") {
        *sent.entry(name.to_owned()).or_default() += 1;
    }
    maybe.extend(names(&told, "maybe").map(str::to_owned));
    let expected: BTreeMap<_, _> = versions
        .iter()
        .enumerate()
        .map(|(number, version)| (format!("n{number}"), u64::from(*version)))
        .collect();
    assert_eq!(results(&bench), expected);
    let again: BTreeSet<_> = sent
        .iter()
        .filter(|(_, times)| **times > 1)
        .map(|(name, _)| name.clone())
        .collect();
    let untold: Vec<_> = again.difference(&maybe).collect();
    assert!(untold.is_empty(), "sent again and not told: {untold:?}");
    assert!(!maybe.is_empty(), "no kill found a request on its way");
    assert!(maybe.len() <= 16 * KILLS, "more than were on their way");
    let manifest = bench.manifest();
    assert!(again.len() <= manifest.possibly_sent_twice.total as usize);
}

#[tokio::test]
async fn a_batch_that_is_killed_again_and_again_has_every_result_once() {
    killed_again_and_again(None).await;
}

#[tokio::test]
async fn so_it_has_where_results_are_put_in_order() {
    killed_again_and_again(Some("--order-input")).await;
}

/// No file may grow beyond some kilobytes, as on a disk that is full; then they may again.
#[tokio::test]
async fn a_full_disk_ends_the_run_and_the_same_command_goes_on() {
    let bench = Bench::new();
    let text: String = (0..2_000)
        .map(|number| line(&format!("n{number}"), 1))
        .collect();
    fs::write(bench.input(), text).unwrap();
    // The shell ignores the signal that comes with the limit, and so does what it becomes. Its own
    // unit is 512 bytes.
    let full = |blocks: u32| {
        let mut command = Command::new("/bin/sh");
        let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" \"$@\"");
        command
            .arg("-c")
            .arg(script)
            .arg(driver())
            .arg(bench.input())
            .arg(bench.path("out.jsonl"));
        told(command, usize::MAX)
    };
    let mut done = BTreeSet::new();
    for blocks in [0, 64, 128] {
        let told = full(blocks);
        let last = told.last().unwrap();
        assert!(last.starts_with("broken: cannot write "), "{last}");
        assert!(last.contains("out.jsonl"), "{last}");
        let new: Vec<_> = names(&told, "done").map(str::to_owned).collect();
        assert_eq!(new.is_empty(), blocks == 0);
        done.extend(new);
        if blocks > 0 {
            // What is there can be read as it is, and holds all that was acknowledged.
            let there = results(&bench);
            assert!(done.iter().all(|name| there.contains_key(name)));
        }
    }
    let told = told(drive(&bench), usize::MAX);
    assert_eq!(told.last().unwrap(), "finished 2000");
    let again: Vec<_> = names(&told, "sent")
        .filter(|name| done.contains(*name))
        .collect();
    assert!(again.is_empty(), "{again:?}");
    assert_eq!(results(&bench).len(), 2_000);
}

#[tokio::test]
async fn a_folder_that_may_not_be_written_is_named() {
    let bench = Bench::new();
    bench.write(&[("a", 1)]);
    let folder = bench.folder.path();
    fs::set_permissions(folder, Permissions::from_mode(0o555)).unwrap();
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
    let mut command = drive(&bench);
    if fs::write(bench.path("probe"), "").is_ok() {
        // Whoever runs this may write everywhere: the run is somebody else's, from a place they can read.
        // The bench may be on a file system without programs.
        let program = place.path().join("drive");
        fs::copy(driver(), &program).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        command = Command::new(program);
        command
            .arg(bench.input())
            .arg(bench.path("out.jsonl"))
            .uid(65_534)
            .gid(65_534);
    }
    let told = told(command, usize::MAX);
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    let last = told.last().unwrap();
    assert!(
        last.starts_with("broken: cannot create ") && last.contains("Permission denied"),
        "{last}"
    );
    complete(bench.open()).await;
    let lines: Vec<Value> = bench.lines("out.jsonl");
    assert_eq!(lines.len(), 1);
}
