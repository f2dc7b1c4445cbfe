//! A request in nobody's words: what readers of each API make, and writers of each API take.

use crate::error::RequestError;
use crate::json::{Number, Place};
use std::borrow::Cow;

/// All that a request says and at least one translation can carry.
#[derive(Debug, Default)]
pub(crate) struct Conversation<'a> {
    pub(crate) system: Vec<Piece<'a>>,
    pub(crate) turns: Vec<Turn<'a>>,
    pub(crate) tools: Vec<Tool<'a>>,
    pub(crate) tool_choice: Option<ToolChoice<'a>>,
    /// Whether the model is to call one tool at a time.
    pub(crate) one_tool_at_a_time: bool,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) temperature: Option<Number<'a>>,
    pub(crate) top_p: Option<Number<'a>>,
    pub(crate) top_k: Option<u64>,
    pub(crate) stop: Vec<Cow<'a, str>>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) user: Option<Cow<'a, str>>,
    pub(crate) effort: Option<Effort>,
    /// The schema, as JSON, that the answer has to follow.
    pub(crate) schema: Option<&'a str>,
    pub(crate) tier: Option<Tier>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    User,
    Assistant,
    /// Instructions from this point on.
    System,
}

/// What one side says at a time. It has at least one piece.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) role: Role,
    pub(crate) pieces: Vec<Piece<'a>>,
}

/// A part of a turn, and the cache mark that it carries, as JSON.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) part: Part<'a>,
    pub(crate) cache: Option<&'a str>,
}

#[derive(Debug)]
pub(crate) enum Part<'a> {
    Text(Cow<'a, str>),
    Image(Source<'a>),
    Document(Document<'a>),
    Call(Call<'a>),
    Result(CallResult<'a>),
}

/// Where a picture or a document is.
#[derive(Debug)]
pub(crate) enum Source<'a> {
    Inline {
        media_type: Cow<'a, str>,
        base64: Cow<'a, str>,
    },
    Url(Cow<'a, str>),
}

/// A PDF.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) name: Option<Cow<'a, str>>,
    /// Where it stands in the request, should it have to be refused.
    pub(crate) place: String,
}

#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    /// A JSON object.
    pub(crate) input: Cow<'a, str>,
}

#[derive(Debug)]
pub(crate) struct CallResult<'a> {
    pub(crate) call_id: Cow<'a, str>,
    /// Texts, pictures and documents.
    pub(crate) content: Vec<Piece<'a>>,
    pub(crate) is_error: bool,
}

#[derive(Debug)]
pub(crate) struct Tool<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) description: Option<Cow<'a, str>>,
    /// A JSON schema.
    pub(crate) schema: Option<&'a str>,
    pub(crate) strict: bool,
    pub(crate) cache: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToolChoice<'a> {
    Auto,
    None,
    Any,
    Named(Cow<'a, str>),
}

/// How much to think. OpenAI's levels and Anthropic's have the same names, but for the lowest two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    ExtraHigh,
    Max,
}

impl Effort {
    const NAMES: [(&'static str, Self); 7] = [
        ("none", Self::None),
        ("minimal", Self::Minimal),
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("xhigh", Self::ExtraHigh),
        ("max", Self::Max),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, effort)| *effort)
    }

    /// OpenAI's name.
    pub(crate) fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, effort)| *effort == self);
        found.map_or("medium", |(name, _)| name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    Auto,
    /// The ordinary one and no other: `default` at OpenAI, `standard_only` at Anthropic.
    Standard,
}

impl Part<'_> {
    /// Whether it can be part of what this side says.
    const fn fits(&self, role: Role) -> bool {
        match self {
            Part::Text(_) => true,
            Part::Call(_) => matches!(role, Role::Assistant),
            Part::Image(_) | Part::Document(_) | Part::Result(_) => {
                matches!(role, Role::User)
            }
        }
    }
}

/// Refuses pieces that cannot stand where they do.
pub(crate) fn refuse_misplaced(
    pieces: &[Piece<'_>],
    role: Role,
    place: &Place<'_>,
) -> Result<(), RequestError> {
    if pieces.iter().all(|piece| piece.part.fits(role)) {
        return Ok(());
    }
    Err(place.malformed(match role {
        Role::System => "text alone, which system text has to be",
        Role::User => "content of a user, who calls no tools",
        Role::Assistant => "content of an assistant, which is text and calls of tools",
    }))
}

impl<'a> Piece<'a> {
    pub(crate) const fn new(part: Part<'a>) -> Self {
        Self { part, cache: None }
    }

    pub(crate) const fn text(text: Cow<'a, str>) -> Self {
        Self::new(Part::Text(text))
    }
}

impl<'a> Conversation<'a> {
    /// The choice of tools, where there is any to make: both APIs refuse one among no tools, though
    /// callers send it.
    pub(crate) fn choice(&self) -> Option<&ToolChoice<'a>> {
        let idle = |choice: &&ToolChoice<'_>| {
            self.tools.is_empty() && matches!(choice, ToolChoice::Auto | ToolChoice::None)
        };
        self.tool_choice.as_ref().filter(|choice| !idle(choice))
    }

    /// Adds what `role` says: to its turn, where the last one is its own.
    pub(crate) fn say(&mut self, role: Role, pieces: Vec<Piece<'a>>) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.pieces.extend(pieces),
            _ if pieces.is_empty() => {}
            _ => self.turns.push(Turn { role, pieces }),
        }
    }
}
