//! Lanes that are not well: for how long, and of what.

use paceline_admin_api::{LaneNow, LanesNow};
use ratatui::text::{Line, Span};

use super::text::{columns, cut};
use super::{Theme, Tone};
use crate::figures::{counted, percent, span_ms};
use crate::top::health::{are_out, ill_of};
use crate::top::picture::Picture;

/// The most lanes that are told one by one.
const SHOWN: usize = 3;

/// How many are not well and a line for each of the first; nothing where all are well.
pub(super) fn lines(picture: &Picture, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let lanes = picture.now.as_ref().map(|now| &now.lanes);
    let Some(lanes) = lanes.filter(|lanes| !lanes.ill.is_empty()) else {
        return Vec::new();
    };
    let title = theme.span(" Lanes     ", Tone::Strong);
    let standing = theme.span(cut(&standing(lanes), width.saturating_sub(12)), Tone::Plain);
    let mut lines = vec![Line::from(vec![title, standing])];
    let told = lanes.ill.iter().take(SHOWN);
    lines.extend(told.map(|lane| line(lane, theme, width)));
    let more = (lanes.out + lanes.returning).saturating_sub(SHOWN as u64);
    if more > 0 {
        let text = format!("   and {}", counted(more, "other"));
        lines.push(theme.line(cut(&text, width), Tone::Quiet));
    }
    lines
}

fn standing(lanes: &LanesNow) -> String {
    match (lanes.out, lanes.returning) {
        (0, returning) => format!("{returning} of {} returning", lanes.total),
        (_, 0) => are_out(lanes),
        (_, returning) => format!("{}, {returning} returning", are_out(lanes)),
    }
}

fn line(lane: &LaneNow, theme: Theme, width: usize) -> Line<'static> {
    let (state, tone) = match lane.state.as_str() {
        "returning" => {
            let share = percent(lane.share.unwrap_or_default());
            (format!("returning, {share} of its calls"), Tone::Warn)
        }
        "half_open" => ("out, the next call tries it".to_owned(), Tone::Bad),
        _ => ("out".to_owned(), Tone::Bad),
    };
    let since = format!(", {} for {}", ill_of(lane), span_ms(lane.ill_ms));
    let taken = 5 + columns(&state) + columns(&since);
    let name = cut(&lane.name, width.saturating_sub(taken + 1).max(8));
    let mut spans = vec![theme.span(format!("   {name}  "), Tone::Plain)];
    let room = width.saturating_sub(spans.iter().map(Span::width).sum());
    let state = cut(&state, room);
    let room = room.saturating_sub(columns(&state));
    spans.push(theme.span(state, tone));
    spans.push(theme.span(cut(&since, room), Tone::Quiet));
    Line::from(spans)
}
