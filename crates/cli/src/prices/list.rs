//! `paceline prices list`.

use clap::Args;
use paceline_tokens::prices::{Date, Part, Price, PriceBook, PriceFile};
use serde_json::Value;

use super::rates::{besides, dollars, json, standard};
use super::source::{book_with, own_file, today};
use crate::exit::Failure;
use crate::figures::counted;
use crate::load::ClientArgs;
use crate::table::{Side, Table};
use crate::terminal::{Terminal, plain};

/// Doubts are spelt out for so many prices at the most.
const DOUBTS_MAX: usize = 12;

const EXAMPLES: &str = "\
Examples:
  paceline prices list
  paceline prices list --provider anthropic
  paceline prices list --model gpt-5.6-sol --all      revisions that are past or to come, too
  paceline prices list --json";

/// List the prices in force, in USD for a million tokens
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ListArgs {
    /// Only models whose id contains this
    #[arg(long, value_name = "TEXT")]
    model: Option<String>,
    /// Only this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The day on which the prices are to be in force [default: today]
    #[arg(long, value_name = "DAY")]
    date: Option<Date>,
    /// Prices that are not in force too
    #[arg(long, conflicts_with = "date")]
    all: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    configured: ClientArgs,
}

pub(super) fn run(args: &ListArgs) -> Result<(), Failure> {
    let settings = args.configured.load_as_client()?;
    let own = own_file(&settings)?;
    let book = book_with(own.as_ref());
    let prices = chosen(&book, args);
    let mut terminal = Terminal::stdout();
    if args.json {
        let each: Vec<Value> = prices
            .iter()
            .map(|price| json(price, is_own(price, own.as_ref())))
            .collect();
        let text = serde_json::to_string_pretty(&each)
            .map_err(|error| Failure::other(format!("the prices cannot be written: {error}")))?;
        return terminal.line(&text);
    }
    if prices.is_empty() {
        let message = "no price is known for that; a price file can give one (docs/prices.md)";
        return Err(Failure::other(message));
    }
    terminal.line(&lines(&prices, own.as_ref()).join("\n"))
}

/// The prices that are asked for, by provider and model.
fn chosen<'a>(book: &'a PriceBook, args: &ListArgs) -> Vec<&'a Price> {
    let mut prices: Vec<&Price> = match args.all {
        true => book.prices().collect(),
        false => book.in_force(args.date.unwrap_or_else(today)).collect(),
    };
    if let Some(provider) = &args.provider {
        prices.retain(|price| price.provider() == provider);
    }
    if let Some(text) = &args.model {
        let named = |price: &&Price| {
            let mut models = price.models().iter();
            models.any(|model| model.as_str().contains(text.as_str()) || model.matches(text))
        };
        prices.retain(named);
    }
    prices.sort_by_cached_key(|price| (price.name(), price.effective_from()));
    prices
}

fn is_own(price: &Price, own: Option<&PriceFile>) -> bool {
    own.is_some_and(|own| own.prices().contains(price))
}

fn lines(prices: &[&Price], own: Option<&PriceFile>) -> Vec<String> {
    let mut table = Table::new(&[
        ("model", Side::Left),
        ("input", Side::Right),
        ("cached", Side::Right),
        ("write", Side::Right),
        ("output", Side::Right),
        ("from", Side::Left),
        ("read", Side::Left),
        ("source", Side::Right),
        ("besides", Side::Left),
    ]);
    let mut sources: Vec<&str> = Vec::new();
    for price in prices {
        let known = sources.iter().position(|source| *source == price.source());
        let number = known.unwrap_or_else(|| {
            sources.push(price.source());
            sources.len() - 1
        });
        let rates = standard(price);
        let own = if is_own(price, own) { "own file, " } else { "" };
        let besides = format!("{own}{}", besides(price));
        table.row([
            names(price),
            dollars(&rates, Part::Input),
            dollars(&rates, Part::CachedInput),
            dollars(&rates, Part::CacheWrite),
            dollars(&rates, Part::Output),
            price.effective_from().to_string(),
            price.as_of().to_string(),
            (number + 1).to_string(),
            besides.trim_end_matches(", ").to_owned(),
        ]);
    }
    let mut lines = table.lines();
    lines.push(String::new());
    let sources = sources.iter().enumerate();
    lines.extend(sources.map(|(index, source)| format!("  source {}: {source}", index + 1)));
    lines.extend(doubts(prices));
    lines
}

/// The models of a price, the uncertain ones with a question mark.
fn names(price: &Price) -> String {
    let models: Vec<&str> = price.models().iter().map(|model| model.as_str()).collect();
    let doubt = if price.uncertain().is_some() {
        " ?"
    } else {
        ""
    };
    plain(&format!(
        "{}: {}{doubt}",
        price.provider(),
        models.join(", ")
    ))
}

fn doubts(prices: &[&Price]) -> Vec<String> {
    let doubtful = prices
        .iter()
        .filter_map(|price| Some((price, price.uncertain()?)));
    let doubtful: Vec<_> = doubtful.collect();
    if doubtful.len() > DOUBTS_MAX {
        let count = counted(doubtful.len() as u64, "price");
        return vec![format!(
            "  ? {count} not certain in all; --model or --provider with fewer of them says why"
        )];
    }
    let each = doubtful.iter().map(|(price, why)| {
        let from = price.effective_from();
        format!("  ? {} from {from}: {why}", price.name())
    });
    each.collect()
}
