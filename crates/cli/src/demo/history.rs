//! What the provider admitted and refused, second by second.

use std::time::Duration;

use paceline_simulator::Counters;
use serde::Serialize;

/// One value for each second of the race so far.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct History {
    charged_tokens: Vec<u64>,
    refused_429: Vec<u64>,
    /// The counters at the last reading.
    #[serde(skip)]
    seen: (u64, u64),
}

impl History {
    /// Takes a reading; what was counted since the last one falls into the second that it ends in.
    pub(super) fn sample(&mut self, elapsed: Duration, length: Duration, counters: &Counters) {
        // What the very last reading finds belongs to the last second.
        let last = length.as_secs().saturating_sub(1);
        let second = usize::try_from(elapsed.as_secs().min(last)).unwrap_or(usize::MAX);
        let (charged, refused) = (counters.charged.tokens, counters.refused_in_total());
        let (charged_before, refused_before) =
            std::mem::replace(&mut self.seen, (charged, refused));
        add(&mut self.charged_tokens, second, charged - charged_before);
        add(&mut self.refused_429, second, refused - refused_before);
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
            (1_100, 2_000, 2),
            (4_000, 2_500, 7),
            (5_100, 3_000, 8),
        ] {
            counters.charged.tokens = charged;
            counters.refused.insert("TPM".to_owned(), refused);
            let elapsed = Duration::from_millis(elapsed_ms);
            history.sample(elapsed, Duration::from_secs(5), &counters);
        }
        assert_eq!(history.charged_tokens, [1_500, 500, 0, 0, 1_000]);
        assert_eq!(history.refused_429, [2, 0, 0, 0, 6]);
    }
}
