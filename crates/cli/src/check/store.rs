//! The store that settings name, in words.

use paceline_config::Store;

use crate::figures::span;
use crate::table::{Side, Table};

/// A blank line, and a table with a row for each setting; passwords are not shown.
pub(super) fn table(store: &Store) -> Vec<String> {
    let mut table = Table::new(&[("", Side::Left), ("", Side::Left)]);
    let share = f64::from(store.first_share_ppm) / 1e6;
    let ca_file = store.ca_file.as_ref();
    for (key, value) in [
        ("store", Some(store.address())),
        ("prefix", Some(store.prefix.clone())),
        ("time_box", Some(span(store.time_box))),
        ("lease", Some(span(store.lease))),
        ("ca_file", ca_file.map(|file| file.display().to_string())),
        ("first_share", Some(share.to_string())),
    ] {
        if let Some(value) = value {
            table.row([key.to_owned(), value]);
        }
    }
    let mut lines = vec![String::new()];
    lines.extend(table.lines());
    lines
}
