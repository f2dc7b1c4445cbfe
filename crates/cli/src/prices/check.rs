//! `paceline prices check`.

use std::path::PathBuf;

use clap::Args;
use paceline_config::{Pattern, Settings};
use paceline_tokens::prices::{Date, Price, PriceBook, PriceFile, provider_of_host};

use super::rates::in_brief;
use super::source::{book_with, own_file, read, today};
use crate::exit::{self, Failure};
use crate::figures::counted;
use crate::load::ClientArgs;
use crate::table::{Side, Table};
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  paceline prices check                         the file that the configuration names
  paceline prices check my-prices.toml
  paceline prices check --days 30 --strict      for a job that is to fail when prices are old

Exit codes: 3 when the file is invalid, 1 with --strict when there is a warning.";

/// Check a price file: what it overrides, what is old, which models have no price
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    /// The price file [default: as the configuration says]
    file: Option<PathBuf>,
    /// Warn of prices that were read more than this many days ago
    #[arg(long, value_name = "COUNT", default_value_t = 90)]
    days: u64,
    /// Fail when there is a warning
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    configured: ClientArgs,
}

pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let settings = args.configured.load_as_client()?;
    let (own, name) = match &args.file {
        Some(path) => (Some(read(path)?), path.clone()),
        None => (own_file(&settings)?, settings.prices.file.clone()),
    };
    let today = today();
    let mut lines = Vec::new();
    match &own {
        Some(own) => {
            let count = counted(own.prices().len() as u64, "price");
            lines.push(format!("price file is valid: {} ({count})", name.display()));
            lines.extend(overrides(own, today));
        }
        None => lines.push("no price file: the built-in prices hold".to_owned()),
    }
    let book = book_with(own.as_ref());
    let mut warnings = without_price(&settings, &book, today);
    warnings.extend(old(own.as_ref(), &book, &settings, today, args.days));
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    Terminal::stdout().line(&lines.join("\n"))?;
    match args.strict && !warnings.is_empty() {
        true => Err(Failure::quiet(exit::FAILURE)),
        false => Ok(()),
    }
}

/// What each price of a file takes the place of, on the first day on which both are known to hold.
fn overrides(own: &PriceFile, today: Date) -> Vec<String> {
    let built_in = PriceBook::built_in();
    let mut table = Table::new(&[
        ("model", Side::Left),
        ("from", Side::Left),
        ("input / output", Side::Left),
        ("instead of", Side::Left),
    ]);
    for price in own.prices() {
        for model in price.models() {
            let day = price.effective_from().max(today);
            let below = built_in.price_at(price.provider(), model.as_str(), day);
            let instead = match below {
                Some(below) => in_brief(below),
                None => "no price".to_owned(),
            };
            table.row([
                format!("{}: {model}", price.provider()),
                price.effective_from().to_string(),
                in_brief(price),
                instead,
            ]);
        }
    }
    table.lines()
}

/// The models that the configuration names, and what prices call their provider.
fn configured(settings: &Settings) -> (Option<&'static str>, Vec<&Pattern>) {
    let host = settings.upstream.base_url.host_str().unwrap_or_default();
    let patterns = settings.domains.iter().flat_map(|domain| &domain.models);
    (provider_of_host(host), patterns.collect())
}

/// The prices that hold for a model of the configuration, or for all that a pattern may mean.
fn priced<'a>(
    book: &'a PriceBook,
    provider: Option<&str>,
    pattern: &Pattern,
    day: Date,
) -> Vec<&'a Price> {
    let is_ours = |price: &&Price| provider.is_none_or(|name| price.provider() == name);
    let in_force = book.in_force(day).filter(is_ours);
    let meant = |price: &&Price| {
        let mut models = price.models().iter();
        models.any(|model| match pattern.as_str().contains('*') {
            true => pattern.matches(model.as_str().trim_end_matches('*')),
            false => model.matches(pattern.as_str()),
        })
    };
    in_force.filter(meant).collect()
}

fn without_price(settings: &Settings, book: &PriceBook, day: Date) -> Vec<String> {
    let (provider, patterns) = configured(settings);
    let lacking = patterns
        .into_iter()
        .filter(|pattern| priced(book, provider, pattern, day).is_empty());
    let whose = provider.map_or_else(String::new, |name| format!(" of {name}"));
    let each = lacking.map(|pattern| {
        format!("the configuration names {pattern}, for which no price{whose} is known")
    });
    each.collect()
}

/// Prices of the file, and those of configured models, that were read long ago.
fn old(
    own: Option<&PriceFile>,
    book: &PriceBook,
    settings: &Settings,
    today: Date,
    days: u64,
) -> Vec<String> {
    let (provider, patterns) = configured(settings);
    let in_use = patterns
        .into_iter()
        .flat_map(|pattern| priced(book, provider, pattern, today));
    let own = own.iter().flat_map(|own| own.prices());
    let mut warnings = Vec::new();
    for price in own.chain(in_use) {
        let age = price.as_of().days_until(today);
        if age > days {
            let name = price.name();
            let day = price.as_of();
            let age = counted(age, "day");
            warnings.push(format!("the price of {name} was read {age} ago, on {day}"));
        }
    }
    warnings.sort();
    warnings.dedup();
    warnings
}
