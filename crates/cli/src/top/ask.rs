//! Questions that are asked again and again beside the feed.

use std::time::Duration;

use paceline_admin_api::Cancelled;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::picture::News;
use super::state::View;
use crate::admin::Gateway;
use crate::exit::Failure;
use crate::figures::counted;

/// The most waiting requests that are listed, as on the dashboard.
pub(super) const LISTED: usize = 200;

const EVERY: Duration = Duration::from_secs(1);
const LIMITS_EVERY: u64 = 2;
const SLOW_EVERY: u64 = 10;

/// What the answers are wanted for. A change has the queue asked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) view: View,
    /// Counts what was done to the queue.
    pub(super) done: u64,
}

/// Asks as long as it is let.
pub(super) async fn poll(
    gateway: &Gateway,
    mut wanted: watch::Receiver<Wanted>,
    tell: impl Fn(News),
) {
    for round in 0.. {
        let next = Instant::now() + EVERY;
        let view = wanted.borrow_and_update().view;
        // While the gateway is away the feed says so, and one question in a while is enough.
        if queue(gateway, view, &tell).await.is_ok() {
            if round % LIMITS_EVERY == 0
                && let Ok(limits) = gateway.within(gateway.get("/monitoring/rate-limits")).await
            {
                tell(News::Limits(limits));
            }
            if round % SLOW_EVERY == 0 {
                slow(gateway, &tell).await;
            }
        }
        if let Ok(Err(_)) = timeout_at(next, wanted.changed()).await {
            return;
        }
    }
}

async fn queue(gateway: &Gateway, view: View, tell: &impl Fn(News)) -> Result<(), Failure> {
    let listed = match view {
        View::Now => 0,
        View::Queue => LISTED,
    };
    let path = format!("/monitoring/queue-status?limit={listed}");
    let queue = gateway.within(gateway.get(&path)).await?;
    tell(News::Queue(queue, view));
    Ok(())
}

/// What changes slowly. What the gateway does not know, as without a ledger, is left out.
async fn slow(gateway: &Gateway, tell: &impl Fn(News)) {
    let hour = gateway.get("/monitoring/performance?from=-1h&limit=1");
    tell(News::Hour(gateway.within(hour).await.ok().map(Box::new)));
    let forecasts = gateway.get("/monitoring/forecasts");
    if let Ok(forecasts) = gateway.within(forecasts).await {
        tell(News::Forecasts(forecasts));
    }
    if let Ok(alerts) = gateway.within(gateway.get("/monitoring/alerts")).await {
        tell(News::Alerts(alerts));
    }
    let suggestions = gateway.get("/monitoring/suggestions");
    if let Ok(suggestions) = gateway.within(suggestions).await {
        tell(News::Suggestions(suggestions));
    }
}

/// Ends waits, and tells how many.
pub(super) async fn end(gateway: &Gateway, path: &str, tell: impl Fn(News)) {
    let answer: Result<Cancelled, Failure> = gateway.within(gateway.delete(path)).await;
    tell(News::Done(match answer {
        Ok(answer) => Ok(format!("{} ended.", counted(answer.cancelled, "wait"))),
        Err(failure) => Err(failure.message().to_owned()),
    }));
}

/// One part of a path: everything but the plainest characters is encoded.
pub(super) fn segment(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_part_of_a_path() {
        assert_eq!(segment("pl-1_a"), "pl-1_a");
        assert_eq!(segment("../a b?ü%"), "%2E%2E%2Fa%20b%3F%C3%BC%25");
    }
}
