//! The texts to estimate: prose in ten languages, code, Markdown and generated data.

use serde_json::{Value, json};

use crate::random::Random;

/// A kind of text and an example of it.
pub(crate) struct Text {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

const WRITTEN: [(&str, &[&str]); 13] = [
    ("English", &[include_str!("texts/english.txt")]),
    ("German", &[include_str!("texts/german.txt")]),
    ("French", &[include_str!("texts/french.txt")]),
    ("Spanish", &[include_str!("texts/spanish.txt")]),
    ("Russian", &[include_str!("texts/russian.txt")]),
    ("Arabic", &[include_str!("texts/arabic.txt")]),
    ("Hindi", &[include_str!("texts/hindi.txt")]),
    ("Chinese", &[include_str!("texts/chinese.txt")]),
    ("Japanese", &[include_str!("texts/japanese.txt")]),
    ("Korean", &[include_str!("texts/korean.txt")]),
    (
        "Markdown",
        &[
            include_str!("../../../../README.md"),
            include_str!("../../../../docs/limits.md"),
        ],
    ),
    (
        "Rust",
        &[
            include_str!("../../../limiter/src/queue/order.rs"),
            include_str!("../../../config/src/quantity.rs"),
        ],
    ),
    (
        "Python",
        &[
            include_str!("../../../../tests/sdk/python/sides.py"),
            include_str!("../../../../tests/sdk/python/test_errors.py"),
        ],
    ),
];

/// Every text, the same each time.
pub(crate) fn all() -> Vec<Text> {
    let written = WRITTEN.iter().map(|(kind, parts)| Text {
        kind,
        text: parts.concat(),
    });
    let generated = [
        ("JSON, pretty", json_text(true)),
        ("JSON, minified", json_text(false)),
        ("base64", base64()),
        ("UUIDs", uuids()),
    ]
    .map(|(kind, text)| Text { kind, text });
    written.chain(generated).collect()
}

/// What a monitoring service hands to a model: events with nested fields.
fn json_text(pretty: bool) -> String {
    let mut random = Random(11);
    let events: Vec<Value> = (0..24).map(|_| event(&mut random)).collect();
    let text = if pretty {
        serde_json::to_string_pretty(&events)
    } else {
        serde_json::to_string(&events)
    };
    text.unwrap_or_default()
}

fn event(random: &mut Random) -> Value {
    const SERVICES: [&str; 6] = [
        "checkout",
        "search",
        "billing-api",
        "mailer",
        "auth",
        "image_resize",
    ];
    const MESSAGES: [&str; 5] = [
        "upstream request timed out",
        "retry budget exhausted for tenant",
        "cache miss, falling back to the database",
        "payment authorised by the acquirer",
        "schema validation failed at /items/3/quantity",
    ];
    json!({
        "timestamp": 1_790_000_000_000_u64 + random.below(9_000_000_000),
        "service": random.choose(&SERVICES),
        "level": random.choose(&["info", "warning", "error"]),
        "message": random.choose(&MESSAGES),
        "durationMs": random.below(30_000),
        "host": format!("ip-10-{}-{}-{}", random.below(256), random.below(256), random.below(256)),
        "labels": {"region": random.choose(&["eu-central-1", "us-east-2"]), "canary": random.below(2) == 0},
        "attempts": [random.below(5), random.below(5)],
        "loadAverage": random.below(800) as f64 / 100.0,
        "parentSpan": null
    })
}

fn base64() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = Random(12);
    let letters = (0..5_000).filter_map(|_| ALPHABET.get(random.below(64) as usize));
    letters.map(|letter| char::from(*letter)).collect()
}

fn uuids() -> String {
    let mut random = Random(13);
    (0..140)
        .map(|_| {
            let (high, low) = (random.next(), random.next());
            format!(
                "{:08x}-{:04x}-4{:03x}-b{:03x}-{:012x}\n",
                high >> 32,
                high & 0xffff,
                (high >> 16) & 0xfff,
                low >> 52,
                low & 0xffff_ffff_ffff
            )
        })
        .collect()
}

/// Cuts a text into requests of about `bytes`, at white space where there is any.
pub(crate) fn requests(text: &str, bytes: usize) -> Vec<&str> {
    let mut requests = Vec::new();
    let mut rest = text;
    while rest.len() > bytes + bytes / 2 {
        let at = rest.floor_char_boundary(bytes);
        let (head, _) = rest.split_at(at);
        let space = head.rfind(char::is_whitespace);
        let (request, after) = rest.split_at(space.filter(|space| *space > at / 2).unwrap_or(at));
        requests.push(request);
        rest = after;
    }
    requests.push(rest);
    requests
}
