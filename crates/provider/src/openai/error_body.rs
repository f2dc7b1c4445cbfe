//! Writes the error envelopes of the dialects, so that stock SDKs understand an answer of our own.

use crate::profile::Dialect;
use bytes::Bytes;
use serde_json::Value;

/// Writes `{"error":{"message","type","param","code"}}` with correct escaping.
///
/// `kind` becomes `type`. A missing `param` or `code` is written as `null`, as the provider does.
pub fn openai_error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Bytes {
    // The display of a JSON value cannot fail, and the provider's order of members is kept.
    Bytes::from(format!(
        r#"{{"error":{{"message":{},"type":{},"param":{},"code":{}}}}}"#,
        Value::from(message),
        Value::from(kind),
        Value::from(param),
        Value::from(code),
    ))
}

/// Writes Anthropic's `{"type":"error","error":{"type","message"},"request_id"}`; without an id it is
/// left out.
pub fn anthropic_error(message: &str, kind: &str, request_id: Option<&str>) -> Bytes {
    let request_id = request_id.map_or(String::new(), |id| {
        format!(r#","request_id":{}"#, Value::from(id))
    });
    Bytes::from(format!(
        r#"{{"type":"error","error":{{"type":{},"message":{}}}{request_id}}}"#,
        Value::from(kind),
        Value::from(message),
    ))
}

/// Writes Google's `{"error":{"code","message","status"}}`.
pub fn gemini_error(message: &str, code: u16, status: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"error":{{"code":{code},"message":{},"status":{}}}}}"#,
        Value::from(message),
        Value::from(status),
    ))
}

/// Writes Amazon's `{"message"}`; what kind of error it is stands in the header `x-amzn-errortype`.
pub fn bedrock_error(message: &str) -> Bytes {
    Bytes::from(format!(r#"{{"message":{}}}"#, Value::from(message)))
}

impl Dialect {
    /// The name that the dialect has for an error of an HTTP status: `type` of OpenAI and Anthropic,
    /// `status` of Google, `x-amzn-errortype` of Amazon.
    #[must_use]
    pub const fn error_name(self, status: u16) -> &'static str {
        match self {
            Self::OpenAi => match status {
                401 => "authentication_error",
                403 => "permission_error",
                404 => "not_found_error",
                429 => "rate_limit_error",
                503 | 529 => "service_unavailable_error",
                400..500 => "invalid_request_error",
                _ => "server_error",
            },
            Self::Anthropic => match status {
                401 => "authentication_error",
                402 => "billing_error",
                403 => "permission_error",
                404 => "not_found_error",
                413 => "request_too_large",
                429 => "rate_limit_error",
                503 | 529 => "overloaded_error",
                408 | 504 => "timeout_error",
                400..500 => "invalid_request_error",
                _ => "api_error",
            },
            Self::Gemini => match status {
                401 => "UNAUTHENTICATED",
                403 => "PERMISSION_DENIED",
                404 => "NOT_FOUND",
                429 => "RESOURCE_EXHAUSTED",
                503 | 529 => "UNAVAILABLE",
                408 | 504 => "DEADLINE_EXCEEDED",
                400..500 => "INVALID_ARGUMENT",
                _ => "INTERNAL",
            },
            Self::Bedrock => match status {
                401 | 403 => "AccessDeniedException",
                404 => "ResourceNotFoundException",
                408 | 504 => "ModelTimeoutException",
                429 => "ThrottlingException",
                503 | 529 => "ServiceUnavailableException",
                400..500 => "ValidationException",
                _ => "InternalServerException",
            },
        }
    }

    /// An error of ours in this dialect's envelope, for an answer with this status.
    #[must_use]
    pub fn error_body(self, status: u16, message: &str, request_id: Option<&str>) -> Bytes {
        let name = self.error_name(status);
        match self {
            Self::OpenAi => openai_error(message, name, None, None),
            Self::Anthropic => anthropic_error(message, name, request_id),
            Self::Gemini => gemini_error(message, status, name),
            Self::Bedrock => bedrock_error(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{anthropic_error, openai_error};
    use crate::{Dialect, Fault, Refusal};
    use http::HeaderMap;
    use serde_json::{Value, json};

    #[test]
    fn members_come_in_the_order_of_the_provider() {
        assert_eq!(
            openai_error("no", "requests", None, Some("rate_limit_exceeded")).as_ref(),
            br#"{"error":{"message":"no","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#
        );
    }

    #[test]
    fn anthropics_envelope_has_its_id_only_where_there_is_one() {
        assert_eq!(
            anthropic_error("no", "api_error", Some("req_1")).as_ref(),
            br#"{"type":"error","error":{"type":"api_error","message":"no"},"request_id":"req_1"}"#
        );
        assert_eq!(
            anthropic_error("no", "api_error", None).as_ref(),
            br#"{"type":"error","error":{"type":"api_error","message":"no"}}"#
        );
    }

    #[test]
    fn an_error_of_ours_is_understood_as_what_it_is_in_every_dialect() {
        let dialects = [
            Dialect::OpenAi,
            Dialect::Anthropic,
            Dialect::Gemini,
            Dialect::Bedrock,
        ];
        for dialect in dialects {
            for (status, fault) in [
                (400, Fault::Caller),
                (401, Fault::Account),
                (404, Fault::Caller),
                (429, Fault::Quota),
                (500, Fault::Provider),
                (503, Fault::Overload),
            ] {
                let body = dialect.error_body(status, "say \"why\"", Some("id"));
                let mut headers = HeaderMap::new();
                if dialect == Dialect::Bedrock {
                    headers.insert(
                        "x-amzn-errortype",
                        dialect.error_name(status).parse().unwrap(),
                    );
                }
                let read = Refusal::from_response(status, &headers, &body).unwrap();
                assert_eq!(read.message, "say \"why\"", "{dialect:?}");
                assert_eq!(read.fault(), fault, "{dialect:?} {status}");
            }
        }
    }

    #[test]
    fn any_text_survives_the_envelope() {
        for text in [
            "\"quoted\"",
            "back\\slash",
            "line\nbreak\u{0}\u{1f}",
            "日本 \u{1f600}",
            "</script>",
        ] {
            let body = openai_error(text, text, Some(text), Some(text));
            let value: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                value,
                json!({"error": {"message": text, "type": text, "param": text, "code": text}})
            );
        }
    }
}
