//! What lies over a view: a question, or the list of keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::text::{fit, wrap};
use super::{Theme, Tone, rows};
use crate::top::keys;
use crate::top::state::State;

/// The widest that a box is.
const COLUMNS_MAX: u16 = 64;

/// Columns of the names of keys.
const KEY_COLUMNS: usize = 15;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let width = COLUMNS_MAX.min(area.width.saturating_sub(2));
    let inner = usize::from(width.saturating_sub(4));
    if let Some(question) = &state.question {
        let text_rows = usize::from(area.height).saturating_sub(5).clamp(1, 8);
        let mut lines: Vec<Line<'_>> = wrap(&question.text, inner, text_rows)
            .into_iter()
            .map(|line| Line::from(format!(" {line}")))
            .collect();
        lines.push(Line::default());
        lines.push(theme.line(" y  yes, end it      n  no", Tone::Strong));
        draw_box(frame, area, (width, question.title), lines);
    } else if state.is_helping {
        let line = |(key, does): &(&str, &str)| {
            Line::from(vec![
                theme.span(format!(" {}", fit(key, KEY_COLUMNS)), Tone::Strong),
                theme.span(fit(does, inner.saturating_sub(KEY_COLUMNS)), Tone::Plain),
            ])
        };
        let lines = keys::LIST.iter().map(line).collect();
        draw_box(frame, area, (width, "Keys"), lines);
    }
}

/// A box in the middle.
fn draw_box(frame: &mut Frame<'_>, area: Rect, (width, title): (u16, &str), lines: Vec<Line<'_>>) {
    let height = (rows(lines.len()) + 2).min(area.height);
    let place = Rect {
        x: (area.width - width) / 2,
        y: (area.height - height) / 2,
        width,
        height,
    };
    let border = Block::bordered()
        .border_type(BorderType::Rounded)
        .title(format!(" {title} "));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(border), place);
}
