//! Cutting a large text where the tokeniser would cut it anyway, so that progress can be shown.

/// The least size of a piece.
const PIECE_BYTES_MIN: usize = 1 << 20;

/// Cuts `text` into pieces of at least a megabyte whose counts add up to that of the whole.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    pieces_of(text, PIECE_BYTES_MIN)
}

fn pieces_of(text: &str, bytes_min: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(end_of_piece(rest, bytes_min));
        rest = after;
        Some(piece)
    })
}

/// No token reaches past a single line break between two visible characters, so that the text may
/// be cut behind it; only a slash is drawn to the line break before it.
fn end_of_piece(text: &str, bytes_min: usize) -> usize {
    let bytes = text.as_bytes();
    let Some(tail) = bytes.get(bytes_min.saturating_sub(1)..) else {
        return text.len();
    };
    let cut = tail.windows(3).position(|around| {
        matches!(around, [before, b'\n', after]
            if before.is_ascii_graphic() && after.is_ascii_graphic() && *after != b'/')
    });
    cut.map_or(text.len(), |at| bytes_min.saturating_sub(1) + at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_tokens::{Vocabulary, count};

    #[test]
    fn the_counts_of_the_pieces_add_up_to_that_of_the_whole() {
        let text = [
            "- a.\n- b,\n/c;\n|d|\n|e|\n'quoted'\n's\n#!\n(f)\n",
            "fn main() {\n    let x = 12345;\n}\nHello\nworld\n\n  it's\n/path\nété\n名前\na\nb",
        ];
        let text = text.concat().repeat(5);
        let models = ["gpt-4o", "gpt-4", "text-davinci-003", "davinci"];
        for vocabulary in models.map(Vocabulary::for_model) {
            for bytes_min in [1, 2, 7, 40] {
                let pieces: Vec<&str> = pieces_of(&text, bytes_min).collect();
                assert!(pieces.len() > 3);
                assert_eq!(pieces.concat(), text);
                let sum: u64 = pieces.iter().map(|piece| count(vocabulary, piece)).sum();
                assert_eq!(sum, count(vocabulary, &text), "{vocabulary:?} {bytes_min}");
            }
        }
    }

    #[test]
    fn a_text_without_a_place_to_cut_stays_whole() {
        let text = "x".repeat(100);
        assert_eq!(pieces_of(&text, 10).collect::<Vec<_>>(), [text.as_str()]);
        assert_eq!(pieces_of("", 10).count(), 0);
    }
}
