//! How a call's path is made for a provider.

use super::Profile;
use crate::openai::EndpointKind;
use std::borrow::Cow;
use std::fmt::Write as _;

/// How a provider wants its paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathStyle {
    /// As they are.
    Plain,
    /// As they are below `/openai/v1`, or by deployment for a dated version of the API.
    Azure,
    /// `/models/{model}:action`.
    Gemini,
    /// `/model/{id}/action`.
    Bedrock,
}

impl Profile {
    /// The path that follows the path of the base URL.
    ///
    /// `below_version` is the caller's path without what stands before the operation, such as
    /// `/chat/completions`, with its query where there is one; `model` is the provider's name of the
    /// model, and empty where the call has none. Where the path itself names a model, it is
    /// replaced.
    ///
    /// With an `api_version`, Azure's path names the deployment and the version, and follows the
    /// bare host: `/openai/deployments/{model}/chat/completions?api-version=...`. Without one the
    /// base URL ends in `/openai/v1`, see [`base_path`](Self::base_path).
    ///
    /// ```
    /// use paceline_provider::{EndpointKind, Profile};
    ///
    /// let gemini = Profile::named("gemini").unwrap();
    /// let path = "/models/fast:streamGenerateContent?alt=sse";
    /// assert_eq!(
    ///     gemini.upstream_path(EndpointKind::GeminiStream, path, "gemini-3.5-flash", None),
    ///     "/models/gemini-3.5-flash:streamGenerateContent?alt=sse",
    /// );
    /// ```
    #[must_use]
    pub fn upstream_path<'a>(
        &self,
        kind: EndpointKind,
        below_version: &'a str,
        model: &str,
        api_version: Option<&str>,
    ) -> Cow<'a, str> {
        match (self.paths, api_version) {
            (PathStyle::Azure, Some(version)) => {
                Cow::Owned(azure_path(kind, below_version, model, version))
            }
            (PathStyle::Gemini, _) if kind.is_gemini() && !model.is_empty() => {
                with_gemini_model(below_version, model)
            }
            (PathStyle::Bedrock, _) if kind.is_bedrock() && !model.is_empty() => {
                with_bedrock_model(below_version, model)
            }
            _ => Cow::Borrowed(below_version),
        }
    }

    /// The path of a base URL, completed where it has none: people write
    /// `https://api.anthropic.com` as well as `https://api.anthropic.com/v1`.
    #[must_use]
    pub fn base_path<'a>(&self, path: &'a str, api_version: Option<&str>) -> &'a str {
        let path = path.trim_end_matches('/');
        match (self.paths, api_version) {
            (PathStyle::Azure, Some(_)) => path.strip_suffix("/openai/v1").unwrap_or(path),
            _ if path.is_empty() => self.bare_base_path,
            _ => path,
        }
    }
}

/// Calls that belong to a model name its deployment; others stand for the whole resource.
fn azure_path(kind: EndpointKind, below_version: &str, model: &str, version: &str) -> String {
    use EndpointKind as K;
    let of_a_deployment = matches!(
        kind,
        K::ChatCompletions
            | K::Completions
            | K::Embeddings
            | K::ImagesGenerations
            | K::ImagesEdits
            | K::AudioTranscriptions
            | K::AudioTranslations
            | K::AudioSpeech
    );
    let mut path = String::from("/openai");
    if of_a_deployment && !model.is_empty() {
        path.push_str("/deployments/");
        push_escaped(&mut path, model);
    }
    path.push_str(below_version);
    path.push(if below_version.contains('?') {
        '&'
    } else {
        '?'
    });
    path.push_str("api-version=");
    push_escaped(&mut path, version);
    path
}

/// Replaces what stands between `/models/` and the action.
fn with_gemini_model<'a>(path: &'a str, model: &str) -> Cow<'a, str> {
    let Some((before, rest)) = path.rsplit_once("/models/") else {
        return Cow::Borrowed(path);
    };
    let query = rest.find('?').unwrap_or(rest.len());
    let Some(action) = rest[..query].rfind(':') else {
        return Cow::Borrowed(path);
    };
    let model = model.strip_prefix("models/").unwrap_or(model);
    let mut written = format!("{before}/models/");
    push_escaped(&mut written, model);
    written.push_str(&rest[action..]);
    Cow::Owned(written)
}

/// Replaces what stands between `/model/` and the action. An id may be an ARN, whose slashes are
/// escaped.
fn with_bedrock_model<'a>(path: &'a str, model: &str) -> Cow<'a, str> {
    let Some((before, rest)) = path.split_once("/model/") else {
        return Cow::Borrowed(path);
    };
    let Some(action) = rest.find('/') else {
        return Cow::Borrowed(path);
    };
    let mut written = format!("{before}/model/");
    push_escaped(&mut written, model);
    written.push_str(&rest[action..]);
    Cow::Owned(written)
}

/// Escapes what may not stand in a path's segment (RFC 3986, unreserved characters).
fn push_escaped(path: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
}
