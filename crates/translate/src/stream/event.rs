//! What happens in a stream, in nobody's words.

use crate::answer::{ServedTier, Stop, Usage};
use crate::problem::Problem;
use std::borrow::Cow;

/// One thing that happens. Texts and calls come one after the other: a new one ends the one before.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    Start(Start<'a>),
    Ping,
    Text(Cow<'a, str>),
    Refusal(Cow<'a, str>),
    Thinking(Cow<'a, str>),
    Call {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
    },
    /// More of the input of the last call, as JSON.
    Input(Cow<'a, str>),
    /// Why the model stops; more may follow.
    Stop(Stop<'a>),
    Usage(Usage),
    /// The answer is complete.
    End,
}

#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) model: Cow<'a, str>,
    pub(crate) usage: Usage,
    pub(crate) tier: Option<ServedTier>,
}

/// Where events go.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(Event<'_>) -> Result<(), Problem>;
