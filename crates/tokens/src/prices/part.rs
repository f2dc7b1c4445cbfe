//! The parts that a call is billed by.

use std::fmt;

/// What a rate is for. Rates of tokens are for a million of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Input tokens that are none of the following.
    Input,
    /// Input tokens read from a cache.
    CachedInput,
    /// Input tokens written to a cache, for the time that is the provider's default (5 minutes at
    /// Anthropic, 30 at OpenAI).
    CacheWrite,
    /// Input tokens written to a cache for an hour.
    CacheWrite1h,
    /// Output tokens that are none of the following; reasoning is among them.
    Output,
    /// Audio tokens in the input.
    AudioInput,
    /// Audio tokens in the input that were read from a cache.
    CachedAudioInput,
    /// Audio tokens in the output.
    AudioOutput,
    /// Image tokens in the input.
    ImageInput,
    /// Image tokens in the output.
    ImageOutput,
    /// Images made, for each.
    PerImage,
    /// Audio, for each minute.
    PerAudioMinute,
    /// The call itself.
    PerRequest,
}

/// How many parts there are.
pub(crate) const PARTS: usize = Part::ALL.len();

/// Rates of all units are brought to this denominator, in which each divides evenly: a million
/// tokens and the 60,000 milliseconds of a minute.
pub(crate) const DENOMINATOR: u128 = 3_000_000;

impl Part {
    /// Every part, in the order in which costs list them.
    pub const ALL: [Self; 13] = [
        Self::Input,
        Self::CachedInput,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::Output,
        Self::AudioInput,
        Self::CachedAudioInput,
        Self::AudioOutput,
        Self::ImageInput,
        Self::ImageOutput,
        Self::PerImage,
        Self::PerAudioMinute,
        Self::PerRequest,
    ];

    /// The key of its rate in a price file.
    pub fn key(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CachedInput => "cached_input",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite1h => "cache_write_1h",
            Self::Output => "output",
            Self::AudioInput => "audio_input",
            Self::CachedAudioInput => "cached_audio_input",
            Self::AudioOutput => "audio_output",
            Self::ImageInput => "image_input",
            Self::ImageOutput => "image_output",
            Self::PerImage => "per_image",
            Self::PerAudioMinute => "per_audio_minute",
            Self::PerRequest => "per_request",
        }
    }

    /// Whether its rate is for a million tokens.
    pub fn counts_tokens(self) -> bool {
        !matches!(
            self,
            Self::PerImage | Self::PerAudioMinute | Self::PerRequest
        )
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// What one unit of a quantity (a token, an image, a millisecond, a call) at a rate of 1 costs,
    /// in nano-dollars over [`DENOMINATOR`].
    pub(crate) fn weight(self) -> u128 {
        match self {
            Self::PerAudioMinute => DENOMINATOR / 60_000,
            Self::PerImage | Self::PerRequest => DENOMINATOR,
            _ => DENOMINATOR / 1_000_000,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_stands_at_its_place() {
        for (index, part) in Part::ALL.into_iter().enumerate() {
            assert_eq!(part.index(), index, "{part}");
        }
    }

    #[test]
    fn a_minute_and_a_million_tokens_cost_their_rate() {
        assert_eq!(Part::PerAudioMinute.weight() * 60_000, DENOMINATOR);
        assert_eq!(Part::Output.weight() * 1_000_000, DENOMINATOR);
        assert_eq!(Part::PerImage.weight(), DENOMINATOR);
    }
}
