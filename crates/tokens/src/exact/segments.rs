//! Cutting text so that no piece of it can take the tokeniser long.
//!
//! The tokeniser first splits a text into pieces (words, numbers, punctuation, space) and then
//! merges the bytes of each piece, which for a long piece is slow. No piece reaches across both
//! ends of a run of whitespace or of a run without whitespace, so it is enough to bound the runs.

/// From this length of a run on, a place is looked for where the tokeniser would split anyway.
const SOFT_RUN_BYTES: usize = 1_024;
/// At this length of a run it is cut wherever it is.
pub(super) const MAX_RUN_BYTES: usize = 4_096;

/// Cuts `text` into parts that hold no run of whitespace, or without whitespace, longer than
/// [`MAX_RUN_BYTES`]. Text without such runs comes back whole, or cut in places that leave
/// the count as it is.
pub(super) fn segments(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (segment, after) = rest.split_at(segment_bytes(rest));
        rest = after;
        Some(segment)
    })
}

/// The length of the first segment of a text.
fn segment_bytes(text: &str) -> usize {
    let mut run_start = 0;
    let mut previous = None;
    for (at, next) in text.char_indices() {
        let Some(before) = previous.replace(next) else {
            continue;
        };
        if char::is_whitespace(before) != next.is_whitespace() {
            run_start = at;
        }
        let run_bytes = at + next.len_utf8() - run_start;
        if run_bytes > MAX_RUN_BYTES || run_bytes > SOFT_RUN_BYTES && splits_between(before, next) {
            return at;
        }
    }
    text.len()
}

/// Whether every vocabulary's pattern splits between these two characters, whatever is around
/// them: a word or a number ends where punctuation begins, unless it is the apostrophe of a
/// contraction, and letters and digits never share a piece.
fn splits_between(before: char, next: char) -> bool {
    if before.is_ascii_alphanumeric() && next.is_ascii_alphanumeric() {
        return before.is_ascii_digit() != next.is_ascii_digit();
    }
    (before.is_ascii_alphanumeric() || is_east_asian_letter(before)) && is_punctuation(next)
}

/// Letters of the scripts that are written without spaces.
const fn is_east_asian_letter(character: char) -> bool {
    matches!(
        character,
        'ぁ'..='ゖ' | 'ァ'..='ヺ' | '\u{4e00}'..='\u{9fff}' | '가'..='힣'
    )
}

const fn is_punctuation(character: char) -> bool {
    match character {
        '\'' => false,
        '、' | '。' | '，' | '！' | '？' | '「' | '」' => true,
        _ => character.is_ascii_punctuation(),
    }
}
