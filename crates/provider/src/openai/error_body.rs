//! Writes OpenAI's error envelope, so that stock SDKs understand an answer of our own.

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

#[cfg(test)]
mod tests {
    use super::openai_error;
    use serde_json::{Value, json};

    #[test]
    fn members_come_in_the_order_of_the_provider() {
        assert_eq!(
            openai_error("no", "requests", None, Some("rate_limit_exceeded")).as_ref(),
            br#"{"error":{"message":"no","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#
        );
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
