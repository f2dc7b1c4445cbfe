//! A token limiter as an object, with and without async.
//!
//! Run it with `cargo run -p paceline --example token_rate_limiter`.

#![expect(clippy::print_stdout, reason = "an example tells what happens")]

use std::time::{Duration, Instant};

use anyhow::Result;
use paceline::{Metric, Pacer, TokenRateLimiter, Window};

/// Runs the example.
pub fn main() -> Result<()> {
    // 1,000 tokens in any second; `TokenRateLimiter::per_minute` is the usual one.
    let pacer = Pacer::builder()
        .limit(Metric::Tokens, 1_000, Duration::from_secs(1))
        .window(Window::Sliding)
        .guard(Duration::ZERO)
        .build()?;
    let limiter = TokenRateLimiter::new(pacer);

    let prompt = "Summarise the following report in three sentences. ".repeat(60);
    let tokens = limiter.estimate_tokens(&prompt);
    println!("about {tokens} tokens for {} characters", prompt.len());
    limiter.blocking_acquire_tokens(tokens)?;
    println!("left now: {:?}", limiter.get_remaining_tokens());

    // Not waiting: the refusal says when to try again, and what is in the way.
    let refused = limiter.blocking_try_acquire_tokens(500);
    if let Err(refused) = &refused {
        println!("not now: {refused}");
    }
    anyhow::ensure!(refused.is_err());

    // Waiting for as long as it takes.
    let start = Instant::now();
    limiter.blocking_acquire_tokens(500)?;
    println!("waited {:?}", start.elapsed());

    // Defined, whatever is asked for.
    limiter.blocking_acquire_tokens(0)?;
    for count in [-1, 1_001] {
        if let Err(error) = limiter.blocking_acquire_tokens(count) {
            println!("{count}: {error}");
        }
    }

    // The same in async code.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        limiter.acquire_tokens(400).await?;
        let left = limiter.try_acquire_tokens(1_000).await;
        anyhow::ensure!(left.is_err());
        Ok(())
    })
}
