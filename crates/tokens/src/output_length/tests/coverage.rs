//! The high prediction covers what it promises, whatever the lengths do.

use super::{OutputLengths, key};

/// Random numbers that are the same each time (splitmix64).
struct Random(u64);

impl Random {
    /// Evenly between 0 and 1, without either.
    fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + f64::EPSILON
    }

    /// A length whose logarithm is normal around that of `median`.
    fn lognormal(&mut self, median: f64, spread: f64) -> u64 {
        let radius = (-2.0 * self.even().ln()).sqrt();
        let normal = radius * (self.even() * std::f64::consts::TAU).cos();
        (median * (spread * normal).exp()).ceil() as u64
    }
}

/// Coverage of all answers after the first twenty, and of the worst five hundred in a row.
fn coverage(length_of: impl Fn(u64, &mut Random) -> u64) -> (f64, f64) {
    const ANSWERS: u64 = 12_000;
    const ROW: usize = 500;
    let mut lengths = OutputLengths::default();
    let mut random = Random(7);
    let key = key("m", "chat", None);
    let mut covered = Vec::new();
    for index in 0..ANSWERS {
        let length = length_of(index, &mut random);
        let made = lengths.observe(key, length);
        covered.push(f64::from(u8::from(length <= made.high_tokens)));
    }
    let judged = covered.get(20..).unwrap_or_default();
    let share = |row: &[f64]| row.iter().sum::<f64>() / row.len() as f64;
    let worst = judged.windows(ROW).map(share).fold(1.0, f64::min);
    (share(judged), worst)
}

#[test]
fn lengths_with_heavy_tails_are_covered_at_ninety_five_percent() {
    for spread in [0.3, 1.0, 1.8] {
        let (all, worst) = coverage(|_, random| random.lognormal(200.0, spread));
        assert!((0.945..=0.955).contains(&all), "{spread}: {all}");
        assert!(worst >= 0.92, "{spread}: {worst}");
    }
}

#[test]
fn a_jump_of_the_lengths_costs_few_misses() {
    for (before, after) in [(100.0, 1_000.0), (1_000.0, 100.0)] {
        let (all, worst) = coverage(|index, random| {
            random.lognormal(if index < 6_000 { before } else { after }, 0.8)
        });
        assert!((0.945..=0.955).contains(&all), "{before} to {after}: {all}");
        assert!(worst >= 0.90, "{before} to {after}: {worst}");
    }
}

#[test]
fn lengths_that_grow_for_ever_are_covered_too() {
    let (all, worst) =
        coverage(|index, random| random.lognormal(50.0 * (index as f64 / 2_000.0).exp(), 0.8));
    assert!((0.945..=0.955).contains(&all), "{all}");
    assert!(worst >= 0.92, "{worst}");
}

#[test]
fn answers_that_are_all_alike_are_all_covered_and_do_not_blunt_what_follows() {
    let (all, _) = coverage(|_, _| 50);
    assert_eq!(all, 1.0);
    let (_, worst) = coverage(|index, random| match index {
        0..6_000 => 50,
        _ => random.lognormal(200.0, 0.8),
    });
    assert!(worst >= 0.90, "{worst}");
}

#[test]
fn an_adversary_who_always_goes_just_above_is_outrun() {
    // Each answer is as long as the last prediction and a token more, up to what a model can give.
    let mut lengths = OutputLengths::default();
    let key = key("m", "chat", None);
    let (mut next, mut missed) = (100, 0_u32);
    for _ in 0..5_000 {
        let made = lengths.observe(key, next);
        missed += u32::from(next > made.high_tokens);
        next = (made.high_tokens + 1).clamp(1, 100_000);
    }
    assert!(missed <= 5_000 / 15, "{missed}");
}
