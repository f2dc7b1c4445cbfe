//! A call in the words of the provider that it is sent to, and the answer in the caller's.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use paceline_config::{self as config, Translation as Options};
use paceline_provider::{Dialect, EndpointKind};
use paceline_translate::{
    AnswerOptions, Asked, Dialect as Words, EarlierThinking, EffortAs, LateSystem, MaxTokensField,
    Pair, RequestError, RequestOptions, Thinking, translate_error, translate_request,
};

use crate::relay::Rewording;
use crate::respond::Problem;

/// The headers in which Anthropic and OpenAI have the id of a request.
const ID_NAMES: [&str; 2] = ["request-id", "x-request-id"];

/// A translation, of one kind of call into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    pub(crate) pair: Pair,
    /// The kind of call that it becomes.
    pub(crate) kind: EndpointKind,
}

impl Translation {
    /// How calls of this kind can be put into the words of a dialect; `None` where they cannot.
    pub(super) fn of(kind: EndpointKind, into: Dialect) -> Option<Self> {
        let caller = words(kind)?;
        let (provider, kind) = match into {
            Dialect::OpenAi => (Words::Chat, EndpointKind::ChatCompletions),
            Dialect::Anthropic => (Words::Messages, EndpointKind::Messages),
            Dialect::Gemini | Dialect::Bedrock => return None,
        };
        let pair = Pair::new(caller, provider)?;
        Some(Self { pair, kind })
    }

    /// The path of such a call, below the version.
    pub(super) fn path(self) -> &'static str {
        match self.kind {
            EndpointKind::Messages => "/messages",
            _ => "/chat/completions",
        }
    }

    /// The body in the provider's words, and what its answer depends on.
    ///
    /// # Errors
    /// What cannot be said in them.
    pub(super) fn request(
        self,
        body: &Bytes,
        model: &str,
        options: &Options,
    ) -> Result<(Bytes, Asked), Problem> {
        let translated = translate_request(self.pair, body, &request_options(model, options));
        let translated = translated.map_err(|error| untranslatable(&error))?;
        Ok((translated.body, translated.asked))
    }

    /// An error of the provider's in the caller's words.
    pub(super) fn error(self, head: &mut Parts, body: &[u8]) -> Bytes {
        self.name_id(&mut head.headers);
        let id = head.headers.get(self.id_name());
        let id = id.and_then(|id| id.to_str().ok());
        let told = translate_error(self.pair, head.status.as_u16(), id, body);
        head.status = StatusCode::from_u16(told.status).unwrap_or(head.status);
        let json = HeaderValue::from_static("application/json");
        head.headers.insert(CONTENT_TYPE, json);
        told.body
    }

    /// Lets the caller's client find the provider's id of the request, which it looks for where its own
    /// provider has it.
    pub(super) fn name_id(self, headers: &mut HeaderMap) {
        let mut ids = ID_NAMES.into_iter().filter_map(|name| headers.get(name));
        if let Some(id) = ids.next().cloned() {
            headers.insert(HeaderName::from_static(self.id_name()), id);
        }
    }

    /// The header in which the caller's own provider has it.
    fn id_name(self) -> &'static str {
        let [anthropic, openai] = ID_NAMES;
        match self.pair.caller() {
            Words::Messages => anthropic,
            Words::Chat | Words::Responses => openai,
        }
    }

    /// How its answers are put into the caller's words.
    pub(super) fn answers(self, asked: Asked, now_ms: i64, options: &Options) -> Rewording {
        let seconds = u64::try_from(now_ms / 1_000).unwrap_or(0);
        let thinking = match options.thinking {
            config::Thinking::LeftOut => Thinking::LeftOut,
            config::Thinking::Shown => Thinking::Shown,
        };
        Rewording {
            pair: self.pair,
            options: AnswerOptions {
                thinking,
                ..AnswerOptions::new(asked, seconds)
            },
        }
    }
}

/// How a request for a model is put into other words, as it is set for its provider.
fn request_options(model: &str, options: &Options) -> RequestOptions {
    RequestOptions {
        model: model.to_owned(),
        default_max_tokens: options.default_max_tokens,
        max_tokens_field: match options.max_tokens_field {
            config::MaxTokensField::MaxCompletionTokens => MaxTokensField::MaxCompletionTokens,
            config::MaxTokensField::MaxTokens => MaxTokensField::MaxTokens,
        },
        effort: match options.effort {
            config::Effort::Adaptive => EffortAs::Adaptive,
            config::Effort::Budget => EffortAs::Budget,
            config::Effort::LeftOut => EffortAs::LeftOut,
        },
        earlier_thinking: match options.earlier_thinking {
            config::EarlierThinking::Refused => EarlierThinking::Refused,
            config::EarlierThinking::LeftOut => EarlierThinking::LeftOut,
        },
        late_system: match options.late_system {
            config::LateSystem::Refused => LateSystem::Refused,
            config::LateSystem::InPlace => LateSystem::InPlace,
            config::LateSystem::MovedToStart => LateSystem::MovedToStart,
        },
    }
}

/// In whose words calls of a kind are, as far as they can be translated.
fn words(kind: EndpointKind) -> Option<Words> {
    match kind {
        EndpointKind::ChatCompletions => Some(Words::Chat),
        EndpointKind::Responses => Some(Words::Responses),
        EndpointKind::Messages => Some(Words::Messages),
        _ => None,
    }
}

fn untranslatable(error: &RequestError) -> Problem {
    Problem::untranslatable(&error.to_string(), error.field())
}
