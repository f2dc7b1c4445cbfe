//! Streaming calls at a steady rate, whether or not earlier ones have been answered, and what their
//! callers saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http_body_util::BodyExt;
use tokio::task::JoinSet;

use super::NAME;
use crate::Caller;

/// No call takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a whole stream ends.
const END: &[u8] = b"data: [DONE]\n\n";

/// The first bytes of some calls' answers, from when the call was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstBytes {
    /// Half of them not later.
    pub p50: Duration,
    /// 95 of 100 not later.
    pub p95: Duration,
    /// None later.
    pub max: Duration,
}

impl FirstBytes {
    /// Of the calls that were due in a span of time and got a first byte.
    pub(super) fn of(calls: &[Call], (from, to): (Instant, Instant)) -> Self {
        let within = calls.iter().filter(|call| (from..to).contains(&call.due));
        let mut times: Vec<_> = within.filter_map(|call| call.first_byte).collect();
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        let percentile = |percent| times.get(last * percent / 100).copied();
        Self {
            p50: percentile(50).unwrap_or_default(),
            p95: percentile(95).unwrap_or_default(),
            max: percentile(100).unwrap_or_default(),
        }
    }
}

/// What the caller of one call saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// When it was to be sent.
    pub(super) due: Instant,
    /// From then to the first byte of the answer's body; `None` where none came, or an error.
    pub(super) first_byte: Option<Duration>,
    /// Whether the answer came to its end.
    pub(super) is_whole: bool,
    /// Whether it was sent a second time beside the first.
    pub(super) is_hedged: bool,
}

/// Calls that are sent until they are stopped.
#[derive(Debug)]
pub(super) struct Calls {
    is_over: Arc<AtomicBool>,
    sending: tokio::task::JoinHandle<Vec<Call>>,
}

impl Calls {
    /// Begins, with so much time from one call to the next.
    pub(super) fn start(caller: Caller, spacing: Duration) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let sending = tokio::spawn(send_all(caller, spacing, Arc::clone(&is_over)));
        Self { is_over, sending }
    }

    /// Sends no more, and waits for the answers to what was sent; in the order of their ends.
    pub(super) async fn stop(self) -> Result<Vec<Call>> {
        self.is_over.store(true, Ordering::Relaxed);
        self.sending.await.context("sending broke off")
    }
}

async fn send_all(caller: Caller, spacing: Duration, is_over: Arc<AtomicBool>) -> Vec<Call> {
    let mut calls = JoinSet::new();
    let mut due = Instant::now();
    let mut number = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        calls.spawn(call(caller, number, due));
        number += 1;
        due += spacing;
    }
    calls.join_all().await
}

async fn call(caller: Caller, number: u64, due: Instant) -> Call {
    let mut seen = Call {
        due,
        first_byte: None,
        is_whole: false,
        is_hedged: false,
    };
    // What is not answered in time, or fails, shows in what was seen until then.
    let _ = tokio::time::timeout(PATIENCE, follow(caller, number, &mut seen)).await;
    seen
}

/// Sends one call and notes what comes of it.
async fn follow(caller: Caller, number: u64, seen: &mut Call) -> Result<()> {
    // Answers follow from the request, so each is another one.
    let body = format!(
        r#"{{"model":"{NAME}","max_tokens":100,"stream":true,"messages":[{{"role":"user","content":"call {number}"}}]}}"#
    );
    let headers = [("x-paceline-priority", "interactive")];
    let request = caller.post_request("/v1/chat/completions", &headers, body)?;
    let answer = caller.start(request).await?;
    seen.is_hedged = answer.headers().contains_key("x-paceline-hedged");
    if answer.status() != 200 {
        return Ok(());
    }
    let mut body = answer.into_body();
    let mut last = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else {
            continue;
        };
        seen.first_byte.get_or_insert_with(|| seen.due.elapsed());
        last.extend_from_slice(&piece);
        last.drain(..last.len().saturating_sub(END.len()));
    }
    seen.is_whole = last == END;
    Ok(())
}
