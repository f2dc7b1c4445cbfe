//! Strict readers of what the gateway writes: answers, tables, metrics.

use std::collections::BTreeMap;

/// The status and the headers of an answer; names in lower case.
pub(crate) fn separate(answer: &[u8]) -> (u16, BTreeMap<String, Vec<u8>>) {
    let end = answer.windows(4).position(|piece| piece == b"\r\n\r\n");
    let head = &answer[..end.expect("an answer has a head")];
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = std::str::from_utf8(lines.next().unwrap()).unwrap();
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &[u8]| {
        let at = line
            .iter()
            .position(|byte| *byte == b':')
            .expect("a header has a name");
        let name = std::str::from_utf8(&line[..at])
            .unwrap()
            .to_ascii_lowercase();
        (name, line[at + 1..].trim_ascii().to_vec())
    };
    (status, lines.map(header).collect())
}

/// The rows of a table after RFC 4180.
pub(crate) fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = rest.next() {
        match (is_quoted, c) {
            (true, '"') if rest.peek() == Some(&'"') => cell.extend(rest.next()),
            (true, '"') => is_quoted = false,
            (true, _) => cell.push(c),
            (false, '"') => {
                assert!(cell.is_empty(), "a quote within a cell: {cell}");
                is_quoted = true;
            }
            (false, ',') => row.push(std::mem::take(&mut cell)),
            (false, '\r') => {
                assert_eq!(rest.next(), Some('\n'), "a line ends with CR LF");
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (false, _) => {
                assert_ne!(c, '\n', "a line ends with CR LF");
                cell.push(c);
            }
        }
    }
    assert!(
        !is_quoted && cell.is_empty() && row.is_empty(),
        "the table is whole"
    );
    rows
}

/// A sample: its name, and its labels with their values.
type Sample = (String, Vec<(String, String)>);

/// The samples of a page in the text format of Prometheus; every line has to be one or a comment.
pub(crate) fn samples(page: &str) -> Vec<Sample> {
    let lines = page.lines().filter(|line| !line.starts_with("# "));
    lines.map(sample).collect()
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(first) = rest.strip_prefix('{') {
        rest = first;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").expect(line);
            assert!(is_name(label), "{line}");
            let (value, after) = quoted(after, line);
            labels.push((label.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect(line);
    assert!(value.parse::<f64>().is_ok(), "{line}");
    (name.to_owned(), labels)
}

/// The value up to its closing quote, and what follows.
fn quoted<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let mut value = String::new();
    let mut rest = text.char_indices();
    while let Some((at, c)) = rest.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => match rest.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                other => panic!("{other:?} escaped in {line}"),
            },
            _ => value.push(c),
        }
    }
    panic!("no end in {line}");
}
