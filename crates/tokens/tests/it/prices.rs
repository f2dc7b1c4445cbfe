//! Prices and costs through the public face of the crate.

mod bounds;
mod by_hand;
mod files;
mod lookup;
mod merging;
mod rational;

use paceline_tokens::prices::{Date, Price, PriceBook, PriceFile};

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// The prices of a text, which must be sound.
fn file(text: &str) -> PriceFile {
    PriceFile::parse("prices.toml", text.as_bytes()).unwrap_or_else(|it| panic!("{it}\n{text}"))
}

/// A price of `model` at provider `p` from a day on, with further lines.
fn entry(model: &str, from: &str, lines: &str) -> String {
    format!(
        "[[price]]\nprovider = \"p\"\nmodels = [\"{model}\"]\neffective_from = {from}\n\
         as_of = {from}\nsource = \"https://p.example/pricing\"\n{lines}\n"
    )
}

/// The only price of a file with these lines.
fn price(lines: &str) -> Price {
    let text = format!("format = 1\n{}", entry("m", "2026-01-01", lines));
    let book = PriceBook::empty().overlay(file(&text));
    book.price_at("p", "m", day("2026-01-01")).unwrap().clone()
}
