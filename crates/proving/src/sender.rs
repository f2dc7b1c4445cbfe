//! What a sender is to the simulation: it is told what happens and says what it does.

use paceline_simulator::Metric;

use crate::scenario::{Priority, Prompt};

/// A number for each request of a run, in the order of their arrival.
pub(crate) type CallId = u32;

/// A request as its sender sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) call: CallId,
    pub(crate) tenant: u32,
    pub(crate) weight: u32,
    pub(crate) priority: Priority,
    pub(crate) prompt: Prompt,
    /// When it came.
    pub(crate) arrived_ns: u64,
    /// When it is no longer of use.
    pub(crate) deadline_ns: Option<u64>,
    /// Attempts that were made so far.
    pub(crate) attempts: u32,
    /// Whether its answer comes as a stream, of which the caller sees the beginning at once.
    pub(crate) streams: bool,
}

/// One limit as the headers of an answer state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) metric: Metric,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) reset_ns: Option<u64>,
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: Status,
    pub(crate) levels: Vec<Level>,
    /// How long the provider worked on it.
    pub(crate) processing_ns: u64,
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// 200; the end is to come.
    Served,
    /// 429 with its words.
    Refused(Words),
    /// 500.
    ServerError,
    /// 503, and how long to stay away.
    Overloaded { wait_ns: u64 },
}

/// What a refusal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) reason: Reason,
    pub(crate) metric: Option<Metric>,
    pub(crate) limit: Option<u64>,
    pub(crate) used: Option<u64>,
    /// What the limit headers beside it show as used.
    pub(crate) level: Option<u64>,
    pub(crate) requested: Option<u64>,
    pub(crate) wait_ns: Option<u64>,
}

/// Why a provider refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    OverLimit,
    TooLarge,
    Concurrency,
    SlowDown,
}

/// The end of an attempt that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All of the answer, with its usage.
    Whole {
        input_tokens: u64,
        output_tokens: u64,
    },
    /// It broke off behind its head.
    Cut { output_tokens: u64 },
    /// Nothing came in time.
    Lost,
    /// No connection came about.
    Unreachable,
}

/// What a sender does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It sends the request.
    Send(CallId),
    /// It wants to be asked again at this time.
    Again { call: CallId, at_ns: u64 },
    /// It gives the caller an answer.
    Answer(CallId, Fate),
}

/// What a caller got in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The provider's answer.
    Served,
    /// An error, after all attempts.
    Failed,
    /// The sender's own refusal: too large, too late, too many.
    TurnedAway,
}

/// Somebody who sends requests. Everything it does comes out as steps.
pub(crate) trait Sender {
    /// A request arrives, or comes again after a pause.
    fn submit(&mut self, ask: &Ask, now_ns: u64, steps: &mut Vec<Step>);

    /// The head of an answer arrives.
    fn head(&mut self, ask: &Ask, head: &Head, now_ns: u64, steps: &mut Vec<Step>);

    /// An attempt ends.
    fn end(&mut self, ask: &Ask, end: End, now_ns: u64, steps: &mut Vec<Step>);

    /// When it wants to be polled.
    fn wake_ns(&self) -> Option<u64>;

    /// The time that it waited for has come.
    fn poll(&mut self, now_ns: u64, steps: &mut Vec<Step>);

    /// Its clock jumps.
    fn jump(&mut self, by_ns: i64, now_ns: u64, steps: &mut Vec<Step>);

    /// What it must be able to say of itself at any time; `idle` says that nothing is under way.
    fn check(&self, idle: bool) -> Option<String>;
}

impl Words {
    /// What an overloaded provider says: nothing of limits, only how long to stay away.
    pub(crate) const fn overload(wait_ns: u64) -> Self {
        Self {
            reason: Reason::SlowDown,
            metric: None,
            limit: None,
            used: None,
            level: None,
            requested: None,
            wait_ns: Some(wait_ns),
        }
    }
}

impl Head {
    /// What the headers show as used of the limit on `metric`.
    pub(crate) fn level(&self, metric: Metric) -> Option<u64> {
        let level = self.levels.iter().find(|level| level.metric == metric)?;
        Some(level.limit.saturating_sub(level.remaining))
    }

    /// How long the answer asks to wait, in nanoseconds; 0 where it does not.
    pub(crate) fn wait_ns(&self) -> u64 {
        match &self.status {
            Status::Refused(words) => words.wait_ns.unwrap_or(0),
            Status::Overloaded { wait_ns } => *wait_ns,
            Status::Served | Status::ServerError => 0,
        }
    }
}
