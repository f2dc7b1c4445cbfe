//! Pools: their limits as bars, what binds, and how each limit is known.

use paceline_admin_api::{LimitNow, LimitState, PoolNow, RateLimits};
use ratatui::text::{Line, Span};

use super::text::{columns, cut, fit, fit_right};
use super::{Theme, Tone};
use crate::figures::{bar, counted, percent, short, span_ms};
use crate::top::health::{
    NEARLY_FULL, binds, fullest_use, held_back_by, is_store_away, limit_name, use_of,
};
use crate::top::picture::Picture;

const BAR_MIN: usize = 8;
const BAR_MAX: usize = 40;
const NAME_MAX: usize = 26;

/// Columns that all rows share.
struct Widths {
    all: usize,
    name: usize,
    bar: usize,
    amounts: usize,
}

/// The lines of all pools, those first where requests wait or limits are fullest. They stand apart where there
/// are rows enough.
pub(super) fn lines(
    picture: &Picture,
    theme: Theme,
    (width, rows): (usize, usize),
) -> Vec<Line<'static>> {
    let mut lines = vec![theme.line(" Quotas", Tone::Strong)];
    let mut pools: Vec<&PoolNow> = picture.pools().iter().collect();
    if pools.is_empty() && picture.now.is_some() {
        let text = " No limit pool yet. Limits appear with the first request that goes through.";
        lines.push(theme.line(cut(text, width), Tone::Quiet));
    }
    pools.sort_by(|a, b| {
        let by_use = || fullest_use(b).total_cmp(&fullest_use(a));
        let by_waiting = b.waiting.cmp(&a.waiting);
        by_waiting
            .then_with(by_use)
            .then_with(|| a.name.cmp(&b.name))
    });
    let widths = widths(&pools, width);
    let least: usize = pools.iter().map(|pool| 1 + pool.limits.len().max(1)).sum();
    let is_apart = 1 + least + pools.len() <= rows;
    for (index, pool) in pools.into_iter().enumerate() {
        if is_apart && index > 0 {
            lines.push(Line::default());
        }
        lines.push(head(pool, theme, width));
        lines.extend(pool.limits.iter().map(|limit| {
            let state = state_of(picture.limits.as_ref(), pool, limit);
            row(pool, (limit, state), theme, &widths)
        }));
        if pool.limits.is_empty() {
            let text = match pool.in_flight + pool.waiting {
                0 => "   No limit is known: the provider has told none yet.",
                _ => {
                    "   Limits are being found out: a few requests go first, and their answers tell."
                }
            };
            lines.push(theme.line(cut(text, width), Tone::Quiet));
        }
    }
    lines
}

fn widths(pools: &[&PoolNow], all: usize) -> Widths {
    let limits = || pools.iter().flat_map(|pool| &pool.limits);
    let widest = |text: &dyn Fn(&LimitNow) -> String| {
        limits()
            .map(|limit| columns(&text(limit)))
            .max()
            .unwrap_or(0)
    };
    let name = widest(&|limit| limit_name(&limit.metric, limit.window_ms)).min(NAME_MAX);
    let amounts = widest(&amounts);
    // Indent, name, bar, percent, amounts and the gaps between them; notes take what is left.
    let fixed = 3 + name + 1 + 1 + 6 + 2 + amounts + 2;
    let notes = if all < 100 { 20 } else { 36 };
    let bar = all.saturating_sub(fixed + notes).clamp(BAR_MIN, BAR_MAX);
    Widths {
        all,
        name,
        bar,
        amounts,
    }
}

fn amounts(limit: &LimitNow) -> String {
    format!("{} of {}", short(limit.used), short(limit.amount))
}

fn state_of<'a>(
    limits: Option<&'a RateLimits>,
    pool: &PoolNow,
    limit: &LimitNow,
) -> Option<&'a LimitState> {
    let pools = &limits?.pools;
    let pool = pools.iter().find(|state| state.name == pool.name)?;
    let is_it =
        |state: &&LimitState| state.metric == limit.metric && state.window_ms == limit.window_ms;
    pool.limits.iter().find(is_it)
}

fn head(pool: &PoolNow, theme: Theme, width: usize) -> Line<'static> {
    let mut words = vec![(format!("{} running", short(pool.in_flight)), Tone::Quiet)];
    if pool.waiting > 0 {
        words.push((format!("{} waiting", short(pool.waiting)), Tone::Warn));
    }
    if pool.cool_down_ms > 0 {
        let left = span_ms(pool.cool_down_ms);
        words.push((format!("paused for {left}"), Tone::Bad));
    }
    if let Some(episode) = pool.episode.as_ref().filter(|episode| !episode.over) {
        let kind = match episode.kind.as_str() {
            "quota" => "quota refused",
            "overload" => "provider overloaded",
            "acceleration" => "grew too fast",
            other => other,
        };
        let refusals = counted(episode.refusals, "refusal");
        words.push((format!("{kind}: {refusals}"), Tone::Warn));
    }
    let binding = held_back_by(pool).filter(|_| pool.cool_down_ms == 0);
    if let Some(binding) = binding
        && !pool.limits.iter().any(|limit| binds(pool, limit))
    {
        words.push((format!("held back: {binding}"), Tone::Warn));
    }
    if is_store_away(pool) {
        words.push(("shared store away".to_owned(), Tone::Warn));
    }
    let taken: usize = words.iter().map(|(text, _)| columns(text) + 2).sum();
    let name = cut(&pool.name, width.saturating_sub(taken + 2).max(8));
    let mut spans = vec![theme.span(format!(" {name}"), Tone::Strong)];
    let mut room = width.saturating_sub(columns(&name) + 1);
    for (text, tone) in words {
        let text = cut(&format!("  {text}"), room);
        room -= columns(&text);
        spans.push(theme.span(text, tone));
    }
    Line::from(spans)
}

fn row(
    pool: &PoolNow,
    (limit, state): (&LimitNow, Option<&LimitState>),
    theme: Theme,
    widths: &Widths,
) -> Line<'static> {
    let used = use_of(limit);
    let binds = binds(pool, limit);
    let tone = match used {
        _ if binds => Tone::Bad,
        used if used >= NEARLY_FULL => Tone::Warn,
        _ => Tone::Good,
    };
    let name = limit_name(&limit.metric, limit.window_ms);
    let mut spans = vec![
        theme.span(format!("   {} ", fit(&name, widths.name)), Tone::Plain),
        theme.span(bar(used, widths.bar), tone),
        theme.span(fit_right(&percent(used), 7), Tone::Strong),
        theme.span(
            format!("  {}", fit(&amounts(limit), widths.amounts)),
            Tone::Plain,
        ),
    ];
    let taken: usize = spans.iter().map(Span::width).sum();
    let mut room = widths.all.saturating_sub(taken + 1);
    for (index, (long, brief, tone)) in notes(state, binds).into_iter().enumerate() {
        let before = if index == 0 { "  " } else { ", " };
        let fits = |text: &String| 2 + columns(text) <= room;
        let Some(text) = [long, brief].into_iter().find(fits) else {
            continue;
        };
        room -= 2 + columns(&text);
        spans.push(theme.span(before, Tone::Quiet));
        spans.push(theme.span(text, tone));
    }
    Line::from(spans)
}

/// What there is to say beside the figures, the most important first, each at length and in brief.
fn notes(state: Option<&LimitState>, binds: bool) -> Vec<(String, String, Tone)> {
    let mut notes = Vec::new();
    let mut note = |long: String, brief: &str, tone| notes.push((long, brief.to_owned(), tone));
    if binds {
        note("binds".to_owned(), "binds", Tone::Bad);
    }
    let Some(state) = state else {
        return notes;
    };
    let (long, brief) = knowledge(state);
    note(long, brief, Tone::Quiet);
    match state.hit_in_ms.filter(|_| !binds) {
        Some(0) => note("full".to_owned(), "full", Tone::Warn),
        Some(left) => {
            let brief = format!("full in {}", span_ms(left));
            note(format!("{brief} at this demand"), &brief, Tone::Warn);
        }
        None => {}
    }
    notes
}

/// How a limit is known, at length and in brief.
fn knowledge(state: &LimitState) -> (String, &'static str) {
    match &state.belief {
        _ if state.source == "configured" => ("configured".to_owned(), "configured"),
        Some(belief) if !belief.verified => ("remembered".to_owned(), "remembered"),
        Some(belief) => match &belief.kind {
            Some(kind) => {
                let sure = percent(belief.kind_confidence);
                (format!("learned, {kind} {sure} sure"), "learned")
            }
            None => ("learned".to_owned(), "learned"),
        },
        None => ("learned".to_owned(), "learned"),
    }
}
