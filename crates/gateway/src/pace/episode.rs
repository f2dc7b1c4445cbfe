//! What the log says of refusals: one line when an episode begins, and one when it is over.

use paceline_limiter::{DomainSnapshot, Episode, Metric, ThrottleKind, ThrottleView};

use crate::exchange::milliseconds;

/// The most of the provider's words that are repeated.
const WORDS_CHARS_MAX: usize = 300;

/// Tells what the provider said, what was cut, until when, and what follows.
pub(super) fn log_begin(pool: &str, snapshot: &DomainSnapshot, words: &str) {
    let Some(episode) = &snapshot.episode else {
        return;
    };
    let of = |kind| snapshot.throttles.iter().find(|view| view.kind == kind);
    let slow_start = of(ThrottleKind::SlowStart);
    let stabilisation = of(ThrottleKind::Stabilisation);
    let growth = of(ThrottleKind::Growth);
    let pause = episode.cool_down_until.saturating_since(episode.began);
    let left = |view: &ThrottleView| milliseconds(view.remaining);
    let words: String = words.chars().take(WORDS_CHARS_MAX).collect();
    tracing::warn!(
        pool,
        episode = episode.number,
        kind = episode.kind.name(),
        metric = episode.metric.map(Metric::name),
        limit = episode.limit,
        used = episode.used,
        requested = episode.requested,
        pause_ms = milliseconds(pause),
        penalty_tokens = episode.penalty.get(Metric::Tokens),
        slow_start_percent = slow_start.map(percent),
        slow_start_until_ms = slow_start.map(left),
        stabilisation_percent = stabilisation.map(percent),
        stabilisation_until_ms = stabilisation.map(left),
        growth_held_at_per_minute = growth.and_then(|view| view.units_per_minute),
        growth_metric = growth.and_then(|view| view.metric).map(Metric::name),
        message = %words,
        "the provider refused: the pool pauses, and its pace returns by and by"
    );
}

/// Tells that the pace is whole again.
pub(super) fn log_end(pool: &str, episode: &Episode) {
    let ended = episode.ended.unwrap_or(episode.cool_down_until);
    tracing::info!(
        pool,
        episode = episode.number,
        kind = episode.kind.name(),
        refusals = episode.refusals,
        lasted_ms = milliseconds(ended.saturating_since(episode.began)),
        "the pace is whole again after refusals"
    );
}

fn percent(view: &ThrottleView) -> u64 {
    view.share_ppm / 10_000
}
