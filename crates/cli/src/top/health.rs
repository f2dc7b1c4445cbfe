//! How the gateway is doing, in a word or two and one line: the worst thing first, in the dashboard's words.

use paceline_admin_api::{LaneNow, LanesNow, LimitNow, Now, PoolNow};

use super::picture::{Connection, Picture};
use crate::figures::{counted, per, percent, share, span_ms};
use crate::terminal::plain;

/// A limit counts as nearly used up from here on.
pub(super) const NEARLY_FULL: f64 = 0.85;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Good,
    Warn,
    Bad,
    Idle,
}

/// What is the case, and what to do or expect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) level: Level,
    pub(super) word: &'static str,
    pub(super) line: String,
}

fn health(level: Level, word: &'static str, line: impl Into<String>) -> Health {
    let line = line.into();
    Health { level, word, line }
}

/// How full a limit is, from 0.
pub(super) fn use_of(limit: &LimitNow) -> f64 {
    share(limit.used, limit.amount)
}

/// How full the fullest limit of a pool is.
pub(super) fn fullest_use(pool: &PoolNow) -> f64 {
    pool.limits.iter().map(use_of).fold(0.0, f64::max)
}

/// What holds back the next request of a pool, in words.
pub(super) fn held_back_by(pool: &PoolNow) -> Option<String> {
    let binding = pool.limited_by.as_deref()?;
    Some(plain(binding).replace('_', " "))
}

/// Whether a limit is what holds back the next request of its pool.
pub(super) fn binds(pool: &PoolNow, limit: &LimitNow) -> bool {
    held_back_by(pool).is_some_and(|binding| binding == limit_name(&limit.metric, limit.window_ms))
}

/// `tokens per minute`.
pub(super) fn limit_name(metric: &str, window_ms: u64) -> String {
    let metric = plain(metric).replace('_', " ");
    let window = per(std::time::Duration::from_millis(window_ms));
    let window = ["a ", "an ", "in "]
        .iter()
        .find_map(|before| window.strip_prefix(before))
        .unwrap_or(&window);
    format!("{metric} per {window}")
}

pub(super) fn health_of(picture: &Picture) -> Health {
    match (&picture.now, &picture.connection) {
        (now, Connection::Lost(reason)) => {
            let shown = match now {
                Some(_) => "; these are the last figures that came",
                None => "",
            };
            let reason = plain(reason);
            let line = format!("Trying again by itself{shown}: {reason}");
            health(Level::Bad, "Not connected", line)
        }
        (None, _) => {
            let line = "Waiting for the first word from the gateway.";
            health(Level::Idle, "Connecting", line)
        }
        (Some(now), _) => ledger(now)
            .or_else(|| lanes_out(&now.lanes))
            .or_else(|| provider(now))
            .or_else(|| lanes_returning(&now.lanes))
            .unwrap_or_else(|| pace(now, picture)),
    }
}

fn ledger(now: &Now) -> Option<Health> {
    let lost = now.ledger.as_ref()?.lost;
    let records = counted(lost, "usage record");
    let line = format!("{records} could not be kept. The gateway's log says why.");
    (lost > 0).then(|| health(Level::Bad, "Records lost", line))
}

/// `1 of 3 lanes is out`.
pub(super) fn are_out(lanes: &LanesNow) -> String {
    let verb = if lanes.out == 1 { "is" } else { "are" };
    format!(
        "{} of {} {verb} out",
        lanes.out,
        counted(lanes.total, "lane")
    )
}

/// What a lane is ill of, in a few words.
pub(super) fn ill_of(lane: &LaneNow) -> String {
    let words = match lane.cause.as_deref() {
        Some("status") => match lane.status {
            Some(status) => return status.to_string(),
            None => "errors",
        },
        Some("connect") => "no connection",
        Some("tls") => "no TLS",
        Some("timeout") => "no answer in time",
        Some("cut") => "answers break off",
        Some("overload") => "overloaded",
        Some("account") => "account refused",
        Some("hang") => "no answers",
        Some(other) => &plain(other),
        None => "ill",
    };
    match lane.status {
        Some(status) => format!("{words} ({status})"),
        None => words.to_owned(),
    }
}

fn lanes_out(lanes: &LanesNow) -> Option<Health> {
    let first = lanes.ill.first().filter(|_| lanes.out > 0)?;
    let name = plain(&first.name);
    let more = match lanes.out - 1 {
        0 => String::new(),
        more => format!(" and {}", counted(more, "other")),
    };
    let line = format!(
        "{}: {name}, {} for {}{more}. Calls take other lanes or wait.",
        are_out(lanes),
        ill_of(first),
        span_ms(first.ill_ms)
    );
    let level = if lanes.out == lanes.total {
        Level::Bad
    } else {
        Level::Warn
    };
    let word = if lanes.out == 1 {
        "Lane out"
    } else {
        "Lanes out"
    };
    Some(health(level, word, line))
}

fn lanes_returning(lanes: &LanesNow) -> Option<Health> {
    let first = lanes.ill.first().filter(|_| lanes.returning > 0)?;
    let name = plain(&first.name);
    let share = percent(first.share.unwrap_or_default());
    let line = format!("{name} is coming back: {share} of its calls go there, soon all of them.");
    Some(health(Level::Warn, "Lane returning", line))
}

fn provider(now: &Now) -> Option<Health> {
    if !now.upstream_reached {
        let line = "The provider could not be reached the last time. Check the network and upstream.base_url.";
        return Some(health(Level::Bad, "Provider away", line));
    }
    if let Some(paused) = now.pools.iter().find(|pool| pool.cool_down_ms > 0) {
        let is_overload = |kind: &str| kind == "overload";
        let why = match &paused.episode {
            Some(episode) if is_overload(&episode.kind) => "is overloaded",
            _ => "refused a request",
        };
        let left = span_ms(paused.cool_down_ms);
        let line =
            format!("The provider {why}; sending goes on in {left}. Requests wait meanwhile.");
        return Some(health(Level::Warn, "Paused", line));
    }
    if now.pools.iter().any(is_store_away) {
        let line = "The shared store does not answer; this gateway keeps to its own part of the quota until it \
                    does.";
        return Some(health(Level::Warn, "Store away", line));
    }
    let ledger = now.ledger.as_ref().filter(|ledger| !ledger.writable)?;
    let waiting = ledger.queued + ledger.spilled;
    let verb = if waiting == 1 { "waits" } else { "wait" };
    let records = counted(waiting, "record");
    let line = format!("The ledger takes no records; {records} {verb} for it.");
    Some(health(Level::Warn, "Ledger away", line))
}

/// Whether a pool has to do without the store that its limits are counted in.
pub(super) fn is_store_away(pool: &PoolNow) -> bool {
    let mode = pool.store_mode.as_deref();
    matches!(mode, Some("share" | "open" | "closed"))
}

fn pace(now: &Now, picture: &Picture) -> Health {
    let waiting = picture.waiting();
    let limits = now.pools.iter().flat_map(|pool| &pool.limits);
    let fullest = limits.max_by(|a, b| use_of(a).total_cmp(&use_of(b)));
    if waiting > 0 {
        let verb = if waiting == 1 { "waits" } else { "wait" };
        let requests = counted(waiting, "request");
        let longest = now.pools.iter().max_by_key(|pool| pool.waiting);
        let why = longest.and_then(held_back_by);
        let why = why.as_deref().unwrap_or("their turn");
        let line = format!("{requests} {verb}: {why}. They go on by themselves.");
        return health(Level::Warn, "Limited", line);
    }
    let name = fullest.map_or_else(
        || "a limit".to_owned(),
        |limit| limit_name(&limit.metric, limit.window_ms),
    );
    let used = fullest.map_or(0.0, use_of);
    if used >= NEARLY_FULL {
        let line = format!(
            "{} of {name} is used; requests will soon wait for their turn.",
            percent(used)
        );
        return health(Level::Warn, "Nearly full", line);
    }
    if picture.running() == 0 && now.finished_total.values().all(|&total| total == 0) {
        return health(Level::Idle, "Idle", "No request has come yet.");
    }
    health(
        Level::Good,
        "Healthy",
        "Nothing waits, and no limit is near.",
    )
}
