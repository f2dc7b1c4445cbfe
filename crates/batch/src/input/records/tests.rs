//! Records are cut alike however the bytes come.

use proptest::prelude::*;

use super::*;

/// Gives few bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// Offset, line, length, whether it is too long, and what is given of it.
type Seen = (u64, u64, u64, bool, Vec<u8>);

fn all(text: &[u8], bytes_max: usize, step: usize, ends: Ends) -> Vec<Seen> {
    let mut records = Records::new(Slow(text, step), bytes_max);
    records.beginning().unwrap();
    records.set_ends(ends);
    let mut seen = Vec::new();
    while let Some(record) = records.next().unwrap() {
        let bytes = record.bytes.to_vec();
        seen.push((
            record.offset,
            record.line,
            record.length,
            record.is_too_long,
            bytes,
        ));
    }
    let (bytes, digest) = records.summary();
    assert_eq!(bytes, text.len() as u64);
    assert_eq!(digest, xxhash_rust::xxh3::xxh3_128(text));
    seen
}

#[test]
fn marks_and_carriage_returns_are_no_part_of_a_line() {
    let seen = all(b"\xEF\xBB\xBFone\r\n\ntwo", 100, 2, Ends::Lines);
    let expected = [
        (3, 1, 3, false, b"one".to_vec()),
        (8, 2, 0, false, Vec::new()),
        (9, 3, 3, false, b"two".to_vec()),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn rows_count_the_lines_inside_of_them() {
    let rows = Ends::Rows(RowEnds::default());
    let lines: Vec<_> = all(b"a\n\"b\n\nb\"\nc\n", 100, 3, rows)
        .iter()
        .map(|seen| seen.1)
        .collect();
    assert_eq!(lines, [1, 2, 5]);
}

#[test]
fn a_line_that_is_too_long_is_passed_over_and_not_held() {
    let mut text = b"before\n".to_vec();
    text.resize(100 * 1024 * 1024, b'x');
    text.extend_from_slice(b"\nafter\n");
    let mut records = Records::new(&text[..], 1000);
    let mut seen = Vec::new();
    while let Some(record) = records.next().unwrap() {
        seen.push((
            record.line,
            record.length,
            record.is_too_long,
            record.bytes.len(),
        ));
    }
    let long = 100 * 1024 * 1024 - 7;
    assert_eq!(
        seen,
        [
            (1, 6, false, 6),
            (2, long, true, PREFIX_BYTES),
            (3, 5, false, 5)
        ]
    );
    assert!(records.buffer.len() <= CHUNK_BYTES + 1000);
}

proptest! {
    #[test]
    fn records_do_not_depend_on_how_bytes_come(
        text in "[ab\",\r\n]{0,60}", step in 1_usize..9, bytes_max in 1_usize..12, is_table: bool,
    ) {
        let ends = || match is_table {
            true => Ends::Rows(RowEnds::default()),
            false => Ends::Lines,
        };
        let text = text.as_bytes();
        let whole = all(text, bytes_max, usize::MAX, ends());
        prop_assert_eq!(&all(text, bytes_max, step, ends()), &whole);
        for (offset, line, length, is_too_long, bytes) in whole {
            let before = &text[..offset as usize];
            prop_assert_eq!(line, 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64);
            prop_assert_eq!(is_too_long, length as usize > bytes_max);
            prop_assert_eq!(&text[offset as usize..][..bytes.len()], &bytes[..]);
        }
    }
}
