//! Costs against a naive model that adds fractions as they are learned at school.

use paceline_tokens::prices::{BilledUsage, Part, usd};
use proptest::prelude::*;

use super::price;

/// A number of nano-dollars as a fraction in lowest terms.
#[derive(Clone, Copy)]
struct Fraction(u128, u128);

impl Fraction {
    fn lowest(self) -> Self {
        let (mut a, mut b) = (self.0, self.1);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        Self(self.0 / a, self.1 / a)
    }

    fn plus(self, other: Self) -> Self {
        Self(self.0 * other.1 + other.0 * self.1, self.1 * other.1).lowest()
    }

    fn rounded_up(self) -> u64 {
        let whole = self.0 / self.1;
        let rest = u128::from(!self.0.is_multiple_of(self.1));
        u64::try_from(whole + rest).unwrap()
    }
}

fn rate() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..50, 0u64..1_000_000_000, 0u64..200_000_000_000]
}

fn quantity() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..10, 0u64..2_000_000]
}

/// The parts that are not told apart from a total, which the model keeps simple.
const PARTS: [Part; 8] = [
    Part::Input,
    Part::CachedInput,
    Part::CacheWrite,
    Part::CacheWrite1h,
    Part::Output,
    Part::PerImage,
    Part::PerAudioMinute,
    Part::PerRequest,
];

proptest! {
    #[test]
    fn a_cost_is_the_sum_of_its_fractions_rounded_up_once(
        rates in [rate(), rate(), rate(), rate(), rate(), rate(), rate(), rate()],
        counts in [
            quantity(), quantity(), quantity(), quantity(), quantity(), quantity(), quantity(),
            quantity(),
        ],
    ) {
        let lines = PARTS.iter().zip(rates).map(|(part, rate)| format!("{part} = {}\n", usd(rate)));
        let price = price(&lines.collect::<String>());
        let [fresh, cached, written, hour, output, images, audio_ms, requests] = counts;
        let usage = BilledUsage {
            input_tokens: fresh + cached + written + hour,
            cached_tokens: cached,
            cache_write_tokens: written,
            cache_write_1h_tokens: hour,
            output_tokens: output,
            images,
            audio_ms,
            requests,
            ..BilledUsage::default()
        };
        let units = [1_000_000u128, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 1, 60_000, 1];
        let terms = counts.into_iter().zip(rates).zip(units);
        let sum = terms.fold(Fraction(0, 1), |sum, ((count, rate), unit)| {
            sum.plus(Fraction(u128::from(count) * u128::from(rate), unit).lowest())
        });
        let cost = price.cost(&usage).unwrap();
        prop_assert_eq!(cost.nanousd, sum.rounded_up());
        let parts: u64 = cost.parts.iter().map(|part| part.nanousd).sum();
        prop_assert_eq!(parts, cost.nanousd);
    }
}
