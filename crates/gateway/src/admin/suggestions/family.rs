//! Which models are of one family: the same generation in another size.

/// Words for a size in the names of models.
const SIZES: [&str; 17] = [
    "nano", "mini", "lite", "flash", "small", "medium", "large", "pro", "haiku", "sonnet", "opus",
    "fable", "luna", "terra", "sol", "astra", "fast",
];

/// Words for a purpose: such models are not to be exchanged for others.
const PURPOSES: [&str; 14] = [
    "embedding",
    "moderation",
    "realtime",
    "transcribe",
    "tts",
    "image",
    "audio",
    "search",
    "codex",
    "diarize",
    "imagen",
    "whisper",
    "oss",
    "chat",
];

/// What the models of a family have in common; `None` where a model is for one purpose alone.
///
/// That is the name without words for sizes and without a date.
pub(super) fn family(model: &str) -> Option<String> {
    let words: Vec<&str> = model.split('-').collect();
    if words.iter().any(|word| PURPOSES.contains(word)) {
        return None;
    }
    let date_at = words.iter().position(|word| is_date_part(word));
    let words = words[..date_at.unwrap_or(words.len())].iter();
    let rest: Vec<&str> = words
        .filter(|word| !SIZES.contains(word) && **word != "latest" && **word != "preview")
        .copied()
        .collect();
    Some(rest.join("-")).filter(|family| !family.is_empty())
}

/// The beginning of a date: a year, a year and month, or a whole date.
fn is_date_part(word: &str) -> bool {
    word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_dates_do_not_tell_families_apart_and_generations_do() {
        for (one, other) in [
            ("gpt-4o", "gpt-4o-mini"),
            ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"),
            ("gpt-5.4", "gpt-5.4-nano"),
            ("gpt-6.1-sol", "gpt-6.1-terra"),
            ("claude-opus-4-5", "claude-haiku-4-5-20251001"),
            ("gemini-2.5-pro", "gemini-2.5-flash-lite"),
            ("mistral-large-2512", "mistral-small-2603"),
        ] {
            assert_eq!(family(one), family(other), "{one} {other}");
        }
        assert_ne!(family("gpt-4o"), family("gpt-4.1"));
        assert_ne!(family("claude-opus-4-5"), family("claude-opus-5"));
    }

    #[test]
    fn models_for_one_purpose_are_of_no_family() {
        for model in [
            "text-embedding-3-small",
            "gpt-realtime-mini",
            "whisper-1",
            "gpt-image-1",
        ] {
            assert_eq!(family(model), None, "{model}");
        }
    }
}
