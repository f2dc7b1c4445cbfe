//! What is in the file comes back, whatever happened to the process.

use super::*;
use crate::entry::CallId;

fn entry(number: u128) -> Entry {
    Entry::new(CallId(number), 5, "tenant").bounded()
}

fn append(spill: &mut Spill, numbers: impl IntoIterator<Item = u128>) {
    let entries: Vec<Entry> = numbers.into_iter().map(entry).collect();
    spill.append(entries.iter()).unwrap();
}

/// Takes everything out, a few at a time; which calls, and how many lines were damaged.
fn drain(spill: &mut Spill) -> (Vec<u128>, u64) {
    let (mut calls, mut damaged) = (Vec::new(), 0);
    while let Some(chunk) = spill.next(2).unwrap() {
        calls.extend(chunk.entries.iter().map(|entry| entry.call_id.0));
        damaged += chunk.damaged;
        spill.taken(&chunk).unwrap();
    }
    (calls, damaged)
}

#[test]
fn what_was_put_in_comes_out_in_order_and_the_file_is_empty_then() {
    let folder = tempfile::tempdir().unwrap();
    let mut spill = Spill::open(folder.path()).unwrap();
    append(&mut spill, 0..5);
    let chunk = spill.next(2).unwrap().unwrap();
    spill.taken(&chunk).unwrap();
    append(&mut spill, [5]);
    assert_eq!(spill.lines(), 4);
    assert_eq!(drain(&mut spill), (vec![2, 3, 4, 5], 0));
    let file = folder.path().join("ledger-0.spill");
    assert_eq!(fs::metadata(file).unwrap().len(), 0);
}

#[test]
fn what_was_not_taken_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut spill = Spill::open(folder.path()).unwrap();
    append(&mut spill, 0..3);
    drop(spill);
    let mut spill = Spill::open(folder.path()).unwrap();
    assert_eq!(spill.lines(), 3);
    assert_eq!(drain(&mut spill), (vec![0, 1, 2], 0));
}

#[test]
fn a_torn_end_is_cut_away_and_a_damaged_line_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger-0.spill");
    let mut spill = Spill::open(folder.path()).unwrap();
    append(&mut spill, 0..3);
    drop(spill);
    let mut bytes = fs::read(&path).unwrap();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 40;
    bytes[second] ^= 1;
    bytes.extend_from_slice(b"0123456789abcdef {\"call_id\":\"00");
    fs::write(&path, bytes).unwrap();
    let mut spill = Spill::open(folder.path()).unwrap();
    append(&mut spill, [3]);
    assert_eq!(drain(&mut spill), (vec![0, 2, 3], 1));
}

#[test]
fn processes_have_a_file_each_and_the_next_takes_over_what_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Spill::open(folder.path()).unwrap();
    let mut second = Spill::open(folder.path()).unwrap();
    append(&mut first, [1]);
    append(&mut second, [2]);
    assert_eq!((first.lines(), second.lines()), (1, 1));
    drop((first, second));
    let mut third = Spill::open(folder.path()).unwrap();
    assert_eq!(drain(&mut third).0, [2, 1]);
    assert!(!folder.path().join("ledger-1.spill").exists());
}

#[test]
fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    drop(Spill::open(folder.path()).unwrap());
    let file = folder.path().join("ledger-0.spill");
    let mode = fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
