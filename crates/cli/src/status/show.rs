//! The state of a gateway in words and bars.

use paceline_admin_api::{
    ClockState, LimitState, PoolState, QueueStatus, SharingState, ThrottleState, WaitingCall,
};

use super::State;
use super::{beliefs, estimates, lanes};
use crate::figures::{bar, counted, grouped, per, percent, share, span_ms};
use crate::table::{Side, Table};
use crate::terminal::{Style, plain};

/// Columns of a bar.
const BAR_COLUMNS: usize = 16;

/// The lines to print.
pub(super) fn lines(state: &State, style: Style) -> Vec<String> {
    let queue = &state.queue_status;
    let mut lines = vec![format!(
        "{}   {} running, {}",
        style.bold(&state.address),
        grouped(queue.running),
        waiting(queue)
    )];
    lines.extend(state.rate_limits.provider_clock.as_ref().map(clock));
    if state.rate_limits.pools.is_empty() {
        lines.push("\nno limit pool yet: the first request of a model makes one".to_owned());
    }
    for pool in &state.rate_limits.pools {
        lines.push(String::new());
        lines.push(pool_line(pool, style));
        lines.extend(limits(pool));
        lines.extend(beliefs::lines(pool));
        lines.push(format!("  {}", tokens(pool)));
    }
    lines.extend(lanes::lines(&state.lanes, style));
    if !queue.calls.is_empty() {
        lines.push(String::new());
        lines.extend(calls(&queue.calls));
        let more = queue.waiting.saturating_sub(queue.calls.len() as u64);
        if more > 0 {
            lines.push(format!("  ... and {} more", grouped(more)));
        }
    }
    if let Some(learned) = &state.estimates {
        lines.extend(estimates::lines(learned));
    }
    lines
}

/// How far the provider's clock is from the gateway's.
fn clock(clock: &ClockState) -> String {
    let tenths = |ms: f64| (ms / 100.0).round() / 10.0;
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let (ahead, error) = (clock.ahead_ms as f64, clock.error_ms as f64);
    // What is less than shown is not shown as nothing.
    let error = tenths(error).max(0.1);
    format!(
        "the provider's clock {:+.1} s ± {error:.1} s, by {}",
        tenths(ahead) + 0.0,
        counted(clock.answers, "answer")
    )
}

fn waiting(queue: &QueueStatus) -> String {
    let total = format!("{} waiting", grouped(queue.waiting));
    if queue.waiting == 0 {
        return total;
    }
    let tiers = queue.tiers.iter().filter(|tier| tier.waiting > 0);
    let tiers: Vec<String> = tiers
        .map(|tier| format!("{} {}", grouped(tier.waiting), plain(&tier.priority)))
        .collect();
    format!("{total} ({})", tiers.join(", "))
}

fn pool_line(pool: &PoolState, style: Style) -> String {
    let mut words = vec![match pool.concurrency_max {
        Some(most) => format!("{} of {most} running", grouped(pool.in_flight)),
        None => format!("{} running", grouped(pool.in_flight)),
    }];
    words.push(format!("{} waiting", grouped(pool.waiting)));
    if pool.spacing_ms > 0 {
        words.push(format!("{} between two launches", span_ms(pool.spacing_ms)));
    }
    if pool.queue_growth_per_minute >= 0.5 {
        words.push(format!(
            "{:.0} requests a minute more than fit",
            pool.queue_growth_per_minute
        ));
    }
    if let Some(probes) = pool.probe_concurrency {
        words.push(format!(
            "limits still unknown: {} at once",
            counted(probes.into(), "probe")
        ));
    }
    if let Some(pause) = &pool.cool_down {
        words.push(style.red(&format!("cooling down for {}", span_ms(pause.remaining_ms))));
    }
    words.extend(pool.throttles.iter().map(throttle));
    words.extend(pool.sharing.as_ref().map(|state| sharing(state, style)));
    format!(
        "pool {}: {}",
        style.bold(&plain(&pool.name)),
        words.join(", ")
    )
}

/// Where the pool stands with the store.
fn sharing(sharing: &SharingState, style: Style) -> String {
    let others = sharing.instances.saturating_sub(1);
    let part = sharing.share.map_or_else(|| "a part".to_owned(), percent);
    let why = sharing.reason.as_deref().map(plain).unwrap_or_default();
    let lasts = span_ms(sharing.since_ms);
    match sharing.mode.as_str() {
        "exact" => format!("shared with {}", counted(others.into(), "other")),
        "learning" => style.red("waiting until all have told the store what they used"),
        "share" => style.red(&format!(
            "store away for {lasts}, {part} of the quota here: {why}"
        )),
        "open" => style.red(&format!(
            "store away for {lasts}, all of the quota used here: {why}"
        )),
        "closed" => style.red(&format!("store away for {lasts}, everyone waits: {why}")),
        _ => "asking the store".to_owned(),
    }
}

fn throttle(throttle: &ThrottleState) -> String {
    let of = match &throttle.metric {
        Some(metric) => format!(" of {}", plain(metric)),
        None => String::new(),
    };
    let rate = match throttle.units_per_minute {
        Some(units) => format!("{} a minute", grouped(units)),
        None => percent(throttle.share),
    };
    let left = span_ms(throttle.remaining_ms);
    match throttle.kind.as_str() {
        "slow_start" => format!("slow start{of} at {rate} for {left}"),
        "stabilisation" => {
            let share = percent(throttle.share);
            format!("stabilisation{of} at {share} ({rate}) for {left}")
        }
        "growth" => format!("growth{of} held at {rate}, let go after {left} without need"),
        other => format!("{}{of} at {rate} for {left}", plain(other)),
    }
}

fn limits(pool: &PoolState) -> Vec<String> {
    let mut table = Table::new(&[
        ("", Side::Right),
        ("", Side::Left),
        ("", Side::Left),
        ("", Side::Right),
        ("", Side::Left),
    ]);
    for limit in &pool.limits {
        let used = share(limit.used, limit.amount);
        table.row([
            grouped(limit.used),
            format!("of {} {}", grouped(limit.amount), window(limit)),
            bar(used, BAR_COLUMNS),
            percent(used),
            format!(
                "{}, {}{}{}",
                plain(&limit.source),
                plain(&limit.kind),
                clear(limit),
                hit(limit)
            ),
        ]);
    }
    table.lines()
}

fn window(limit: &LimitState) -> String {
    let metric = plain(&limit.metric).replace('_', " ");
    let window = std::time::Duration::from_millis(limit.window_ms);
    format!("{metric} {}", per(window))
}

fn clear(limit: &LimitState) -> String {
    match limit.clear_in_ms {
        0 => String::new(),
        left => format!(", clear in {}", span_ms(left)),
    }
}

/// When the limit will be hit at the present demand, where it will be.
fn hit(limit: &LimitState) -> String {
    match limit.hit_in_ms {
        None => String::new(),
        Some(0) => ", hit now".to_owned(),
        Some(left) => format!(", hit in {}", span_ms(left)),
    }
}

fn tokens(pool: &PoolState) -> String {
    let tokens = &pool.tokens;
    let mut words = vec![
        format!("tokens so far: {} reserved", grouped(tokens.reserved)),
        format!("{} spent", grouped(tokens.settled)),
        format!("{} given back", grouped(tokens.refunded)),
        format!("{} open", grouped(tokens.outstanding)),
    ];
    if tokens.debt > 0 {
        words.push(format!("{} beyond what was reserved", grouped(tokens.debt)));
    }
    words.join(", ")
}

fn calls(calls: &[WaitingCall]) -> Vec<String> {
    let mut table = Table::new(&[
        ("pool", Side::Left),
        ("place", Side::Right),
        ("starts in", Side::Right),
        ("waits for", Side::Left),
        ("waited", Side::Right),
        ("tenant", Side::Left),
        ("priority", Side::Left),
        ("tokens", Side::Right),
        ("answer", Side::Right),
        ("request", Side::Left),
    ]);
    for call in calls {
        table.row([
            plain(&call.pool),
            grouped(call.position),
            call.eta_ms.map_or("?".to_owned(), span_ms),
            plain(&call.limited_by),
            span_ms(call.waited_ms),
            plain(&call.tenant),
            plain(&call.priority),
            grouped(call.estimated_tokens),
            match call.expected_output_tokens {
                0 => "?".to_owned(),
                expected => grouped(expected),
            },
            plain(&call.request_id),
        ]);
    }
    table.lines()
}

#[cfg(test)]
mod tests;
