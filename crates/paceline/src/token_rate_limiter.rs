//! The limiter as an object that counts tokens.

use std::time::Duration;

use paceline_limiter::Metric;
use paceline_tokens::{EstimateInput, Estimator, TextProfile};

use crate::{BuildError, Call, Pacer, Refused, Window};

/// Why tokens were not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// There is no such count.
    #[error("{tokens} tokens cannot be acquired; ask for 0 or more")]
    Negative {
        /// The count that was asked for.
        tokens: i64,
    },
    /// The limits do not allow it, now or ever.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl AcquireError {
    /// When to try again; `None` where it is not known, or where it would not help.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Negative { .. } => None,
            Self::Refused(refused) => refused.retry_after(),
        }
    }
}

/// Counts tokens against a limit: acquire before the call, and that is all.
///
/// Acquired tokens count as spent; there is nothing to settle. Programs that know what their calls
/// used can do better with [`Pacer::reserve`].
///
/// # What each count does
///
/// | count | result of `acquire_tokens`, `try_acquire_tokens` and their blocking forms |
/// |---|---|
/// | 0 | granted at once; nothing is counted, not even a request |
/// | 1 and more | one request and so many tokens, once all limits have room; `try_` refuses with [`Refused::NotNow`] rather than wait |
/// | more than a whole limit | [`Refused::TooLarge`] at once, by all forms: it could never be granted |
/// | below 0 | [`AcquireError::Negative`]; nothing is counted |
///
/// Over a pacer that limits requests alone, the tokens are not limited, and each acquisition counts
/// as one request.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use paceline::TokenRateLimiter;
///
/// let limiter = TokenRateLimiter::per_minute(10_000)?;
/// let prompt = "Why is the sky blue?";
///
/// limiter.acquire_tokens(limiter.estimate_tokens(prompt)).await?;
/// assert_eq!(limiter.get_remaining_tokens(), Some(9_994));
/// assert!(limiter.try_acquire_tokens(9_995).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenRateLimiter {
    pacer: Pacer,
    estimator: Estimator,
}

impl TokenRateLimiter {
    /// At most so many tokens in any minute.
    ///
    /// # Errors
    /// As [`PacerBuilder::build`](crate::PacerBuilder::build).
    pub fn per_minute(tokens: u64) -> Result<Self, BuildError> {
        let builder = Pacer::builder().tokens_per_minute(tokens);
        Ok(Self::new(builder.window(Window::Sliding).build()?))
    }

    /// Counts against the limits of `pacer`, whichever they are.
    #[must_use]
    pub const fn new(pacer: Pacer) -> Self {
        Self {
            pacer,
            estimator: Estimator::Simple,
        }
    }

    /// Estimates in another way; [`Estimator::Simple`] where it is not said.
    #[must_use]
    pub const fn with_estimator(mut self, estimator: Estimator) -> Self {
        self.estimator = estimator;
        self
    }

    /// Waits until so many tokens may be used, and takes them.
    ///
    /// Dropping the future before it is ready takes nothing.
    ///
    /// # Errors
    /// See [the table](Self#what-each-count-does).
    pub async fn acquire_tokens(&self, tokens: i64) -> Result<(), AcquireError> {
        if let Some(call) = call(tokens)? {
            self.pacer.reserve(&call).await?.served();
        }
        Ok(())
    }

    /// Takes so many tokens if they may be used now.
    ///
    /// # Errors
    /// See [the table](Self#what-each-count-does).
    pub async fn try_acquire_tokens(&self, tokens: i64) -> Result<(), AcquireError> {
        if let Some(call) = call(tokens)? {
            self.pacer.try_reserve(&call).await?.served();
        }
        Ok(())
    }

    /// [`acquire_tokens`](Self::acquire_tokens) for programs without async: waits on this thread.
    ///
    /// # Errors
    /// See [the table](Self#what-each-count-does).
    ///
    /// # Panics
    /// As [`Pacer::blocking_reserve`].
    pub fn blocking_acquire_tokens(&self, tokens: i64) -> Result<(), AcquireError> {
        if let Some(call) = call(tokens)? {
            self.pacer.blocking_reserve(&call)?.served();
        }
        Ok(())
    }

    /// [`try_acquire_tokens`](Self::try_acquire_tokens) for programs without async.
    ///
    /// # Errors
    /// See [the table](Self#what-each-count-does).
    ///
    /// # Panics
    /// As [`Pacer::blocking_try_reserve`].
    pub fn blocking_try_acquire_tokens(&self, tokens: i64) -> Result<(), AcquireError> {
        if let Some(call) = call(tokens)? {
            self.pacer.blocking_try_reserve(&call)?.served();
        }
        Ok(())
    }

    /// Tokens that are left in the window of the tightest limit; `None` where tokens are not
    /// limited. Of limits that are shared, the count that was told last: see [`Pacer::remaining`].
    #[must_use]
    pub fn get_remaining_tokens(&self) -> Option<u64> {
        self.pacer.remaining(Metric::Tokens)
    }

    /// How many tokens a text is, probably: by [`Estimator::Simple`], four characters a token and
    /// 20 % on top, rounded up.
    ///
    /// It never fails. No text is 0 tokens; of bytes that are no text, each is taken for a token,
    /// which is more than any vocabulary makes of them.
    #[must_use]
    pub fn estimate_tokens(&self, text: impl AsRef<[u8]>) -> i64 {
        let bytes = text.as_ref();
        let tokens = if bytes.is_empty() {
            0
        } else if std::str::from_utf8(bytes).is_err() {
            u64::try_from(bytes.len()).unwrap_or(u64::MAX)
        } else {
            let profile = TextProfile::of_bytes(bytes);
            let input = EstimateInput {
                profile,
                ..EstimateInput::default()
            };
            self.estimator.estimate(&input).total()
        };
        i64::try_from(tokens).unwrap_or(i64::MAX)
    }

    /// The pacer that it counts against.
    #[must_use]
    pub const fn pacer(&self) -> &Pacer {
        &self.pacer
    }
}

/// The call that so many tokens are acquired for; `None`: there is nothing to acquire.
fn call(tokens: i64) -> Result<Option<Call>, AcquireError> {
    match u64::try_from(tokens) {
        Ok(0) => Ok(None),
        Ok(tokens) => Ok(Some(Call::of_tokens(tokens))),
        Err(_) => Err(AcquireError::Negative { tokens }),
    }
}
