//! What goes on now: traffic, lanes that are not well, alerts, quotas and what would help.

use std::time::Instant;

use paceline_admin_api::{BudgetAlert, Performance, QueueStatus};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::text::{columns, cut, safe, wrap};
use super::{Theme, Tone, lanes, pools};
use crate::figures::{counted, decimal, dollars, percent, short, span, span_ms};
use crate::top::picture::{Picture, Rates};
use crate::top::state::{Seen, State};

/// From here on there are two columns.
const WIDE: u16 = 140;

/// Narrower than this, there is no room to draw the short past.
const NARROW: usize = 60;

/// Rows of the drawing of requests where there is room.
const CHART_ROWS: usize = 6;

const ALERTS_SHOWN: usize = 5;
const SUGGESTIONS_SHOWN: usize = 3;

pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &State,
    theme: Theme,
    at: Instant,
) -> Seen {
    let picture = state.picture();
    if area.width < WIDE {
        let width = usize::from(area.width);
        let mut lines = vec![requests(picture, theme, width, at)];
        lines.extend(traffic(picture, theme, width));
        lines.extend(beneath(lanes::lines(picture, theme, width)));
        lines.extend(beneath(alerts(picture, theme, width)));
        let advice = beneath(suggestions(picture, theme, width));
        let room = usize::from(area.height).saturating_sub(lines.len() + advice.len() + 1);
        lines.extend(beneath(pools::lines(picture, theme, (width, room))));
        lines.extend(advice);
        return draw_lines(frame, area, lines, state.scrolled, theme);
    }
    let left = area.width * 3 / 5;
    let side = Rect {
        x: left + 1,
        width: area.width - left - 1,
        ..area
    };
    let width = usize::from(side.width);
    let mut lines = chart(picture, theme, width, at);
    lines.extend(beneath(traffic(picture, theme, width)));
    lines.extend(beneath(lanes::lines(picture, theme, width)));
    lines.extend(beneath(alerts(picture, theme, width)));
    lines.extend(beneath(suggestions(picture, theme, width)));
    draw_lines(frame, side, lines, 0, theme);
    let main = Rect {
        width: left,
        ..area
    };
    let room = usize::from(area.height);
    let lines = pools::lines(picture, theme, (usize::from(left), room));
    draw_lines(frame, main, lines, state.scrolled, theme)
}

/// Lines from the one that is scrolled to; says so where there are more.
fn draw_lines(
    frame: &mut Frame<'_>,
    area: Rect,
    mut lines: Vec<Line<'static>>,
    scrolled: usize,
    theme: Theme,
) -> Seen {
    let room = usize::from(area.height);
    let scroll_max = lines.len().saturating_sub(room);
    lines.drain(..scrolled.min(scroll_max));
    if lines.len() > room {
        let more = u64::try_from(lines.len() - room + 1).unwrap_or(u64::MAX);
        lines.truncate(room.saturating_sub(1));
        let text = format!(" ↓ {} more", counted(more, "line"));
        lines.push(theme.line(text, Tone::Quiet));
    }
    frame.render_widget(Paragraph::new(lines), area);
    Seen { room, scroll_max }
}

/// A block with an empty line before it; none where there is no block.
fn beneath(block: Vec<Line<'static>>) -> Vec<Line<'static>> {
    let gap = (!block.is_empty()).then(Line::default);
    gap.into_iter().chain(block).collect()
}

/// Queue, failures, waits and costs, a line each.
fn traffic(picture: &Picture, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![queue(picture, theme, width)];
    let mut line = |label: &str, text: String, tone| {
        let label = theme.span(format!(" {label:<10}"), Tone::Strong);
        let text = theme.span(cut(&text, width.saturating_sub(12)), tone);
        lines.push(Line::from(vec![label, text]));
    };
    let (failed, is_bad) = failed(picture);
    let tone = if is_bad { Tone::Bad } else { Tone::Plain };
    line("Failed", failed, tone);
    let p95 = picture
        .hour
        .as_ref()
        .and_then(|hour| hour.total.wait.p95_ms);
    if let Some(p95) = p95 {
        let text = format!("95 % waited {} or less in the last hour", span_ms(p95));
        line("Waits", text, Tone::Plain);
    }
    let spend = picture
        .forecasts
        .as_ref()
        .and_then(|told| told.spend.as_ref());
    if let Some(spend) = spend {
        let text = format!(
            "${} in 24 hours; ${} in 30 days at this pace",
            dollars(spend.last_day_nanousd),
            dollars(spend.next_30_days_nanousd)
        );
        line("Spent", text, Tone::Plain);
    }
    lines
}

/// How many run, and how many wait.
fn queue(picture: &Picture, theme: Theme, width: usize) -> Line<'static> {
    let mut queue = vec![theme.span(" Queue     ", Tone::Strong)];
    queue.push(theme.span(
        format!("{} running, ", short(picture.running())),
        Tone::Plain,
    ));
    let waiting = picture.waiting();
    queue.push(match waiting {
        0 => theme.span("nobody waits", Tone::Plain),
        _ => theme.span(format!("{} waiting", short(waiting)), Tone::Warn),
    });
    let tiers = picture.queue.as_ref().map(tiers).unwrap_or_default();
    if !tiers.is_empty() {
        let taken: usize = queue.iter().map(Span::width).sum();
        let tiers = cut(&format!(": {tiers}"), width.saturating_sub(taken + 1));
        queue.push(theme.span(tiers, Tone::Plain));
    }
    Line::from(queue)
}

/// `3 interactive, 20 batch`, as far as somebody waits.
pub(super) fn tiers(queue: &QueueStatus) -> String {
    let tiers = queue.tiers.iter().filter(|tier| tier.waiting > 0);
    let tiers: Vec<String> = tiers
        .map(|tier| format!("{} {}", short(tier.waiting), safe(&tier.priority)))
        .collect();
    tiers.join(", ")
}

/// What failed in the last hour, or since the gateway started where no records are kept; and whether that is much.
fn failed(picture: &Picture) -> (String, bool) {
    if let Some(hour) = &picture.hour {
        return failed_of_hour(hour);
    }
    let totals = picture.now.as_ref().map(|now| &now.finished_total);
    let totals = || totals.into_iter().flatten();
    let all: u64 = totals().map(|(_, count)| count).sum();
    let is_failure = |outcome: &str| outcome != "ok" && outcome != "caller_gone";
    let failed = totals().filter(|(outcome, _)| is_failure(outcome));
    let failed: u64 = failed.map(|(_, count)| count).sum();
    if all == 0 {
        return ("no request since the gateway started".to_owned(), false);
    }
    let text = format!(
        "{} of {} since the gateway started",
        short(failed),
        counted(all, "request")
    );
    (text, failed.saturating_mul(20) > all)
}

fn failed_of_hour(hour: &Performance) -> (String, bool) {
    let total = &hour.total;
    let requests = counted(total.calls, "request");
    match total.error_rate {
        Some(rate) => {
            let text = format!("{} of {requests} in the last hour", percent(rate));
            (text, rate > 0.05)
        }
        None => ("no request in the last hour".to_owned(), false),
    }
}

/// The present rate, and that of the short past in one row.
fn requests(picture: &Picture, theme: Theme, width: usize, at: Instant) -> Line<'static> {
    let rate = format!("{:<9}", format!("{}/s", decimal(picture.rate(at))));
    let past = picture.rates(width.saturating_sub(51).clamp(1, 100), at);
    let drawn = match width < NARROW {
        true => String::new(),
        false => drawing(&past, 1).concat(),
    };
    let words = format!("  {}, at most {}/s", span(past.over), decimal(past.peak()));
    Line::from(vec![
        theme.span(" Requests  ", Tone::Strong),
        theme.span(rate, Tone::Plain),
        theme.span(drawn, Tone::Good),
        theme.span(words, Tone::Quiet),
    ])
}

/// The same with several rows for the short past.
fn chart(picture: &Picture, theme: Theme, width: usize, at: Instant) -> Vec<Line<'static>> {
    let past = picture.rates(width.saturating_sub(2), at);
    let rate = format!("  {}/s", decimal(picture.rate(at)));
    let words = format!(
        "  finished each second, last {}, at most {}/s",
        span(past.over),
        decimal(past.peak())
    );
    let room = width.saturating_sub(9 + columns(&rate));
    let title = Line::from(vec![
        theme.span(" Requests", Tone::Strong),
        theme.span(rate, Tone::Plain),
        theme.span(cut(&words, room), Tone::Quiet),
    ]);
    let rows = drawing(&past, CHART_ROWS).into_iter();
    let rows = rows.map(|row| theme.line(format!(" {row}"), Tone::Good));
    std::iter::once(title).chain(rows).collect()
}

const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns in eighths of a row, the highest row first.
fn drawing(past: &Rates, rows: usize) -> Vec<String> {
    let peak = past.peak();
    // What was before the command began is not known.
    let unknown = " ".repeat(past.slots.saturating_sub(past.each.len()));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "between 0 and eight times the rows"
    )]
    let heights = past.each.iter().map(|rate| match rate / peak {
        part if part > 0.0 => ((part * 8.0 * rows as f64).round() as usize).max(1),
        _ => 0,
    });
    let heights: Vec<usize> = heights.collect();
    let row = |row: usize| {
        let cells = heights.iter().map(|height| {
            let filled = height.saturating_sub(row * 8).min(8);
            // The ground shows where nothing ended, so that time can be seen.
            match (row, filled) {
                (0, 0) => '·',
                (_, filled) => EIGHTHS[filled],
            }
        });
        format!("{unknown}{}", cells.collect::<String>())
    };
    (0..rows).rev().map(row).collect()
}

fn alerts(picture: &Picture, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let alerts = &picture.alerts.alerts;
    if alerts.is_empty() {
        return Vec::new();
    }
    let at_ms = picture.now.as_ref().map_or(0, |now| now.at_ms);
    let mut lines = vec![theme.line(" Budget alerts", Tone::Strong)];
    for alert in alerts.iter().take(ALERTS_SHOWN) {
        let tone = if alert.percent >= 100 {
            Tone::Bad
        } else {
            Tone::Warn
        };
        let percent = format!("   {} %", alert.percent);
        let words = cut(
            &alert_words(alert, at_ms),
            width.saturating_sub(columns(&percent) + 1),
        );
        let spans = vec![theme.span(percent, tone), theme.span(words, Tone::Plain)];
        lines.push(Line::from(spans));
    }
    lines
}

fn alert_words(alert: &BudgetAlert, now_ms: i64) -> String {
    let now_ms = u64::try_from(now_ms).unwrap_or(0);
    let ago = span_ms(now_ms.saturating_sub(alert.at_unix_ms));
    format!(" of budget {}, {}, {ago} ago", alert.budget, alert.scope)
}

fn suggestions(picture: &Picture, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let suggestions = &picture.suggestions.suggestions;
    if suggestions.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![theme.line(" What would help", Tone::Strong)];
    for suggestion in suggestions.iter().take(SUGGESTIONS_SHOWN) {
        let words = wrap(&suggestion.text, width.saturating_sub(5), 4);
        lines.extend(words.into_iter().enumerate().map(|(index, line)| {
            let before = if index == 0 { "   " } else { "     " };
            Line::from(format!("{before}{line}"))
        }));
    }
    lines
}
