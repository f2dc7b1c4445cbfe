//! The library as a program uses it, in virtual time where time matters.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod cancelling;
mod deadlines;
/// The examples, which run as tests too.
pub mod examples;
mod fairness;
mod layer;
mod learning;
mod limits;
mod provider;
mod redis;
mod settling;
mod shared;
mod threads;
mod token_rate_limiter;

use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use paceline::{PacerBuilder, Refused, Reservation, Reserve, Window};
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_mins(1);

/// Limits of the test's own: counted exactly, with no guard to be kept.
fn exact(builder: PacerBuilder) -> PacerBuilder {
    builder.window(Window::Sliding).guard(Duration::ZERO)
}

/// Takes a place in the queue; the call must have to wait.
async fn queued(mut reserve: Reserve) -> Reserve {
    assert!(poll!(&mut reserve).is_pending());
    reserve
}

/// The turn, if it has come.
async fn now(reserve: &mut Reserve) -> Option<Result<Reservation, Refused>> {
    match poll!(reserve) {
        Poll::Ready(turn) => Some(turn),
        Poll::Pending => None,
    }
}

/// Asserts that so much time has passed since `start`, and a timer's millisecond at the most more.
#[track_caller]
fn assert_passed(start: Instant, expected: Duration) {
    let passed = start.elapsed();
    let late = passed.saturating_sub(expected);
    assert!(
        passed >= expected && late <= Duration::from_millis(2),
        "{passed:?} instead of {expected:?}"
    );
}
