//! Prices to the text of a price file.

use std::fmt::Write as _;

use super::read::FORMAT;
use crate::prices::money::usd;
use crate::prices::price::Price;
use crate::prices::rates::{RateSheet, Rates};
use crate::prices::usage::ServiceTier;

pub(super) fn text(prices: &[Price]) -> String {
    let mut text =
        format!("# Prices in USD; rates of tokens are for a million of them.\nformat = {FORMAT}\n");
    for price in prices {
        let _ = write!(text, "\n[[price]]\n{}", facts(price));
        if let Some(sheet) = price.sheet(ServiceTier::Standard) {
            lines(&mut text, &sheet.base);
            long_context(&mut text, "price.long_context", sheet);
        }
        for tier in ServiceTier::ALL {
            if tier == ServiceTier::Standard {
                continue;
            }
            if let Some(sheet) = price.sheet(tier) {
                let header = format!("price.tiers.{tier}");
                let _ = writeln!(text, "[{header}]");
                lines(&mut text, &sheet.base);
                long_context(&mut text, &format!("{header}.long_context"), sheet);
            }
        }
    }
    text
}

fn facts(price: &Price) -> String {
    let models: Vec<_> = price
        .models()
        .iter()
        .map(|it| quoted(it.as_str()))
        .collect();
    let mut text = format!(
        "provider = {}\nmodels = [{}]\neffective_from = {}\nas_of = {}\nsource = {}\n",
        quoted(price.provider()),
        models.join(", "),
        price.effective_from(),
        price.as_of(),
        quoted(price.source()),
    );
    if let Some(uncertain) = price.uncertain() {
        let _ = writeln!(text, "uncertain = {}", quoted(uncertain));
    }
    for (key, count) in [
        ("context_tokens", price.context_tokens()),
        ("output_tokens_max", price.output_tokens_max()),
    ] {
        if let Some(count) = count {
            let _ = writeln!(text, "{key} = {count}");
        }
    }
    text
}

fn lines(text: &mut String, rates: &Rates) {
    for (part, rate) in rates.iter() {
        let _ = writeln!(text, "{part} = {}", usd(rate));
    }
}

fn long_context(text: &mut String, header: &str, sheet: &RateSheet) {
    let Some((above, rates)) = sheet
        .long
        .and_then(|it| Some((it.above_input_tokens, it.rates?)))
    else {
        return;
    };
    let _ = writeln!(text, "[{header}]\nabove_input_tokens = {above}");
    for (part, rate) in rates.iter().filter(|(part, _)| part.counts_tokens()) {
        let _ = writeln!(text, "{part} = {}", usd(rate));
    }
}

/// A string of TOML. Texts of a price hold no control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
