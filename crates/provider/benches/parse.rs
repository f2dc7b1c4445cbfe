//! Reading requests beside building a tree of them, and scanning streams.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use paceline_provider::{EndpointKind, RequestFacts, StreamScanner, TextProfile};
use serde_json::{Value, json};
use std::hint::black_box;

const SENTENCE: &str =
    "The quick brown fox, aged 7, said \"jump\" and left.\nThen — caf\u{e9} in hand — it slept. ";

/// A chat request of about so many bytes, in messages of up to 4 KiB.
fn chat_body(bytes: usize) -> String {
    let content = SENTENCE.repeat(4_096.min(bytes) / SENTENCE.len());
    let message = json!({"role": "user", "content": content});
    let count = (bytes / message.to_string().len()).max(1);
    json!({"model": "gpt-4o", "stream": true, "max_tokens": 500, "temperature": 0.7, "messages": vec![message; count]})
        .to_string()
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    for bytes in [1_400, 17_000, 266_000] {
        let body = chat_body(bytes);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_with_input(BenchmarkId::new("facts", bytes), &body, |bencher, body| {
            bencher.iter(|| {
                let body = black_box(body.as_bytes());
                black_box(RequestFacts::parse(EndpointKind::ChatCompletions, body).is_ok())
            });
        });
        group.bench_with_input(BenchmarkId::new("tree", bytes), &body, |bencher, body| {
            bencher.iter(|| {
                black_box(serde_json::from_slice::<Value>(black_box(body.as_bytes())).is_ok())
            });
        });
    }
    group.finish();
}

fn profile(criterion: &mut Criterion) {
    let text = SENTENCE.repeat(170);
    let mut group = criterion.benchmark_group("profile");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("text", |bencher| {
        bencher.iter(|| TextProfile::of(black_box(&text)));
    });
    group.finish();
}

fn streams(criterion: &mut Criterion) {
    let event = "data: {\"id\":\"chatcmpl-AbCdEf0123456789\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0123456789\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";
    let events = 1_000;
    let stream = Bytes::from(event.repeat(events));
    let mut group = criterion.benchmark_group("stream");
    for (name, chunk_bytes) in [("event per chunk", event.len()), ("16 KiB chunks", 16_384)] {
        for strip in [false, true] {
            let id = BenchmarkId::new(name, if strip { "strip" } else { "pass" });
            group.throughput(Throughput::Elements(events as u64));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let mut scanner = StreamScanner::new(EndpointKind::ChatCompletions, strip);
                    let mut rest = stream.clone();
                    while !rest.is_empty() {
                        let chunk = rest.split_to(chunk_bytes.min(rest.len()));
                        scanner.scan(chunk, &mut |bytes| drop(black_box(bytes)));
                    }
                    scanner.finish(&mut |bytes| drop(black_box(bytes)))
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, requests, profile, streams);
criterion_main!(benches);
