//! The calls, so many at once, and what their callers saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::kind::CallKind;
use crate::Caller;

/// When callers leave who do not wait for an answer.
const LEAVES_AFTER: Duration = Duration::from_millis(12);

/// How much of a stream they see who leave in its middle.
const FRAMES_SEEN: usize = 1;

/// A call, as its caller saw it.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) name: String,
    pub(super) kind: CallKind,
    /// When its answer was there to the last byte; `None` where none came or it broke off.
    pub(super) answered_at: Option<Instant>,
}

impl Called {
    /// Whether its caller went before there was any answer, of its own accord.
    pub(super) fn left_early(&self) -> bool {
        self.kind == CallKind::LeavesEarly && self.answered_at.is_none()
    }
}

/// Calls to make.
#[derive(Clone, Debug)]
pub(super) struct Load {
    caller: Caller,
    calls: usize,
    at_once: usize,
    next: Arc<AtomicUsize>,
    done: Done,
}

/// How many calls are over.
#[derive(Clone, Debug, Default)]
pub(super) struct Done(Arc<AtomicUsize>);

impl Done {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Load {
    pub(super) fn new(caller: Caller, calls: usize, at_once: usize) -> Self {
        Self {
            caller,
            calls,
            at_once,
            next: Arc::default(),
            done: Done::default(),
        }
    }

    pub(super) fn done(&self) -> Done {
        self.done.clone()
    }

    /// Makes them all; what became of each, in no particular order.
    pub(super) async fn run(self) -> Vec<Called> {
        let all = Arc::new(Mutex::new(Vec::with_capacity(self.calls)));
        let mut callers = JoinSet::new();
        for _ in 0..self.at_once {
            let (load, all) = (self.clone(), Arc::clone(&all));
            callers.spawn(async move {
                loop {
                    let number = load.next.fetch_add(1, Ordering::Relaxed);
                    if number >= load.calls {
                        return;
                    }
                    let called = load.call(number).await;
                    load.done.0.fetch_add(1, Ordering::Relaxed);
                    all.lock().push(called);
                }
            });
        }
        while callers.join_next().await.is_some() {}
        std::mem::take(&mut *all.lock())
    }

    async fn call(&self, number: usize) -> Called {
        let (name, kind) = (format!("call-{number}"), CallKind::of(number));
        let answered = self.exchange(number, &name, kind).await.unwrap_or(false);
        Called {
            name,
            kind,
            answered_at: answered.then(Instant::now),
        }
    }

    /// Whether the whole answer came.
    async fn exchange(&self, number: usize, name: &str, kind: CallKind) -> Result<bool> {
        let tenant = format!("tenant-{}", number % 5);
        let fault = kind.fault(name);
        let mut headers = vec![
            ("authorization", kind.key()),
            ("content-type", "application/json"),
            ("x-client-request-id", name),
            ("x-paceline-session", name),
            ("x-paceline-tenant", &*tenant),
            ("x-paceline-tags", "books"),
        ];
        if let Some(fault) = &fault {
            headers.push(("x-simulator-fault", fault));
        }
        let body = kind.body(number);
        let request = self
            .caller
            .request(http::Method::POST, kind.path(), &headers, body)?;
        match kind {
            CallKind::LeavesEarly => {
                let answer = timeout(LEAVES_AFTER, self.caller.send(request)).await;
                Ok(answer.is_ok_and(|answer| answer.is_ok()))
            }
            CallKind::LeavesStream => {
                let mut answer = self.caller.start(request).await?.into_body();
                for _ in 0..FRAMES_SEEN {
                    if answer.frame().await.transpose()?.is_none() {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => self.caller.send(request).await.map(|_| true),
        }
    }
}
