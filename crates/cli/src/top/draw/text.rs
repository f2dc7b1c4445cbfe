//! Text by the columns that it takes on a terminal, and harmless there.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::terminal::plain;

/// Marks on one character that are let through; more pile up over other lines.
const MARKS_MAX: usize = 2;

/// Text from elsewhere: without what a terminal obeys, and without what terminals measure differently, so that
/// every column stays where it is.
pub(super) fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = MARKS_MAX;
    for c in plain(text).chars() {
        match c.width() {
            _ if joins(c) => {}
            Some(0) | None => {
                if marks < MARKS_MAX {
                    out.push(c);
                }
                marks += 1;
            }
            Some(_) => {
                out.push(c);
                marks = 0;
            }
        }
    }
    out
}

/// Whether a character only changes how its neighbours look: joiners, variations, skin colours, tags.
fn joins(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{feff}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e0fff}')
}

/// The columns of text.
pub(super) fn columns(text: &str) -> usize {
    text.width()
}

/// Text from elsewhere in at most so many columns; what is cut ends in an ellipsis.
pub(super) fn cut(text: &str, room: usize) -> String {
    let text = safe(text);
    if columns(&text) <= room {
        return text;
    }
    let Some(room) = room.checked_sub(1) else {
        return String::new();
    };
    let mut out = String::new();
    let mut taken = 0;
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken > room {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// The same, filled up with spaces.
pub(super) fn fit(text: &str, room: usize) -> String {
    let text = cut(text, room);
    let missing = room.saturating_sub(columns(&text));
    format!("{text}{}", " ".repeat(missing))
}

/// The same with the spaces before it.
pub(super) fn fit_right(text: &str, room: usize) -> String {
    let text = cut(text, room);
    let missing = room.saturating_sub(columns(&text));
    format!("{}{text}", " ".repeat(missing))
}

/// The end of a text that is being typed.
pub(super) fn last(text: &str, room: usize) -> String {
    let text = safe(text);
    let mut taken = 0;
    let fits = |c: &char| {
        taken += c.width().unwrap_or(0);
        taken <= room
    };
    let end: Vec<char> = text.chars().rev().take_while(fits).collect();
    end.into_iter().rev().collect()
}

/// Text from elsewhere, broken between words, in at most so many lines.
pub(super) fn wrap(text: &str, room: usize, lines_max: usize) -> Vec<String> {
    let text = safe(text);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let is_last = lines.len() == lines_max;
        match lines.last_mut() {
            Some(line) if is_last || columns(line) + 1 + columns(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.truncate(lines_max);
    lines.iter().map(|line| cut(line, room)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_to_its_columns_whatever_it_is() {
        let flag = "\u{1f1e9}\u{1f1ea}".repeat(9);
        let piled = format!("z{}", "\u{301}".repeat(500));
        for text in [
            "plain",
            "界界界界界界界界界界",
            "👩\u{200d}👩\u{200d}👧\u{200d}👦 family",
            "👍\u{1f3fd}❤\u{fe0f}",
            "\u{202e}gpj.exe\u{2066}",
            "\x1b[2J\x1b[31mred\x07\u{9b}31m",
            "\u{301}\u{301}mark first",
            "\u{e0041}\u{feff}\u{200b}",
            "﷽﷽",
            &flag,
            &piled,
        ] {
            for room in 0..24 {
                let shown = fit(text, room);
                assert_eq!(columns(&shown), room, "{text:?}");
                assert_eq!(columns(&fit_right(text, room)), room, "{text:?}");
                assert!(columns(&last(text, room)) <= room, "{text:?}");
                assert!(!shown.chars().any(|c| c.is_control() || joins(c)));
                assert!(!shown.contains('\u{202e}'));
            }
        }
        assert_eq!(cut("界界界", 5), "界界…");
        assert_eq!(safe(&piled).chars().count(), 3);
    }

    #[test]
    fn words_wrap_and_the_last_line_is_cut() {
        assert_eq!(wrap("one two three", 7, 2), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 7, 2), ["one two", "three …"]);
        assert_eq!(wrap("enormous", 4, 2), ["eno…"]);
    }
}
