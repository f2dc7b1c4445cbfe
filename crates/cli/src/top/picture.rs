//! What is known of the gateway, and since when.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use paceline_admin_api::{
    Alerts, Forecasts, Now, Performance, PoolNow, QueueStatus, RateLimits, Suggestions,
};

use super::state::View;

/// How long the short past is.
pub(super) const PAST: Duration = Duration::from_secs(300);

/// The stretch that the present rate is taken over.
const RATE_OVER: Duration = Duration::from_secs(10);

/// Something new.
#[derive(Debug)]
pub(super) enum News {
    /// An event of the feed.
    Now(Now),
    /// The feed is lost, and why.
    Lost(String),
    Limits(RateLimits),
    /// The queue, as it was asked for by a view.
    Queue(QueueStatus, View),
    /// The last hour; nothing where no records are kept.
    Hour(Option<Box<Performance>>),
    Forecasts(Forecasts),
    Alerts(Alerts),
    Suggestions(Suggestions),
    /// Waits were ended, or why not.
    Done(Result<String, String>),
}

/// How the connection stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Connection {
    #[default]
    Connecting,
    Live,
    /// Lost, and why.
    Lost(String),
}

/// Requests that ended within one stretch of the feed.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Instant,
    finished: u64,
}

/// Requests that ended each second, slot by slot.
#[derive(Debug, PartialEq)]
pub(super) struct Rates {
    /// Of the slots that are known, the latest last.
    pub(super) each: Vec<f64>,
    /// How many slots there are.
    pub(super) slots: usize,
    /// The time of all of them.
    pub(super) over: Duration,
}

impl Rates {
    /// The highest one.
    pub(super) fn peak(&self) -> f64 {
        self.each.iter().copied().fold(0.0, f64::max)
    }
}

/// All that is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub(super) connection: Connection,
    pub(super) now: Option<Now>,
    /// When `now` came, or the connection was still known to stand.
    pub(super) seen: Option<Instant>,
    pub(super) limits: Option<RateLimits>,
    /// Without calls until the queue is looked at.
    pub(super) queue: Option<QueueStatus>,
    /// When the queue was told.
    pub(super) queue_seen: Option<Instant>,
    /// Whether `queue` lists calls.
    pub(super) is_listed: bool,
    pub(super) hour: Option<Box<Performance>>,
    pub(super) forecasts: Option<Forecasts>,
    pub(super) alerts: Alerts,
    pub(super) suggestions: Suggestions,
    past: VecDeque<Moment>,
    began: Option<Instant>,
}

impl Picture {
    /// Nothing but the limits.
    pub(super) fn of(limits: RateLimits) -> Self {
        Self {
            limits: Some(limits),
            ..Self::default()
        }
    }

    /// Takes over what is new. What waits to be shown elsewhere is given back.
    pub(super) fn take(&mut self, news: News, at: Instant) -> Option<Result<String, String>> {
        match news {
            News::Now(now) => self.take_now(now, at),
            News::Lost(reason) => {
                if self.connection == Connection::Live {
                    self.seen = Some(at);
                }
                self.connection = Connection::Lost(reason);
            }
            News::Limits(limits) => self.limits = Some(limits),
            News::Queue(mut queue, asked_by) => {
                match (asked_by, self.queue.take()) {
                    // The list of before is better than none.
                    (View::Now, Some(before)) => queue.calls = before.calls,
                    (View::Now, None) => {}
                    (View::Queue, _) => self.is_listed = true,
                }
                self.queue = Some(queue);
                self.queue_seen = Some(at);
            }
            News::Hour(hour) => self.hour = hour,
            News::Forecasts(forecasts) => self.forecasts = Some(forecasts),
            News::Alerts(alerts) => self.alerts = alerts,
            News::Suggestions(suggestions) => self.suggestions = suggestions,
            News::Done(done) => return Some(done),
        }
        None
    }

    fn take_now(&mut self, now: Now, at: Instant) {
        self.connection = Connection::Live;
        self.seen = Some(at);
        self.began.get_or_insert(at);
        let finished = now.finished.values().sum();
        if finished > 0 {
            self.past.push_back(Moment { at, finished });
        }
        let kept = |moment: &Moment| at.saturating_duration_since(moment.at) < PAST * 2;
        while self.past.front().is_some_and(|moment| !kept(moment)) {
            self.past.pop_front();
        }
        self.now = Some(now);
    }

    /// How old what is shown is; nothing while it is of now.
    pub(super) fn age(&self, at: Instant) -> Option<Duration> {
        match (&self.connection, self.seen) {
            (Connection::Lost(_), Some(seen)) => Some(at.saturating_duration_since(seen)),
            _ => None,
        }
    }

    /// Every pool; none before the first event.
    pub(super) fn pools(&self) -> &[PoolNow] {
        self.now.as_ref().map_or(&[], |now| &now.pools)
    }

    pub(super) fn waiting(&self) -> u64 {
        self.pools().iter().map(|pool| pool.waiting).sum()
    }

    pub(super) fn running(&self) -> u64 {
        self.pools().iter().map(|pool| pool.in_flight).sum()
    }

    /// Whether anything ended lately, so that what is shown changes with the time.
    pub(super) fn has_past(&self, at: Instant) -> bool {
        let last = self.past.back();
        last.is_some_and(|moment| at.saturating_duration_since(moment.at) < PAST * 2)
    }

    /// Requests that ended each second, lately.
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    pub(super) fn rate(&self, at: Instant) -> f64 {
        let (Some(began), Some(seen)) = (self.began, self.seen) else {
            return 0.0;
        };
        // While the connection is lost this is the rate of then.
        let at = self.age(at).map_or(at, |_| seen);
        let over = at.saturating_duration_since(began).min(RATE_OVER);
        let recent = self.past.iter().rev();
        let recent =
            recent.take_while(|moment| at.saturating_duration_since(moment.at) < RATE_OVER);
        let finished: u64 = recent.map(|moment| moment.finished).sum();
        finished as f64 / over.as_secs_f64().max(1.0)
    }

    /// The rates of the short past in so many slots of whole seconds, the latest last: requests that ended each
    /// second of a slot. Slots stay where they are while time goes on.
    #[expect(clippy::cast_precision_loss, reason = "drawn in eighths of a row")]
    pub(super) fn rates(&self, slots: usize, at: Instant) -> Rates {
        let slots = u64::try_from(slots.max(1)).unwrap_or(1);
        let length = PAST.as_secs().div_ceil(slots).max(1);
        let shown = slots.min(PAST.as_secs().div_ceil(length));
        let mut rates = Rates {
            each: Vec::new(),
            slots: usize::try_from(shown).unwrap_or(0),
            over: Duration::from_secs(length * shown),
        };
        let Some(began) = self.began else {
            return rates;
        };
        let slot_of = |at: Instant| at.saturating_duration_since(began).as_secs() / length;
        // The slot of now is not over.
        let end = slot_of(at);
        let begin = end.saturating_sub(shown);
        let mut finished = vec![0; usize::try_from(end - begin).unwrap_or(0)];
        for moment in &self.past {
            let slot = slot_of(moment.at);
            let index = slot
                .checked_sub(begin)
                .and_then(|index| usize::try_from(index).ok());
            if let Some(count) = index.and_then(|index| finished.get_mut(index)) {
                *count += moment.finished;
            }
        }
        let each = finished.iter().map(|&count| count as f64 / length as f64);
        rates.each = each.collect();
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(count: u64) -> News {
        News::Now(Now {
            finished: [("ok".to_owned(), count)].into(),
            ..Now::default()
        })
    }

    #[test]
    fn rates_are_those_of_whole_slots() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut picture = Picture::default();
        for second in 0..=20 {
            picture.take(finished(second), at(second));
        }
        // Slots of 10 s: 0 to 9, 10 to 19; the one that began with 20 is not over.
        let rates = picture.rates(30, at(20));
        assert_eq!((rates.slots, rates.over), (30, PAST));
        assert_eq!(rates.each, [4.5, 14.5]);
        assert!((picture.rate(at(20)) - 15.5).abs() < 1e-9);
        // What is long ago falls out.
        assert_eq!(picture.rates(30, at(1_000)).each, [0.0; 30]);
        assert!(picture.rate(at(40)).abs() < 1e-9);
    }

    #[test]
    fn what_is_shown_has_an_age_once_the_connection_is_lost() {
        let start = Instant::now();
        let later = start + Duration::from_secs(12);
        let mut picture = Picture::default();
        picture.take(finished(1), start);
        assert_eq!(picture.age(later), None);
        picture.take(News::Lost("gone".to_owned()), start);
        picture.take(News::Lost("gone still".to_owned()), later);
        assert_eq!(picture.age(later), Some(Duration::from_secs(12)));
        picture.take(finished(1), later);
        assert_eq!(picture.age(later), None);
    }
}
