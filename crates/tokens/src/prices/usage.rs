//! What a call is billed for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::part::{PARTS, Part};

/// What a call is billed for, as integers, in terms that all providers share.
///
/// `input_tokens` and `output_tokens` are totals; the other counts of tokens say what is in them.
/// (Anthropic's `input_tokens` leaves cached and written tokens out: they are to be added.) Where
/// the counts contradict each other, each of them is charged in full: rather too much than too
/// little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct BilledUsage {
    /// All input tokens: fresh, cached, written to a cache, audio and images.
    pub input_tokens: u64,
    /// Input tokens read from a cache, of whatever kind.
    pub cached_tokens: u64,
    /// Input tokens written to a cache for the provider's default time.
    pub cache_write_tokens: u64,
    /// Input tokens written to a cache for an hour.
    pub cache_write_1h_tokens: u64,
    /// All output tokens: text, reasoning, audio and images.
    pub output_tokens: u64,
    /// Audio tokens in the input, cached or not.
    pub audio_input_tokens: u64,
    /// Audio tokens in the input that are among `cached_tokens`.
    pub cached_audio_tokens: u64,
    /// Audio tokens in the output.
    pub audio_output_tokens: u64,
    /// Image tokens in the input that are not among `cached_tokens`, where the answer counts them
    /// apart.
    pub image_input_tokens: u64,
    /// Image tokens in the output.
    pub image_output_tokens: u64,
    /// Images made. They need a rate of their own unless the answer counts image tokens.
    pub images: u64,
    /// Audio heard or made, in milliseconds. It needs a rate of its own unless the answer counts
    /// audio tokens.
    pub audio_ms: u64,
    /// Calls that a fee for each is due for; a price without such a fee charges nothing for them.
    pub requests: u64,
    /// How the call was served, as the answer says: it may differ from what was asked for.
    pub tier: ServiceTier,
}

impl BilledUsage {
    /// All input tokens, by which a long context is told.
    pub fn whole_input_tokens(&self) -> u64 {
        let quantities = self.quantities();
        let parts = [
            Part::Input,
            Part::CachedInput,
            Part::CacheWrite,
            Part::CacheWrite1h,
            Part::AudioInput,
            Part::CachedAudioInput,
            Part::ImageInput,
        ];
        let counts = parts.map(|part| quantities[part.index()]);
        counts.into_iter().fold(0, u64::saturating_add)
    }

    /// How much there is of each part; no token is counted in two of them.
    pub(crate) fn quantities(&self) -> [u64; PARTS] {
        let mut quantities = [0; PARTS];
        let mut set = |part: Part, quantity| quantities[part.index()] = quantity;
        let cached_audio = self.cached_audio_tokens;
        let cached = self.cached_tokens.saturating_sub(cached_audio);
        let audio = self.audio_input_tokens.saturating_sub(cached_audio);
        let told_apart = [
            cached,
            cached_audio,
            self.cache_write_tokens,
            self.cache_write_1h_tokens,
            audio,
            self.image_input_tokens,
        ];
        set(Part::Input, without(self.input_tokens, &told_apart));
        set(Part::CachedInput, cached);
        set(Part::CachedAudioInput, cached_audio);
        set(Part::CacheWrite, self.cache_write_tokens);
        set(Part::CacheWrite1h, self.cache_write_1h_tokens);
        set(Part::AudioInput, audio);
        set(Part::ImageInput, self.image_input_tokens);
        let told_apart = [self.audio_output_tokens, self.image_output_tokens];
        set(Part::Output, without(self.output_tokens, &told_apart));
        set(Part::AudioOutput, self.audio_output_tokens);
        set(Part::ImageOutput, self.image_output_tokens);
        set(Part::PerImage, self.images);
        set(Part::PerAudioMinute, self.audio_ms);
        set(Part::PerRequest, self.requests);
        quantities
    }

    /// Whether what is counted as `part` is counted in tokens as well, or is no matter where no
    /// rate is given for it.
    pub(crate) fn is_covered(&self, part: Part) -> bool {
        match part {
            Part::PerImage => self.image_output_tokens > 0,
            Part::PerAudioMinute => self.audio_input_tokens > 0 || self.audio_output_tokens > 0,
            Part::PerRequest => true,
            _ => false,
        }
    }
}

fn without(total: u64, told_apart: &[u64]) -> u64 {
    told_apart
        .iter()
        .fold(total, |left, count| left.saturating_sub(*count))
}

/// How a call is served, which its rates depend on.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// At once, at the list price.
    #[default]
    Standard,
    /// Within a day, as a line of a batch.
    Batch,
    /// When there is room.
    Flex,
    /// Before others; OpenAI calls it `fast` since 30 July 2026.
    Priority,
}

impl ServiceTier {
    /// Every tier.
    pub const ALL: [Self; 4] = [Self::Standard, Self::Batch, Self::Flex, Self::Priority];

    /// The name used in price files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Batch => "batch",
            Self::Flex => "flex",
            Self::Priority => "priority",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for ServiceTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ServiceTier {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let found = Self::ALL.into_iter().find(|tier| tier.name() == text);
        found.ok_or(())
    }
}
