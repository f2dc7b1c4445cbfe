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
        format!("{} {kind}", change.model)
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
