//! What an estimate costs beside an exact count, per kilobyte of English.

#![expect(
    clippy::print_stdout,
    reason = "the summary goes to the terminal, beside the report of criterion"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use paceline_tokens::{EstimateInput, Estimator, Family, TextProfile, Vocabulary, count};

const ENGLISH: &str = include_str!("../tests/fixtures/english.txt");
const CHINESE: &str = include_str!("../tests/fixtures/chinese.txt");
const SIZES: [usize; 3] = [1 << 10, 16 << 10, 256 << 10];

/// A text of about `bytes`, made by repeating another.
fn text_of(unit: &str, bytes: usize) -> String {
    let mut text = unit.repeat(bytes / unit.len() + 1);
    let end = (bytes..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    text.truncate(end);
    text
}

fn estimate(text: &str) -> u64 {
    let input = EstimateInput {
        profile: TextProfile::of(text),
        message_count: 1,
        family: Family::O200k,
        ..EstimateInput::default()
    };
    Estimator::Calibrated.estimate(&input).input_tokens
}

fn exact(text: &str) -> u64 {
    count(Vocabulary::O200kBase, text)
}

fn compare(criterion: &mut Criterion) {
    for (language, unit) in [("english", ENGLISH), ("chinese", CHINESE)] {
        let mut group = criterion.benchmark_group(language);
        for bytes in SIZES {
            let text = text_of(unit, bytes);
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_with_input(
                BenchmarkId::new("profile", bytes),
                &text,
                |bencher, text| {
                    bencher.iter(|| TextProfile::of(black_box(text)));
                },
            );
            group.bench_with_input(
                BenchmarkId::new("estimate", bytes),
                &text,
                |bencher, text| {
                    bencher.iter(|| estimate(black_box(text)));
                },
            );
            group.bench_with_input(BenchmarkId::new("exact", bytes), &text, |bencher, text| {
                bencher.iter(|| exact(black_box(text)));
            });
        }
        group.finish();
    }
}

/// The time of one call after the first, as the mean of as many as fit into a fifth of a second.
fn time_of(action: impl Fn() -> u64) -> Duration {
    black_box(action());
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < Duration::from_millis(200) {
        black_box(action());
        calls += 1;
    }
    start.elapsed() / calls
}

/// The ratio of the two, and the worst text that is known, in the same run.
fn summarise(_: &mut Criterion) {
    for bytes in SIZES {
        let text = text_of(ENGLISH, bytes);
        let (cheap, dear) = (time_of(|| estimate(&text)), time_of(|| exact(&text)));
        let per_kib = |time: Duration| time.as_secs_f64() * 1e6 / (bytes as f64 / 1_024.0);
        println!(
            "{bytes} bytes: estimate {:.3} us/KiB, exact {:.1} us/KiB, ratio 1 : {:.0}",
            per_kib(cheap),
            per_kib(dear),
            dear.as_secs_f64() / cheap.as_secs_f64()
        );
    }
    for (name, unit) in [
        ("a", "a"),
        ("space", " "),
        ("random", "qzjxkvwpyf"),
        ("virama", "क्"),
    ] {
        let text = unit.repeat(1_000_000 / unit.len());
        println!(
            "1 MB of {name}: exact {:.0} ms",
            time_of(|| exact(&text)).as_secs_f64() * 1e3
        );
    }
}

criterion_group!(benches, compare, summarise);
criterion_main!(benches);
