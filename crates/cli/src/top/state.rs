//! What is looked at: the picture, which part of it is shown, and what is asked of the person.

use std::time::{Duration, Instant};

use paceline_admin_api::{RateLimits, WaitingCall};

use super::ask;
use super::picture::{Connection, News, Picture};

/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(8);

/// What can be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    #[default]
    Now,
    Queue,
}

/// What is asked before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) title: &'static str,
    pub(super) text: String,
    /// What is asked of the gateway when the answer is yes.
    pub(super) path: String,
}

/// What was done, or why not.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) told: Result<String, String>,
    at: Instant,
}

/// What drawing found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Rows or lines that fit.
    pub(super) room: usize,
    /// By how many lines the view Now can be scrolled.
    pub(super) scroll_max: usize,
}

/// All of it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) address: String,
    live: Picture,
    /// The picture that is held, and since when.
    held: Option<(Box<Picture>, Instant)>,
    pub(super) view: View,
    /// By how many lines the view Now is scrolled.
    pub(super) scrolled: usize,
    /// The id of the selected request.
    selected: Option<String>,
    /// Its row.
    row: usize,
    pub(super) filter: String,
    pub(super) is_filtering: bool,
    pub(super) question: Option<Question>,
    pub(super) notice: Option<Notice>,
    pub(super) is_helping: bool,
    pub(super) seen: Seen,
}

impl State {
    pub(super) fn new(address: String, limits: RateLimits) -> Self {
        Self {
            address,
            live: Picture::of(limits),
            held: None,
            view: View::Now,
            scrolled: 0,
            selected: None,
            row: 0,
            filter: String::new(),
            is_filtering: false,
            question: None,
            notice: None,
            is_helping: false,
            seen: Seen::default(),
        }
    }

    /// What is shown.
    pub(super) fn picture(&self) -> &Picture {
        self.held
            .as_ref()
            .map_or(&self.live, |(picture, _)| picture)
    }

    /// The time that is shown: it stands still while the display is held.
    pub(super) fn time(&self, at: Instant) -> Instant {
        self.held.as_ref().map_or(at, |(_, since)| *since)
    }

    /// For how long the display has been held.
    pub(super) fn held_for(&self, at: Instant) -> Option<Duration> {
        let (_, since) = self.held.as_ref()?;
        Some(at.saturating_duration_since(*since))
    }

    /// Whether the connection is lost while the display is held.
    pub(super) fn is_lost_behind(&self) -> bool {
        self.held.is_some() && matches!(self.live.connection, Connection::Lost(_))
    }

    /// Holds the display, or lets it go.
    pub(super) fn toggle_hold(&mut self, at: Instant) {
        self.held = match self.held.take() {
            Some(_) => None,
            None => Some((Box::new(self.live.clone()), at)),
        };
        self.settle();
    }

    /// Takes over what is new; says whether anything that is shown may have changed.
    pub(super) fn take(&mut self, news: News, at: Instant) -> bool {
        let told = self.live.take(news, at);
        let is_told = told.is_some();
        if let Some(told) = told {
            self.notice = Some(Notice { told, at });
        }
        if self.held.is_none() {
            self.settle();
        }
        is_told || self.held.is_none()
    }

    /// Says something for a while.
    pub(super) fn tell(&mut self, told: Result<String, String>, at: Instant) {
        self.notice = Some(Notice { told, at });
    }

    /// Lets go what has been said for long enough; says whether what is shown changes with the time.
    pub(super) fn tick(&mut self, at: Instant) -> bool {
        let is_over = |notice: &Notice| at.saturating_duration_since(notice.at) >= NOTICE;
        let was_over = self.notice.take_if(|notice| is_over(notice)).is_some();
        was_over
            || self.held.is_some()
            || self.picture().age(at).is_some()
            || (self.view == View::Now && self.picture().has_past(at))
    }

    /// The waiting requests that pass the filter.
    pub(super) fn calls(&self) -> Vec<&WaitingCall> {
        let queue = self.picture().queue.as_ref();
        let calls = queue.map_or(&[][..], |queue| &queue.calls);
        let wanted = self.filter.trim().to_lowercase();
        calls.iter().filter(|call| matches(call, &wanted)).collect()
    }

    /// The row of the selected request.
    pub(super) fn row(&self) -> usize {
        self.row
    }

    pub(super) fn selected(&self) -> Option<&WaitingCall> {
        self.calls().get(self.row).copied()
    }

    /// Selects a row, or the last one.
    pub(super) fn select(&mut self, row: usize) {
        let calls = self.calls();
        let row = row.min(calls.len().saturating_sub(1));
        let id = calls.get(row).map(|call| call.request_id.clone());
        (self.row, self.selected) = (row, id);
    }

    /// Keeps to the selected request where it goes; where it has gone, its row is another's.
    pub(super) fn settle(&mut self) {
        let place = self.selected.as_ref().and_then(|id| {
            let calls = self.calls();
            calls.iter().position(|call| call.request_id == *id)
        });
        self.select(place.unwrap_or(self.row));
    }

    /// Asks whether the wait of the selected request is to be ended.
    pub(super) fn ask_to_end_one(&mut self) {
        self.question = self.selected().map(|call| Question {
            title: "End this wait?",
            text: format!(
                "{}, {}, place {}. The caller is answered with request_cancelled, and nothing is sent to the \
                 provider.",
                call.tenant, call.model, call.position
            ),
            path: format!("/monitoring/queue/{}", ask::segment(&call.request_id)),
        });
    }

    /// The same for all requests of its session. Says why that cannot be asked.
    pub(super) fn ask_to_end_session(&mut self) -> Result<(), String> {
        let Some(call) = self.selected() else {
            return Ok(());
        };
        let session = call.session.as_deref().filter(|name| !name.is_empty());
        let Some(session) = session else {
            return Err("The selected request belongs to no session.".to_owned());
        };
        let queue = self.picture().queue.as_ref();
        let calls = queue.map_or(&[][..], |queue| &queue.calls);
        let of_it = |call: &&WaitingCall| call.session.as_deref() == Some(session);
        let waiting = u64::try_from(calls.iter().filter(of_it).count()).unwrap_or(0);
        let requests = crate::figures::counted(waiting, "request");
        self.question = Some(Question {
            title: "End all waits of this session?",
            text: format!(
                "{requests} of {session} or more: all that wait, of whichever tenant. Those under way are left \
                 alone."
            ),
            path: format!("/monitoring/sessions/{}", ask::segment(session)),
        });
        Ok(())
    }
}

fn matches(call: &WaitingCall, wanted: &str) -> bool {
    let session = call.session.as_deref().unwrap_or_default();
    let fields = [
        &call.tenant,
        session,
        &call.model,
        &call.pool,
        &call.priority,
        &call.request_id,
        &call.limited_by,
    ];
    wanted.is_empty()
        || fields
            .iter()
            .any(|field| field.to_lowercase().contains(wanted))
}
