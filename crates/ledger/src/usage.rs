//! Sums over calls, and the times they took.

use serde::{Deserialize, Serialize};

use crate::measures::{SLOT_ENDS_MS, SLOTS, TOTALS};

/// What some calls used. Every field is a sum over them unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Calls, refused ones among them.
    pub calls: u64,
    /// Calls that were sent to the provider at least once.
    pub sent: u64,
    /// Input tokens, cached ones among them.
    pub input_tokens: u64,
    /// Input tokens read from the provider's cache.
    pub cached_tokens: u64,
    /// Input tokens written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Output tokens, reasoning among them.
    pub output_tokens: u64,
    /// Output tokens of reasoning.
    pub reasoning_tokens: u64,
    /// Input tokens of audio.
    pub audio_in_tokens: u64,
    /// Output tokens of audio.
    pub audio_out_tokens: u64,
    /// Input tokens of images.
    pub image_in_tokens: u64,
    /// Output tokens of images.
    pub image_out_tokens: u64,
    /// Images made.
    pub images: u64,
    /// Audio billed by length, in milliseconds.
    pub audio_ms: u64,
    /// Cost in billionths of a dollar, of the calls whose price is known.
    pub cost_nanousd: u64,
    /// Calls that were sent and whose price, or that of their second attempt, is not known: the cost
    /// lacks it.
    pub unpriced: u64,
    /// How good the estimates of input tokens were.
    pub estimates: Estimates,
    /// What the provider's limits were charged, in tokens.
    pub charge_tokens: u64,
    /// Time waited for a turn, in milliseconds.
    pub wait_ms: u64,
    /// Calls that waited at all.
    pub waited: u64,
    /// Calls that a limit made wait or refused.
    pub limited: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Durations, in milliseconds.
    pub duration_ms: u64,
    /// Times to the first byte, in milliseconds.
    pub first_byte_ms: u64,
    /// Calls that had a first byte.
    pub first_bytes: u64,
    /// The most input tokens of one call.
    pub max_input_tokens: u64,
    /// The longest wait, in milliseconds.
    pub max_wait_ms: u64,
    /// The longest duration, in milliseconds.
    pub max_duration_ms: u64,
}

/// Estimates of input tokens against what the provider reported, over calls that went well and had
/// both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimates {
    /// Such calls.
    pub calls: u64,
    /// Tokens that were expected.
    pub estimate_tokens: u64,
    /// Tokens that were reported.
    pub input_tokens: u64,
    /// How far each estimate was off, to either side.
    pub error_tokens: u64,
    /// Calls whose estimate was off by 5 % of the truth at most.
    pub within_5_percent: u64,
    /// Calls whose estimate was off by 20 % of the truth at most.
    pub within_20_percent: u64,
}

impl Estimates {
    /// The error as a share of what was reported, each call weighted by its tokens; `None` without
    /// such calls.
    pub fn relative_error(&self) -> Option<f64> {
        (self.input_tokens > 0).then(|| self.error_tokens as f64 / self.input_tokens as f64)
    }
}

impl Usage {
    /// Input and output tokens together.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// Input tokens of a call on average; 0 without calls.
    pub fn average_input_tokens(&self) -> u64 {
        self.input_tokens.checked_div(self.sent).unwrap_or(0)
    }

    /// The sums in the order of the columns.
    pub(crate) fn from_sums(sums: &[i64; TOTALS]) -> Self {
        let [
            calls,
            sent,
            input_tokens,
            cached_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            audio_in_tokens,
            audio_out_tokens,
            image_in_tokens,
            image_out_tokens,
            images,
            audio_ms,
            cost_nanousd,
            unpriced,
            estimated_calls,
            estimate_tokens,
            estimated_input_tokens,
            estimate_error_tokens,
            estimate_within_5,
            estimate_within_20,
            charge_tokens,
            wait_ms,
            waited,
            limited,
            retries,
            duration_ms,
            first_byte_ms,
            first_bytes,
            max_input_tokens,
            max_wait_ms,
            max_duration_ms,
        ] = sums.map(|sum| u64::try_from(sum).unwrap_or(0));
        Self {
            calls,
            sent,
            input_tokens,
            cached_tokens,
            cache_write_tokens,
            output_tokens,
            reasoning_tokens,
            audio_in_tokens,
            audio_out_tokens,
            image_in_tokens,
            image_out_tokens,
            images,
            audio_ms,
            cost_nanousd,
            unpriced,
            estimates: Estimates {
                calls: estimated_calls,
                estimate_tokens,
                input_tokens: estimated_input_tokens,
                error_tokens: estimate_error_tokens,
                within_5_percent: estimate_within_5,
                within_20_percent: estimate_within_20,
            },
            charge_tokens,
            wait_ms,
            waited,
            limited,
            retries,
            duration_ms,
            first_byte_ms,
            first_bytes,
            max_input_tokens,
            max_wait_ms,
            max_duration_ms,
        }
    }
}

/// How many calls took how long, in the slots that [`SLOT_ENDS_MS`] ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// Calls by slot, the shortest first; one more than there are ends.
    pub counts: Vec<u64>,
}

impl Distribution {
    pub(crate) fn from_sums(sums: &[i64]) -> Self {
        let counts = sums.iter().map(|sum| u64::try_from(*sum).unwrap_or(0));
        Self {
            counts: counts.collect(),
        }
    }

    /// Calls in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The time in milliseconds within which `per_mille` thousandths of the calls lie, in a straight
    /// line between the ends of the slot that it falls into. In the open last slot, the end of the one
    /// before. `None` without calls.
    pub fn quantile_ms(&self, per_mille: u64) -> Option<u64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = total
            .saturating_mul(per_mille.min(1000))
            .div_ceil(1000)
            .max(1);
        let mut before = 0;
        for (slot, count) in self.counts.iter().enumerate() {
            if before + count >= rank {
                let start = slot.checked_sub(1).and_then(|slot| SLOT_ENDS_MS.get(slot));
                let start = start.copied().unwrap_or(0);
                let end = SLOT_ENDS_MS.get(slot).copied().unwrap_or(start);
                return Some(start + (end - start).saturating_mul(rank - before) / count);
            }
            before += count;
        }
        None
    }
}

/// How long calls waited and took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Waits for a turn.
    pub wait: Distribution,
    /// Times from the last sending to the first byte, of calls that had one.
    pub first_byte: Distribution,
    /// Times from arrival to end.
    pub duration: Distribution,
}

impl Latency {
    /// The slots of all three, in the order of the columns.
    pub(crate) fn from_sums(sums: &[i64]) -> Self {
        let mut parts = sums.chunks(SLOTS).map(Distribution::from_sums);
        let mut next = || parts.next().unwrap_or_default();
        Self {
            wait: next(),
            first_byte: next(),
            duration: next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(filled: &[(usize, u64)]) -> Distribution {
        let mut counts = vec![0; SLOTS];
        for (slot, count) in filled {
            counts[*slot] = *count;
        }
        Distribution { counts }
    }

    #[test]
    fn a_quantile_lies_between_the_ends_of_its_slot() {
        assert_eq!(distribution(&[]).quantile_ms(500), None);
        let spread = distribution(&[(6, 50), (9, 49), (19, 1)]);
        assert_eq!(
            spread.quantile_ms(500),
            Some(100),
            "the end of 50 to 100 ms"
        );
        assert_eq!(spread.quantile_ms(250), Some(75));
        assert_eq!(spread.quantile_ms(990), Some(1_000));
        assert_eq!(
            spread.quantile_ms(1000),
            Some(1_000_000),
            "the last slot is open"
        );
        assert_eq!(spread.quantile_ms(0), Some(51));
    }

    #[test]
    fn an_error_without_estimates_is_unknown() {
        assert_eq!(Estimates::default().relative_error(), None);
    }
}
