//! A newer price file merged into an older one.

use paceline_tokens::prices::{ChangeKind, Merged, PriceFile};

use super::{entry, file};

fn of(entries: &[String]) -> PriceFile {
    file(&format!("format = 1\n{}", entries.concat()))
}

fn told(merged: &Merged) -> Vec<String> {
    let each = merged.changes.iter().map(|change| {
        let kind = match &change.kind {
            ChangeKind::Added => "added",
            ChangeKind::Replaced(_) => "replaced",
        };
        let older = if change.is_older() {
            " by an older one"
        } else {
            ""
        };
        format!("{} {kind}{older}", change.model)
    });
    each.collect()
}

#[test]
fn what_the_newer_file_says_is_taken_over_and_the_rest_stays() {
    let older = of(&[
        entry("a", "2026-01-01", "input = 1"),
        entry("b", "2026-01-01", "input = 1"),
        entry("c", "2026-01-01", "input = 1"),
    ]);
    let newer = of(&[
        entry("a", "2026-01-01", "input = 1"),
        entry("b", "2026-01-01", "input = 2"),
        entry("b", "2026-02-01", "input = 3"),
        entry("d", "2026-02-01", "input = 4"),
    ]);
    let merged = older.merge(&newer);
    assert_eq!(told(&merged), ["b replaced", "b added", "d added"]);
    let expected = of(&[
        entry("a", "2026-01-01", "input = 1"),
        entry("b", "2026-01-01", "input = 2"),
        entry("b", "2026-02-01", "input = 3"),
        entry("c", "2026-01-01", "input = 1"),
        entry("d", "2026-02-01", "input = 4"),
    ]);
    assert_eq!(merged.file, expected);
    assert!(merged.file.merge(&newer).changes.is_empty());
}

#[test]
fn a_price_for_several_models_loses_only_those_that_are_replaced() {
    let older = of(&[entry("a\", \"b\", \"c", "2026-01-01", "input = 1")]);
    let newer = of(&[entry("b", "2026-01-01", "input = 2")]);
    let merged = older.merge(&newer);
    assert_eq!(told(&merged), ["b replaced"]);
    let expected = of(&[
        entry("a\", \"c", "2026-01-01", "input = 1"),
        entry("b", "2026-01-01", "input = 2"),
    ]);
    assert_eq!(merged.file, expected);
    // What is written is sound: no model is in it twice.
    assert_eq!(file(&merged.file.to_toml()), merged.file);
}

#[test]
fn an_older_reading_in_place_of_a_newer_one_is_told() {
    let dated = |as_of: &str, rate: &str| {
        let text = entry("a", "2026-01-01", rate);
        of(&[text.replace("as_of = 2026-01-01", &format!("as_of = {as_of}"))])
    };
    let merged = dated("2026-05-01", "input = 1").merge(&dated("2026-04-30", "input = 2"));
    assert_eq!(told(&merged), ["a replaced by an older one"]);
    let merged = dated("2026-05-01", "input = 1").merge(&dated("2026-05-01", "input = 2"));
    assert_eq!(told(&merged), ["a replaced"]);
}
