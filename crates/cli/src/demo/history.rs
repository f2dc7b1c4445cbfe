//! What the provider admitted and refused, second by second.

use std::time::Duration;

use paceline_simulator::Counters;
use serde::Serialize;

/// One value for each second of the race so far.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct History {
    charged_tokens: Vec<u64>,
    refused_429: Vec<u64>,
    #[serde(skip)]
    last: Reading,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at: Duration,
    charged_tokens: u64,
    refused_429: u64,
}

impl History {
    /// Takes a reading; what was counted since the last one falls into the second of that one.
    pub(super) fn sample(&mut self, elapsed: Duration, counters: &Counters) {
        let now = Reading {
            at: elapsed,
            charged_tokens: counters.charged.tokens,
            refused_429: counters.refused_in_total(),
        };
        let before = std::mem::replace(&mut self.last, now);
        let second = usize::try_from(before.at.as_secs()).unwrap_or(usize::MAX);
        let charged = now.charged_tokens - before.charged_tokens;
        add(&mut self.charged_tokens, second, charged);
        add(
            &mut self.refused_429,
            second,
            now.refused_429 - before.refused_429,
        );
    }
}

fn add(values: &mut Vec<u64>, second: usize, amount: u64) {
    if values.len() <= second {
        values.resize(second + 1, 0);
    }
    if let Some(value) = values.last_mut() {
        *value += amount;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_what_happened_in_it() {
        let mut history = History::default();
        let mut counters = Counters::default();
        for (elapsed_ms, charged, refused) in [
            (0, 500, 0),
            (900, 1_500, 2),
            (1_000, 1_500, 3),
            (4_000, 2_000, 3),
            (4_900, 2_500, 7),
            (5_100, 3_000, 8),
        ] {
            counters.charged.tokens = charged;
            counters.refused.insert("TPM".to_owned(), refused);
            let elapsed = Duration::from_millis(elapsed_ms);
            history.sample(elapsed, &counters);
        }
        assert_eq!(history.charged_tokens, [1_500, 500, 0, 0, 1_000]);
        assert_eq!(history.refused_429, [3, 0, 0, 0, 5]);
    }
}
