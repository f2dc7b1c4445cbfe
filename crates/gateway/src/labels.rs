//! Words for metrics and logs.

use paceline_provider::{EndpointKind, LimitMetric, Refusal, RefusalKind};

/// The endpoint's path below the version, with `_` for `/`.
pub(crate) fn endpoint(kind: EndpointKind) -> &'static str {
    match kind {
        EndpointKind::ChatCompletions => "chat_completions",
        EndpointKind::Responses => "responses",
        EndpointKind::Completions => "completions",
        EndpointKind::Embeddings => "embeddings",
        EndpointKind::Moderations => "moderations",
        EndpointKind::Decisions => "decisions",
        EndpointKind::ImagesGenerations => "images_generations",
        EndpointKind::ImagesEdits => "images_edits",
        EndpointKind::ImagesVariations => "images_variations",
        EndpointKind::AudioTranscriptions => "audio_transcriptions",
        EndpointKind::AudioTranslations => "audio_translations",
        EndpointKind::AudioSpeech => "audio_speech",
        EndpointKind::Videos => "videos",
        EndpointKind::Models => "models",
        EndpointKind::Files => "files",
        EndpointKind::Uploads => "uploads",
        EndpointKind::Containers => "containers",
        EndpointKind::Batches => "batches",
        EndpointKind::VectorStores => "vector_stores",
        EndpointKind::FineTuning => "fine_tuning",
        EndpointKind::Evals => "evals",
        EndpointKind::Conversations => "conversations",
        EndpointKind::Prompts => "prompts",
        EndpointKind::Realtime => "realtime",
        EndpointKind::Organization => "organization",
        EndpointKind::Messages => "messages",
        EndpointKind::MessagesCountTokens => "messages_count_tokens",
        EndpointKind::MessagesBatches => "messages_batches",
        EndpointKind::GeminiGenerate => "gemini_generate",
        EndpointKind::GeminiStream => "gemini_stream",
        EndpointKind::GeminiCountTokens => "gemini_count_tokens",
        EndpointKind::GeminiEmbed => "gemini_embed",
        EndpointKind::BedrockConverse => "bedrock_converse",
        EndpointKind::BedrockConverseStream => "bedrock_converse_stream",
        EndpointKind::BedrockInvoke => "bedrock_invoke",
        EndpointKind::BedrockInvokeStream => "bedrock_invoke_stream",
        EndpointKind::BedrockCountTokens => "bedrock_count_tokens",
        EndpointKind::Unknown => "other",
    }
}

/// A refusal by the provider: the limit that was hit, or what kind of trouble it was.
pub(crate) fn refusal(refusal: &Refusal) -> String {
    match refusal.kind {
        RefusalKind::RateLimited => limit(refusal),
        RefusalKind::Concurrency => "concurrency".to_owned(),
        RefusalKind::ContextLengthExceeded => "context_length_exceeded".to_owned(),
        RefusalKind::ContentFiltered => "content_filtered".to_owned(),
        RefusalKind::RequestTooLarge => "request_too_large".to_owned(),
        RefusalKind::SlowDown => "slow_down".to_owned(),
        RefusalKind::QuotaExhausted => "quota_exhausted".to_owned(),
        RefusalKind::Overloaded => "overloaded".to_owned(),
        RefusalKind::ServerError => "server_error".to_owned(),
        RefusalKind::FlexUnavailable => "flex_unavailable".to_owned(),
        RefusalKind::InvalidRequest => "invalid_request".to_owned(),
        RefusalKind::Authentication => "authentication".to_owned(),
        RefusalKind::PermissionDenied => "permission_denied".to_owned(),
        RefusalKind::NotFound => "not_found".to_owned(),
        RefusalKind::Other => "other".to_owned(),
    }
}

fn limit(refusal: &Refusal) -> String {
    let metric = match refusal.metric {
        Some(LimitMetric::Requests) => "requests",
        Some(LimitMetric::Tokens) => "tokens",
        Some(LimitMetric::InputTokens) => "input_tokens",
        Some(LimitMetric::OutputTokens) => "output_tokens",
        Some(LimitMetric::Images) => "images",
        Some(LimitMetric::Other) | None => "unnamed",
    };
    match refusal.window.map(|window| window.as_secs()) {
        Some(1) => format!("{metric}_per_second"),
        Some(60) => format!("{metric}_per_minute"),
        Some(3_600) => format!("{metric}_per_hour"),
        Some(86_400) => format!("{metric}_per_day"),
        Some(seconds) => format!("{metric}_per_{seconds}_s"),
        None => metric.to_owned(),
    }
}
