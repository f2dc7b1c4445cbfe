//! One request: its tokens, and what is expected of its answer.

use std::collections::HashMap;
use std::sync::Arc;

use paceline_provider::{EndpointKind, RequestFacts};
use paceline_tokens::{
    Calibrations, EstimateInput, Estimator, Family, ImageDetail, OutputKey, OutputLengths,
    OutputPrediction, PredictionSource, TextProfile, image_tokens_of_unknown_size,
};

use super::exact::exact_tokens;
use super::model::OutputBasis;
use super::{PlanSettings, TokenRange};

/// How many times longer than assumed an answer may well be of which nothing is known.
const UNKNOWN_SPREAD: u64 = 4;

/// The 95th percentile of a normal distribution, in standard deviations.
const P95: f64 = 1.644_853_6;

/// What is known of a request before it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sized {
    pub(super) input_tokens: u64,
    /// Whether they were counted, and not estimated.
    pub(super) exact: bool,
    /// Tokens of the answer, all choices together.
    pub(super) output: TokenRange,
    pub(super) basis: OutputBasis,
    /// Tokens of the answer that a limit on output is charged before it is known.
    pub(super) output_reserved: u64,
    pub(super) tier: paceline_tokens::prices::ServiceTier,
    /// Images that are to be made.
    pub(super) images: u64,
}

/// The shape of the text is looked at in so many requests, and then in one of [`SHAPED_EACH`]: it takes many
/// times as long as all the rest. The estimates of the others are put right by what it makes of those.
const SHAPED_FIRST: u64 = 10_000;
const SHAPED_EACH: u64 = 17;

/// Models whose estimates are put right apart from each other.
const MODELS_MAX: usize = 1_000;

/// Turns requests into sizes.
#[derive(Debug)]
pub(super) struct Sizer {
    calibrations: Arc<Calibrations>,
    output_lengths: Arc<OutputLengths>,
    default_output_tokens: u64,
    exact: bool,
    profile: TextProfile,
    seen: u64,
    /// Tokens with a look at the shape and without, by model.
    looked: HashMap<String, (u64, u64)>,
}

impl Sizer {
    pub(super) fn of(settings: &PlanSettings) -> Self {
        Self {
            calibrations: Arc::new(settings.calibrations.clone()),
            output_lengths: Arc::new(settings.output_lengths.clone()),
            default_output_tokens: settings.default_output_tokens,
            exact: settings.exact,
            profile: TextProfile::default(),
            seen: 0,
            looked: HashMap::new(),
        }
    }

    /// Whether the text of the next request is to be given.
    pub(super) fn wants_text(&mut self) -> bool {
        self.seen += 1;
        self.seen <= SHAPED_FIRST || self.seen.is_multiple_of(SHAPED_EACH)
    }

    /// Takes in a piece of the text of the next request.
    pub(super) fn take_text(&mut self, text: &str) {
        self.profile += TextProfile::of(text);
    }

    /// All text since the last call.
    pub(super) fn profile(&mut self) -> TextProfile {
        std::mem::take(&mut self.profile)
    }

    /// The size of a request, with the profile of its text where that was given.
    pub(super) fn size(
        &mut self,
        facts: &RequestFacts<'_>,
        profile: Option<TextProfile>,
        body: &[u8],
    ) -> Sized {
        let counted = match self.exact {
            true => exact_tokens(facts, body),
            false => None,
        };
        let estimated = self.estimate(facts, profile);
        let (prediction, choices) = self.prediction(facts);
        let (output, basis) = match facts.kind {
            EndpointKind::Embeddings
            | EndpointKind::Moderations
            | EndpointKind::ImagesGenerations => (TokenRange::default(), OutputBasis::NONE),
            _ => output(&prediction, facts.max_output_tokens, choices),
        };
        let reserved = match basis {
            OutputBasis::NONE => 0,
            _ => facts
                .max_output_tokens
                .unwrap_or(prediction.high_tokens)
                .saturating_mul(choices),
        };
        let makes_images = facts.kind == EndpointKind::ImagesGenerations;
        Sized {
            input_tokens: counted.unwrap_or(estimated),
            exact: counted.is_some(),
            output,
            basis,
            output_reserved: reserved,
            tier: crate::run::tier(facts.service_tier.as_deref()),
            images: if makes_images { choices } else { 0 },
        }
    }

    fn estimate(&mut self, facts: &RequestFacts<'_>, profile: Option<TextProfile>) -> u64 {
        let of = |profile| {
            let input = self.estimate_input(facts, profile);
            let estimator = Estimator::Calibrated;
            let estimate = self.calibrations.estimate(&facts.model, estimator, &input);
            estimate.input_tokens
        };
        let coarse = of(coarse_profile(facts));
        let shaped = profile.map(of);
        let room = self.looked.len() < MODELS_MAX;
        match (self.looked.get_mut(&*facts.model), shaped) {
            (Some((with, without)), Some(shaped)) => {
                *with = with.saturating_add(shaped);
                *without = without.saturating_add(coarse);
                shaped
            }
            (None, Some(shaped)) => {
                if room {
                    let model = facts.model.clone().into_owned();
                    self.looked.insert(model, (shaped, coarse));
                }
                shaped
            }
            (Some((with, without)), None) => {
                let scaled = u128::from(coarse) * u128::from(*with) / u128::from((*without).max(1));
                u64::try_from(scaled).unwrap_or(u64::MAX)
            }
            (None, None) => coarse,
        }
    }

    fn prediction(&self, facts: &RequestFacts<'_>) -> (OutputPrediction, u64) {
        let key = OutputKey {
            model: &facts.model,
            route: route(facts.kind),
            max_output_tokens: facts.max_output_tokens,
        };
        let prediction = self.output_lengths.predict(key, self.default_output_tokens);
        (prediction, u64::from(facts.n.max(facts.best_of).max(1)))
    }

    fn estimate_input(&self, facts: &RequestFacts<'_>, profile: TextProfile) -> EstimateInput {
        let low = u64::from(facts.low_detail_image_parts.min(facts.image_parts));
        let high = u64::from(facts.image_parts) - low;
        let each = |detail| image_tokens_of_unknown_size(&facts.model, detail);
        EstimateInput {
            profile,
            message_count: u64::from(facts.message_count),
            tool_count: u64::from(facts.tool_count),
            token_ids: facts.token_ids,
            image_tokens: low * each(ImageDetail::Low) + high * each(ImageDetail::High),
            max_output_tokens: facts.max_output_tokens,
            default_output_tokens: self.default_output_tokens,
            grounded_percent: 0,
            family: Family::for_model(&facts.model),
        }
    }
}

/// The profile of a text of which only the classes of characters are known.
fn coarse_profile(facts: &RequestFacts<'_>) -> TextProfile {
    let text = &facts.text;
    TextProfile {
        characters: text.characters,
        bytes: text.bytes,
        ascii_letters: text.ascii_letters,
        digits: text.digits,
        whitespace: text.whitespace,
        ascii_other: text.ascii_other,
        two_byte: text.two_byte,
        three_byte: text.three_byte,
        four_byte: text.four_byte,
        ..TextProfile::default()
    }
}

/// The name of a route under which answers are learned.
fn route(kind: EndpointKind) -> &'static str {
    match kind {
        EndpointKind::ChatCompletions => "chat_completions",
        EndpointKind::Responses => "responses",
        EndpointKind::Completions => "completions",
        _ => "",
    }
}

/// Answers of 5, of all on average, and of 95 of 100, and what that is known from.
fn output(
    prediction: &OutputPrediction,
    bound: Option<u64>,
    choices: u64,
) -> (TokenRange, OutputBasis) {
    let (range, basis) = match prediction.source {
        PredictionSource::Default => (
            unknown(prediction.typical_tokens, bound),
            OutputBasis::of_unknown(bound),
        ),
        _ => (spread(prediction, bound), OutputBasis::LEARNED),
    };
    (range.times(choices), basis)
}

fn unknown(assumed: u64, bound: Option<u64>) -> TokenRange {
    let most = bound.unwrap_or(assumed.saturating_mul(UNKNOWN_SPREAD));
    TokenRange {
        low: most.min(1),
        expected: assumed.min(most),
        high: most,
    }
}

/// Lengths of answers are taken to be log-normal between what half of them and what 95 of 100 stay
/// within.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of tokens, positive and far below 2^52"
)]
fn spread(prediction: &OutputPrediction, bound: Option<u64>) -> TokenRange {
    let (typical, high) = (prediction.typical_tokens, prediction.high_tokens);
    if typical == 0 || high <= typical {
        return TokenRange {
            low: typical,
            expected: typical,
            high: high.max(typical),
        };
    }
    let ratio = high as f64 / typical as f64;
    let deviation = ratio.ln() / P95;
    let mean = typical as f64 * (deviation * deviation / 2.0).exp();
    let most = bound.unwrap_or(u64::MAX).min(high);
    TokenRange {
        low: (typical as f64 / ratio).round() as u64,
        expected: (mean.round() as u64).min(most),
        high: most,
    }
}
