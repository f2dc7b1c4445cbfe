//! The view of a run, as lines of text.

use std::time::Duration;

use paceline_admin_api::{LimitState, PoolState, RateLimits};
use paceline_batch::Progress;

use crate::figures::{bar, counted, dollars, grouped, per, percent, share, span_ms};
use crate::terminal::{Style, plain};

/// Pools that are shown; the busiest come first.
const POOLS_SHOWN: usize = 4;

/// Kinds of errors that are shown.
const ERRORS_SHOWN: usize = 4;

/// Cells of a bar of a limit.
const LIMIT_BAR: usize = 20;

/// What belongs together is not pulled apart further than this on a wide terminal.
const COLUMNS_MAX: usize = 100;

/// A whole picture, for a terminal of so many columns.
pub(super) fn frame(
    title: &str,
    progress: &Progress,
    limits: Option<&RateLimits>,
    (columns, style): (usize, Style),
) -> Vec<String> {
    let width = columns.min(COLUMNS_MAX);
    let mut lines = vec![
        headline(title, progress, width, style),
        progress_line(progress, width, style),
        counts(progress, style),
        String::new(),
        format!("speed    {}", speed(progress)),
        format!("cost     {}", cost(progress)),
    ];
    if let Some(waits) = waits(progress) {
        lines.push(format!("waiting  {waits}"));
    }
    if let Some(limits) = limits {
        lines.extend(pools(limits, style));
    }
    if let Some(trouble) = &progress.trouble {
        lines.push(format!("trouble  {}", style.red(&plain(trouble))));
    }
    if let Some(errors) = errors(progress) {
        lines.push(format!("errors   {}", style.red(&errors)));
    }
    lines.push(String::new());
    lines.push(footer(progress, style));
    // Colour takes no columns; what is cut has none.
    lines.into_iter().map(|line| cut(&line, columns)).collect()
}

/// One line for a log.
pub(super) fn line(progress: &Progress) -> String {
    let done = progress.sums.done() + progress.invalid;
    let mut text = format!(
        "{} of {} done ({}), {} failed, {} in flight; {}; {}",
        grouped(done),
        counted(progress.total, "line"),
        percent(share(done, progress.total)),
        grouped(progress.sums.failed),
        grouped(progress.in_flight),
        speed(progress),
        match is_cost_unknown(progress) {
            true => "cost unknown".to_owned(),
            false => cost(progress),
        },
    );
    if let Some(eta) = eta(progress) {
        text.push_str(&format!("; {eta} left"));
    }
    if let Some(binds) = &progress.binds {
        text.push_str(&format!("; {} binds", plain(binds)));
    }
    if let Some(state) = state(progress) {
        text.push_str(&format!("; {state}"));
    }
    text
}

fn headline(title: &str, progress: &Progress, columns: usize, style: Style) -> String {
    let state =
        state(progress).unwrap_or_else(|| format!("running {}", span_ms(progress.elapsed_ms)));
    let room = columns.saturating_sub(state.chars().count() + 2);
    let title = cut(&plain(title), room);
    let gap = room.saturating_sub(title.chars().count()) + 2;
    format!("{}{}{state}", style.bold(&title), " ".repeat(gap))
}

fn state(progress: &Progress) -> Option<String> {
    match &progress.stopping {
        Some(reason) => Some(format!("finishing what runs: {reason}")),
        None if progress.paused => Some("paused".to_owned()),
        None if progress.trouble.is_some() => Some("waiting for the provider".to_owned()),
        None => None,
    }
}

fn progress_line(progress: &Progress, columns: usize, style: Style) -> String {
    let done = progress.sums.done() + progress.invalid;
    let part = share(done, progress.total);
    let eta = eta(progress).map(|eta| format!("   {eta} left"));
    let eta = eta.unwrap_or_default();
    let text = format!(
        "  {:>5}   {} of {}{eta}",
        percent(part),
        grouped(done),
        grouped(progress.total)
    );
    let width = columns.saturating_sub(text.chars().count()).clamp(10, 60);
    format!("{}{text}", style.green(&bar(part, width)))
}

/// The time that it takes on, where it goes on.
fn eta(progress: &Progress) -> Option<String> {
    let goes_on = progress.left > 0 && !progress.paused && progress.stopping.is_none();
    progress.eta_ms.filter(|_| goes_on).map(span_ms)
}

fn counts(progress: &Progress, style: Style) -> String {
    let mut parts = vec![format!("ok {}", grouped(progress.sums.ok))];
    let failed = format!("failed {}", grouped(progress.sums.failed));
    parts.push(match progress.sums.failed {
        0 => failed,
        _ => style.red(&failed),
    });
    if progress.invalid > 0 {
        parts.push(format!("invalid {}", grouped(progress.invalid)));
    }
    parts.push(format!(
        "in flight {} of {}",
        grouped(progress.in_flight),
        grouped(progress.concurrency)
    ));
    if progress.retrying > 0 {
        parts.push(format!("retrying {}", grouped(progress.retrying)));
    }
    parts.push(format!("left {}", grouped(progress.left)));
    parts.join("   ")
}

fn speed(progress: &Progress) -> String {
    format!(
        "{} lines/min, {} tokens/min",
        grouped(whole(progress.speed.lines_per_minute)),
        grouped(whole(progress.speed.tokens_per_minute))
    )
}

fn cost(progress: &Progress) -> String {
    let sums = &progress.sums;
    if is_cost_unknown(progress) {
        return "unknown: there is no price (see `paceline prices`, prices.provider)".to_owned();
    }
    let mut text = format!("${} so far", dollars(sums.cost_nanousd));
    if let Some(projected) = progress.projected_nanousd.filter(|_| progress.left > 0) {
        text.push_str(&format!(", about ${} in all", dollars(projected)));
    }
    if sums.unpriced > 0 {
        text.push_str(&format!(
            " and {} without a price",
            counted(sums.unpriced, "answer")
        ));
    }
    text
}

/// Whether there is a price for nothing that was done.
fn is_cost_unknown(progress: &Progress) -> bool {
    let sums = &progress.sums;
    sums.unpriced > 0 && sums.unpriced >= sums.ok && sums.cost_nanousd == 0
}

fn waits(progress: &Progress) -> Option<String> {
    let mut parts = Vec::new();
    if progress.wait_ms > 0 {
        parts.push(format!(
            "{} on average for a turn",
            span_ms(progress.wait_ms)
        ));
    }
    if let Some(binds) = &progress.binds {
        parts.push(format!("{} binds", plain(binds)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn pools(limits: &RateLimits, style: Style) -> Vec<String> {
    let mut pools: Vec<&PoolState> = limits.pools.iter().collect();
    pools.sort_by_key(|pool| std::cmp::Reverse(pool.in_flight + pool.waiting));
    let busy = pools.into_iter().take(POOLS_SHOWN);
    busy.flat_map(|pool| pool_lines(pool, style)).collect()
}

fn pool_lines(pool: &PoolState, style: Style) -> Vec<String> {
    let mut head = format!(
        "{}   {} running, {} waiting",
        style.bold(&plain(&pool.name)),
        grouped(pool.in_flight),
        grouped(pool.waiting)
    );
    if let Some(pause) = &pool.cool_down {
        let text = format!("   the provider rests for {}", span_ms(pause.remaining_ms));
        head.push_str(&style.red(&text));
    }
    let mut lines = vec![head];
    lines.extend(pool.limits.iter().map(limit_line));
    if pool.limits.is_empty() {
        lines.push("  no limit is known yet".to_owned());
    }
    lines
}

fn limit_line(limit: &LimitState) -> String {
    let part = share(limit.used, limit.amount);
    let window = Duration::from_millis(limit.window_ms);
    format!(
        "  {:<9} {} {:>5} of {} {}",
        plain(&limit.metric),
        bar(part, LIMIT_BAR),
        percent(part),
        grouped(limit.amount),
        per(window)
    )
}

fn errors(progress: &Progress) -> Option<String> {
    if progress.errors.is_empty() {
        return None;
    }
    let mut kinds: Vec<_> = progress.errors.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let more = kinds.len().saturating_sub(ERRORS_SHOWN);
    let shown = kinds.into_iter().take(ERRORS_SHOWN);
    let shown = shown.map(|(code, count)| format!("{} {}", plain(code), grouped(*count)));
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(", {more} kinds more"));
    }
    Some(text)
}

fn footer(progress: &Progress, style: Style) -> String {
    if progress.stopping.is_some() {
        return "Ctrl-C again ends at once; the same command goes on later".to_owned();
    }
    let pause = match progress.paused {
        true => "go on",
        false => "pause",
    };
    let key = |name: &str| style.bold(name);
    format!(
        "{} {pause}   {} {} more or fewer at once   {} finish what runs, and end",
        key("p"),
        key("+"),
        key("-"),
        key("q")
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded and positive"
)]
fn whole(number: f64) -> u64 {
    number.clamp(0.0, 1e15).round() as u64
}

/// Text of at most so many columns; escapes of colour count for none.
fn cut(text: &str, columns: usize) -> String {
    let mut shown = 0;
    let mut escape = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\x1b' {
            escape = true;
        }
        if !escape {
            if shown == columns {
                continue;
            }
            shown += 1;
        }
        out.push(c);
        if escape && c == 'm' {
            escape = false;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use paceline_batch::Sums;

    fn progress() -> Progress {
        Progress {
            total: 20_000,
            sums: Sums {
                ok: 10_398,
                failed: 14,
                input_tokens: 5_000_000,
                output_tokens: 1_000_000,
                cost_nanousd: 1_234_500_000,
                unpriced: 0,
            },
            left: 9_588,
            in_flight: 24,
            concurrency: 32,
            retrying: 2,
            eta_ms: Some(660_000),
            projected_nanousd: Some(2_371_300_000),
            elapsed_ms: 720_000,
            wait_ms: 1_200,
            errors: [("http_500".to_owned(), 5), ("invalid\x1b[2J".to_owned(), 9)].into(),
            binds: Some("tokens/60s".to_owned()),
            ..Progress::default()
        }
    }

    fn shown(progress: &Progress, columns: usize) -> String {
        let style = Style::default();
        frame(
            "requests.jsonl → results.jsonl",
            progress,
            None,
            (columns, style),
        )
        .join("\n")
    }

    #[test]
    fn a_run_is_told_in_a_few_lines_that_fit() {
        let text = shown(&progress(), 80);
        for part in [
            "running 12 min",
            "52 %   10,412 of 20,000   11 min left",
            "ok 10,398   failed 14   in flight 24 of 32   retrying 2   left 9,588",
            "$1.2345 so far, about $2.3713 in all",
            "tokens/60s binds",
            "http_500 5",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        for columns in [40, 80, 160] {
            let text = shown(&progress(), columns);
            assert!(
                text.lines().all(|line| line.chars().count() <= columns),
                "{text}"
            );
        }
        let ends_at = |columns| shown(&progress(), columns).lines().next().map(str::len);
        assert!(ends_at(80) < ends_at(100) && ends_at(100) == ends_at(160));
    }

    #[test]
    fn names_from_elsewhere_cannot_steer_the_terminal() {
        assert!(!shown(&progress(), 80).contains('\x1b'));
    }

    #[test]
    fn a_log_line_says_the_same() {
        let text = line(&progress());
        assert!(
            text.starts_with("10,412 of 20,000 lines done (52 %), 14 failed, 24 in flight;"),
            "{text}"
        );
        assert!(text.ends_with("11 min left; tokens/60s binds"), "{text}");
    }

    #[test]
    fn costs_that_are_not_known_are_not_called_nothing() {
        let mut progress = progress();
        progress.sums.cost_nanousd = 0;
        progress.sums.unpriced = progress.sums.ok;
        assert!(shown(&progress, 80).contains("cost     unknown"));
        assert!(line(&progress).contains("; cost unknown; "));
    }

    #[test]
    fn an_ending_run_says_why() {
        let mut progress = progress();
        progress.stopping = Some("its time is up".to_owned());
        let text = shown(&progress, 100);
        assert!(
            text.contains("finishing what runs: its time is up"),
            "{text}"
        );
        assert!(text.contains("Ctrl-C again"), "{text}");
        assert!(!text.contains("min left"), "nothing more begins: {text}");
    }
}
