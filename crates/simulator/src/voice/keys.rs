//! Where each provider reads a key, and what it says to a missing or a wrong one.

use http::{HeaderMap, StatusCode, header::AUTHORIZATION};

use crate::{
    json::{Json, object},
    likeness::Likeness,
    refusal::ApiError,
};

/// The key of a request, from where the provider's clients put it.
pub(crate) fn key_of(
    likeness: Likeness,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Option<String> {
    let named = |name: &str| text(headers, name).map(str::to_owned);
    let key = match likeness {
        Likeness::OpenAi | Likeness::Azure => bearer(headers).or_else(|| named("api-key")),
        Likeness::Anthropic => named("x-api-key").or_else(|| bearer(headers)),
        Likeness::Gemini => named("x-goog-api-key").or_else(|| query_key(query)),
        Likeness::Bedrock => bearer(headers).or_else(|| access_key(headers)),
        _ => bearer(headers),
    };
    key.filter(|key| !key.is_empty())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, key) = text(headers, AUTHORIZATION.as_str())?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| key.trim().to_owned())
}

fn query_key(query: Option<&str>) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query?.as_bytes());
    let (_, key) = pairs.find(|(name, _)| name == "key")?;
    Some(key.into_owned())
}

/// The access key of a request that is signed as AWS does. The signature itself is not checked.
fn access_key(headers: &HeaderMap) -> Option<String> {
    let signed = text(headers, AUTHORIZATION.as_str())?;
    let parts = signed.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let mut parts = parts.split(',').map(str::trim);
    let credential = parts.find_map(|part| part.strip_prefix("Credential="))?;
    credential.split('/').next().map(str::to_owned)
}

pub(crate) fn missing_key(likeness: Likeness) -> ApiError {
    let unauthorized = StatusCode::UNAUTHORIZED;
    match likeness {
        Likeness::OpenAi => {
            let message = "You didn't provide an API key. You need to provide your API key in an \
                           Authorization header using Bearer auth (i.e. Authorization: Bearer \
                           YOUR_KEY), or as the password field (with blank username) if you're \
                           accessing the API from your browser and are prompted for a username \
                           and password. You can obtain an API key from \
                           https://platform.openai.com/account/api-keys.";
            ApiError::new(unauthorized, "invalid_request_error", message)
        }
        Likeness::Anthropic => {
            let message = "x-api-key header is required";
            ApiError::new(unauthorized, "authentication_error", message)
        }
        Likeness::Gemini | Likeness::GeminiCompatible => {
            let message = "Method doesn't allow unregistered callers (callers without established \
                           identity). Please use API Key or other form of API consumer identity \
                           to call this API.";
            ApiError::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", message)
        }
        Likeness::Bedrock => {
            let kind = "MissingAuthenticationTokenException";
            ApiError::new(StatusCode::FORBIDDEN, kind, "Missing Authentication Token")
        }
        other => wrong_key(other, ""),
    }
}

/// The error for a key that is not known; `shortened` is how it may be shown.
pub(crate) fn wrong_key(likeness: Likeness, shortened: &str) -> ApiError {
    let unauthorized = StatusCode::UNAUTHORIZED;
    match likeness {
        Likeness::OpenAi => {
            let message = format!(
                "Incorrect API key provided: {shortened}. You can find your API key at \
                 https://platform.openai.com/account/api-keys."
            );
            ApiError::new(unauthorized, "invalid_request_error", message).code("invalid_api_key")
        }
        Likeness::Azure => {
            let message = "Access denied due to invalid subscription key or wrong API endpoint. \
                           Make sure to provide a valid key for an active subscription and use a \
                           correct regional API endpoint for your resource.";
            ApiError::new(unauthorized, "", message).code("401")
        }
        Likeness::Anthropic => {
            ApiError::new(unauthorized, "authentication_error", "invalid x-api-key")
        }
        Likeness::Gemini | Likeness::GeminiCompatible => {
            let message = "API key not valid. Please pass a valid API key.";
            ApiError::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", message)
                .with_details(Json::List(vec![invalid_key_info()]))
        }
        Likeness::Vertex => {
            let message = "Request had invalid authentication credentials. Expected OAuth 2 access \
                           token, login cookie or other valid authentication credential.";
            ApiError::new(unauthorized, "UNAUTHENTICATED", message)
        }
        Likeness::Bedrock => {
            let message = "The security token included in the request is invalid.";
            let kind = "UnrecognizedClientException";
            ApiError::new(StatusCode::FORBIDDEN, kind, message)
        }
        _ => ApiError::new(unauthorized, "invalid_request_error", "Invalid API Key")
            .code("invalid_api_key"),
    }
}

fn invalid_key_info() -> Json {
    object! {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": object! { "service": "generativelanguage.googleapis.com" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn keys_are_read_from_where_each_providers_clients_put_them() {
        let read = |likeness, headers: &HeaderMap, query| key_of(likeness, headers, query);
        let bearer = headers("authorization", "Bearer k1");
        for likeness in Likeness::ALL {
            let key = read(likeness, &bearer, None);
            let wanted = (likeness != Likeness::Gemini).then(|| "k1".to_owned());
            assert_eq!(key, wanted, "{likeness}");
        }
        let key = |likeness, name, value| read(likeness, &headers(name, value), None);
        assert_eq!(
            key(Likeness::Anthropic, "x-api-key", "k2").as_deref(),
            Some("k2")
        );
        assert_eq!(key(Likeness::Azure, "api-key", "k3").as_deref(), Some("k3"));
        assert_eq!(
            key(Likeness::Gemini, "x-goog-api-key", "k4").as_deref(),
            Some("k4")
        );
        let query = read(Likeness::Gemini, &HeaderMap::new(), Some("alt=sse&key=k5"));
        assert_eq!(query.as_deref(), Some("k5"));
        let signed = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/eu-west-1/bedrock/aws4_request, \
                      SignedHeaders=host, Signature=00";
        assert_eq!(
            key(Likeness::Bedrock, "authorization", signed).as_deref(),
            Some("AKIDEXAMPLE")
        );
        assert_eq!(key(Likeness::Groq, "x-api-key", "k"), None);
        assert_eq!(key(Likeness::Anthropic, "x-api-key", ""), None);
    }
}
