//! Reading an answer as it passes: events of a stream, or a JSON body as a whole.

use bytes::Bytes;
use paceline_provider::{Answered, EndpointKind, Refusal, StreamOutcome, StreamScanner, Usage};
use paceline_translate::{
    AnswerError, AnswerOptions, Pair, StreamEnd, StreamTranslator, translate_answer,
};

use crate::upstream::SendError;

/// A JSON answer beyond this size is passed on without reading its usage.
const JSON_BYTES_MAX: usize = 32 << 20;

/// Reads one answer.
#[derive(Debug, Default)]
pub(crate) enum Reader {
    /// Server-sent events.
    Events(Box<StreamScanner>),
    /// Server-sent events that go on in other words.
    Reworded(Box<StreamScanner>, Box<StreamTranslator>),
    /// A JSON body, kept until it is complete.
    Json {
        kind: EndpointKind,
        pieces: Vec<Bytes>,
        bytes: usize,
    },
    /// Read to its end.
    Done(Box<Outcome>),
    /// Not read at all.
    #[default]
    Opaque,
}

/// What an answer said.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) usage: Option<Usage>,
    /// The model that answered.
    pub(crate) model: Option<String>,
    /// The service tier that answered.
    pub(crate) service_tier: Option<String>,
    /// The id of a response of the Responses API.
    pub(crate) response_id: Option<String>,
    /// A refusal inside a stream that began as a success.
    pub(crate) refusal: Option<Refusal>,
    /// Whether the stream itself says that the call failed.
    pub(crate) failed: bool,
    /// Characters of output that were seen, for streams that were cut.
    pub(crate) output_characters: u64,
    /// Whether it is a stream that lacks its end.
    pub(crate) is_cut: bool,
}

/// How an answer is put into other words.
#[derive(Clone, Debug)]
pub(crate) struct Rewording {
    pub(crate) pair: Pair,
    pub(crate) options: AnswerOptions,
}

impl Rewording {
    /// A whole answer in the caller's words.
    ///
    /// # Errors
    /// When it is not what the provider's API describes.
    pub(crate) fn whole(&self, body: &[u8]) -> Result<Bytes, AnswerError> {
        translate_answer(self.pair, body, &self.options)
    }
}

impl Reader {
    /// The same as [`Reader::events`], with what is read going on in other words.
    pub(crate) fn reworded(kind: EndpointKind, rewording: Rewording) -> Self {
        let translator = StreamTranslator::new(rewording.pair, rewording.options);
        let scanner = StreamScanner::new(kind, false);
        Self::Reworded(Box::new(scanner), Box::new(translator))
    }

    /// Whether what goes on is in other words.
    pub(crate) fn is_reworded(&self) -> bool {
        matches!(self, Self::Reworded(..))
    }

    fn scanner(&self) -> Option<&StreamScanner> {
        match self {
            Self::Events(scanner) | Self::Reworded(scanner, _) => Some(scanner),
            _ => None,
        }
    }

    /// A reader of server-sent events; with `strip_usage` the chunk that only tells the usage is
    /// withheld.
    pub(crate) fn events(kind: EndpointKind, strip_usage: bool) -> Self {
        Self::Events(Box::new(StreamScanner::new(kind, strip_usage)))
    }

    /// A reader of a JSON body.
    pub(crate) fn json(kind: EndpointKind) -> Self {
        Self::Json {
            kind,
            pieces: Vec::new(),
            bytes: 0,
        }
    }

    /// Whether exactly the bytes that come are passed on.
    pub(crate) fn passes_unchanged(&self) -> bool {
        self.scanner().is_none()
    }

    /// Takes the next piece and hands on what is to be sent.
    pub(crate) fn read(&mut self, piece: Bytes, send: &mut impl FnMut(Bytes)) {
        match self {
            Self::Events(scanner) => scanner.scan(piece, send),
            Self::Reworded(scanner, translator) => scanner.scan(piece, &mut |piece: Bytes| {
                let reworded = translator.push(&piece);
                if !reworded.is_empty() {
                    send(reworded);
                }
            }),
            Self::Json { pieces, bytes, .. } => {
                *bytes += piece.len();
                if *bytes > JSON_BYTES_MAX {
                    *self = Self::Opaque;
                } else {
                    pieces.push(piece.clone());
                }
                send(piece);
            }
            Self::Done(_) | Self::Opaque => send(piece),
        }
    }

    /// Whether a stream has told neither output nor a refusal nor its end so far.
    pub(crate) fn is_preamble(&self) -> bool {
        self.scanner().is_some_and(|scanner| {
            let outcome = scanner.outcome();
            !outcome.content_seen && outcome.refusal.is_none() && outcome.end.is_none()
        })
    }

    /// The id of the response that a stream tells, as far as it has told it.
    pub(crate) fn response_id(&self) -> Option<&str> {
        self.scanner()?.outcome().response_id.as_deref()
    }

    /// The refusal that a stream began with, as long as no output came before it.
    pub(crate) fn early_refusal(&self) -> Option<&Refusal> {
        let outcome = self.scanner()?.outcome();
        outcome.refusal.as_ref().filter(|_| !outcome.content_seen)
    }

    /// Ends the reading and hands on what was held back.
    pub(crate) fn finished(self, send: &mut impl FnMut(Bytes)) -> Self {
        Self::Done(Box::new(match self {
            Self::Events(scanner) => of_stream(scanner.finish(send)),
            Self::Reworded(scanner, mut translator) => {
                let mut rest = Vec::new();
                let outcome = scanner.finish(&mut |piece: Bytes| rest.push(piece));
                for piece in rest {
                    send(translator.push(&piece));
                }
                let (last, end) = translator.finish();
                send(last);
                Outcome {
                    failed: outcome.refusal.is_some() || end != StreamEnd::Complete,
                    ..of_stream(outcome)
                }
            }
            Self::Json { kind, pieces, .. } => {
                let answered = match pieces.as_slice() {
                    [whole] => Answered::from_body(kind, whole),
                    several => Answered::from_body(kind, &several.concat()),
                };
                Outcome {
                    usage: answered.usage,
                    model: answered.model,
                    service_tier: answered.service_tier,
                    response_id: answered.response_id,
                    ..Outcome::default()
                }
            }
            Self::Done(outcome) => *outcome,
            Self::Opaque => Outcome::default(),
        }))
    }

    /// What is wrong with an answer that was read to its end, though its connection ended in order.
    pub(crate) fn flaw(&self) -> Option<SendError> {
        match self {
            Self::Done(outcome) if outcome.is_cut => {
                let why = "the stream stopped without the event that ends it";
                Some(SendError::Cut(why.to_owned()))
            }
            _ => None,
        }
    }

    /// What was read; empty before [`Reader::finished`].
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Done(outcome) => *outcome,
            _ => Outcome::default(),
        }
    }
}

fn of_stream(outcome: StreamOutcome) -> Outcome {
    Outcome {
        is_cut: outcome.is_cut(),
        usage: outcome.usage,
        model: outcome.model,
        service_tier: outcome.service_tier,
        response_id: outcome.response_id,
        failed: outcome.refusal.is_some(),
        refusal: outcome.refusal,
        output_characters: outcome.output_characters,
    }
}
