//! Who waits: a table, and the selected request at length.

use std::time::{Duration, Instant};

use paceline_admin_api::{QueueStatus, WaitingCall};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::text::{columns, cut, fit, fit_right, safe};
use super::{Theme, Tone, now, rows};
use crate::figures::{bar, share, short, span, span_ms};
use crate::top::state::{Seen, State};

/// Rows that the selected request takes, and the height from which there is room for them.
const DETAILS: usize = 5;
const DETAILS_FROM: usize = 13;

/// A queue that was told longer ago than this says so.
const OLD: Duration = Duration::from_secs(5);

/// Narrower than this, names of limits are short.
const BRIEF_BELOW: usize = 110;

/// The table's columns: title, whether figures stand to the right, and down to what the column gives way.
const COLUMNS: [(&str, bool, usize); 9] = [
    ("#", true, usize::MAX),
    ("Tenant", false, 5),
    ("Session", false, 5),
    ("Model", false, 5),
    ("Priority", false, usize::MAX),
    ("Waited", true, usize::MAX),
    ("Starts in", true, usize::MAX),
    ("Waits for", false, 10),
    ("Tokens", true, usize::MAX),
];

/// Columns that are left out on narrower terminals; the selected request tells them.
const LEFT_OUT: [(usize, &[usize]); 2] = [(64, &[2, 4]), (52, &[8])];

pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &State,
    theme: Theme,
    at: Instant,
) -> Seen {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let calls = state.calls();
    let mut lines = vec![summary(state, theme, width, at)];
    lines.extend(filter(state, &calls, theme, width));
    let details = match state.selected() {
        Some(call) if height >= DETAILS_FROM => details(call, theme, width),
        _ => Vec::new(),
    };
    if calls.is_empty() {
        lines.push(Line::default());
        lines.extend(nobody(state, theme, width));
    } else {
        lines.push(Line::default());
        let room = height.saturating_sub(lines.len() + 1 + details.len());
        // The selected row stays in sight, with the page that it is on.
        let from = state.row().checked_div(room).unwrap_or(0) * room;
        lines.extend(table(&calls, (from, room, state.row()), theme, width));
    }
    frame.render_widget(Paragraph::new(lines.clone()), area);
    let taken = rows(details.len());
    let beneath = Rect {
        y: area.y + area.height - taken,
        height: taken,
        ..area
    };
    let shown = lines.len().min(height);
    frame.render_widget(Paragraph::new(details), beneath);
    Seen {
        room: shown.saturating_sub(3).max(1),
        scroll_max: 0,
    }
}

fn summary(state: &State, theme: Theme, width: usize, at: Instant) -> Line<'static> {
    let picture = state.picture();
    let Some(queue) = &picture.queue else {
        return theme.line(" The queue is being asked for.", Tone::Quiet);
    };
    let waiting = match queue.waiting {
        0 => theme.span(" Nobody waits", Tone::Strong),
        waiting => theme.span(format!(" {} waiting", short(waiting)), Tone::Warn),
    };
    let mut words = Vec::new();
    let tiers = now::tiers(queue);
    if !tiers.is_empty() {
        words.push(format!(": {tiers}"));
    }
    if let Some(longest) = queue.calls.iter().map(|call| call.waited_ms).max() {
        words.push(format!("; longest {}", span_ms(longest)));
    }
    words.push(format!("; {} running", short(queue.running)));
    if let Some(old) = age(state, at) {
        words.push(format!("; {} old", span(old)));
    }
    let room = width.saturating_sub(waiting.width() + 1);
    let words = theme.span(cut(&words.concat(), room), Tone::Plain);
    Line::from(vec![waiting, words])
}

/// How old the queue is, where that is worth a word.
fn age(state: &State, at: Instant) -> Option<Duration> {
    let seen = state.picture().queue_seen?;
    Some(at.saturating_duration_since(seen)).filter(|age| *age > OLD)
}

/// What is shown of whom.
fn filter(
    state: &State,
    calls: &[&WaitingCall],
    theme: Theme,
    width: usize,
) -> Option<Line<'static>> {
    let queue = state.picture().queue.as_ref()?;
    let listed = u64::try_from(calls.len()).unwrap_or(u64::MAX);
    let of = |queue: &QueueStatus| format!("{} of {} listed", short(listed), short(queue.waiting));
    let text = match state.filter.is_empty() {
        true if !state.picture().is_listed || listed >= queue.waiting => return None,
        true => format!(" {}, in the expected order of service", of(queue)),
        false => format!(
            " {}: only those with “{}”; Esc shows all",
            of(queue),
            state.filter
        ),
    };
    Some(theme.line(cut(&text, width), Tone::Quiet))
}

fn nobody(state: &State, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let queue = state.picture().queue.as_ref();
    let listed = queue.map_or(0, |queue| queue.calls.len());
    let texts: &[&str] = match (state.picture().is_listed, listed) {
        (false, _) => &[],
        (true, 0) => &[
            " Requests go to the provider as they come.",
            " When a limit is reached they line up here instead of failing.",
        ],
        (true, _) => &[" Nobody who waits has that in its tenant, session, model, pool or id."],
    };
    let line = |text: &&str| theme.line(cut(text, width), Tone::Quiet);
    texts.iter().map(line).collect()
}

/// The heading, and so many rows from one of them on.
fn table(
    calls: &[&WaitingCall],
    (from, room, selected): (usize, usize, usize),
    theme: Theme,
    width: usize,
) -> Vec<Line<'static>> {
    let is_brief = width < BRIEF_BELOW;
    let shown = calls.iter().enumerate().skip(from).take(room);
    let shown: Vec<(usize, [String; 9])> = shown
        .map(|(index, call)| (index, cells(call, is_brief)))
        .collect();
    let widths = widths(shown.iter().map(|(_, cells)| cells), width);
    let titles = COLUMNS.map(|(title, _, _)| title.to_owned());
    let mut lines = vec![theme.line(row(&titles, &widths, "  "), Tone::Quiet)];
    for (index, cells) in &shown {
        let is_selected = *index == selected;
        let before = if is_selected { "▸ " } else { "  " };
        let mut line = Line::from(fit(&row(cells, &widths, before), width));
        if is_selected {
            line = line.patch_style(Modifier::REVERSED);
        }
        lines.push(line);
    }
    lines
}

fn cells(call: &WaitingCall, is_brief: bool) -> [String; 9] {
    let waits_for = safe(&call.limited_by);
    [
        short(call.position),
        safe(&call.tenant),
        call.session.as_deref().map_or_else(|| "-".to_owned(), safe),
        safe(&call.model),
        safe(&call.priority),
        span_ms(call.waited_ms),
        starts_in(call),
        match is_brief {
            true => brief(&waits_for),
            false => waits_for,
        },
        short(call.estimated_tokens),
    ]
}

/// `tokens/min`.
fn brief(limit: &str) -> String {
    let units = [
        ("second", "s"),
        ("minute", "min"),
        ("hour", "h"),
        ("day", "day"),
    ];
    let found = units.iter().find_map(|(long, brief)| {
        let metric = limit.strip_suffix(long)?.strip_suffix(" per ")?;
        Some(format!("{metric}/{brief}"))
    });
    found.unwrap_or_else(|| limit.to_owned())
}

fn starts_in(call: &WaitingCall) -> String {
    match call.eta_ms {
        None => "unknown".to_owned(),
        Some(0..50) => "now".to_owned(),
        Some(eta) => span_ms(eta),
    }
}

/// The columns' widths, 0 of those that are left out: as wide as their cells, or the widest of those that give way give way.
fn widths<'a>(rows: impl Iterator<Item = &'a [String; 9]>, width: usize) -> [usize; 9] {
    let mut widths = COLUMNS.map(|(title, _, _)| columns(title));
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(columns(cell));
        }
    }
    for (_, left_out) in LEFT_OUT.iter().filter(|(below, _)| width < *below) {
        left_out.iter().for_each(|&column| widths[column] = 0);
    }
    let shown = widths.iter().filter(|&&width| width > 0).count();
    let room = width.saturating_sub(2 + (shown - 1));
    let gives = |index: usize, width: usize| width > COLUMNS[index].2;
    while widths.iter().sum::<usize>() > room {
        let widest = (0..COLUMNS.len())
            .filter(|&index| gives(index, widths[index]))
            .max_by_key(|&index| widths[index]);
        let Some(widest) = widest else { break };
        widths[widest] -= 1;
    }
    // What is left over goes between the columns.
    let left = room.saturating_sub(widths.iter().sum());
    let gap = (left / shown).min(2);
    widths.map(|width| if width == 0 { 0 } else { width + gap })
}

fn row(cells: &[String; 9], widths: &[usize; 9], before: &str) -> String {
    let cells = cells.iter().zip(COLUMNS).zip(widths);
    let cells: Vec<String> = cells
        .filter(|(_, width)| **width > 0)
        .map(|((cell, (_, is_figure, _)), &width)| match is_figure {
            true => fit_right(cell, width),
            false => fit(cell, width),
        })
        .collect();
    format!("{before}{}", cells.join(" "))
}

/// The selected request at length.
fn details(call: &WaitingCall, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let room = width.saturating_sub(2);
    let line = |text: String, tone| theme.line(format!(" {}", cut(&text, room)), tone);
    let session = match call.session.as_deref() {
        Some(session) => format!(", session {session}"),
        None => String::new(),
    };
    let answer = match call.expected_output_tokens {
        0 => String::new(),
        tokens => format!("; an answer of about {} tokens is expected", short(tokens)),
    };
    let waited = call.waited_ms;
    let part = share(waited, waited.saturating_add(call.eta_ms.unwrap_or(0)));
    let before = format!("waited {} ", span_ms(waited));
    let after = format!(" starts in {}", starts_in(call)).replace("in now", "now");
    let cells = room
        .saturating_sub(columns(&before) + columns(&after))
        .min(40);
    let progress = match call.eta_ms {
        Some(_) => format!("{before}{}{after}", bar(part, cells)),
        None => format!("{before}, when it starts is not known"),
    };
    vec![
        theme.line("─".repeat(width), Tone::Quiet),
        line(
            format!("tenant {}{session}, model {}", call.tenant, call.model),
            Tone::Strong,
        ),
        line(
            format!(
                "place {} of pool {}, {}",
                call.position, call.pool, call.request_id
            ),
            Tone::Plain,
        ),
        line(
            format!("waits for {}{answer}", call.limited_by),
            Tone::Plain,
        ),
        line(progress, Tone::Plain),
    ]
}

const _: () = assert!(DETAILS < DETAILS_FROM);
