//! `[prices]`: where prices of one's own are, and what a price that is not known means.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::Checker;

const FILE: &str = "prices.file";

/// The file of prices in the state folder.
const FILE_NAME: &str = "prices.toml";

/// Where prices of one's own are, and what a price that is not known means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    /// The price file that is laid over the built-in prices.
    pub file: PathBuf,
    /// Whether the setting names the file, so that it must be there; otherwise it is that of the
    /// state folder, which need not be.
    pub file_is_named: bool,
    /// What a call without a known price means to a budget in dollars.
    pub unknown: UnknownPrice,
    /// Whose prices hold at the upstream, as price files name it; `None`: by its address.
    pub provider: Option<String>,
}

/// What a call without a known price means to a budget in dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPrice {
    /// It is refused.
    Refuse,
    /// It counts as if it were as dear as the dearest call of which the price is known.
    Dearest,
}

/// What calls cost. Without a file of one's own the prices that come with paceline hold.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawPrices {
    /// Price file that overrides and adds to the built-in prices. Left out: prices.toml in the state
    /// folder, if it is there.
    #[schemars(extend("x-kind" = "path", "examples" = ["prices.toml"]))]
    file: Option<PathBuf>,
    /// What a call without a known price means to a budget in dollars.
    unknown: UnknownPrice,
    /// Whose prices hold at the upstream, as price files name it. Left out: by the upstream's address,
    /// and at an address that is nobody's calls have no known price.
    #[schemars(length(min = 1, max = 64))]
    #[schemars(extend("examples" = ["openai"]))]
    provider: Option<String>,
}

impl Default for RawPrices {
    fn default() -> Self {
        Self {
            file: None,
            unknown: UnknownPrice::Refuse,
            provider: None,
        }
    }
}

impl RawPrices {
    pub(crate) fn check(self, state_dir: &Path, checker: &mut Checker<'_>) -> Prices {
        let named = self.file.map(|path| {
            if path.as_os_str().is_empty() {
                checker.problem(FILE, "must not be empty", "leave it out");
            }
            checker.resolve(FILE, &path)
        });
        Prices {
            file_is_named: named.is_some(),
            file: named.unwrap_or_else(|| state_dir.join(FILE_NAME)),
            unknown: self.unknown,
            provider: self.provider,
        }
    }
}
