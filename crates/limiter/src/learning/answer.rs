//! One answer about one limit, in the terms of the learners.

use crate::settlement::Observation;
use crate::time::nanos;

/// What we counted right after a request was admitted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    /// Which state of which limit was counted in; 0: none.
    pub(crate) generation: u64,
    /// Units used, with this request.
    pub(crate) used: u64,
    /// The sum of corrections up to then.
    pub(crate) corrected: i64,
}

/// What an answer says about one limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    /// Units per window.
    pub(crate) limit: u64,
    /// Units used, as the provider counts them.
    pub(crate) used: u64,
    /// Time until the provider counts nothing as used.
    pub(crate) reset: Option<u64>,
    /// The provider made up these figures between here ...
    pub(crate) sent: u64,
    /// ... and here.
    pub(crate) latest: u64,
    /// The length of the window, where it is told.
    pub(crate) window: Option<u64>,
    /// How finely `reset` is told.
    pub(crate) resolution: u64,
    /// How finely the units left are told.
    pub(crate) grain: u64,
    pub(crate) now: u64,
}

const SECOND_NS: u64 = 1_000_000_000;
const MS_NS: u64 = 1_000_000;

/// Providers that round what is left round it to thousands (Anthropic).
const ROUNDED_TO: i64 = 1_000;

impl Answer {
    pub(crate) fn new(observation: &Observation, now: u64) -> Self {
        let used = i128::from(observation.limit) - i128::from(observation.remaining);
        let used = u64::try_from(used.max(0)).unwrap_or(u64::MAX);
        let reset = observation.reset.map(nanos);
        let sent = observation.as_of.as_nanos().min(now);
        let processing = observation.processing.map_or(0, nanos);
        let whole_seconds = reset.is_some_and(|reset| reset > 0 && reset.is_multiple_of(SECOND_NS));
        let rounded = observation.limit >= 10 * ROUNDED_TO.unsigned_abs()
            && observation.remaining > 0
            && observation.remaining % ROUNDED_TO == 0;
        Self {
            limit: observation.limit,
            used,
            reset,
            sent,
            window: observation.window.map(nanos).filter(|window| *window > 0),
            latest: now.saturating_sub(processing).max(sent),
            // A figure of milliseconds that happens to be whole seconds only looks coarser.
            resolution: if whole_seconds { SECOND_NS } else { MS_NS },
            grain: if rounded {
                ROUNDED_TO.unsigned_abs()
            } else {
                1
            },
            now,
        }
    }
}
