//! The state on a screen: a head and a foot, and one of the views between them.

mod lanes;
mod now;
mod pools;
mod popup;
mod queue;
mod text;

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use self::text::{columns, cut, wrap};
use super::health::{Level, health_of};
use super::picture::Connection;
use super::state::{Seen, State, View};
use crate::figures::span;

/// The least that anything can be shown on.
const COLUMNS_MIN: u16 = 40;
const ROWS_MIN: u16 = 10;

/// Lines that the health may take.
const HEALTH_ROWS: usize = 2;

/// What a piece of text means. Whatever is said by a colour is said by words, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Plain,
    Strong,
    Quiet,
    Good,
    Warn,
    Bad,
}

/// How tones look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    is_coloured: bool,
}

impl Theme {
    pub(super) fn new(is_coloured: bool) -> Self {
        Self { is_coloured }
    }

    fn style(self, tone: Tone) -> Style {
        let coloured = |color| match self.is_coloured {
            true => Style::new().fg(color),
            false => Style::new(),
        };
        match tone {
            Tone::Plain => Style::new(),
            Tone::Strong => Style::new().add_modifier(Modifier::BOLD),
            Tone::Quiet => Style::new().add_modifier(Modifier::DIM),
            Tone::Good => coloured(Color::Green),
            Tone::Warn => coloured(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    fn span(self, text: impl Into<String>, tone: Tone) -> Span<'static> {
        Span::styled(text.into(), self.style(tone))
    }

    fn line(self, text: impl Into<String>, tone: Tone) -> Line<'static> {
        Line::from(self.span(text, tone))
    }
}

/// Draws everything; tells how much there was room for.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, theme: Theme, at: Instant) -> Seen {
    let area = frame.area();
    if area.width < COLUMNS_MIN || area.height < ROWS_MIN {
        draw_too_small(frame, area);
        return Seen::default();
    }
    let mut head = vec![title(state, theme, usize::from(area.width), at)];
    head.extend(health(state, theme, usize::from(area.width)));
    let body = Rect {
        y: rows(head.len()) + 1,
        height: area.height.saturating_sub(rows(head.len()) + 2),
        ..area
    };
    frame.render_widget(Paragraph::new(head), area);
    let time = state.time(at);
    let seen = match state.view {
        View::Now => now::draw(frame, body, state, theme, time),
        View::Queue => queue::draw(frame, body, state, theme, time),
    };
    let foot = Rect {
        y: area.height - 1,
        height: 1,
        ..area
    };
    frame.render_widget(foot_line(state, theme, usize::from(area.width)), foot);
    popup::draw(frame, area, state, theme);
    seen
}

fn rows(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn draw_too_small(frame: &mut Frame<'_>, area: Rect) {
    let text = format!(
        "Too small: {COLUMNS_MIN} columns and {ROWS_MIN} rows are needed, and here are {} and {}. q leaves.",
        area.width, area.height
    );
    let lines = wrap(&text, usize::from(area.width), usize::from(area.height));
    let lines: Vec<Line<'_>> = lines.into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

/// Which view this is, of what, and whether it is of now.
fn title(state: &State, theme: Theme, width: usize, at: Instant) -> Line<'static> {
    let tab = |view, name: &str| match state.view == view {
        true => Span::styled(
            format!("[{name}]"),
            Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
        ),
        false => theme.span(format!(" {name} "), Tone::Plain),
    };
    let (standing, tone) = standing(state, at);
    let standing = cut(&standing, width.saturating_sub(36));
    let mut spans = vec![
        theme.span(" paceline top ", Tone::Strong),
        tab(View::Now, "1 Now"),
        tab(View::Queue, "2 Queue"),
    ];
    let taken: usize = spans.iter().map(Span::width).sum();
    let room = width.saturating_sub(taken + columns(&standing) + 4);
    spans.push(theme.span(
        format!("  {}", text::fit(&state.address, room)),
        Tone::Quiet,
    ));
    spans.push(theme.span(format!(" {standing}"), tone));
    Line::from(spans)
}

fn standing(state: &State, at: Instant) -> (String, Tone) {
    if let Some(held) = state.held_for(at) {
        let lost = match state.is_lost_behind() {
            true => ", not connected",
            false => "",
        };
        return (
            format!("display paused, {} old{lost}", span(held)),
            Tone::Warn,
        );
    }
    let picture = state.picture();
    match &picture.connection {
        Connection::Connecting => ("connecting".to_owned(), Tone::Warn),
        Connection::Live => ("live".to_owned(), Tone::Good),
        Connection::Lost(_) => match picture.age(at) {
            Some(age) => (format!("NOT CONNECTED, {} old", span(age)), Tone::Bad),
            None => ("NOT CONNECTED".to_owned(), Tone::Bad),
        },
    }
}

fn health(state: &State, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let health = health_of(state.picture());
    let tone = match health.level {
        Level::Good => Tone::Good,
        Level::Warn => Tone::Warn,
        Level::Bad => Tone::Bad,
        Level::Idle => Tone::Strong,
    };
    let badge = theme
        .style(tone)
        .add_modifier(Modifier::REVERSED | Modifier::BOLD);
    let badge = Span::styled(format!(" {} ", health.word), badge);
    let indent = badge.width() + 3;
    let lines = wrap(&health.line, width.saturating_sub(indent + 1), HEALTH_ROWS);
    let line = |(index, words): (usize, String)| match index {
        0 => Line::from(vec![
            Span::from(" "),
            badge.clone(),
            Span::from(format!("  {words}")),
        ]),
        _ => Line::from(format!("{}{words}", " ".repeat(indent))),
    };
    lines.into_iter().enumerate().map(line).collect()
}

/// What was done, what is typed, or which keys there are.
fn foot_line(state: &State, theme: Theme, width: usize) -> Line<'static> {
    if state.is_filtering {
        let hint = "   Enter keeps it, Esc drops it";
        let room = width.saturating_sub(3 + columns(hint));
        let typed = text::last(&state.filter, room);
        return Line::from(vec![
            theme.span(format!(" /{typed}_"), Tone::Strong),
            theme.span(hint, Tone::Quiet),
        ]);
    }
    if let Some(notice) = &state.notice {
        return match &notice.told {
            Ok(done) => theme.line(cut(&format!(" {done}"), width), Tone::Good),
            Err(why) => theme.line(cut(&format!(" error: {why}"), width), Tone::Bad),
        };
    }
    let keys: &[(&str, &str)] = match state.view {
        View::Now => &[
            ("q", "leave"),
            ("?", "keys"),
            ("2", "queue"),
            ("p", "pause"),
            ("↑↓", "scroll"),
        ],
        View::Queue => &[
            ("q", "leave"),
            ("?", "keys"),
            ("1", "now"),
            ("↑↓", "select"),
            ("c", "end wait"),
            ("C", "end session"),
            ("/", "filter"),
            ("p", "pause"),
        ],
    };
    let mut spans = Vec::new();
    let mut taken = 0;
    for (key, does) in keys {
        taken += columns(key) + columns(does) + 3;
        if taken > width {
            break;
        }
        spans.push(theme.span(format!(" {key}"), Tone::Strong));
        spans.push(theme.span(format!(" {does} "), Tone::Quiet));
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests;
