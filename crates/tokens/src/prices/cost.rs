//! What a call costs by a price, and the most that it can cost.

use thiserror::Error;

use super::part::{DENOMINATOR, Part};
use super::price::Price;
use super::rates::{RateSheet, Rates};
use super::usage::{BilledUsage, ServiceTier};

/// What a call costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Nano-dollars, rounded up once over all parts; `u64::MAX` for all that is more.
    pub nanousd: u64,
    /// What it is made of, in the order of [`Part::ALL`] and without parts of which nothing was
    /// used. The parts add up to the whole: each is what the sum grows by when it is added.
    pub parts: Vec<PartCost>,
}

/// One part of a [`Cost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartCost {
    /// The part.
    pub part: Part,
    /// How much was used: tokens, images, milliseconds of audio, calls.
    pub quantity: u64,
    /// Its rate in nano-dollars, for what [`Rates::get`] says.
    pub rate_nanousd: u64,
    /// What it adds to the cost, in nano-dollars.
    pub nanousd: u64,
}

/// Why a call has no known cost.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unpriced {
    /// A part was used that the price has no rate for.
    #[error(
        "the price of {name} has no rate for {part} in the {tier} tier; add one in a price file"
    )]
    Part {
        /// Provider and model of the price.
        name: String,
        /// The tier of the call.
        tier: ServiceTier,
        /// What has no rate.
        part: Part,
    },
    /// The price does not say what this tier costs.
    #[error("the price of {name} has no {tier} tier; add one in a price file")]
    Tier {
        /// Provider and model of the price.
        name: String,
        /// The tier of the call.
        tier: ServiceTier,
    },
    /// The price does not say what so long a context costs in this tier.
    #[error(
        "the price of {name} has no rates for more than {above} input tokens in the {tier} tier; \
         add them in a price file"
    )]
    LongContext {
        /// Provider and model of the price.
        name: String,
        /// The tier of the call.
        tier: ServiceTier,
        /// The tokens from which on there are no rates.
        above: u64,
    },
    /// Nothing says how long the answer can be.
    #[error(
        "nothing bounds the answers of {name}; let the call name a maximum, or give \
         output_tokens_max in a price file"
    )]
    Unbounded {
        /// Provider and model of the price.
        name: String,
    },
}

/// What an input token may be.
const INPUT_PARTS: [Part; 7] = [
    Part::Input,
    Part::CachedInput,
    Part::CacheWrite,
    Part::CacheWrite1h,
    Part::AudioInput,
    Part::CachedAudioInput,
    Part::ImageInput,
];

/// What an output token may be.
const OUTPUT_PARTS: [Part; 3] = [Part::Output, Part::AudioOutput, Part::ImageOutput];

/// Adds amounts up exactly, in nano-dollars over [`DENOMINATOR`].
#[derive(Default)]
struct Sum(u128);

impl Sum {
    fn add(&mut self, part: Part, quantity: u64, rate: u64) {
        // A quantity times a rate fits; what does not fit after it is beyond any result.
        let amount = u128::from(quantity) * u128::from(rate);
        self.0 = self.0.saturating_add(amount.saturating_mul(part.weight()));
    }

    /// Rounded up to whole nano-dollars.
    fn nanousd(&self) -> u64 {
        u64::try_from(self.0.div_ceil(DENOMINATOR)).unwrap_or(u64::MAX)
    }
}

pub(crate) fn cost(price: &Price, usage: &BilledUsage) -> Result<Cost, Unpriced> {
    let tier = usage.tier;
    let rates = rates(price, tier, usage.whole_input_tokens())?;
    let quantities = usage.quantities();
    let (mut sum, mut parts) = (Sum::default(), Vec::new());
    for part in Part::ALL {
        let quantity = quantities[part.index()];
        if quantity == 0 {
            continue;
        }
        let Some(rate_nanousd) = rates.get(part) else {
            if usage.is_covered(part) {
                continue;
            }
            return Err(lacks(price, tier, part));
        };
        let before = sum.nanousd();
        sum.add(part, quantity, rate_nanousd);
        parts.push(PartCost {
            part,
            quantity,
            rate_nanousd,
            nanousd: sum.nanousd() - before,
        });
    }
    let nanousd = sum.nanousd();
    Ok(Cost { nanousd, parts })
}

fn sheet(price: &Price, tier: ServiceTier) -> Result<&RateSheet, Unpriced> {
    price.sheet(tier).ok_or_else(|| Unpriced::Tier {
        name: price.name(),
        tier,
    })
}

fn rates(price: &Price, tier: ServiceTier, input_tokens: u64) -> Result<&Rates, Unpriced> {
    let sheet = sheet(price, tier)?;
    sheet
        .rates(input_tokens)
        .ok_or_else(|| Unpriced::LongContext {
            name: price.name(),
            tier,
            above: sheet.long.map_or(0, |long| long.above_input_tokens),
        })
}

fn lacks(price: &Price, tier: ServiceTier, part: Part) -> Unpriced {
    let name = price.name();
    Unpriced::Part { name, tier, part }
}

/// What a call is known to stay within before it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CostBound {
    /// The most input tokens.
    pub input_tokens: u64,
    /// The most output tokens; `None` for as many as the model gives.
    pub output_tokens_max: Option<u64>,
    /// Whether audio tokens may be among them.
    pub audio: bool,
    /// Whether image tokens that are billed apart may be among them.
    pub image_tokens: bool,
    /// The most images made, where the model is billed for each.
    pub images: u64,
    /// The most audio, in milliseconds, where the model is billed by the minute.
    pub audio_ms: u64,
    /// The dearest tier in which the call may be served.
    pub tier: ServiceTier,
}

impl CostBound {
    /// The bounds of a call of text in the standard tier.
    pub fn text(input_tokens: u64, output_tokens_max: Option<u64>) -> Self {
        Self {
            input_tokens,
            output_tokens_max,
            ..Self::default()
        }
    }
}

pub(crate) fn most(price: &Price, bound: &CostBound) -> Result<u64, Unpriced> {
    let tier = bound.tier;
    let output_tokens = longest_output(price, bound)?;
    let dearest_for = rates(price, tier, bound.input_tokens)?;
    let mut most = most_by(price, bound, output_tokens, dearest_for)?;
    // The input is a bound: a shorter one may stay below the threshold of a long context, whose
    // rates need not be the dearer ones.
    let base = &sheet(price, tier)?.base;
    if base != dearest_for {
        most = most.max(most_by(price, bound, output_tokens, base)?);
    }
    Ok(most)
}

fn longest_output(price: &Price, bound: &CostBound) -> Result<u64, Unpriced> {
    let longest = bound.output_tokens_max.or(price.output_tokens_max());
    longest
        .or(price.context_tokens())
        .ok_or_else(|| Unpriced::Unbounded { name: price.name() })
}

fn most_by(
    price: &Price,
    bound: &CostBound,
    output_tokens: u64,
    rates: &Rates,
) -> Result<u64, Unpriced> {
    let lacks = |part| lacks(price, bound.tier, part);
    let none_of = |parts: [Part; 2]| parts.iter().all(|part| rates.get(*part).is_none());
    if bound.audio && none_of([Part::AudioInput, Part::AudioOutput]) {
        return Err(lacks(Part::AudioInput));
    }
    if bound.image_tokens && none_of([Part::ImageInput, Part::ImageOutput]) {
        return Err(lacks(Part::ImageInput));
    }
    let possible = |part: &Part| match part {
        Part::AudioInput | Part::CachedAudioInput | Part::AudioOutput => bound.audio,
        Part::ImageInput | Part::ImageOutput => bound.image_tokens,
        _ => true,
    };
    let dearest = |parts: &[Part], plain: Part| {
        let each = parts.iter().filter(|part| possible(part));
        let each = each.filter_map(|part| rates.get(*part));
        each.max().ok_or_else(|| lacks(plain))
    };
    let mut sum = Sum::default();
    if bound.input_tokens > 0 {
        let rate = dearest(&INPUT_PARTS, Part::Input)?;
        sum.add(Part::Input, bound.input_tokens, rate);
    }
    if output_tokens > 0 {
        let rate = dearest(&OUTPUT_PARTS, Part::Output)?;
        sum.add(Part::Output, output_tokens, rate);
    }
    for (part, quantity) in [
        (Part::PerImage, bound.images),
        (Part::PerAudioMinute, bound.audio_ms),
    ] {
        if quantity > 0 {
            sum.add(part, quantity, rates.get(part).ok_or_else(|| lacks(part))?);
        }
    }
    sum.add(
        Part::PerRequest,
        1,
        rates.get(Part::PerRequest).unwrap_or(0),
    );
    Ok(sum.nanousd())
}
