//! Disks, files and second runs that stand in the way.

use std::fs;

use paceline_batch::{OpenError, RunEnd, Source};

use crate::bench::{Bench, answer, complete, line};

#[tokio::test]
async fn a_second_run_is_kept_off() {
    let bench = Bench::new();
    bench.write(&[("a", 1)]);
    let opened = bench.open();
    let error = bench.error().to_string();
    assert!(
        error.contains(&format!("in use by process {}", std::process::id())),
        "{error}"
    );
    opened.journal.finish(RunEnd::Interrupted).await.unwrap();
    // The run that ended has given up the lock, though its journal is still held.
    drop(bench.open());
}

#[tokio::test]
async fn results_of_nobody_are_not_touched_unless_asked() {
    let mut bench = Bench::new();
    bench.write(&[("a", 1)]);
    fs::write(bench.path("out.errors.jsonl"), "mine\n").unwrap();
    let error = bench.error();
    assert!(matches!(error, OpenError::Foreign(_)), "{error}");
    assert_eq!(
        fs::read_to_string(bench.path("out.errors.jsonl")).unwrap(),
        "mine\n"
    );
    assert!(
        !bench.path("out.jsonl.paceline").exists(),
        "nothing is left behind"
    );
    bench.options.restart = true;
    complete(bench.open()).await;
    assert_eq!(bench.lines("out.jsonl").len(), 1);
    assert!(bench.lines("out.errors.jsonl").is_empty());
}

#[tokio::test]
async fn a_restart_begins_anew() {
    let mut bench = Bench::new();
    bench.write(&[("a", 1)]);
    complete(bench.open()).await;
    bench.options.restart = true;
    let opened = bench.open();
    assert_eq!((opened.found.done_ok, opened.found.to_do), (0, 1));
    assert!(bench.lines("out.jsonl").is_empty());
    assert_eq!(complete(opened).await.runs.len(), 1);
}

#[tokio::test]
async fn results_that_somebody_changed_are_refused_with_a_remedy() {
    let mut bench = Bench::new();
    bench.write(&[("a", 1), ("b", 1)]);
    complete(bench.open()).await;
    let path = bench.path("out.jsonl");
    let good = fs::read(&path).unwrap();
    for (bad, expected) in [
        (good[..good.len() - 1].to_vec(), "bytes instead of"),
        (
            [&b"#"[..], &good[..good.len() - 1], b"\n"].concat(),
            "was edited",
        ),
    ] {
        fs::write(&path, bad).unwrap();
        let error = bench.error().to_string();
        assert!(
            error.contains(expected) && error.contains("--restart"),
            "{error}"
        );
    }
    fs::remove_file(&path).unwrap();
    let error = bench.error().to_string();
    assert!(error.contains("it is missing"), "{error}");
    // Edited in the middle: noticed when it is copied, and nothing is lost by it.
    let middle = String::from_utf8(good.clone())
        .unwrap()
        .replacen("\"a\"", "\"x\"", 1);
    fs::write(&path, &middle).unwrap();
    bench.write(&[("a", 1)]);
    let error = bench.error().to_string();
    assert!(error.contains("was edited"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), middle);
    fs::write(&path, good).unwrap();
    complete(bench.open()).await;
    assert_eq!(bench.names("out.jsonl"), [("a".to_owned(), 1)]);
    bench.options.restart = true;
    fs::remove_file(&path).unwrap();
    complete(bench.open()).await;
    assert_eq!(bench.lines("out.jsonl").len(), 1);
}

#[tokio::test]
async fn a_journal_of_another_kind_is_refused() {
    let mut bench = Bench::new();
    bench.write(&[("a", 1)]);
    complete(bench.open()).await;
    let path = bench.path("out.jsonl.paceline/journal");
    let mut bytes = fs::read(&path).unwrap();
    bytes[16] = 9;
    fs::write(&path, &bytes).unwrap();
    let error = bench.error().to_string();
    assert!(
        error.contains("its version is 9") && error.contains("--restart"),
        "{error}"
    );
    fs::write(&path, "text").unwrap();
    let error = bench.error().to_string();
    assert!(error.contains("it is too short"), "{error}");
    bench.options.restart = true;
    complete(bench.open()).await;
}

#[tokio::test]
async fn the_end_that_a_crash_left_is_cut_off_and_told() {
    let bench = Bench::new();
    bench.write(&[("a", 1), ("b", 1)]);
    let mut opened = bench.open();
    let id = opened.work.next().unwrap();
    let item = opened.work.read(id).unwrap();
    opened.journal.done(id, answer(&item, 200)).await.unwrap();
    drop(opened);
    for name in ["out.jsonl", "out.jsonl.paceline/journal"] {
        let mut bytes = fs::read(bench.path(name)).unwrap();
        bytes.extend_from_slice(b"half a");
        fs::write(bench.path(name), bytes).unwrap();
    }
    let opened = bench.open();
    assert_eq!((opened.found.tail_cut_bytes, opened.found.done_ok), (6, 1));
    complete(opened).await;
    assert_eq!(bench.names("out.jsonl").len(), 2);
}

#[tokio::test]
async fn an_invalid_input_leaves_results_and_folder_as_they_are() {
    let mut bench = Bench::new();
    fs::write(bench.input(), "{\n").unwrap();
    assert!(matches!(bench.error(), OpenError::Input(_)));
    assert!(!bench.path("out.jsonl.paceline").exists());
    bench.write(&[("a", 1)]);
    complete(bench.open()).await;
    let before = fs::read(bench.path("out.jsonl")).unwrap();
    fs::write(bench.input(), "{\n").unwrap();
    bench.options.restart = true;
    assert!(matches!(bench.error(), OpenError::Input(_)));
    assert_eq!(fs::read(bench.path("out.jsonl")).unwrap(), before);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let bench = Bench::new();
    bench.write(&[("a", 1)]);
    let mut job = bench.job();
    job.output = bench.path("no/out.jsonl");
    let error = paceline_batch::open(&job).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot create ") && error.contains("no/out.jsonl.paceline"),
        "{error}"
    );
}

#[tokio::test]
async fn results_do_not_replace_the_input() {
    let mut bench = Bench::new();
    bench.write(&[("a", 1)]);
    bench.options.restart = true;
    let mut job = bench.job();
    for output in ["in.jsonl", "./in.jsonl"] {
        job.output = bench.path(output);
        let error = paceline_batch::open(&job).unwrap_err().to_string();
        assert!(
            error.contains("is the input, and results would replace it"),
            "{error}"
        );
    }
    fs::rename(bench.input(), bench.path("out.errors.jsonl")).unwrap();
    job.output = bench.path("out.jsonl");
    job.input = Source::File(bench.path("out.errors.jsonl"));
    let error = paceline_batch::open(&job).unwrap_err().to_string();
    assert!(error.contains("is the input"), "{error}");
}

#[tokio::test]
async fn a_pipe_is_kept_and_is_like_a_file_then() {
    let bench = Bench::new();
    let pipe = bench.path("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    let mut job = bench.job();
    job.input = Source::File(pipe.clone());
    let feed = |text: String| {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::write(pipe, text).unwrap())
    };
    let fed = feed(line("a", 1) + &line("b", 1));
    let mut opened = paceline_batch::open(&job).unwrap();
    fed.join().unwrap();
    let id = opened.work.next().unwrap();
    let item = opened.work.read(id).unwrap();
    opened.journal.done(id, answer(&item, 200)).await.unwrap();
    drop(opened);
    // The next time there is nothing in it: what was kept is gone on with.
    let fed = feed(String::new());
    let opened = paceline_batch::open(&job).unwrap();
    fed.join().unwrap();
    assert_eq!((opened.found.done_ok, opened.found.to_do), (1, 1));
    complete(opened).await;
    assert_eq!(bench.names("out.jsonl").len(), 2);
}
