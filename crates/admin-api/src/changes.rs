//! `GET /monitoring/changes`: what happened to pools and to what is believed of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// Since the gateway started; the oldest are forgotten when there are many.
    pub changes: Vec<Change>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The pool.
    pub pool: String,
    /// What happened.
    pub kind: ChangeKind,
    /// What the limit counts, where it is about one.
    pub metric: Option<String>,
    /// The length of its window, where it is about one.
    pub window_ms: Option<u64>,
    /// How it was, in a few words.
    pub before: Option<String>,
    /// How it is, in a few words.
    pub after: Option<String>,
    /// Why, as a sentence.
    pub reason: String,
}

/// What can happen to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A limit was learned from an answer, or what was remembered of it was confirmed.
    LimitLearned,
    /// A limit has another amount.
    Amount,
    /// A limit turned out to be counted in another way.
    WindowKind,
    /// The quota turned out to be handed out in pieces, or in other pieces.
    Piece,
    /// Another charge formula fits better.
    Charge,
    /// The provider began to refuse.
    EpisodeBegan,
    /// The pace is whole again after refusals.
    EpisodeOver,
    /// Somebody else decides, where limits are counted in a store.
    StoreMode,
    /// What was learned was forgotten because an operator asked for it.
    Reset,
    /// What an earlier run had learned was taken up.
    Recalled,
}
