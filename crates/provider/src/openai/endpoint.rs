//! Which call a path is, whether it counts against limits, and what its body looks like.

mod native;

use http::Method;
use std::borrow::Cow;

/// Which call of the API a path belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum EndpointKind {
    /// `/chat/completions` and stored completions below it.
    ChatCompletions,
    /// `/responses` and everything below it.
    Responses,
    /// The legacy `/completions`.
    Completions,
    /// `/embeddings`.
    Embeddings,
    /// `/moderations`.
    Moderations,
    /// `/decisions`.
    Decisions,
    /// `/images/generations`.
    ImagesGenerations,
    /// `/images/edits`.
    ImagesEdits,
    /// `/images/variations`.
    ImagesVariations,
    /// `/audio/transcriptions`.
    AudioTranscriptions,
    /// `/audio/translations`.
    AudioTranslations,
    /// `/audio/speech`.
    AudioSpeech,
    /// `/videos` and everything below it.
    Videos,
    /// `/models` and `/models/{id}`.
    Models,
    /// `/files`.
    Files,
    /// `/uploads`.
    Uploads,
    /// `/containers`.
    Containers,
    /// `/batches`.
    Batches,
    /// `/vector_stores`.
    VectorStores,
    /// `/fine_tuning`.
    FineTuning,
    /// `/evals`.
    Evals,
    /// `/conversations`.
    Conversations,
    /// `/prompts`.
    Prompts,
    /// `/realtime`: WebSocket sessions, client secrets and calls.
    Realtime,
    /// `/organization`: usage, costs, projects and their limits. Needs an admin key.
    Organization,
    /// Anthropic's `/messages`.
    Messages,
    /// Anthropic's `/messages/count_tokens`.
    MessagesCountTokens,
    /// Anthropic's `/messages/batches`.
    MessagesBatches,
    /// Gemini's `/models/{model}:generateContent`.
    GeminiGenerate,
    /// Gemini's `/models/{model}:streamGenerateContent`.
    GeminiStream,
    /// Gemini's `/models/{model}:countTokens`.
    GeminiCountTokens,
    /// Gemini's `/models/{model}:embedContent` and `:batchEmbedContents`.
    GeminiEmbed,
    /// Bedrock's `/model/{id}/converse`.
    BedrockConverse,
    /// Bedrock's `/model/{id}/converse-stream`.
    BedrockConverseStream,
    /// Bedrock's `/model/{id}/invoke`.
    BedrockInvoke,
    /// Bedrock's `/model/{id}/invoke-with-response-stream`.
    BedrockInvokeStream,
    /// Bedrock's `/model/{id}/count-tokens`.
    BedrockCountTokens,
    /// Not in the inventory, or retired: passes through as it is.
    #[default]
    Unknown,
}

/// Which limits of the provider a call draws on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pacing {
    /// One request and the tokens of its body.
    RequestsAndTokens,
    /// One request.
    Requests,
    /// One request and the images that it asks for.
    Images,
    /// Nothing that is paced: reading, managing, uploading.
    None,
}

/// What the body of a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// A JSON object.
    Json,
    /// `multipart/form-data`.
    Multipart,
    /// Anything, or nothing.
    Any,
}

/// A classified call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Which call it is.
    pub kind: EndpointKind,
    /// Which limits it draws on. Where this is [`Pacing::None`] the body need not be read at all.
    pub pacing: Pacing,
    /// What its body is.
    pub body: BodyKind,
    /// True for organization administration, which takes an admin key and must not be proxied with
    /// an inference key.
    pub admin_key: bool,
    /// True for work that the provider may bill although the call draws on no limit here and its
    /// answer tells no usage: batches, training, containers, secrets for sessions, and whatever is
    /// not known. Reading, removing and cancelling are none.
    pub unmetered: bool,
}

/// Path segments that are looked at, those in front of the operation included: Vertex has seven of
/// them. What is deeper differs only in ids.
const DEPTH_SEEN: usize = 10;

impl Endpoint {
    /// Classifies a call by its method and its path, which comes without the query.
    ///
    /// Known with and without the `/v1` in front, in Azure's forms `/openai/v1/...` and
    /// `/openai/deployments/{deployment}/...`, and in Google's and Amazon's own. Repeated and trailing slashes, dot segments and
    /// percent escapes are resolved first: a server may well resolve them, and a disguised path
    /// must not evade the pacing.
    #[must_use]
    pub fn classify(method: &Method, path: &str) -> Self {
        let path = percent_decoded(path);
        let (segments, count) = split(&path);
        let segments = without_version(&segments[..count]);
        let post = *method == Method::POST;
        let endpoint = Self::of(post, segments);
        Self {
            unmetered: is_unmetered(method, &endpoint, segments),
            ..endpoint
        }
    }

    fn of(post: bool, segments: &[&str]) -> Self {
        match segments {
            ["organization", ..] => Self {
                admin_key: true,
                ..Self::unpaced(EndpointKind::Organization)
            },
            ["chat", "completions", rest @ ..] => {
                text_work(EndpointKind::ChatCompletions, post, rest)
            }
            ["responses", rest @ ..] => responses(post, rest),
            ["completions", rest @ ..] => text_work(EndpointKind::Completions, post, rest),
            ["embeddings", rest @ ..] => text_work(EndpointKind::Embeddings, post, rest),
            ["moderations", rest @ ..] => text_work(EndpointKind::Moderations, post, rest),
            ["decisions", rest @ ..] => text_work(EndpointKind::Decisions, post, rest),
            ["messages", rest @ ..] => messages(post, rest),
            ["images" | "audio" | "videos", ..] => media(post, segments),
            ["models" | "tunedModels" | "endpoints", call] if post && call.contains(':') => {
                native::gemini(call)
            }
            ["model", .., action] => native::bedrock(post, action),
            _ => management(post, segments),
        }
    }

    /// The deployment that a path in Azure's form names. It stands in for the model there.
    ///
    /// ```
    /// use paceline_provider::Endpoint;
    ///
    /// let path = "/openai/deployments/gpt-4o-eu/chat/completions";
    /// assert_eq!(Endpoint::azure_deployment(path), Some("gpt-4o-eu"));
    /// ```
    #[must_use]
    pub fn azure_deployment(path: &str) -> Option<&str> {
        let (deployment, operation) = path.strip_prefix("/openai/deployments/")?.split_once('/')?;
        (!deployment.is_empty() && !operation.is_empty()).then_some(deployment)
    }

    const fn unpaced(kind: EndpointKind) -> Self {
        Self {
            kind,
            pacing: Pacing::None,
            body: BodyKind::Any,
            admin_key: false,
            unmetered: false,
        }
    }

    const fn paced(kind: EndpointKind, pacing: Pacing, body: BodyKind) -> Self {
        Self {
            kind,
            pacing,
            body,
            admin_key: false,
            unmetered: false,
        }
    }
}

/// Calls whose only POST to the bare path creates work; below it are stored objects.
const fn text_work(kind: EndpointKind, post: bool, rest: &[&str]) -> Endpoint {
    if post && rest.is_empty() {
        Endpoint::paced(kind, Pacing::RequestsAndTokens, BodyKind::Json)
    } else {
        Endpoint::unpaced(kind)
    }
}

fn responses(post: bool, rest: &[&str]) -> Endpoint {
    let kind = EndpointKind::Responses;
    match rest {
        [] | ["compact"] if post => {
            Endpoint::paced(kind, Pacing::RequestsAndTokens, BodyKind::Json)
        }
        // Counting tokens is a request like any other, but creates none.
        ["input_tokens"] if post => Endpoint::paced(kind, Pacing::Requests, BodyKind::Json),
        _ => Endpoint::unpaced(kind),
    }
}

fn messages(post: bool, rest: &[&str]) -> Endpoint {
    match rest {
        // Anthropic limits counting apart from everything else.
        ["count_tokens"] => Endpoint::unpaced(EndpointKind::MessagesCountTokens),
        ["batches", ..] => Endpoint::unpaced(EndpointKind::MessagesBatches),
        _ => text_work(EndpointKind::Messages, post, rest),
    }
}

fn media(post: bool, segments: &[&str]) -> Endpoint {
    use EndpointKind as K;
    let (kind, pacing, body) = match segments {
        ["images", "generations"] => (K::ImagesGenerations, Pacing::Images, BodyKind::Json),
        // Files come as multipart, references to files as JSON.
        ["images", "edits"] => (K::ImagesEdits, Pacing::Images, BodyKind::Any),
        ["images", "variations"] => (K::ImagesVariations, Pacing::Images, BodyKind::Multipart),
        ["audio", "transcriptions"] => (
            K::AudioTranscriptions,
            Pacing::Requests,
            BodyKind::Multipart,
        ),
        ["audio", "translations"] => (K::AudioTranslations, Pacing::Requests, BodyKind::Multipart),
        ["audio", "speech"] => (K::AudioSpeech, Pacing::Requests, BodyKind::Json),
        ["videos", ..] => (K::Videos, Pacing::Requests, BodyKind::Any),
        _ => return Endpoint::unpaced(K::Unknown),
    };
    if post {
        Endpoint::paced(kind, pacing, body)
    } else {
        Endpoint::unpaced(kind)
    }
}

/// Everything that is not paced. `/assistants`, `/threads`, `/engines`, `/edits` and `/fine-tunes`
/// are retired and therefore unknown.
fn management(post: bool, segments: &[&str]) -> Endpoint {
    use EndpointKind as K;
    let kind = match segments.first().copied() {
        Some("models") => K::Models,
        Some("files") => K::Files,
        Some("uploads") => K::Uploads,
        Some("containers") => K::Containers,
        Some("batches") => K::Batches,
        Some("vector_stores") => K::VectorStores,
        Some("fine_tuning") => K::FineTuning,
        Some("evals") => K::Evals,
        Some("conversations") => K::Conversations,
        Some("prompts") => K::Prompts,
        Some("realtime") => K::Realtime,
        _ => K::Unknown,
    };
    let uploads_bytes = matches!(
        segments,
        ["files"] | ["uploads", _, "parts"] | ["containers", _, "files"]
    );
    let body = if post && uploads_bytes {
        BodyKind::Multipart
    } else {
        BodyKind::Any
    };
    Endpoint {
        body,
        ..Endpoint::unpaced(kind)
    }
}

/// Whether a call is work that the provider may bill and that nothing here sees.
fn is_unmetered(method: &Method, endpoint: &Endpoint, segments: &[&str]) -> bool {
    use EndpointKind as K;
    let changes = ![Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS].contains(method);
    let ends_work = matches!(segments.last(), Some(&("cancel" | "pause")));
    let works = match endpoint.kind {
        K::Batches | K::MessagesBatches | K::FineTuning | K::Evals => !ends_work,
        // A container is billed when it is made; files come and go in it for nothing.
        K::Containers => segments.len() == 1,
        K::Realtime | K::Unknown => true,
        _ => false,
    };
    changes && works && endpoint.pacing == Pacing::None
}

/// Drops what stands before the operation.
fn without_version<'s, 'a>(segments: &'s [&'a str]) -> &'s [&'a str] {
    match segments {
        ["openai", "deployments", _, rest @ ..]
        | ["openai", "v1", rest @ ..]
        | ["v1beta", "openai", rest @ ..] => rest,
        ["v1" | "v1beta" | "v1beta1", rest @ ..] => without_place(rest),
        _ => segments,
    }
}

/// Drops the project and the place that Vertex names.
fn without_place<'s, 'a>(segments: &'s [&'a str]) -> &'s [&'a str] {
    match segments {
        ["projects", _, "locations", _, "publishers", _, rest @ ..]
        | [
            "projects",
            _,
            "locations",
            _,
            "endpoints",
            "openapi",
            rest @ ..,
        ] => rest,
        ["projects", _, "locations", _, rest @ ..] => rest,
        _ => segments,
    }
}

/// The segments of a path with empty and dot segments resolved; what is deeper is dropped.
fn split(path: &str) -> ([&str; DEPTH_SEEN], usize) {
    let mut segments = [""; DEPTH_SEEN];
    let mut count: usize = 0;
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => count = count.saturating_sub(1),
            _ => {
                if let Some(place) = segments.get_mut(count) {
                    *place = segment;
                }
                count += 1;
            }
        }
    }
    (segments, count.min(DEPTH_SEEN))
}

/// Resolves percent escapes; a malformed one stays as it is.
fn percent_decoded(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        match escaped_byte(rest) {
            Some(byte) => {
                decoded.push(byte);
                rest = &rest[3..];
            }
            None => {
                decoded.push(first);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn escaped_byte(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests;
