//! A request as a stock SDK makes it: retried twice, with backoff, `Retry-After` honoured.
//!
//! The rules are those of OpenAI's Python client: up to 2 retries of 408, 409, 429, 5xx and broken
//! connections; `retry-after-ms` or `retry-after` is obeyed up to 120 s; otherwise the delay starts
//! at 0.5 s, doubles up to 8 s, and is shortened by up to a quarter at random.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time::{Instant, sleep};

use super::board::Board;
use super::dice::Dice;
use super::workload::Job;
use crate::client;

const RETRIES_MAX: u32 = 2;
const DELAY_FIRST: Duration = Duration::from_millis(500);
const DELAY_MAX: Duration = Duration::from_secs(8);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// Asks until there is an answer or the retries are used up, and notes what became of it.
pub(super) async fn ask(job: Job, board: &Board, dice: &mut Dice) {
    board.started(job.tenant);
    let begun = Instant::now();
    for retry in 0..=RETRIES_MAX {
        job.turn().await;
        let answer = client::send(job.address(), job.request()).await.ok();
        if let Some(answer) = answer.as_ref().filter(|answer| answer.status.is_success()) {
            // How long the provider worked on it is no wait; it says so itself.
            let worked = milliseconds(&answer.headers, "openai-processing-ms").unwrap_or_default();
            return board.answered(&job, begun.elapsed().saturating_sub(worked));
        }
        let retried = answer
            .as_ref()
            .is_none_or(|answer| is_retried(answer.status));
        if !retried || retry == RETRIES_MAX {
            break;
        }
        let stated = answer
            .as_ref()
            .and_then(|answer| retry_after(&answer.headers));
        sleep(stated.unwrap_or_else(|| backoff(retry, dice.fraction()))).await;
    }
    board.lost(job.tenant);
}

fn is_retried(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 409 | 429) || status.is_server_error()
}

/// The wait that the answer asks for, if it is one that is obeyed.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = || {
        let text = headers.get("retry-after")?.to_str().ok()?;
        Duration::try_from_secs_f64(text.parse().ok()?).ok()
    };
    let stated = milliseconds(headers, "retry-after-ms").or_else(seconds)?;
    (stated > Duration::ZERO && stated <= RETRY_AFTER_MAX).then_some(stated)
}

fn milliseconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(Duration::from_millis(text.parse().ok()?))
}

/// The delay before retry number `retry`, counted from 0; `chance` lies between 0 and 1.
fn backoff(retry: u32, chance: f64) -> Duration {
    let delay = DELAY_FIRST.saturating_mul(2_u32.saturating_pow(retry));
    delay.min(DELAY_MAX).mul_f64(1.0 - chance * 0.25)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        [(name.parse().unwrap(), value.parse().unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_stated_wait_is_obeyed_up_to_two_minutes() {
        let seconds = |text| retry_after(&headers("retry-after", text));
        assert_eq!(seconds("2"), Some(Duration::from_secs(2)));
        assert_eq!(seconds("120"), Some(Duration::from_secs(120)));
        for ignored in ["121", "0", "-3", "soon", "1e400"] {
            assert_eq!(seconds(ignored), None, "{ignored}");
        }
        let exact = retry_after(&headers("retry-after-ms", "350"));
        assert_eq!(exact, Some(Duration::from_millis(350)));
    }

    #[test]
    fn the_delay_doubles_and_is_shortened_by_a_quarter_at_most() {
        assert_eq!(backoff(0, 0.0), Duration::from_millis(500));
        assert_eq!(backoff(1, 0.0), Duration::from_secs(1));
        assert_eq!(backoff(1, 1.0), Duration::from_millis(750));
        assert_eq!(backoff(60, 0.0), DELAY_MAX);
    }

    #[test]
    fn refusals_and_failures_are_retried_and_mistakes_are_not() {
        let retried = |status| is_retried(StatusCode::from_u16(status).unwrap());
        assert!([408, 409, 429, 500, 503].into_iter().all(retried));
        assert!(![400, 401, 404, 422].into_iter().any(retried));
    }
}
