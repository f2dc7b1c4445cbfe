//! Takes the gateway's own key out of what a provider says.
//!
//! Some servers repeat the key that they refuse. Whoever reads that, in an answer, a log or a state, is
//! not who the key belongs to.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use paceline_config::Secret;
use paceline_provider::Refusal;

/// Keys of fewer bytes are placeholders, such as `none`: they keep no secret, and words of an answer
/// could be the same.
const KEY_BYTES_MIN: usize = 8;

/// Marks of escape that are passed over before one character.
const ESCAPES_MAX: usize = 16;

/// What stands in the place of the key.
const INSTEAD: &[u8] = b"***";

/// Takes one key out of texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mask {
    key: Option<Arc<Secret>>,
}

impl Mask {
    /// Takes out this key; nothing where there is none.
    pub(crate) fn of(key: Option<&Secret>) -> Self {
        let key = key.filter(|key| key.expose().len() >= KEY_BYTES_MIN);
        Self {
            key: key.cloned().map(Arc::new),
        }
    }

    /// A body without the key.
    pub(crate) fn bytes(&self, body: Bytes) -> Bytes {
        self.masked(&body).map_or(body, Bytes::from)
    }

    /// A text without the key.
    pub(crate) fn text(&self, text: &mut String) {
        if let Some(masked) = self.masked(text.as_bytes()) {
            *text = String::from_utf8_lossy(&masked).into_owned();
        }
    }

    /// Takes the key out of the values of headers.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if let Some(masked) = self.masked(value.as_bytes()) {
                *value =
                    HeaderValue::from_bytes(&masked).unwrap_or(HeaderValue::from_static("***"));
            }
        }
    }

    /// Takes the key out of a refusal that was read from inside a stream.
    pub(crate) fn refusal(&self, refusal: &mut Refusal) {
        self.text(&mut refusal.message);
        let Refusal {
            code,
            error_type,
            limit_name,
            model,
            ..
        } = refusal;
        for name in [code, error_type, limit_name, model].into_iter().flatten() {
            self.text(name);
        }
    }

    /// The text without the key; `None` where it is not in it.
    fn masked(&self, text: &[u8]) -> Option<Vec<u8>> {
        let key = self.key.as_ref()?.expose().as_bytes();
        let mut masked = Vec::new();
        let (mut at, mut taken) = (0, 0);
        while at < text.len() {
            match length_of(key, &text[at..]) {
                Some(length) => {
                    masked.extend_from_slice(&text[taken..at]);
                    masked.extend_from_slice(INSTEAD);
                    at += length;
                    taken = at;
                }
                None => at += 1,
            }
        }
        if taken == 0 {
            return None;
        }
        masked.extend_from_slice(&text[taken..]);
        Some(masked)
    }
}

/// How many bytes of `text` say the key, if it begins with that: plainly, or with some characters
/// escaped as JSON may have them (`\/`, `\u003d`), also in a string within a string.
fn length_of(key: &[u8], text: &[u8]) -> Option<usize> {
    let mut at = 0;
    // What escapes is passed over in the text, and so in the key.
    for wanted in key.iter().filter(|byte| **byte != b'\\') {
        let rest = &text[at..];
        let start = rest.iter().take(ESCAPES_MAX);
        let escapes = start.take_while(|byte| **byte == b'\\').count();
        let said = match &rest[escapes..] {
            [byte, ..] if byte == wanted => 1,
            [b'u', digits @ ..] if escapes > 0 && code(digits) == Some(*wanted) => 5,
            _ => return None,
        };
        at += escapes + said;
    }
    Some(at)
}

/// The character of one byte that four hexadecimal digits stand for.
fn code(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(key: &str, text: &str) -> String {
        let mut text = text.to_owned();
        Mask::of(Some(&Secret::new(key))).text(&mut text);
        text
    }

    #[test]
    fn a_key_is_taken_out_wherever_and_however_it_stands() {
        for (key, text, expected) in [
            (
                "sk-first",
                "wrong key: Bearer sk-first.",
                "wrong key: Bearer ***.",
            ),
            ("sk-first", "sk-firstsk-first", "******"),
            ("sk-first", "sk-fir", "sk-fir"),
            ("sk-first", "sk-sk-first", "sk-***"),
            ("sk/ab+c==", r"sk\/ab\u002Bc\u003d=", "***"),
            (
                "sk/ab+c==",
                r#"{"raw":"{\"key\":\"sk\\\/ab+c==\"}"}"#,
                r#"{"raw":"{\"key\":\"***\"}"}"#,
            ),
            ("sk\\first", "sk\\first", "***"),
            ("sk-first", r"\u00", r"\u00"),
            ("sk-first", "é sk-first é", "é *** é"),
            // No secret.
            ("message", "message", "message"),
        ] {
            assert_eq!(masked(key, text), expected, "{key}");
        }
    }

    #[test]
    fn what_has_no_key_in_it_is_not_copied() {
        let body = Bytes::from_static(b"{\"error\":{}}");
        let passed = Mask::of(Some(&Secret::new("sk-first"))).bytes(body.clone());
        assert_eq!(passed.as_ptr(), body.as_ptr());
        assert_eq!(Mask::default().bytes(body.clone()), body);
    }

    #[test]
    fn headers_and_refusals_are_cleared_as_well() {
        let mask = Mask::of(Some(&Secret::new("sk-first")));
        let mut headers = HeaderMap::new();
        headers.insert("x-error-message", HeaderValue::from_static("no sk-first"));
        mask.headers(&mut headers);
        assert_eq!(headers["x-error-message"], "no ***");
        let told = br#"{"message":"no sk-first","code":"sk-first","type":"a"}"#;
        let mut refusal = Refusal::from_error_object(told);
        mask.refusal(&mut refusal);
        assert!(!format!("{refusal:?}").contains("sk-first"), "{refusal:?}");
    }
}
