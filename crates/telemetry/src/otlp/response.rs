//! What a collector answers.

use serde_json::Value;

/// How many spans or points a collector took out of a batch that it otherwise accepted: the
/// `partialSuccess` of its answer. An answer that cannot be read says nothing of the kind.
pub fn rejected(answer: &[u8]) -> u64 {
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else {
        return 0;
    };
    let partial = &answer["partialSuccess"];
    let number = |value: &Value| match value {
        // 64-bit numbers are written as text, though not by everyone.
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    ["rejectedSpans", "rejectedDataPoints"]
        .iter()
        .find_map(|name| number(&partial[*name]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejections_are_read_in_both_notations_and_anything_else_is_none() {
        for (answer, expected) in [
            (r#"{"partialSuccess":{"rejectedSpans":"3"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedDataPoints":2}}"#, 2),
            (r#"{"partialSuccess":{"rejectedSpans":"-1"}}"#, 0),
            (r#"{"partialSuccess":null}"#, 0),
            ("{}", 0),
            ("[]", 0),
            ("", 0),
            ("\u{0}", 0),
        ] {
            assert_eq!(rejected(answer.as_bytes()), expected, "{answer}");
        }
    }
}
