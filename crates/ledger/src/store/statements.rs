//! The statements that write, made once.

use std::sync::LazyLock;

use crate::entry::{entry_table, tag_table};
use crate::rollup;
use crate::table::Table;

/// The tables that a commit writes to.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) entry: Table,
    pub(super) tag: Table,
    /// Series, roll-ups and spending, as [`rollup::Additions::into_rows`] orders them.
    pub(super) sums: [Table; 3],
}

pub(super) static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    entry: entry_table(),
    tag: tag_table(),
    sums: rollup::tables(),
});
