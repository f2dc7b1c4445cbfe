//! Keeps calls to LLM providers at exactly the pace that the provider allows.
//!
//! Calls wait for their turn instead of failing with 429, and the quota is used to the last token.
//! Requests and tokens are limited together, over minutes, hours and days; what waits is served
//! fairly; what cannot be served in time is told so at once, with the exact time to try again.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use paceline::{Call, Pacer, Tenant, Tier, Usage};
//!
//! // One pacer for each pool of limits: usually a key and a model. Clones share it.
//! let pacer = Pacer::builder()
//!     .requests_per_minute(500)
//!     .tokens_per_minute(200_000)
//!     .concurrency(32)
//!     .tenant("chat", Tenant::new().weight(3).tier(Tier::Interactive))
//!     .build()?;
//!
//! // Waits until the call fits every limit, and everybody before it had their turn.
//! let call = Call::of_text("Why is the sky blue?", 200).tenant("chat");
//! let turn = pacer.reserve(&call).await?;
//!
//! // ... call the provider; then tell what it used:
//! turn.settle(Usage::of_parts(12, 187));
//! # Ok(())
//! # }
//! ```
//!
//! # Ways to use it
//!
//! - [`Pacer::with_rate_limiting`] puts limiting around any future.
//! - [`Pacer::reserve`] gives a [`Reservation`], to be settled with what the call used.
//! - [`TokenRateLimiter`] counts tokens and nothing else: `acquire_tokens(n)`.
//! - `tower::PaceLayer`, with the feature `tower`, paces any service of `http` requests.
//!
//! All of them stand on the same pacer, and may be used side by side on one.
//!
//! # One quota for several processes
//!
//! With the feature `redis`, pacers of any number of processes share one quota through a
//! store in Redis or Valkey: see [`Store`] and [`PacerBuilder::shared`]. Nothing else changes in a program. While the
//! store is away each pacer goes on with its share, or as is set.
//!
//! # Limits that nobody told
//!
//! A pacer that is built without limits learns them from the headers of answers, with their kind of
//! window: pass each answer's headers to [`Reservation::observe_headers`], and each refusal to
//! [`Reservation::refused`]. Until the first answer at most two calls are in flight.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use http::HeaderMap;
//! use paceline::{Call, Metric, Pacer};
//!
//! let pacer = Pacer::builder().build()?;
//! let turn = pacer.blocking_reserve(&Call::of_text("Why is the sky blue?", 200))?;
//! # let mut headers = HeaderMap::new();
//! # for (name, value) in [("limit", "30000"), ("remaining", "29800"), ("reset", "400ms")] {
//! #     let name = http::HeaderName::try_from(format!("x-ratelimit-{name}-tokens"))?;
//! #     headers.insert(name, value.parse()?);
//! # }
//! // `headers` are those of the answer.
//! turn.observe_headers(&headers);
//! turn.served();
//! assert_eq!(pacer.limits()[0].amount, 30_000);
//! assert!(pacer.limits()[0].is_learned);
//! # Ok(())
//! # }
//! ```
//!
//! # Whatever happens to a call
//!
//! A [`Reservation`] ends exactly once. Settled, it counts what the provider took; dropped, it
//! counts as spent, because the provider may have seen the call; [released](Reservation::release),
//! it goes back in full. A future that is dropped while it waits gives its place back. No lock is
//! held across an await, and nothing polls: one timer for each pacer sleeps until the next call can
//! go.
//!
//! # Without tokio
//!
//! Everything may be built and used outside of a tokio runtime, by the `blocking_` forms and from
//! other runtimes. The timers then run on one thread of the process, `paceline-timer`, which also speaks to
//! Redis.
//!
//! # What it does not do
//!
//! The crate makes no calls: it knows no HTTP client, and retries nothing. What it learns lives in
//! the process, and in the store where there is one; it writes no files.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod call;
mod pacer;
mod refused;
mod reservation;
mod reserve;
mod settings;
mod store;
mod token_rate_limiter;
#[cfg(feature = "tower")]
pub mod tower;
mod usage;
mod view;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/library.md")]
mod guide {}

pub use builder::{BuildError, PacerBuilder};
pub use call::Call;
pub use paceline_limiter::{Binding, Charge, Metric, Tier};
pub use paceline_pace::{SharingMode, WhenAway as WhenStoreIsAway};
pub use paceline_provider::{Refusal, RefusalKind, RetryAdvice};
pub use paceline_tokens::Estimator;
pub use pacer::Pacer;
pub use refused::Refused;
pub use reservation::Reservation;
pub use reserve::{Outlook, Reserve};
pub use settings::{Profile, Tenant, Window};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use store::{RedisStore, StoreError};
pub use store::{Sharing, Store};
pub use token_rate_limiter::{AcquireError, TokenRateLimiter};
pub use usage::{Settling, Usage};
pub use view::LimitState;
