//! Estimates of a request's tokens, and what answers teach about them.

use paceline_provider::{RequestFacts, Usage};
use paceline_tokens::{
    Estimate, EstimateInput, Estimator, Family, ImageDetail, OutputKey, OutputPrediction,
    PredictionSource, TextProfile, image_tokens_of_unknown_size,
};

use crate::shared::{Live, Shared};

/// What a request will probably use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// Tokens to allow for.
    pub(crate) estimate: Estimate,
    output: OutputPrediction,
}

impl Expected {
    /// How long the answer will probably be; 0 where nothing is known of it.
    pub(crate) fn output_tokens(&self) -> u64 {
        match self.output.source {
            PredictionSource::Default => 0,
            _ => self.output.typical_tokens,
        }
    }
}

/// Tool calls and searches bring text that the caller did not send.
fn grounded_percent(facts: &RequestFacts<'_>, live: &Live) -> u32 {
    match facts.tool_count {
        0 => 0,
        _ => live.settings.grounded_margin_percent,
    }
}

/// What an estimate of this request is made from.
pub(crate) fn estimate_input(
    facts: &RequestFacts<'_>,
    profile: TextProfile,
    live: &Live,
) -> EstimateInput {
    EstimateInput {
        profile,
        message_count: u64::from(facts.message_count),
        tool_count: u64::from(facts.tool_count),
        token_ids: facts.token_ids,
        image_tokens: image_tokens(facts),
        max_output_tokens: facts.max_output_tokens,
        default_output_tokens: live.settings.default_output_tokens,
        grounded_percent: grounded_percent(facts, live),
        family: Family::for_model(&facts.model),
    }
}

/// The profile of a text of which only the classes of bytes are known.
pub(crate) fn coarse_profile(facts: &RequestFacts<'_>) -> TextProfile {
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

fn image_tokens(facts: &RequestFacts<'_>) -> u64 {
    let low = u64::from(facts.low_detail_image_parts);
    let high = u64::from(facts.image_parts).saturating_sub(low);
    let each = |detail| image_tokens_of_unknown_size(&facts.model, detail);
    low * each(ImageDetail::Low) + high * each(ImageDetail::High)
}

impl Shared {
    /// Input and output tokens to expect, corrected by what was learned for the model.
    pub(crate) fn estimate(
        &self,
        model: &str,
        endpoint: &str,
        estimator: Estimator,
        input: &EstimateInput,
    ) -> Expected {
        let learned = self.learned.lock();
        let mut estimate = learned.calibrations.estimate(model, estimator, input);
        let key = OutputKey {
            model,
            route: endpoint,
            max_output_tokens: input.max_output_tokens,
        };
        let output = learned
            .output_lengths
            .predict(key, input.default_output_tokens);
        if input.max_output_tokens.is_none() {
            estimate.output_tokens = output.high_tokens;
        }
        Expected { estimate, output }
    }

    /// Takes in what an answer used.
    pub(crate) fn learn(&self, model: &str, endpoint: &str, input: &EstimateInput, usage: &Usage) {
        if usage.input_tokens == 0 {
            return;
        }
        let mut learned = self.learned.lock();
        learned
            .calibrations
            .observe(model, input, usage.input_tokens);
        let key = OutputKey {
            model,
            route: endpoint,
            max_output_tokens: input.max_output_tokens,
        };
        let made = learned.output_lengths.observe(key, usage.output_tokens);
        drop(learned);
        self.measure_estimates(input, usage.input_tokens);
        self.measure_output(&made, usage.output_tokens);
    }

    /// Every estimator's error is measured on every answer, whichever is in use.
    fn measure_estimates(&self, input: &EstimateInput, actual_tokens: u64) {
        for (estimator, histogram) in Estimator::ALL.iter().zip(&self.hot.estimate_error) {
            let estimated = estimator.estimate(input).input_tokens;
            histogram.observe(relative_error(estimated, actual_tokens));
        }
    }

    /// Judges a prediction of the answer's length that was made before the answer was learned from.
    fn measure_output(&self, made: &OutputPrediction, actual_tokens: u64) {
        let counters = &self.hot.output_predictions;
        if made.source == PredictionSource::Default {
            counters.none.inc();
            return;
        }
        if actual_tokens <= made.high_tokens {
            counters.covered.inc();
        } else {
            counters.exceeded.inc();
        }
        if actual_tokens > 0 {
            let error = relative_error(made.typical_tokens, actual_tokens);
            self.metrics.output_error.observe(error);
        }
    }
}

/// The size of the error as a fraction of the truth.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts are far below 2^52, where a double is exact"
)]
fn relative_error(estimated_tokens: u64, actual_tokens: u64) -> f64 {
    estimated_tokens.abs_diff(actual_tokens) as f64 / actual_tokens as f64
}
