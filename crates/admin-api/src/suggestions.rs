//! `GET /monitoring/suggestions`: what would save money or time, with the evidence.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What might be changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Suggestions {
    /// The calls that they rest on ended from here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Until when.
    pub until_ms: i64,
    /// Those that save most first, then the others.
    pub suggestions: Vec<Suggestion>,
}

/// One thing that might be changed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Suggestion {
    /// What is suggested.
    pub kind: SuggestionKind,
    /// What it is about: a model, an endpoint and model, or a limit.
    pub subject: String,
    /// What to do, and why, in a sentence.
    pub text: String,
    /// The figures that it rests on, each named with its unit.
    pub evidence: BTreeMap<String, f64>,
    /// What it would have saved in the time that was looked at, in billionths of a dollar, if
    /// everything else had been the same; `None`: it saves time, not money.
    pub saving_nanousd: Option<u64>,
}

/// What is suggested.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SuggestionKind {
    /// A cheaper model of the same family, where answers are short.
    CheaperModel,
    /// Shorter prompts.
    TrimPrompts,
    /// A higher limit.
    RaiseLimit,
}
