//! The output: how many answers a prediction covers, and what it sets aside for that.

use paceline_tokens::{OutputKey, OutputLengths};

use crate::random::Random;

const ANSWERS: u64 = 20_000;
/// The bound that callers name, at which answers are cut off.
const MAX_TOKENS: u64 = 8_192;
/// Answers in a row over which the worst coverage is looked for.
const ROW: usize = 500;
/// Answers before the first prediction, which are not judged.
const FIRST: usize = 20;

/// How long an answer is, by its number, and on which route it came.
type Length = fn(u64, &mut Random) -> (f64, &'static str);

const TRAFFIC: [(&str, Length); 7] = [
    ("lognormal, spread 1.0", |_, random| {
        (random.lognormal(220.0, 1.0), "chat")
    }),
    ("short answers and long ones", |_, random| {
        let short = random.below(100) < 60;
        let (median, spread) = if short { (25.0, 0.5) } else { (1_200.0, 0.6) };
        (random.lognormal(median, spread), "chat")
    }),
    ("heavy tail (Pareto 1.2)", |_, random| {
        (random.pareto(60.0, 1.2), "chat")
    }),
    ("six times longer halfway", |index, random| {
        let median = if index < ANSWERS / 2 { 150.0 } else { 900.0 };
        (random.lognormal(median, 0.8), "chat")
    }),
    ("six times shorter halfway", |index, random| {
        let median = if index < ANSWERS / 2 { 900.0 } else { 150.0 };
        (random.lognormal(median, 0.8), "chat")
    }),
    ("growing all the time", |index, random| {
        let grown = (2.0 * index as f64 / ANSWERS as f64).exp();
        (random.lognormal(150.0 * grown, 0.8), "chat")
    }),
    ("four routes, each its own", |_, random| {
        const ROUTES: [(&str, f64); 4] = [
            ("classify", 4.0),
            ("extract", 90.0),
            ("chat", 300.0),
            ("write", 2_000.0),
        ];
        let chosen = ROUTES.get(random.below(4) as usize);
        let (route, median) = chosen.copied().unwrap_or_default();
        (random.lognormal(median, 0.5), route)
    }),
];

/// What a way to predict has set aside, and for how much.
#[derive(Default)]
struct Score {
    covered: Vec<bool>,
    set_aside: u64,
    actual: u64,
}

pub(crate) fn print() {
    println!(
        "\n| answers | max_tokens: set aside | all so far: covered, worst {ROW} | set aside | \
         learned: covered, worst {ROW} | set aside |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, length) in TRAFFIC {
        let [bound, past, learned] = scores(length);
        println!(
            "| {name} | {} | {} | {} | {} | {} |",
            bound.cost(),
            past.coverage(),
            past.cost(),
            learned.coverage(),
            learned.cost()
        );
    }
}

/// The bound, the quantile of everything so far, and what is learned.
fn scores(length: Length) -> [Score; 3] {
    let mut random = Random(21);
    let mut lengths = OutputLengths::default();
    let mut past: Vec<u64> = Vec::new();
    let mut scores: [Score; 3] = Default::default();
    for index in 0..ANSWERS {
        let (tokens, route) = length(index, &mut random);
        let tokens = (tokens.ceil() as u64).min(MAX_TOKENS);
        let rank = (past.len() * 95).div_ceil(100).saturating_sub(1);
        let quantile = past.get(rank).copied().unwrap_or(MAX_TOKENS);
        let key = OutputKey {
            model: "model",
            route,
            max_output_tokens: None,
        };
        let learned = lengths.observe(key, tokens).high_tokens;
        if past.len() >= FIRST {
            for (score, high) in scores.iter_mut().zip([MAX_TOKENS, quantile, learned]) {
                score.add(high, tokens);
            }
        }
        past.insert(past.partition_point(|other| *other < tokens), tokens);
    }
    scores
}

impl Score {
    fn add(&mut self, high: u64, actual: u64) {
        self.covered.push(actual <= high);
        self.set_aside += high;
        self.actual += actual;
    }

    fn coverage(&self) -> String {
        let share = |row: &[bool]| {
            let covered = row.iter().filter(|covered| **covered).count();
            100.0 * covered as f64 / row.len() as f64
        };
        let worst = self.covered.windows(ROW).map(share).fold(100.0, f64::min);
        format!("{:.1} %, {worst:.1} %", share(&self.covered))
    }

    fn cost(&self) -> String {
        format!("{:.1} x", self.set_aside as f64 / self.actual as f64)
    }
}
