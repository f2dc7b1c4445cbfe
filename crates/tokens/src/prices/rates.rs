//! The rates of a price: by part, by tier, and by the length of the context.

use super::money::NANOS;
use super::part::{PARTS, Part};

/// A rate for each part; a part without one cannot be priced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates([Option<u64>; PARTS]);

impl Rates {
    /// The rate of a part in nano-dollars: for a million tokens, an image, a minute, or a call.
    pub fn get(&self, part: Part) -> Option<u64> {
        self.0[part.index()]
    }

    /// The rates that there are.
    pub fn iter(&self) -> impl Iterator<Item = (Part, u64)> + '_ {
        let each = Part::ALL.into_iter();
        each.filter_map(|part| self.get(part).map(|rate| (part, rate)))
    }

    pub(crate) fn set(&mut self, part: Part, nanousd: u64) {
        self.0[part.index()] = Some(nanousd);
    }

    /// Takes over each rate of `other` that is dearer than, or missing from, these.
    pub(crate) fn raise(&mut self, other: &Self) {
        for (part, rate) in other.iter() {
            let own = self.get(part).unwrap_or(0);
            self.set(part, own.max(rate));
        }
    }

    /// These rates times `factor_nanos` billionths; `None` when one of them would not be whole.
    fn times(&self, factor_nanos: u64) -> Option<Self> {
        let mut scaled = Self::default();
        for (part, rate) in self.iter() {
            let product = u128::from(rate) * u128::from(factor_nanos);
            if product % u128::from(NANOS) != 0 {
                return None;
            }
            scaled.set(part, u64::try_from(product / u128::from(NANOS)).ok()?);
        }
        Some(scaled)
    }
}

/// The rates of one tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateSheet {
    /// The rates of a call whose context is not long.
    pub base: Rates,
    /// The rates of a call whose context is long, if that makes a difference.
    pub long: Option<LongContext>,
}

/// Rates that hold for the whole of a call with a long context, not only for what is beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongContext {
    /// A call with more input tokens than this has a long context.
    pub above_input_tokens: u64,
    /// Its rates; `None` where the tier does not serve such calls, so that they have no price.
    pub rates: Option<Rates>,
}

impl RateSheet {
    /// The rates of a call with this many input tokens; `None` where there are none.
    pub fn rates(&self, input_tokens: u64) -> Option<&Rates> {
        match &self.long {
            Some(long) if input_tokens > long.above_input_tokens => long.rates.as_ref(),
            _ => Some(&self.base),
        }
    }

    /// The sheet of a tier whose rates are these times a factor; see [`Rates::times`].
    pub(crate) fn times(&self, factor_nanos: u64) -> Option<Self> {
        let long = match self.long {
            None => None,
            Some(LongContext {
                above_input_tokens,
                rates,
            }) => Some(LongContext {
                above_input_tokens,
                rates: match rates {
                    None => None,
                    Some(rates) => Some(rates.times(factor_nanos)?),
                },
            }),
        };
        let base = self.base.times(factor_nanos)?;
        Some(Self { base, long })
    }
}
