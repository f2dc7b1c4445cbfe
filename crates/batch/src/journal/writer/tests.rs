//! Files that take nothing, one at a time.

use std::fs;
use std::path::Path;

use super::*;
use crate::generation::Next;
use crate::input::Input;
use crate::journal::Journal;
use crate::lock::lock;
use crate::rewrite::begin_anew;
use crate::{Answer, Finished, JobOptions};

const LINE: &str = r#"{"custom_id":"a","method":"POST","url":"/v1/responses","body":{}}"#;

/// A batch of one line whose files are open.
fn writer(folder: &Path) -> (Writer, Arc<Input>) {
    let path = folder.join("in.jsonl");
    fs::write(&path, LINE).unwrap();
    let input = Input::open(&path, "in.jsonl".to_owned(), &JobOptions::default()).unwrap();
    let input = Arc::new(input);
    let files = Files::of(&folder.join("out.jsonl"));
    files.make_folder().unwrap();
    let header = begin_anew(&files, Place::Output).unwrap();
    let reading = Reading {
        files: &files,
        header,
        input: &input,
        retries_failed: false,
        is_over: true,
    };
    let history = reading.history().unwrap();
    let target = Target {
        files: files.clone(),
        header,
        input: input.clone(),
        states: Arc::new(States::from(history.states.clone())),
        order: Order::AsTheyCome,
        _lock: lock(&files.folder, 0).unwrap(),
    };
    (Writer::open(target, &history).unwrap(), input)
}

fn finished() -> Finished {
    Finished {
        custom_id: "a".to_owned(),
        answer: Some(Answer {
            status: 200,
            request_id: None,
            body: "{}".into(),
        }),
        ..Finished::default()
    }
}

/// Makes a file one that cannot be written, and sees what a request's end does then.
async fn with_broken(break_it: fn(&mut Writer), named: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, input) = writer(folder.path());
    break_it(&mut writer);
    let journal_file = writer.journal.path.clone();
    let before = fs::read(&journal_file).unwrap();
    let states = writer.target.states.clone();
    let journal = Journal::start(writer, input).unwrap();
    assert!(journal.broken().is_none());
    let error = journal
        .done(LineId(0), finished())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot write ") && error.contains(named),
        "{error}"
    );
    assert!(
        !states.get(LineId(0)).unwrap().is_done(),
        "it is not on disk"
    );
    let later = journal.sent(LineId(0), 1).await.unwrap_err();
    assert_eq!(later.to_string(), error, "it stays broken");
    assert_eq!(journal.broken().unwrap().to_string(), error);
    let end = journal.finish(RunEnd::Failed).await.unwrap_err();
    assert_eq!(end.to_string(), error);
    // The journal tells of nothing that is not there, and the results hold nothing that it does not tell of.
    assert_eq!(fs::read(&journal_file).unwrap(), before);
    let results = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    assert_eq!(
        results.len(),
        if named == "journal" { LINE_KEPT } else { 0 }
    );
}

/// A journal that cannot be written cannot be cut either, and then results stay for the next start to cut.
const LINE_KEPT: usize = "{\"id\":\"batch_req_0123456789abcdef0123456789abcdef\",\"custom_id\":\"a\",\"response\":{\"status_code\":200,\"request_id\":null,\"body\":{}},\"error\":null}\n".len();

#[tokio::test]
async fn the_journal_does_not_tell_of_results_that_could_not_be_written() {
    let read_only = |writer: &mut Writer| {
        writer.outputs[0].file = File::open(&writer.outputs[0].path).unwrap();
    };
    with_broken(read_only, "out.jsonl").await;
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_ends_the_run() {
    let read_only = |writer: &mut Writer| {
        writer.journal.file = File::open(&writer.journal.path).unwrap();
    };
    with_broken(read_only, "journal").await;
}

#[test]
fn a_new_generation_does_not_disturb_the_one_that_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, input) = writer(folder.path());
    let files = writer.target.files.clone();
    drop(
        Next::begin(
            &files,
            Header {
                generation: 2,
                place: Place::Output,
            },
        )
        .unwrap(),
    );
    let entry = *input.entry(LineId(0)).unwrap();
    let mut round = Round::default();
    let done = Done {
        name: entry.name,
        content: entry.content,
        ..Done::default()
    };
    writer.push_done(&mut round, b"x\n", done);
    writer.write(&round).unwrap();
    let reading = Reading {
        files: &files,
        header: writer.target.header,
        input: &input,
        retries_failed: false,
        is_over: true,
    };
    let history = reading.history().unwrap();
    assert!(history.states[0].is_done());
    assert_eq!((history.ends, history.tail_bytes), ([2, 0], 0));
}
