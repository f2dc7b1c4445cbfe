//! How a provider makes its token charge at admission from the size of a request.

/// The size of a request, as far as a token charge can depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ChargeParts {
    /// The provider's estimate of the input, in tokens (OpenAI: a quarter of the characters).
    pub input: u64,
    /// The output that the request allows, in tokens, for all of its choices; 0 if it names none.
    pub output_max: u64,
}

/// How input and allowed output combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Combine {
    /// The larger of the two (OpenAI's guide on rate limits).
    Max,
    /// Both together (Azure's guide on quota, OpenAI's help pages).
    Sum,
    /// The input alone (Gemini).
    Input,
}

impl Combine {
    /// Every way, the dearest first.
    pub const ALL: [Self; 3] = [Self::Sum, Self::Max, Self::Input];

    /// The way in a word, as views use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Input => "input",
        }
    }
}

/// A token charge at admission, and what becomes of it afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChargeFormula {
    /// How input and allowed output combine.
    pub combine: Combine,
    /// What the provider charges for the input over [`ChargeParts::input`], in thousandths.
    pub input_permille: u32,
    /// Whether the charge is corrected to what was really used once the request has ended.
    pub refunds: bool,
    /// Whether requests that fail after admission get their charge back.
    pub failures_free: bool,
}

impl ChargeFormula {
    /// What is assumed while nothing is known: more than any known provider charges.
    pub const CAUTIOUS: Self = Self {
        combine: Combine::Sum,
        input_permille: 1_000,
        refunds: false,
        failures_free: false,
    };

    /// The tokens charged for a request of this size. Saturates.
    #[must_use]
    pub fn tokens(&self, parts: &ChargeParts) -> u64 {
        let scaled = u128::from(parts.input) * u128::from(self.input_permille);
        let input = u64::try_from(scaled.div_ceil(1_000)).unwrap_or(u64::MAX);
        match self.combine {
            Combine::Max => input.max(parts.output_max),
            Combine::Sum => input.saturating_add(parts.output_max),
            Combine::Input => input,
        }
    }
}

/// What a request turned out to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ActualTokens {
    /// Tokens of input.
    pub input: u64,
    /// Tokens of output.
    pub output: u64,
}

impl ActualTokens {
    /// What a charge of this kind is corrected to.
    pub(crate) const fn charged(&self, combine: Combine) -> u64 {
        match combine {
            Combine::Max | Combine::Sum => self.input.saturating_add(self.output),
            Combine::Input => self.input,
        }
    }
}
