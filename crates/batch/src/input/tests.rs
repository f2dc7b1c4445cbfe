//! Files as they come, read once and again.

use std::io::Write;

use tempfile::{NamedTempFile, tempdir};

use super::*;
use crate::Format;

fn file(text: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::with_suffix(".jsonl").unwrap();
    file.write_all(text).unwrap();
    file
}

fn opened(file: &NamedTempFile, options: &JobOptions) -> Result<Input, InputError> {
    Input::open(file.path(), "in.jsonl".to_owned(), options)
}

fn items(input: &Input) -> Vec<Item> {
    (0..input.len())
        .map(|id| input.read(LineId(id)).unwrap())
        .collect()
}

fn error(text: &[u8]) -> String {
    opened(&file(text), &JobOptions::default())
        .unwrap_err()
        .to_string()
}

const LINE: &str = r#"{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"x":1}}"#;

#[test]
fn marks_carriage_returns_blank_lines_and_a_missing_end_are_accepted() {
    let other = LINE.replace("\"a\"", "\"b\"");
    let text = format!("\u{FEFF}{LINE}\r\n\r\n  \n{other}");
    let input = opened(&file(text.as_bytes()), &JobOptions::default()).unwrap();
    let seen: Vec<_> = items(&input)
        .into_iter()
        .map(|item| (item.line, item.custom_id, item.body))
        .collect();
    let body = Bytes::from_static(b"{\"x\":1}");
    assert_eq!(
        seen,
        [(1, "a".to_owned(), body.clone()), (4, "b".to_owned(), body)]
    );
}

#[test]
fn bare_bodies_are_named_by_what_they_say_and_not_by_where_they_are() {
    let [one, two] = [r#"{"prompt":"1"}"#, r#"{"prompt":"2"}"#];
    let names = |lines: &[&str]| {
        let input = opened(&file(lines.join("\n").as_bytes()), &JobOptions::default()).unwrap();
        items(&input)
            .into_iter()
            .map(|item| item.custom_id)
            .collect::<Vec<_>>()
    };
    let first = names(&[one, two, one, one]);
    assert!(first[0].starts_with("body-") && first[0].len() == 21);
    assert_eq!(first[2], format!("{}-2", first[0]));
    assert_eq!(first[3], format!("{}-3", first[0]));
    let second = names(&[two, LINE, one, one]);
    assert_eq!(second, [&first[1], "a", &first[0], &first[2]]);
}

#[test]
fn a_name_that_looks_like_a_made_one_is_a_name() {
    let body = r#"{"prompt":"1"}"#;
    let name = |text: &str, at: usize| {
        let input = opened(&file(text.as_bytes()), &JobOptions::default()).unwrap();
        items(&input)[at].custom_id.clone()
    };
    let made = name(body, 0);
    let same = LINE.replace("\"a\"", &format!("\"{made}\""));
    assert_eq!(name(&format!("{same}\n{body}"), 1), format!("{made}-2"));
    assert!(error(format!("{body}\n{same}").as_bytes()).contains("that of line 1 too"));
    let second = LINE.replace("\"a\"", &format!("\"{made}-2\""));
    assert!(
        error(format!("{second}\n{body}\n{body}").as_bytes())
            .contains("line 3: \"custom_id\" is that of line 1 too")
    );
}

#[test]
fn all_problems_are_found_before_anything_is_sent() {
    let text = format!("{LINE}\n{{\n{LINE}\n[]\n{}", LINE.replace("\"a\"", "\"b\""));
    let error = error(text.as_bytes());
    assert!(error.starts_with("3 lines cannot be sent"), "{error}");
    assert!(error.contains("in.jsonl, line 2: not JSON"), "{error}");
    assert!(
        error.contains("in.jsonl, line 3: \"custom_id\" is that of line 1 too"),
        "{error}"
    );
    assert!(error.contains("in.jsonl, line 4: not an object"), "{error}");
}

#[test]
fn the_first_twenty_problems_are_shown_with_how_many_there_are() {
    let error = error("[]\n".repeat(25).as_bytes());
    assert!(error.starts_with("25 lines"), "{error}");
    assert_eq!(error.matches(", line ").count(), 20);
    assert!(error.ends_with("and 5 more"), "{error}");
}

#[test]
fn skipped_lines_can_be_told_of_later() {
    let options = JobOptions {
        skip_invalid: true,
        line_bytes_max: 100,
        ..JobOptions::default()
    };
    let long = LINE.replace("\"a\"", &format!("\"{}\"", "b".repeat(100)));
    let input = opened(
        &file(format!("[]\n{LINE}\n{long}\n{LINE}").as_bytes()),
        &options,
    )
    .unwrap();
    let named: Vec<_> = input.index.entries.iter().map(Entry::named).collect();
    assert_eq!(
        named,
        [
            Named::Invalid,
            Named::Itself,
            Named::Invalid,
            Named::Invalid
        ]
    );
    let problem = |id| input.problem(LineId(id)).unwrap();
    assert!(problem(0).to_string().starts_with("line 1: not an object"));
    assert!(
        problem(2)
            .to_string()
            .starts_with("line 3: 169 bytes long: 100 are the most")
    );
    assert!(
        problem(3)
            .to_string()
            .starts_with("line 4: \"custom_id\" is that of line 2")
    );
    assert_eq!(problem(3).custom_id.as_deref(), Some("a"));
}

#[test]
fn a_line_that_was_edited_is_noticed() {
    let file = file(format!("{LINE}\n").as_bytes());
    let input = opened(&file, &JobOptions::default()).unwrap();
    assert!(!input.is_changed());
    fs::write(file.path(), LINE.replace('1', "2")).unwrap();
    assert!(input.is_changed());
    let error = input.read(LineId(0)).unwrap_err();
    assert!(
        matches!(error, ReadError::Changed { line: 1, .. }),
        "{error}"
    );
    fs::write(file.path(), "").unwrap();
    let error = input.read(LineId(0)).unwrap_err();
    assert!(
        matches!(error, ReadError::Changed { line: 1, .. }),
        "{error}"
    );
}

#[test]
fn folders_missing_and_empty_files_are_told_apart() {
    let folder = tempdir().unwrap();
    let open = |path: &Path| {
        let shown = path.display().to_string();
        Input::open(path, shown, &JobOptions::default())
            .unwrap_err()
            .to_string()
    };
    assert!(open(folder.path()).ends_with("is a folder: give the file with the requests"));
    assert!(open(&folder.path().join("no")).contains("No such file"));
    assert!(error(b"\n \r\n").contains("is empty"));
    assert!(error(b"\xEF\xBB\xBF").contains("is empty"));
}

const TEMPLATE: &str = r#"{"model":"m","messages":[{"role":"user","content":"{{text}}"}]}"#;

fn table(text: &str, id_column: Option<&str>) -> Result<Input, InputError> {
    let options = JobOptions {
        format: Format::Csv,
        template: Some(TEMPLATE.to_owned()),
        id_column: id_column.map(str::to_owned),
        ..JobOptions::default()
    };
    opened(&file(text.as_bytes()), &options)
}

#[test]
fn rows_become_bodies_by_the_template() {
    let input = table(
        "\u{FEFF}text,custom_id\r\n\"a \"\"b\"\"\r\nc\",1\r\nx,2\r\n",
        None,
    )
    .unwrap();
    let seen: Vec<_> = items(&input)
        .into_iter()
        .map(|item| (item.line, item.custom_id, item.url))
        .collect();
    let url = "/v1/chat/completions".to_owned();
    assert_eq!(
        seen,
        [(2, "1".to_owned(), url.clone()), (4, "2".to_owned(), url)]
    );
    let body = input.read(LineId(0)).unwrap().body;
    assert!(
        str::from_utf8(&body)
            .unwrap()
            .contains(r#""content":"a \"b\"\r\nc""#)
    );
    let unnamed = table("text\nx\nx\n", None).unwrap();
    assert!(items(&unnamed)[1].custom_id.ends_with("-2"));
    let named = table("text,n\nx,7\n", Some("n")).unwrap();
    assert_eq!(items(&named)[0].custom_id, "7");
}

#[test]
fn what_is_wrong_with_a_table_is_told() {
    let error = |text: &str, column| table(text, column).unwrap_err().to_string();
    assert!(error("text,n\nx\n", None).contains("line 2: 1 fields, and the header has 2"));
    assert!(error("text\n\"x\n", None).contains("line 2: a quote is not closed"));
    assert!(error("text\nx\n", Some("n")).contains("no column n"));
    assert!(error("other\nx\n", None).contains("names the column text"));
    let options = JobOptions {
        format: Format::Csv,
        ..JobOptions::default()
    };
    let error = opened(&file(b"a\nb\n"), &options).unwrap_err().to_string();
    assert!(error.contains("needs a template"), "{error}");
}

#[test]
fn a_look_at_an_input_gives_every_request_once() {
    let file = file(format!("{LINE}\n{}\n", r#"{"prompt":"x"}"#).as_bytes());
    let mut seen = Vec::new();
    let source = Source::File(file.path().to_owned());
    let mut each = |item: Item| seen.push(item);
    let summary = plan_input(&source, &JobOptions::default(), &mut each).unwrap();
    let input = opened(&file, &JobOptions::default()).unwrap();
    assert_eq!(seen, items(&input));
    assert_eq!((summary.requests, summary.invalid), (2, 0));
    assert_eq!(summary.bytes, fs::metadata(file.path()).unwrap().len());
}
