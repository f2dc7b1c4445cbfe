//! The texts that estimates are judged by: prose in ten languages, code, Markdown and JSON.

use serde_json::{Value, json};

/// A kind of text and an example of it.
pub(super) struct Text {
    pub(super) kind: &'static str,
    pub(super) text: String,
}

const WRITTEN: [(&str, &str); 13] = [
    (
        "English",
        include_str!("../../../tokens/examples/accuracy/texts/english.txt"),
    ),
    (
        "German",
        include_str!("../../../tokens/examples/accuracy/texts/german.txt"),
    ),
    (
        "French",
        include_str!("../../../tokens/examples/accuracy/texts/french.txt"),
    ),
    (
        "Spanish",
        include_str!("../../../tokens/examples/accuracy/texts/spanish.txt"),
    ),
    (
        "Russian",
        include_str!("../../../tokens/examples/accuracy/texts/russian.txt"),
    ),
    (
        "Arabic",
        include_str!("../../../tokens/examples/accuracy/texts/arabic.txt"),
    ),
    (
        "Hindi",
        include_str!("../../../tokens/examples/accuracy/texts/hindi.txt"),
    ),
    (
        "Chinese",
        include_str!("../../../tokens/examples/accuracy/texts/chinese.txt"),
    ),
    (
        "Japanese",
        include_str!("../../../tokens/examples/accuracy/texts/japanese.txt"),
    ),
    (
        "Korean",
        include_str!("../../../tokens/examples/accuracy/texts/korean.txt"),
    ),
    ("Markdown", include_str!("../../../../docs/simulate.md")),
    ("Rust", include_str!("../load.rs")),
    (
        "Python",
        include_str!("../../../../tests/sdk/python/sides.py"),
    ),
];

/// Every text, the same each time.
pub(super) fn all() -> Vec<Text> {
    let written = WRITTEN.iter().map(|(kind, text)| Text {
        kind,
        text: (*text).to_owned(),
    });
    let json = Text {
        kind: "JSON",
        text: events(),
    };
    written.chain([json]).collect()
}

/// What a shop hands to a model: orders with nested fields.
fn events() -> String {
    const ITEMS: [&str; 4] = ["notebook", "desk lamp", "usb-c cable", "office chair"];
    const STATES: [&str; 3] = ["paid", "awaiting_shipment", "returned"];
    let order = |number: u64| {
        let item = ITEMS.iter().cycle().nth(number as usize % ITEMS.len());
        let state = STATES.iter().cycle().nth(number as usize % STATES.len());
        json!({
            "orderId": 48_211 + number * 37,
            "state": state,
            "createdAt": 1_790_000_000_000_u64 + number * 7_919_317,
            "customer": {"id": number * 104_729 % 99_991, "country": "DE", "newsletter": number.is_multiple_of(3)},
            "lines": [{"item": item, "quantity": number % 5 + 1, "price": 1_290 + number * 113 % 8_000}],
            "note": Value::Null,
        })
    };
    let orders: Vec<Value> = (0..40).map(order).collect();
    format!("{:#}", Value::from(orders))
}

/// Cuts a text into requests of about `bytes`, at white space where there is any.
pub(super) fn requests(text: &str, bytes: usize) -> Vec<&str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_the_whole_text_in_pieces() {
        for Text { kind, text } in all() {
            let pieces = requests(&text, 800);
            assert_eq!(pieces.concat(), text, "{kind}");
            assert!(pieces.len() > 5, "{kind}: {}", pieces.len());
            assert!(pieces.iter().all(|piece| piece.len() <= 1_200), "{kind}");
        }
    }
}
