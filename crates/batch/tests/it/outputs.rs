//! What is in the files, run after run.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use paceline_batch::{LineState, Order, RunEnd};

use crate::bench::{Bench, answer, complete, failure, line};

#[tokio::test]
async fn answers_and_failures_go_to_files_of_their_own_and_the_manifest_sums_them_up() {
    let bench = Bench::new();
    bench.write(&[("a", 1), ("b", 1), ("c", 1)]);
    let mut opened = bench.open();
    assert_eq!((opened.found.total, opened.found.to_do), (3, 3));
    for end in ["ok", "refused", "deadline"] {
        let id = opened.work.next().unwrap();
        let item = opened.work.read(id).unwrap();
        opened.journal.sent(id, 1).await.unwrap();
        let finished = match end {
            "ok" => answer(&item, 200),
            "refused" => answer(&item, 429),
            code => failure(&item, code),
        };
        opened.journal.done(id, finished).await.unwrap();
    }
    assert_eq!((opened.work.next(), opened.work.left()), (None, 0));
    let manifest = opened.journal.finish(RunEnd::Complete).await.unwrap();
    assert_eq!(bench.names("out.jsonl"), [("a".to_owned(), 1)]);
    let errors = bench.lines("out.errors.jsonl");
    assert_eq!(errors[0]["response"]["status_code"], 429);
    assert_eq!(errors[0]["error"], serde_json::Value::Null);
    assert_eq!(errors[1]["response"], serde_json::Value::Null);
    assert_eq!(errors[1]["error"]["code"], "deadline");
    assert_eq!(manifest, bench.manifest());
    let lines = manifest.lines;
    assert_eq!(
        (lines.total, lines.ok, lines.failed, lines.left),
        (3, 1, 2, 0)
    );
    assert_eq!(manifest.tokens.input, 20);
    assert_eq!((manifest.cost.nanousd, manifest.cost.unpriced), (14, 1));
    assert_eq!(
        (manifest.models["m"].ok, manifest.models["m"].failed),
        (1, 1)
    );
    assert_eq!(
        (manifest.errors["http_429"], manifest.errors["deadline"]),
        (1, 1)
    );
    assert_eq!(manifest.runs.len(), 1);
    assert_eq!(manifest.runs[0].end, Some(RunEnd::Complete));
}

#[tokio::test]
async fn files_in_the_folder_are_for_their_owner_alone() {
    let bench = Bench::new();
    bench.write(&[("a", 1)]);
    complete(bench.open()).await;
    let mode = |name: &str| fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("out.jsonl.paceline"), 0o700);
    assert_eq!(mode("out.jsonl.paceline/journal"), 0o600);
    assert_eq!(mode("out.jsonl.paceline/lock"), 0o600);
    fs::write(bench.path("other"), "").unwrap();
    for name in ["out.jsonl", "out.errors.jsonl", "out.manifest.json"] {
        assert_eq!(mode(name), mode("other"), "{name}");
    }
}

#[tokio::test]
async fn the_same_command_again_does_nothing_twice() {
    let bench = Bench::new();
    bench.write(&[("a", 1), ("b", 1)]);
    complete(bench.open()).await;
    let before = fs::read(bench.path("out.jsonl")).unwrap();
    let mut opened = bench.open();
    assert_eq!((opened.found.done_ok, opened.found.to_do), (2, 0));
    assert_eq!(opened.found.totals.tokens.output, 10);
    assert_eq!(opened.work.next(), None);
    let manifest = complete(opened).await;
    assert_eq!(manifest.runs.len(), 2);
    assert_eq!(fs::read(bench.path("out.jsonl")).unwrap(), before);
}

#[tokio::test]
async fn what_was_sent_without_an_end_is_done_again_and_told_of() {
    let bench = Bench::new();
    bench.write(&[("a", 1), ("b", 1), ("c", 1)]);
    let mut opened = bench.open();
    let first = opened.work.next().unwrap();
    opened.journal.sent(first, 1).await.unwrap();
    drop(opened);
    let opened = bench.open();
    let maybe = &opened.found.maybe_sent;
    assert_eq!((maybe.count, maybe.first.len()), (1, 1));
    assert_eq!(
        (maybe.first[0].custom_id.as_str(), maybe.first[0].line),
        ("a", 1)
    );
    let states: Vec<_> = opened.work.all().map(|(_, state)| state).collect();
    assert_eq!(
        states,
        [LineState::MaybeSent, LineState::ToDo, LineState::ToDo]
    );
    let manifest = complete(opened).await;
    assert_eq!(manifest.possibly_sent_twice.total, 1);
    assert_eq!(manifest.possibly_sent_twice.custom_ids, ["a"]);
    assert_eq!(manifest.runs[0].end, None);
    // It is remembered when the journal is written anew.
    bench.write(&[("a", 1), ("b", 2), ("c", 1)]);
    let manifest = complete(bench.open()).await;
    assert_eq!(manifest.possibly_sent_twice.custom_ids, ["a"]);
    assert_eq!(
        (manifest.lines.dropped_stale, manifest.cost.dropped_nanousd),
        (1, 7)
    );
}

#[tokio::test]
async fn failed_lines_are_tried_again_only_when_asked() {
    let mut bench = Bench::new();
    bench.write(&[("a", 1), ("b", 1)]);
    let mut opened = bench.open();
    while let Some(id) = opened.work.next() {
        let item = opened.work.read(id).unwrap();
        let status = if item.custom_id == "a" { 500 } else { 200 };
        opened.journal.sent(id, 1).await.unwrap();
        opened
            .journal
            .done(id, answer(&item, status))
            .await
            .unwrap();
    }
    opened.journal.finish(RunEnd::Complete).await.unwrap();
    assert_eq!(bench.open().found.to_do, 0);
    bench.options.retry_failed = true;
    let opened = bench.open();
    assert_eq!(
        (
            opened.found.to_do,
            opened.found.stale,
            opened.found.maybe_sent.count
        ),
        (1, 1, 0)
    );
    assert!(bench.lines("out.errors.jsonl").is_empty());
    complete(opened).await;
    assert_eq!(
        bench.names("out.jsonl"),
        [("b".to_owned(), 1), ("a".to_owned(), 1)]
    );
}

#[tokio::test]
async fn results_in_the_order_of_the_input_appear_at_the_end() {
    let mut bench = Bench::new();
    bench.options.order = Order::Input;
    bench.write(&[("a", 1), ("b", 1), ("c", 1)]);
    let mut opened = bench.open();
    let ids: Vec<_> = opened.work.by_ref().collect();
    for id in ids.into_iter().rev() {
        let item = opened.work.read(id).unwrap();
        opened.journal.sent(id, 1).await.unwrap();
        opened.journal.done(id, answer(&item, 200)).await.unwrap();
    }
    assert!(!bench.path("out.jsonl").exists());
    opened.journal.finish(RunEnd::Complete).await.unwrap();
    let names = |bench: &Bench| {
        bench
            .names("out.jsonl")
            .into_iter()
            .map(|name| name.0)
            .collect::<String>()
    };
    assert_eq!(names(&bench), "abc");
    // More lines: the results stay as they were until all are there.
    bench.write(&[("d", 1), ("c", 1), ("b", 1), ("a", 1)]);
    let opened = bench.open();
    assert_eq!((opened.found.to_do, names(&bench).as_str()), (1, "abc"));
    complete(opened).await;
    assert_eq!(names(&bench), "dcba");
    // And in the order that they came, when that is asked for afterwards, they stay.
    bench.options.order = Order::AsTheyCome;
    complete(bench.open()).await;
    assert_eq!(names(&bench), "dcba");
    assert_eq!(bench.manifest().lines.ok, 4);
}

#[tokio::test]
async fn an_order_asked_for_afterwards_is_made() {
    let mut bench = Bench::new();
    bench.write(&[("b", 1), ("a", 1)]);
    complete(bench.open()).await;
    bench.write(&[("a", 1), ("b", 1)]);
    complete(bench.open()).await;
    assert_eq!(bench.names("out.jsonl")[0].0, "b");
    bench.options.order = Order::Input;
    complete(bench.open()).await;
    assert_eq!(bench.names("out.jsonl")[0].0, "a");
}

#[tokio::test]
async fn lines_that_cannot_be_sent_are_told_of_once() {
    let mut bench = Bench::new();
    bench.options.skip_invalid = true;
    let text = format!("nothing\n{}{}", line("a", 1), line("a", 2));
    fs::write(bench.input(), &text).unwrap();
    let opened = bench.open();
    assert_eq!(
        (opened.found.total, opened.found.invalid, opened.found.to_do),
        (3, 2, 1)
    );
    complete(opened).await;
    let manifest = complete(bench.open()).await;
    assert_eq!(
        (
            manifest.lines.invalid,
            manifest.lines.failed,
            manifest.errors["invalid_line"]
        ),
        (2, 0, 2)
    );
    let errors = bench.lines("out.errors.jsonl");
    assert_eq!(errors.len(), 2);
    assert_eq!(errors[0]["error"]["code"], "invalid_line");
    assert!(
        errors[0]["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("line 1: not JSON")
    );
    assert_eq!(errors[1]["custom_id"], "a");
    // A line before them: they are told of anew, with where they are now.
    fs::write(bench.input(), format!("{}{text}", line("b", 1))).unwrap();
    complete(bench.open()).await;
    let errors = bench.lines("out.errors.jsonl");
    assert_eq!(errors.len(), 2);
    assert!(
        errors[0]["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("line 2: not JSON")
    );
}

#[tokio::test]
async fn a_line_has_one_end_and_one_name() {
    let bench = Bench::new();
    bench.write(&[("a", 1), ("b", 1)]);
    let mut opened = bench.open();
    let id = opened.work.next().unwrap();
    let item = opened.work.read(id).unwrap();
    let mut other = answer(&item, 200);
    other.custom_id = "b".to_owned();
    let error = opened.journal.done(id, other).await.unwrap_err();
    assert_eq!(error.to_string(), "line 0 is not to be done as b");
    let journal = opened.journal.clone();
    let (one, two) = tokio::join!(
        journal.done(id, answer(&item, 200)),
        journal.done(id, answer(&item, 200))
    );
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert!(journal.sent(id, 2).await.is_err());
    journal.finish(RunEnd::Interrupted).await.unwrap();
    let closed = journal.sent(id, 2).await.unwrap_err();
    assert_eq!(closed.to_string(), "the run has ended");
    assert_eq!(bench.lines("out.jsonl").len(), 1);
}

#[tokio::test]
async fn many_ends_at_once_are_all_there() {
    let bench = Bench::new();
    let names: Vec<_> = (0..500).map(|number| format!("n{number}")).collect();
    let lines: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    bench.write(&lines);
    let opened = bench.open();
    let items = opened.work.items();
    let mut tasks = tokio::task::JoinSet::new();
    for id in opened.work {
        let (journal, items) = (opened.journal.clone(), items.clone());
        tasks.spawn(async move {
            journal.sent(id, 1).await.unwrap();
            let item = items.read(id).unwrap();
            journal.done(id, answer(&item, 200)).await.unwrap();
        });
    }
    tasks.join_all().await;
    let manifest = opened.journal.finish(RunEnd::Complete).await.unwrap();
    assert_eq!((manifest.lines.ok, manifest.lines.left), (500, 0));
    let mut there: Vec<_> = bench
        .names("out.jsonl")
        .into_iter()
        .map(|name| name.0)
        .collect();
    let mut expected = names.clone();
    there.sort();
    expected.sort();
    assert_eq!(there, expected);
}
