//! Counts under plain names, for dashboards and scripts. They are for reading: nothing here is ever
//! read back, and no request waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use paceline_coordinator::{Answer, Level};
use paceline_limiter::Metric;
use parking_lot::Mutex;
use redis::{Cmd, Value};
use tokio::time::sleep;

use crate::link::Link;

/// Writes one key, unless it is somebody else's.
const PUBLISH: &str = include_str!("../lua/plain_v1.lua");

/// How often a domain is published at most.
const PAUSE: Duration = Duration::from_secs(1);

/// The shortest time that a key stays.
const STAY_MS: u64 = 5_000;

/// How long a key that belongs to somebody else is not looked at again.
const AVOID: Duration = Duration::from_mins(1);

/// Where domains are published, and what is to be published. Clones share it.
#[derive(Clone)]
pub(crate) struct PlainKeys {
    prefix: String,
    link: Link,
    /// Domains that were published within the last pause, with what has come since.
    news: Arc<Mutex<HashMap<String, Option<Counts>>>>,
    /// Keys that belong to somebody else, and since when that is known.
    avoided: Arc<Mutex<HashMap<String, Instant>>>,
}

/// What is shown of a domain.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    requests: Option<Level>,
    tokens: Option<Level>,
}

impl Counts {
    fn of(answer: &Answer) -> Self {
        let shortest = |metric| {
            let levels = answer.levels.iter();
            let levels = levels.filter(|level| level.id.metric == metric);
            levels.min_by_key(|level| level.id.window_ms).copied()
        };
        Self {
            requests: shortest(Metric::Requests),
            tokens: shortest(Metric::Tokens).or_else(|| shortest(Metric::InputTokens)),
        }
    }
}

impl PlainKeys {
    pub(crate) fn new(prefix: &str, link: Link) -> Self {
        Self {
            prefix: prefix.to_owned(),
            link,
            news: Arc::default(),
            avoided: Arc::default(),
        }
    }

    /// Has an answer's counts written: at once, or when the second since the last time is over.
    pub(crate) fn publish(&self, domain: &str, answer: &Answer) {
        // With a brace it could be the name of another domain's state.
        if domain.contains(['{', '}']) {
            return;
        }
        let counts = Counts::of(answer);
        let mut news = self.news.lock();
        if let Some(later) = news.get_mut(domain) {
            *later = Some(counts);
            return;
        }
        news.insert(domain.to_owned(), None);
        drop(news);
        tokio::spawn(self.clone().keep(domain.to_owned(), counts));
    }

    /// Writes what there is of a domain, until nothing new has come for a while.
    async fn keep(self, domain: String, mut counts: Counts) {
        loop {
            let name = format!("{}{domain}", self.prefix);
            if let Some(level) = counts.requests {
                self.write(&name, level).await;
            }
            if let Some(level) = counts.tokens {
                self.write(&format!("{name}:tokens"), level).await;
            }
            sleep(PAUSE).await;
            let mut news = self.news.lock();
            match news.get_mut(&domain).and_then(Option::take) {
                Some(later) => counts = later,
                None => {
                    news.remove(&domain);
                    return;
                }
            }
        }
    }

    async fn write(&self, key: &str, level: Level) {
        let known = self.avoided.lock().get(key).copied();
        if known.is_some_and(|since| since.elapsed() < AVOID) {
            return;
        }
        let window_ms = level.id.window_ms;
        let mut command = Cmd::new();
        command.arg("EVAL").arg(PUBLISH).arg(1).arg(key);
        command.arg(level.used).arg(level.amount).arg(window_ms);
        command.arg(window_ms.max(STAY_MS));
        match self.link.mention(&command).await {
            Ok(Value::Int(0)) => {
                tracing::debug!(
                    key,
                    "a plain key belongs to somebody else: it is left alone"
                );
                self.avoided.lock().insert(key.to_owned(), Instant::now());
            }
            Ok(_) => {
                self.avoided.lock().remove(key);
            }
            Err(reason) => tracing::debug!(key, reason, "a plain key was not written"),
        }
    }
}
