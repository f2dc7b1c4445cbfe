//! Why something cannot be said in the other API's words.

use std::borrow::Cow;

/// A field of a request that the other API cannot express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} cannot be translated: {why}; {remedy}")]
pub struct Untranslatable {
    /// The field's place in the caller's request, such as `messages[2].content[0].type`.
    pub field: String,
    /// What stands in the way.
    pub why: Cow<'static, str>,
    /// What the caller can do.
    pub remedy: Cow<'static, str>,
}

/// Why a request was not translated. Each is the caller's to mend, and is a 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The body is no JSON, or no UTF-8.
    #[error("the body is not JSON ({detail}); send a JSON object")]
    NotJson {
        /// What the parser says, with line and column.
        detail: String,
    },
    /// A field has another type or value than its API gives it.
    #[error("{field} is not {expected}; correct it")]
    Malformed {
        /// The field's place.
        field: String,
        /// What was expected there.
        expected: &'static str,
    },
    /// A field says what the other API cannot.
    #[error(transparent)]
    Untranslatable(#[from] Untranslatable),
}

impl RequestError {
    /// The field that is to blame, or `None` where it is the body as a whole.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::NotJson { .. } => None,
            Self::Malformed { field, .. } => Some(field),
            Self::Untranslatable(untranslatable) => Some(&untranslatable.field),
        }
    }
}

/// Why an answer was not translated: the provider sent what its API does not describe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The answer is not of the shape that its API describes.
    #[error("the provider's answer has no readable {field}; it is not what its API describes")]
    Malformed {
        /// The part that is missing or of another type.
        field: String,
    },
    /// A tool call's arguments are no JSON object, which Anthropic's API needs them to be.
    #[error("the model called tool {tool} with arguments that are no JSON object; ask again")]
    ToolArguments {
        /// The tool's name.
        tool: String,
    },
    /// The answer holds what the caller's API has no place for.
    #[error("the provider's answer holds {what}, which the caller's API has no place for")]
    NoPlace {
        /// What it is.
        what: &'static str,
    },
}

impl From<RequestError> for AnswerError {
    /// Answers are read by the same means as requests; what is wrong with one is not the caller's fault.
    fn from(error: RequestError) -> Self {
        Self::Malformed {
            field: error.field().unwrap_or("body").to_owned(),
        }
    }
}
