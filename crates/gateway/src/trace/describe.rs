//! A call in the words of OpenTelemetry's conventions for generative AI.
//!
//! Names follow the conventions as of schema `gen-ai-dev/1.42.0-dev`, where everything is still in
//! development; `gen_ai.system` is the older name of `gen_ai.provider.name`, which back ends read.

use std::borrow::Cow;

use paceline_provider::EndpointKind;
use paceline_telemetry::otlp::{Attributes, Span, SpanKind, TraceContext};

use super::{Active, End, Step, What};
use crate::exchange::{Ending, Exchange, milliseconds};
use crate::labels;

/// The provider's address, as it was when the call ended.
pub(super) struct Server {
    pub(super) address: String,
    pub(super) port: Option<u16>,
    /// Whether it is Azure's variant of the API.
    azure: bool,
}

impl Server {
    pub(super) fn of(exchange: &Exchange) -> Self {
        let live = exchange.shared.live();
        let lane = exchange.lane.as_ref();
        let provider = lane.and_then(|lane| live.settings.reach(&lane.provider));
        let url = &provider.unwrap_or(&live.settings.upstream).base_url;
        let address = url.host_str().unwrap_or_default().to_owned();
        Self {
            azure: address.ends_with(".openai.azure.com"),
            port: url.port_or_known_default(),
            address,
        }
    }
}

/// `gen_ai.operation.name`; `None` for calls that ask no model for anything.
pub(super) fn operation(kind: EndpointKind) -> Option<&'static str> {
    Some(match kind {
        EndpointKind::ChatCompletions
        | EndpointKind::Responses
        | EndpointKind::Messages
        | EndpointKind::BedrockConverse
        | EndpointKind::BedrockConverseStream => "chat",
        EndpointKind::GeminiGenerate | EndpointKind::GeminiStream => "generate_content",
        EndpointKind::Completions => "text_completion",
        EndpointKind::Embeddings | EndpointKind::GeminiEmbed => "embeddings",
        // The conventions have no names of their own for these, and let others stand in.
        EndpointKind::ImagesGenerations
        | EndpointKind::ImagesEdits
        | EndpointKind::ImagesVariations
        | EndpointKind::AudioTranscriptions
        | EndpointKind::AudioTranslations
        | EndpointKind::AudioSpeech
        | EndpointKind::Videos
        | EndpointKind::Moderations
        | EndpointKind::Decisions
        | EndpointKind::Realtime => labels::endpoint(kind),
        _ => return None,
    })
}

/// `gen_ai.provider.name`.
pub(super) fn provider(kind: EndpointKind, server: &Server) -> &'static str {
    match kind {
        EndpointKind::Messages
        | EndpointKind::MessagesCountTokens
        | EndpointKind::MessagesBatches => "anthropic",
        _ if kind.is_gemini() => "gcp.gemini",
        _ if kind.is_bedrock() => "aws.bedrock",
        _ if server.azure => "azure.ai.openai",
        _ => "openai",
    }
}

/// `error.type`: the status where the provider gave one, else how the call ended.
pub(super) fn error(exchange: &Exchange, ending: Ending) -> Option<Cow<'static, str>> {
    match (ending, exchange.status) {
        (Ending::Ok, _) => None,
        (Ending::ProviderError, status @ 400..) => Some(Cow::Owned(status.to_string())),
        (other, _) => Some(Cow::Borrowed(other.name())),
    }
}

/// The spans of a call: its own first, then one for each wait and each attempt.
pub(super) fn spans(
    exchange: &Exchange,
    active: &Active,
    context: &TraceContext,
    end: &End,
) -> Vec<Span> {
    let mut spans = Vec::with_capacity(1 + active.steps.len());
    let name = operation(exchange.endpoint.kind)
        .unwrap_or_else(|| labels::endpoint(exchange.endpoint.kind));
    spans.push(Span {
        trace: context.trace,
        id: context.span,
        parent: context.parent,
        name: match &exchange.model {
            Some(model) => Cow::Owned(format!("{name} {}", clip(model))),
            None => Cow::Borrowed(name),
        },
        kind: SpanKind::Client,
        start: end.date(exchange.received),
        end: end.wall,
        attributes: call(exchange, active, end),
        failed: !matches!(end.ending, Ending::Ok | Ending::CallerGone),
    });
    let steps = active.steps.iter();
    spans.extend(steps.map(|step| part(step, exchange, context, end)));
    spans
}

/// A model's name as part of a span's; callers choose it.
pub(super) fn clip(model: &str) -> &str {
    &model[..model.floor_char_boundary(128)]
}

fn call(exchange: &Exchange, active: &Active, end: &End) -> Attributes {
    let kind = exchange.endpoint.kind;
    let mut known = Attributes::default();
    if let Some(operation) = operation(kind) {
        let provider = provider(kind, &end.server);
        known.add("gen_ai.operation.name", operation);
        known.add("gen_ai.provider.name", provider);
        known.add("gen_ai.system", provider);
        known.add_some("gen_ai.request.model", exchange.model.clone());
        known.add("gen_ai.request.stream", exchange.stream);
        known.add_some("gen_ai.response.model", exchange.model_answered.clone());
    }
    if let Some(usage) = &exchange.usage {
        known.add("gen_ai.usage.input_tokens", usage.input_tokens);
        known.add("gen_ai.usage.output_tokens", usage.output_tokens);
        let cached = Some(usage.cached_input_tokens).filter(|tokens| *tokens > 0);
        known.add_some("gen_ai.usage.cache_read.input_tokens", cached);
        let reasoning = Some(usage.reasoning_tokens).filter(|tokens| *tokens > 0);
        known.add_some("gen_ai.usage.reasoning.output_tokens", reasoning);
    }
    place(&mut known, &end.server);
    status(&mut known, exchange.status);
    let error = error(exchange, end.ending);
    known.add_some("error.type", error.map(Cow::into_owned));
    own(&mut known, exchange, active, end.ending);
    known
}

/// What only a gateway knows.
fn own(known: &mut Attributes, exchange: &Exchange, active: &Active, ending: Ending) {
    let caller = &exchange.caller;
    known.add("paceline.request_id", exchange.request_id.clone());
    known.add(
        "paceline.endpoint",
        labels::endpoint(exchange.endpoint.kind),
    );
    known.add("paceline.outcome", ending.name());
    known.add("paceline.tenant", caller.tenant.clone());
    known.add_some("paceline.session", caller.session.clone());
    known.add("paceline.priority", caller.tier.name());
    if active.telemetry.settings.tags {
        known.add_some("paceline.tags", caller.tags.clone());
    }
    known.add_some("paceline.pool", exchange.pool.clone());
    known.add("paceline.wait_ms", milliseconds(exchange.waited));
    known.add("paceline.attempts", u64::from(exchange.attempts));
    let limited_by = exchange.limited_by.map(|binding| binding.to_string());
    known.add_some("paceline.limited_by", limited_by);
    known.add("paceline.estimated_tokens", exchange.estimated_tokens);
}

fn part(step: &Step, exchange: &Exchange, context: &TraceContext, end: &End) -> Span {
    let mut known = Attributes::default();
    let (name, kind) = match &step.what {
        What::Queue(binding) => {
            known.add_some("paceline.pool", exchange.pool.clone());
            let binding = binding.map(|binding| binding.to_string());
            known.add_some("paceline.limited_by", binding);
            ("queue", SpanKind::Internal)
        }
        What::Upstream {
            method,
            resent,
            status: answered,
            refusal,
        } => {
            known.add("http.request.method", method.to_string());
            let resent = Some(*resent).filter(|times| *times > 0);
            known.add_some("http.request.resend_count", resent);
            place(&mut known, &end.server);
            status(&mut known, *answered);
            known.add_some("paceline.refusal", refusal.clone());
            ("upstream", SpanKind::Client)
        }
    };
    // What was under way at the end ended with the call, and as it did.
    let error = match (&step.error, step.end) {
        (Some(error), _) => Some(error.clone()),
        (None, None) => error(exchange, end.ending),
        (None, Some(_)) => None,
    };
    let cancelled = end.ending == Ending::CallerGone && step.error.is_none();
    let failed = error.is_some() && !cancelled;
    known.add_some("error.type", error.map(Cow::into_owned));
    Span {
        trace: context.trace,
        id: step.id,
        parent: Some(context.span),
        name: Cow::Borrowed(name),
        kind,
        start: end.date(step.start),
        end: end.date(step.end.unwrap_or(end.at)),
        attributes: known,
        failed,
    }
}

fn place(known: &mut Attributes, server: &Server) {
    known.add("server.address", server.address.clone());
    known.add_some("server.port", server.port.map(u64::from));
}

fn status(known: &mut Attributes, status: u16) {
    let status = Some(u64::from(status)).filter(|status| *status > 0);
    known.add_some("http.response.status_code", status);
}
