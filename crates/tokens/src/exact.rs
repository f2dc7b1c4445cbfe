//! Exact counts with the real vocabularies, safe for hostile text.

#[cfg(feature = "exact")]
mod chat;
#[cfg(feature = "exact")]
mod counting;
#[cfg(feature = "exact")]
mod segments;
#[cfg(feature = "exact")]
#[cfg(test)]
mod tests;
mod vocabulary;

#[cfg(feature = "exact")]
pub use chat::{ChatMessage, count_chat, count_tools};
#[cfg(feature = "exact")]
pub use counting::count;
pub use vocabulary::{Listing, ModelVocabulary, Vocabulary};
pub(crate) use vocabulary::{base_model, matches_prefix};
