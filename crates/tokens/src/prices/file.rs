//! Price files: reading, merging and writing them.

mod merge;
mod problem;
mod read;
mod section;
mod write;

use super::price::Price;

pub use merge::{Change, ChangeKind, Merged};
pub use problem::{PriceProblem, PriceProblems};

/// The largest price file that is read, in bytes.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// The prices of a file, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceFile {
    prices: Vec<Price>,
}

impl PriceFile {
    /// Reads a price file. `name` is what messages call it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at once, each with its line.
    pub fn parse(name: &str, content: &[u8]) -> Result<Self, PriceProblems> {
        let prices = read::prices(name, content)?;
        Ok(Self { prices })
    }

    /// The prices in the order of the file.
    pub fn prices(&self) -> &[Price] {
        &self.prices
    }

    pub(crate) fn into_prices(self) -> Vec<Price> {
        self.prices
    }

    /// The file with those of a newer one merged in; see [`Merged`].
    #[must_use]
    pub fn merge(&self, newer: &Self) -> Merged {
        merge::merge(self, newer)
    }

    /// The text of a file with these prices. Comments of the file they were read from are not kept,
    /// and rates that were given by a factor are written out.
    pub fn to_toml(&self) -> String {
        write::text(&self.prices)
    }
}
