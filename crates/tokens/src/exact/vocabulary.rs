//! Which vocabulary a model uses.

/// A table of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// `o200k_base`: GPT-4o and everything after it.
    O200kBase,
    /// `o200k_harmony`: gpt-oss. The same as `o200k_base` but for its special tokens.
    O200kHarmony,
    /// `cl100k_base`: GPT-4, GPT-3.5 and the embedding models.
    Cl100kBase,
    /// `p50k_base`: Codex and the last GPT-3 models.
    P50kBase,
    /// `p50k_edit`: the edit models. The same as `p50k_base` but for its special tokens.
    P50kEdit,
    /// `r50k_base`: GPT-3 and GPT-2.
    R50kBase,
}

/// How sure a vocabulary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listing {
    /// The vendor's own table names the model or its family.
    Listed,
    /// The vendor's table does not name it, but its name follows one that is listed.
    Assumed,
    /// The name says nothing: the newest vocabulary is the best guess.
    Unknown,
}

/// The vocabulary of a model, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelVocabulary {
    /// The vocabulary.
    pub vocabulary: Vocabulary,
    /// How sure it is.
    pub listing: Listing,
}

use Listing::{Assumed, Listed};
use Vocabulary::{Cl100kBase, O200kBase, O200kHarmony, P50kBase, P50kEdit, R50kBase};

/// Models by the longest prefix first, where one prefix contains another. Prefixes match whole
/// parts of a name: `o1` matches `o1-mini`, not `o10`; one that ends with `*` matches any
/// continuation.
const PREFIXES: [(&str, Vocabulary, Listing); 47] = [
    ("gpt-oss", O200kHarmony, Listed),
    ("gpt-5*", O200kBase, Listed),
    ("gpt-6*", O200kBase, Assumed),
    ("gpt-4o", O200kBase, Listed),
    ("chatgpt-4o", O200kBase, Listed),
    ("gpt-4.1", O200kBase, Listed),
    ("gpt-4.5", O200kBase, Listed),
    ("o1", O200kBase, Listed),
    ("o3", O200kBase, Listed),
    ("o4-mini", O200kBase, Listed),
    ("o4", O200kBase, Assumed),
    ("codex-mini", O200kBase, Assumed),
    ("computer-use-preview", O200kBase, Assumed),
    ("gpt-realtime", O200kBase, Assumed),
    ("gpt-audio", O200kBase, Assumed),
    ("gpt-image", O200kBase, Assumed),
    ("gpt-4", Cl100kBase, Listed),
    ("gpt-3.5", Cl100kBase, Listed),
    ("gpt-35", Cl100kBase, Listed),
    ("text-embedding-3", Cl100kBase, Listed),
    ("text-embedding-ada-002", Cl100kBase, Listed),
    ("davinci-002", Cl100kBase, Listed),
    ("babbage-002", Cl100kBase, Listed),
    ("text-davinci-edit-001", P50kEdit, Listed),
    ("code-davinci-edit-001", P50kEdit, Listed),
    ("text-davinci-003", P50kBase, Listed),
    ("text-davinci-002", P50kBase, Listed),
    ("code-davinci", P50kBase, Listed),
    ("code-cushman", P50kBase, Listed),
    ("davinci-codex", P50kBase, Listed),
    ("cushman-codex", P50kBase, Listed),
    ("text-davinci-001", R50kBase, Listed),
    ("text-curie", R50kBase, Listed),
    ("text-babbage", R50kBase, Listed),
    ("text-ada", R50kBase, Listed),
    ("text-similarity", R50kBase, Listed),
    ("text-search", R50kBase, Listed),
    ("code-search", R50kBase, Listed),
    ("davinci", R50kBase, Listed),
    ("curie", R50kBase, Listed),
    ("babbage", R50kBase, Listed),
    ("ada", R50kBase, Listed),
    ("gpt2", R50kBase, Listed),
    ("gpt-2", R50kBase, Listed),
    ("gpt3", R50kBase, Assumed),
    ("gpt-3", R50kBase, Assumed),
    ("chatgpt", O200kBase, Assumed),
];

impl Vocabulary {
    /// The vocabulary of a model; for a name that says nothing, the newest.
    #[must_use]
    pub fn for_model(model: &str) -> Self {
        Self::resolve(model).vocabulary
    }

    /// The vocabulary of a model, and how sure that is.
    ///
    /// Fine-tuned models (`ft:gpt-4o:...` and the older `davinci:ft-...`) have that of their
    /// base; the vendor in front of a name (`openai/gpt-4o`) is passed over.
    #[must_use]
    pub fn resolve(model: &str) -> ModelVocabulary {
        let base = base_model(model);
        PREFIXES
            .iter()
            .find(|(prefix, ..)| matches_prefix(base, prefix))
            .map_or(
                ModelVocabulary {
                    vocabulary: O200kBase,
                    listing: Listing::Unknown,
                },
                |&(_, vocabulary, listing)| ModelVocabulary {
                    vocabulary,
                    listing,
                },
            )
    }

    /// The vendor's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            O200kBase => "o200k_base",
            O200kHarmony => "o200k_harmony",
            Cl100kBase => "cl100k_base",
            P50kBase => "p50k_base",
            P50kEdit => "p50k_edit",
            R50kBase => "r50k_base",
        }
    }
}

impl ModelVocabulary {
    /// Whether the vocabulary is a guess.
    #[must_use]
    pub const fn is_assumed(&self) -> bool {
        !matches!(self.listing, Listed)
    }
}

/// The name of a model without vendor, fine-tuning and surrounding space.
pub(crate) fn base_model(model: &str) -> &str {
    let name = model.trim();
    let name = name.rsplit_once('/').map_or(name, |(_, name)| name);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    name.split_once(':').map_or(name, |(base, _)| base)
}

/// Whether a model belongs to a family: its name is the prefix, or goes on with a new part.
pub(crate) fn matches_prefix(model: &str, prefix: &str) -> bool {
    let (prefix, any) = prefix
        .strip_suffix('*')
        .map_or((prefix, false), |prefix| (prefix, true));
    let (Some(head), Some(tail)) = (model.get(..prefix.len()), model.get(prefix.len()..)) else {
        return false;
    };
    let whole_part = || !tail.starts_with(|next: char| next.is_alphanumeric());
    head.eq_ignore_ascii_case(prefix) && (any || whole_part())
}
