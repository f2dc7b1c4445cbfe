//! Which API's words are translated into which.

/// An API, by the words that it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's chat completions, `POST /v1/chat/completions`.
    Chat,
    /// OpenAI's responses, `POST /v1/responses`.
    Responses,
    /// Anthropic's messages, `POST /v1/messages`.
    Messages,
}

/// A caller's API and a provider's, between which a translation exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pair {
    /// A caller of chat completions, a provider of messages.
    ChatToMessages,
    /// A caller of messages, a provider of chat completions.
    MessagesToChat,
    /// A caller of responses, a provider of messages.
    ResponsesToMessages,
    /// A caller of responses, a provider of chat completions.
    ResponsesToChat,
}

impl Pair {
    /// The pair for a caller and a provider, or `None` where nothing is to be translated (both
    /// speak alike) or nothing can be (nobody is asked in the words of Responses).
    pub const fn new(caller: Dialect, provider: Dialect) -> Option<Self> {
        match (caller, provider) {
            (Dialect::Chat, Dialect::Messages) => Some(Self::ChatToMessages),
            (Dialect::Messages, Dialect::Chat) => Some(Self::MessagesToChat),
            (Dialect::Responses, Dialect::Messages) => Some(Self::ResponsesToMessages),
            (Dialect::Responses, Dialect::Chat) => Some(Self::ResponsesToChat),
            _ => None,
        }
    }

    /// The API of those who ask.
    pub const fn caller(self) -> Dialect {
        match self {
            Self::ChatToMessages => Dialect::Chat,
            Self::MessagesToChat => Dialect::Messages,
            Self::ResponsesToMessages | Self::ResponsesToChat => Dialect::Responses,
        }
    }

    /// The API of the one who answers.
    pub const fn provider(self) -> Dialect {
        match self {
            Self::ChatToMessages | Self::ResponsesToMessages => Dialect::Messages,
            Self::MessagesToChat | Self::ResponsesToChat => Dialect::Chat,
        }
    }
}
