//! What a call turned out to use, and what follows from it.

use http::Method;
use paceline_limiter::{ActualTokens, Charge, Metric};
use paceline_provider::Endpoint;

/// What a call turned out to use, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    total: u64,
    parts: Option<ActualTokens>,
}

impl Usage {
    /// Input and output together.
    #[must_use]
    pub const fn of_tokens(total: u64) -> Self {
        Self { total, parts: None }
    }

    /// Input and output.
    #[must_use]
    pub const fn of_parts(input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            total: input_tokens.saturating_add(output_tokens),
            parts: Some(ActualTokens {
                input: input_tokens,
                output: output_tokens,
            }),
        }
    }

    /// The usage that the whole JSON answer to `POST path` tells, of an API in OpenAI's dialect or of
    /// Anthropic's messages; `None` where it tells none.
    #[must_use]
    pub fn of_openai(path: &str, body: &[u8]) -> Option<Self> {
        let endpoint = Endpoint::classify(&Method::POST, path);
        let told = paceline_provider::Usage::from_body(endpoint.kind, body)?;
        Some(Self {
            total: told
                .total_tokens
                .max(told.input_tokens.saturating_add(told.output_tokens)),
            parts: Some(ActualTokens {
                input: told.input_tokens,
                output: told.output_tokens,
            }),
        })
    }

    /// Input and output together.
    #[must_use]
    pub const fn total_tokens(&self) -> u64 {
        self.total
    }

    pub(crate) const fn parts(&self) -> Option<ActualTokens> {
        self.parts
    }

    /// `reserved` with these tokens instead of those that were expected.
    pub(crate) fn charge(&self, reserved: Charge) -> Charge {
        let charge = reserved.with(Metric::Tokens, self.total);
        match self.parts {
            Some(parts) => charge
                .with(Metric::InputTokens, parts.input)
                .with(Metric::OutputTokens, parts.output),
            None => charge,
        }
    }
}

/// What is taken from the quota in the end, once the usage of a call is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Settling {
    /// What the provider takes: it deducts when it admits a request, and most never give back what
    /// was not used. Calls made of [parts](crate::Call::of_parts) are counted by the formula that
    /// answers have shown, refunds included where the provider makes them; until answers have shown
    /// it, and where nobody tells of answers, by the larger of input and allowed output (both
    /// together where limits are learned). Of other calls, usage beyond what was reserved is
    /// counted on top.
    ///
    /// This is the safe choice, and the right one for limits that a provider enforces.
    #[default]
    AsCharged,
    /// What was used: the rest of a reservation is given back, and more is counted on top.
    ///
    /// This is for limits of your own, and for providers that count what they produce.
    AsUsed,
}

/// The larger of two charges, for each metric.
pub(crate) fn highest(a: Charge, b: Charge) -> Charge {
    Metric::ALL
        .into_iter()
        .fold(Charge::ZERO, |charge, metric| {
            charge.with(metric, a.get(metric).max(b.get(metric)))
        })
}
