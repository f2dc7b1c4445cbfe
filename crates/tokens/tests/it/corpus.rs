//! The texts that the calibrated estimate is fitted to and judged by: prose in fourteen languages,
//! code and Markdown from the fixtures, and generated data that looks like what programs send.
//! The formal German, French and Spanish are the end of the Universal Declaration of Human Rights.

use paceline_tokens::{TextProfile, Vocabulary, count};

use crate::least_squares::Row;

/// A text of one kind.
pub(crate) struct Sample {
    /// The kind, for tables and messages.
    pub(crate) name: &'static str,
    /// Whether the kind is common enough for the tight bound.
    pub(crate) common: bool,
    pub(crate) text: String,
}

/// Written texts: name, whether common, text.
const FIXTURES: [(&str, bool, &str); 24] = [
    ("english", true, include_str!("../fixtures/english.txt")),
    ("chat", true, include_str!("../fixtures/chat.txt")),
    ("markdown", true, include_str!("../fixtures/markdown.md")),
    (
        "formal english",
        true,
        include_str!("../fixtures/formal.txt"),
    ),
    ("changelog", false, include_str!("../fixtures/changelog.md")),
    (
        "shell and sql",
        false,
        include_str!("../fixtures/shell_sql.txt"),
    ),
    ("c", false, include_str!("../fixtures/code_c.txt")),
    ("rust", true, include_str!("../fixtures/code_rust.txt")),
    ("python", true, include_str!("../fixtures/code_python.txt")),
    (
        "typescript",
        true,
        include_str!("../fixtures/code_typescript.txt"),
    ),
    ("german", true, include_str!("../fixtures/german.txt")),
    ("french", true, include_str!("../fixtures/french.txt")),
    ("spanish", true, include_str!("../fixtures/spanish.txt")),
    (
        "formal german",
        true,
        include_str!("../fixtures/formal_german.txt"),
    ),
    (
        "formal french",
        true,
        include_str!("../fixtures/formal_french.txt"),
    ),
    (
        "formal spanish",
        true,
        include_str!("../fixtures/formal_spanish.txt"),
    ),
    ("russian", false, include_str!("../fixtures/russian.txt")),
    ("arabic", false, include_str!("../fixtures/arabic.txt")),
    ("hindi", false, include_str!("../fixtures/hindi.txt")),
    (
        "south asian",
        false,
        include_str!("../fixtures/south_asian.txt"),
    ),
    ("greek", false, include_str!("../fixtures/greek.txt")),
    ("chinese", false, include_str!("../fixtures/chinese.txt")),
    ("japanese", false, include_str!("../fixtures/japanese.txt")),
    ("korean", false, include_str!("../fixtures/korean.txt")),
];

/// Every sample, the same each time.
pub(crate) fn samples() -> Vec<Sample> {
    let written = FIXTURES.map(|(name, common, text)| Sample {
        name,
        common,
        text: text.into(),
    });
    let generated = [
        ("json pretty", true, json(true)),
        ("json minified", true, json(false)),
        ("html", false, html()),
        ("csv", false, csv()),
        ("log lines", false, log_lines()),
        ("uuids", false, uuids()),
        ("digits", false, digits()),
        ("hex", false, hex()),
        ("random letters", false, random_letters()),
        ("base64", false, base64()),
    ]
    .map(|(name, common, text)| Sample { name, common, text });
    written.into_iter().chain(generated).collect()
}

/// Cuts a text into pieces of about `bytes` at line or word boundaries where there are any.
fn pieces(text: &str, bytes: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > bytes + bytes / 2 {
        let mut cut = bytes;
        while !rest.is_char_boundary(cut) {
            cut += 1;
        }
        let look_back = rest[..cut]
            .rfind(char::is_whitespace)
            .filter(|at| *at > bytes / 2);
        let (piece, after) = rest.split_at(look_back.unwrap_or(cut));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// The rows that a model is fitted to: samples cut into pieces, of which `keep` says by their
/// number whether they take part. Every kind weighs the same whatever its length, and common
/// kinds three times as much.
pub(crate) fn rows<const N: usize>(
    vocabulary: Vocabulary,
    features: fn(&TextProfile) -> [u64; N],
    keep: fn(usize) -> bool,
) -> Vec<Row<N>> {
    const PIECE_BYTES: usize = 600;
    let mut rows = Vec::new();
    for sample in samples() {
        let pieces = pieces(&sample.text, PIECE_BYTES);
        let weight = if sample.common { 3.0 } else { 1.0 } / pieces.len() as f64;
        for (_, piece) in pieces
            .into_iter()
            .enumerate()
            .filter(|(number, _)| keep(*number))
        {
            let features = features(&TextProfile::of(piece));
            rows.push(Row {
                features,
                tokens: count(vocabulary, piece),
                weight,
            });
        }
    }
    rows
}

/// A small generator of numbers that look random (splitmix64), so that data is the same each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn choose<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len() as u64) as usize]
    }

    fn sentence(&mut self, words: u64) -> String {
        let pool: Vec<&str> = FIXTURES[0].2.split_whitespace().collect();
        let start = self.below(pool.len() as u64 - words) as usize;
        pool[start..start + words as usize]
            .join(" ")
            .replace('"', "")
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high & 0xffff,
            (high >> 16) & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

const CITIES: [&str; 8] = [
    "Hamburg", "Lyon", "Valencia", "Osaka", "Toronto", "Nairobi", "Kraków", "Austin",
];
const STATES: [&str; 5] = ["active", "pending", "cancelled", "on_hold", "completed"];
const TAGS: [&str; 8] = [
    "urgent",
    "b2b",
    "export",
    "fragile",
    "repeat-customer",
    "gift",
    "invoice",
    "eu-west-1",
];

fn json(pretty: bool) -> String {
    let mut numbers = Numbers(1);
    let orders: Vec<serde_json::Value> = (0..14)
        .map(|index| {
            serde_json::json!({
                "id": format!("ord_{}", numbers.below(90_000_000) + 10_000_000),
                "customer": {
                    "customer_id": numbers.below(100_000),
                    "email": format!("buyer{}@example.com", numbers.below(1_000)),
                    "address": {
                        "city": numbers.choose(&CITIES),
                        "postal_code": format!("{:05}", numbers.below(99_999)),
                        "coordinates": [numbers.below(9_000) as f64 / 100.0, numbers.below(18_000) as f64 / 100.0]
                    }
                },
                "status": numbers.choose(&STATES),
                "createdAt": format!("2026-{:02}-{:02}T{:02}:15:00Z", index % 12 + 1, numbers.below(28) + 1, numbers.below(24)),
                "total_amount": numbers.below(100_000) as f64 / 100.0,
                "is_paid": numbers.below(2) == 0,
                "discount": null,
                "tags": [numbers.choose(&TAGS), numbers.choose(&TAGS)],
                "notes": numbers.sentence(9)
            })
        })
        .collect();
    let text = if pretty {
        serde_json::to_string_pretty(&orders)
    } else {
        serde_json::to_string(&orders)
    };
    text.unwrap_or_default()
}

fn html() -> String {
    let mut numbers = Numbers(2);
    (0..12)
        .map(|index| {
            format!(
                "<li class=\"result-item\" data-id=\"{}\">\n  <a href=\"/articles/{}/{}\"><h3>{}</h3></a>\n  \
                 <p class=\"summary\">{}.</p>\n  <span class=\"price\">&euro;{}.{:02}</span>\n</li>\n",
                numbers.below(10_000),
                2_020 + index % 7,
                numbers.sentence(3).to_lowercase().replace([' ', ',', '.'], "-"),
                numbers.sentence(4),
                numbers.sentence(14),
                numbers.below(500),
                numbers.below(100)
            )
        })
        .collect()
}

fn csv() -> String {
    let mut numbers = Numbers(3);
    let mut text = String::from("order_id,customer,city,quantity,unit_price,shipped_on\n");
    for _ in 0..60 {
        text += &format!(
            "{},{},{},{},{}.{:02},2026-{:02}-{:02}\n",
            numbers.below(9_000_000),
            numbers.sentence(2).replace(',', ""),
            numbers.choose(&CITIES),
            numbers.below(40),
            numbers.below(300),
            numbers.below(100),
            numbers.below(12) + 1,
            numbers.below(28) + 1
        );
    }
    text
}

fn log_lines() -> String {
    let mut numbers = Numbers(4);
    (0..36)
        .map(|_| {
            format!(
                "2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z {} worker-{} request_id=req_{:016x} status={} duration_ms={} {}\n",
                numbers.below(28) + 1,
                numbers.below(24),
                numbers.below(60),
                numbers.below(60),
                numbers.below(1_000),
                numbers.choose(&["INFO", "WARN", "ERROR", "DEBUG"]),
                numbers.below(32),
                numbers.next(),
                numbers.choose(&["200", "429", "503", "404"]),
                numbers.below(9_000),
                numbers.sentence(6)
            )
        })
        .collect()
}

fn uuids() -> String {
    let mut numbers = Numbers(5);
    (0..80).map(|_| numbers.uuid() + "\n").collect()
}

fn digits() -> String {
    let mut numbers = Numbers(6);
    (0..300)
        .map(|_| {
            let length = 1 + numbers.below(16) as u32;
            format!("{} ", numbers.below(10_u64.pow(length)))
        })
        .collect()
}

fn hex() -> String {
    let mut numbers = Numbers(7);
    (0..50)
        .map(|_| {
            (0..4)
                .map(|_| format!("{:016x}", numbers.next()))
                .collect::<String>()
                + "\n"
        })
        .collect()
}

fn base64() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut numbers = Numbers(8);
    (0..3_000)
        .map(|_| char::from(ALPHABET[numbers.below(64) as usize]))
        .collect()
}

fn random_letters() -> String {
    let mut numbers = Numbers(9);
    (0..2_000)
        .map(|_| char::from(b'a' + numbers.below(26) as u8))
        .collect()
}
