//! Counting with the merge tables of a vocabulary.

use std::collections::HashSet;
use std::sync::OnceLock;

use tiktoken_rs::CoreBPE;

use super::segments::segments;
use super::vocabulary::Vocabulary;

/// The merge tables of one vocabulary, once they are loaded. `None` means that they cannot be.
pub(super) struct Tables {
    pub(super) load: fn() -> Option<CoreBPE>,
    pub(super) loaded: OnceLock<Option<CoreBPE>>,
}

static O200K: Tables = Tables::new(|| tiktoken_rs::o200k_base().ok());
static CL100K: Tables = Tables::new(|| tiktoken_rs::cl100k_base().ok());
static P50K: Tables = Tables::new(|| tiktoken_rs::p50k_base().ok());
static R50K: Tables = Tables::new(|| tiktoken_rs::r50k_base().ok());

impl Tables {
    const fn new(load: fn() -> Option<CoreBPE>) -> Self {
        Self {
            load,
            loaded: OnceLock::new(),
        }
    }

    /// Vocabularies that differ in their special tokens only share their tables: text of a
    /// caller is never taken for a special token.
    pub(super) const fn of(vocabulary: Vocabulary) -> &'static Self {
        match vocabulary {
            Vocabulary::O200kBase | Vocabulary::O200kHarmony => &O200K,
            Vocabulary::Cl100kBase => &CL100K,
            Vocabulary::P50kBase | Vocabulary::P50kEdit => &P50K,
            Vocabulary::R50kBase => &R50K,
        }
    }
}

/// Counts the tokens of a text.
///
/// The first count with a vocabulary loads its tables, which takes a few hundred milliseconds and
/// some 50 MB of memory that stays in use.
///
/// The count is exact for every text whose runs without whitespace offer a place to cut at least
/// every four kilobytes, which ordinary text does. In longer runs (one letter repeated for
/// ever, a blank page of spaces) the text is cut by force, at most once every 4,096 bytes, so
/// that no text costs more than time in proportion to its length. Tests hold each such cut to a
/// change of two tokens at most, which is less than a tenth of the tokens between two cuts.
///
/// Should a vocabulary not load, every byte counts as a token: nothing has more tokens than that.
#[must_use]
pub fn count(vocabulary: Vocabulary, text: &str) -> u64 {
    let tables = Tables::of(vocabulary);
    let Some(encoder) = tables.loaded.get_or_init(tables.load) else {
        return text.len() as u64;
    };
    let no_special_tokens = HashSet::new();
    segments(text)
        .map(|segment| {
            encoder
                .count(segment, &no_special_tokens)
                .map_or(segment.len() as u64, |tokens| tokens as u64)
        })
        .sum()
}
