//! What calls cost: dated prices, and exact arithmetic over them.
//!
//! A [`PriceBook`] holds the prices that come with the crate and, laid over them, those of a
//! user's [`PriceFile`]. [`PriceBook::price_at`] finds the [`Price`] of a model on a day, and
//! [`Price::cost`] turns a [`BilledUsage`] into a [`Cost`]:
//!
//! ```
//! use paceline_tokens::prices::{BilledUsage, Date, PriceBook};
//!
//! let book = PriceBook::built_in();
//! let day = Date::new(2026, 11, 1).unwrap();
//! let price = book.price_at("openai", "gpt-5-2025-08-07", day).unwrap();
//! let usage = BilledUsage { input_tokens: 1_000, output_tokens: 100, ..BilledUsage::default() };
//! // 1,000 x 1.25 USD and 100 x 10 USD, each for a million.
//! assert_eq!(price.cost(&usage).unwrap().nanousd, 2_250_000);
//! assert!(book.price_at("openai", "no-such-model", day).is_none());
//! ```
//!
//! Three rules hold everywhere:
//!
//! - **Exact.** Rates are integers of nano-dollars for a million tokens, costs integers of
//!   nano-dollars. The sum over all parts of a call is exact and is rounded once, up to the next
//!   whole nano-dollar, so that a cost is never understated and by less than 1e-9 USD overstated.
//!   What would not fit into 64 bits (18 billion USD) stays at their end.
//! - **Unknown is not zero.** A model without a price gives `None`; a price that lacks a part that
//!   was used gives [`Unpriced`], which names the part.
//! - **Explainable.** Each price has a source, the day it was read there, and a [`PriceVersion`]
//!   that a record of a call can keep: [`PriceBook::of_version`] finds the price again.
//!
//! This module does not know what an answer looks like on the wire, which day it is, or where
//! files are.

mod book;
mod cost;
mod date;
mod file;
mod money;
mod part;
mod pattern;
mod price;
mod provider;
mod rates;
mod usage;
mod version;

pub use book::PriceBook;
pub use cost::{Cost, CostBound, PartCost, Unpriced};
pub use date::Date;
pub use file::{
    Change, ChangeKind, FILE_BYTES_MAX, Merged, PriceFile, PriceProblem, PriceProblems,
};
pub use money::{parse_nanos, usd};
pub use part::Part;
pub use pattern::ModelPattern;
pub use price::Price;
pub use provider::provider_of_host;
pub use rates::{LongContext, RateSheet, Rates};
pub use usage::{BilledUsage, ServiceTier};
pub use version::PriceVersion;
