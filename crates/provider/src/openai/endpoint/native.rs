//! The paths of Google and Amazon, which name the model and what is to be done with it.

use super::{BodyKind, Endpoint, EndpointKind, Pacing, percent_decoded};
use std::borrow::Cow;

impl EndpointKind {
    /// Whether the call is one of Gemini's own.
    #[must_use]
    pub const fn is_gemini(self) -> bool {
        matches!(
            self,
            Self::GeminiGenerate | Self::GeminiStream | Self::GeminiCountTokens | Self::GeminiEmbed
        )
    }

    /// Whether the call is one of Bedrock's own.
    #[must_use]
    pub const fn is_bedrock(self) -> bool {
        matches!(
            self,
            Self::BedrockConverse
                | Self::BedrockConverseStream
                | Self::BedrockInvoke
                | Self::BedrockInvokeStream
                | Self::BedrockCountTokens
        )
    }

    /// Whether the path rather than the body asks for a stream.
    #[must_use]
    pub const fn streams_by_path(self) -> bool {
        matches!(
            self,
            Self::GeminiStream | Self::BedrockConverseStream | Self::BedrockInvokeStream
        )
    }
}

impl Endpoint {
    /// What of a path stands below the version and the place that it names, as it is: the part that
    /// is the same with every provider of a dialect.
    ///
    /// ```
    /// use paceline_provider::Endpoint;
    ///
    /// for path in [
    ///     "/v1/chat/completions",
    ///     "/openai/v1/chat/completions",
    ///     "/openai/deployments/gpt-4o/chat/completions",
    ///     "/chat/completions",
    /// ] {
    ///     assert_eq!(Endpoint::below_version(path), "/chat/completions");
    /// }
    /// ```
    #[must_use]
    pub fn below_version(path: &str) -> &str {
        if let Some(deployment) = Self::azure_deployment(path) {
            return &path["/openai/deployments/".len() + deployment.len()..];
        }
        let versions = ["/openai/v1", "/v1beta/openai", "/v1beta1", "/v1beta", "/v1"];
        let mut below = versions.iter().filter_map(|start| path.strip_prefix(start));
        let rest = below
            .find(|rest| rest.is_empty() || rest.starts_with('/'))
            .unwrap_or(path);
        without_place(rest).unwrap_or(rest)
    }

    /// The model that a path names, unescaped: Azure's deployment, Gemini's model, Bedrock's id.
    ///
    /// ```
    /// use paceline_provider::Endpoint;
    ///
    /// let model = |path| Endpoint::model_in_path(path).map(|model| model.into_owned());
    /// assert_eq!(
    ///     model("/v1beta/models/gemini-3.5-flash:generateContent").as_deref(),
    ///     Some("gemini-3.5-flash"),
    /// );
    /// assert_eq!(
    ///     model("/model/amazon.nova-pro-v1%3A0/converse").as_deref(),
    ///     Some("amazon.nova-pro-v1:0"),
    /// );
    /// assert_eq!(model("/v1/chat/completions"), None);
    /// ```
    #[must_use]
    pub fn model_in_path(path: &str) -> Option<Cow<'_, str>> {
        let model = Self::azure_deployment(path)
            .or_else(|| gemini_model(path))
            .or_else(|| bedrock_model(path))?;
        Some(percent_decoded(model))
    }
}

/// Drops `/projects/{project}/locations/{location}` and the publisher, as Vertex names them.
fn without_place(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/projects/")?;
    let (_, rest) = rest.split_once("/locations/")?;
    let place = rest.find('/')?;
    let rest = &rest[place..];
    if let Some(below) = rest.strip_prefix("/endpoints/openapi") {
        return Some(below);
    }
    match rest.strip_prefix("/publishers/") {
        Some(publisher) => Some(&publisher[publisher.find('/')?..]),
        None => Some(rest),
    }
}

fn gemini_model(path: &str) -> Option<&str> {
    let (before, call) = path.trim_end_matches('/').rsplit_once('/')?;
    let is_model = ["/models", "/tunedModels", "/endpoints"]
        .iter()
        .any(|end| before.ends_with(end));
    // The colon may come escaped.
    let (model, action) = call
        .rsplit_once(':')
        .or_else(|| call.rsplit_once("%3A"))
        .or_else(|| call.rsplit_once("%3a"))?;
    let is_action = action.starts_with(|c: char| c.is_ascii_lowercase())
        && action.ends_with(|c: char| c.is_ascii_alphabetic());
    (is_model && is_action && !model.is_empty()).then_some(model)
}

fn bedrock_model(path: &str) -> Option<&str> {
    let (model, action) = path
        .trim_end_matches('/')
        .strip_prefix("/model/")?
        .rsplit_once('/')?;
    (!model.is_empty() && !action.is_empty()).then_some(model)
}

/// `{model}:{action}`.
pub(super) fn gemini(call: &str) -> Endpoint {
    use EndpointKind as K;
    let (_, action) = call.rsplit_once(':').unwrap_or((call, ""));
    match action {
        "generateContent" => text_work(K::GeminiGenerate),
        "streamGenerateContent" => text_work(K::GeminiStream),
        "embedContent" | "batchEmbedContents" => text_work(K::GeminiEmbed),
        // Counting draws on none of the limits of generating.
        "countTokens" => Endpoint::unpaced(K::GeminiCountTokens),
        _ => Endpoint::unpaced(K::Unknown),
    }
}

pub(super) fn bedrock(post: bool, action: &str) -> Endpoint {
    use EndpointKind as K;
    let kind = match action {
        "converse" => K::BedrockConverse,
        "converse-stream" => K::BedrockConverseStream,
        "invoke" => K::BedrockInvoke,
        "invoke-with-response-stream" => K::BedrockInvokeStream,
        "count-tokens" => return Endpoint::unpaced(K::BedrockCountTokens),
        _ => K::Unknown,
    };
    if post && kind != K::Unknown {
        text_work(kind)
    } else {
        Endpoint::unpaced(kind)
    }
}

const fn text_work(kind: EndpointKind) -> Endpoint {
    Endpoint::paced(kind, Pacing::RequestsAndTokens, BodyKind::Json)
}
