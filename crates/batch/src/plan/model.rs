//! Sums by model and path.

use std::collections::HashMap;
use std::sync::Arc;

use paceline_tokens::Calibrations;
use paceline_tokens::prices::{BilledUsage, Price};
use serde::Serialize;

use super::sizes::Sized;
use crate::Pricing;

/// Models and paths that are told apart; the rest is one more. Nobody has as many, and names in a file
/// must not fill the memory.
const GROUPS_MAX: usize = 1_000;

/// The name of all that are not told apart.
const OTHERS: &str = "(others)";

/// Tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TokenRange {
    /// If every answer were as short as 5 of 100 are.
    pub low: u64,
    /// On average.
    pub expected: u64,
    /// If every answer were as long as 5 of 100 are, or as its bound allows where nothing was learned.
    pub high: u64,
}

impl TokenRange {
    pub(super) fn times(self, factor: u64) -> Self {
        Self {
            low: self.low.saturating_mul(factor),
            expected: self.expected.saturating_mul(factor),
            high: self.high.saturating_mul(factor),
        }
    }

    fn add(&mut self, other: Self) {
        self.low = self.low.saturating_add(other.low);
        self.expected = self.expected.saturating_add(other.expected);
        self.high = self.high.saturating_add(other.high);
    }
}

/// Dollars, in billionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CostRange {
    /// With the low output.
    pub low_nanousd: u64,
    /// With the expected one.
    pub expected_nanousd: u64,
    /// With the high one.
    pub high_nanousd: u64,
    /// Requests without a known price, which are not in these sums.
    pub unpriced: u64,
}

impl CostRange {
    fn add(&mut self, other: Self) {
        self.low_nanousd = self.low_nanousd.saturating_add(other.low_nanousd);
        self.expected_nanousd = self.expected_nanousd.saturating_add(other.expected_nanousd);
        self.high_nanousd = self.high_nanousd.saturating_add(other.high_nanousd);
        self.unpriced += other.unpriced;
    }
}

/// What the lengths of answers are known from, in requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutputBasis {
    /// From answers that came before.
    pub learned: u64,
    /// From the bound of the request and an assumed length.
    pub bounded: u64,
    /// From an assumed length alone.
    pub assumed: u64,
    /// There is no text in the answer.
    pub none: u64,
}

impl OutputBasis {
    pub(super) const LEARNED: Self = Self::new([1, 0, 0, 0]);
    pub(super) const NONE: Self = Self::new([0, 0, 0, 1]);

    const fn new([learned, bounded, assumed, none]: [u64; 4]) -> Self {
        Self {
            learned,
            bounded,
            assumed,
            none,
        }
    }

    pub(super) const fn of_unknown(bound: Option<u64>) -> Self {
        match bound {
            Some(_) => Self::new([0, 1, 0, 0]),
            None => Self::new([0, 0, 1, 0]),
        }
    }

    fn add(&mut self, other: Self) {
        self.learned += other.learned;
        self.bounded += other.bounded;
        self.assumed += other.assumed;
        self.none += other.none;
    }
}

/// The requests of one model to one path.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelPlan {
    /// The model, as requests name it.
    pub model: String,
    /// The path.
    pub url: String,
    /// How many.
    pub requests: u64,
    /// Tokens of their input. Nothing of it is taken to be cached.
    pub input_tokens: u64,
    /// Requests of them whose input was counted; that of the others is estimated.
    pub counted: u64,
    /// How far estimates for this model were off on average, as a fraction, as far as answers have
    /// told; `None` while they have told nothing.
    pub input_error: Option<f64>,
    /// Tokens of their answers.
    pub output_tokens: TokenRange,
    /// What that is known from.
    pub output_basis: OutputBasis,
    /// What they cost.
    pub cost: CostRange,
}

impl ModelPlan {
    fn add(&mut self, sized: &Sized, price: Option<&Price>) {
        self.requests += 1;
        self.counted += u64::from(sized.exact);
        self.input_tokens = self.input_tokens.saturating_add(sized.input_tokens);
        self.output_tokens.add(sized.output);
        self.output_basis.add(sized.basis);
        self.cost.add(cost(sized, price));
    }

    /// Takes in another, so that this becomes the sum of both.
    pub fn include(&mut self, other: &Self) {
        self.requests += other.requests;
        self.counted += other.counted;
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens.add(other.output_tokens);
        self.output_basis.add(other.output_basis);
        self.cost.add(other.cost);
    }
}

fn cost(sized: &Sized, price: Option<&Price>) -> CostRange {
    let of = |output_tokens| {
        let usage = BilledUsage {
            input_tokens: sized.input_tokens,
            output_tokens,
            images: sized.images,
            requests: 1,
            tier: sized.tier,
            ..BilledUsage::default()
        };
        price?.cost(&usage).ok().map(|cost| cost.nanousd)
    };
    let TokenRange {
        low,
        expected,
        high,
    } = sized.output;
    match (of(low), of(expected), of(high)) {
        (Some(low_nanousd), Some(expected_nanousd), Some(high_nanousd)) => CostRange {
            low_nanousd,
            expected_nanousd,
            high_nanousd,
            unpriced: 0,
        },
        _ => CostRange {
            unpriced: 1,
            ..CostRange::default()
        },
    }
}

#[derive(Debug, Default)]
struct Group {
    plan: ModelPlan,
    price: Option<Arc<Price>>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sums {
    places: HashMap<String, HashMap<String, usize>>,
    groups: Vec<Group>,
}

impl Sums {
    /// Where a request belongs, and its price.
    pub(super) fn place(
        &mut self,
        model: &str,
        url: &str,
        pricing: &Pricing,
    ) -> (usize, Option<Arc<Price>>) {
        let known = self.places.get(model).and_then(|urls| urls.get(url));
        if let Some(place) = known.copied() {
            let price = self.groups.get(place).and_then(|group| group.price.clone());
            return (place, price);
        }
        if self.groups.len() >= GROUPS_MAX && model != OTHERS {
            let price = pricing.of(model).cloned().map(Arc::new);
            return (self.place(OTHERS, "", pricing).0, price);
        }
        let price = pricing.of(model).cloned().map(Arc::new);
        let place = self.groups.len();
        self.groups.push(Group {
            plan: ModelPlan {
                model: model.to_owned(),
                url: url.to_owned(),
                ..ModelPlan::default()
            },
            price: price.clone(),
        });
        let urls = self.places.entry(model.to_owned()).or_default();
        urls.insert(url.to_owned(), place);
        (place, price)
    }

    pub(super) fn add(&mut self, place: usize, sized: &Sized, price: Option<&Arc<Price>>) {
        if let Some(group) = self.groups.get_mut(place) {
            group.plan.add(sized, price.map(AsRef::as_ref));
        }
    }

    /// All of them, the dearest first.
    pub(super) fn into_plans(self, calibrations: &Calibrations) -> Vec<ModelPlan> {
        let told = |mut plan: ModelPlan| {
            let accuracy = calibrations.accuracy(&plan.model);
            plan.input_error = accuracy
                .filter(|accuracy| accuracy.corrected.count() > 0)
                .map(|accuracy| accuracy.corrected.mean_absolute());
            plan
        };
        let mut plans: Vec<_> = self
            .groups
            .into_iter()
            .map(|group| told(group.plan))
            .collect();
        plans.sort_by_key(|plan| {
            let size = (plan.cost.expected_nanousd, plan.requests);
            std::cmp::Reverse(size)
        });
        plans
    }
}
