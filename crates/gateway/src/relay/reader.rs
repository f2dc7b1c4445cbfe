//! Reading an answer as it passes: events of a stream, or a JSON body as a whole.

use bytes::Bytes;
use paceline_provider::{Answered, EndpointKind, Refusal, StreamScanner, Usage};

/// A JSON answer beyond this size is passed on without reading its usage.
const JSON_BYTES_MAX: usize = 32 << 20;

/// Reads one answer.
#[derive(Debug, Default)]
pub(crate) enum Reader {
    /// Server-sent events.
    Events(Box<StreamScanner>),
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
    /// A refusal inside a stream that began as a success.
    pub(crate) refusal: Option<Refusal>,
    /// Whether the stream itself says that the call failed.
    pub(crate) failed: bool,
    /// Characters of output that were seen, for streams that were cut.
    pub(crate) output_characters: u64,
}

impl Reader {
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
        !matches!(self, Self::Events(_))
    }

    /// Takes the next piece and hands on what is to be sent.
    pub(crate) fn read(&mut self, piece: Bytes, send: &mut impl FnMut(Bytes)) {
        match self {
            Self::Events(scanner) => scanner.scan(piece, send),
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
        match self {
            Self::Events(scanner) => {
                let outcome = scanner.outcome();
                !outcome.content_seen && outcome.refusal.is_none() && outcome.end.is_none()
            }
            _ => false,
        }
    }

    /// The refusal that a stream began with, as long as no output came before it.
    pub(crate) fn early_refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Events(scanner) if !scanner.outcome().content_seen => {
                scanner.outcome().refusal.as_ref()
            }
            _ => None,
        }
    }

    /// Ends the reading and hands on what was held back.
    pub(crate) fn finished(self, send: &mut impl FnMut(Bytes)) -> Self {
        Self::Done(Box::new(match self {
            Self::Events(scanner) => {
                let outcome = scanner.finish(send);
                Outcome {
                    usage: outcome.usage,
                    model: outcome.model,
                    service_tier: outcome.service_tier,
                    failed: outcome.refusal.is_some(),
                    refusal: outcome.refusal,
                    output_characters: outcome.output_characters,
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
                    ..Outcome::default()
                }
            }
            Self::Done(outcome) => *outcome,
            Self::Opaque => Outcome::default(),
        }))
    }

    /// What was read; empty before [`Reader::finished`].
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Done(outcome) => *outcome,
            _ => Outcome::default(),
        }
    }
}
