//! Which price a cost was computed by.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::price::Price;
use super::usage::ServiceTier;

/// Names a price for good: provider, model, first day, and a checksum of all that costs depend on,
/// as in `openai/gpt-5@2025-08-07#0123456789abcdef`.
///
/// Two prices have the same version exactly when they charge the same, whatever file they are in
/// and however it is written there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceVersion(String);

impl PriceVersion {
    /// The version as it is kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(price: &Price) -> Self {
        let model = price.models().first().map_or("", |model| model.as_str());
        let mut checksum = Checksum::default();
        for tier in ServiceTier::ALL {
            let Some(sheet) = price.sheet(tier) else {
                continue;
            };
            checksum.word(tier.name());
            for (part, rate) in sheet.base.iter() {
                checksum.word(part.key());
                checksum.number(rate);
            }
            if let Some(long) = sheet.long {
                checksum.word("above");
                checksum.number(long.above_input_tokens);
                for (part, rate) in long.rates.iter().flat_map(|rates| rates.iter()) {
                    checksum.word(part.key());
                    checksum.number(rate);
                }
            }
        }
        Self(format!(
            "{}/{model}@{}#{:016x}",
            price.provider(),
            price.effective_from(),
            checksum.0
        ))
    }
}

impl From<String> for PriceVersion {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for PriceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// FNV-1a over 64 bits: it is the same in every build and for good, which is all that is asked.
struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Words end with a byte that none of them contains.
    fn word(&mut self, word: &str) {
        self.bytes(word.as_bytes());
        self.bytes(&[0]);
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }
}
