//! One try of one line, from the file to the journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method};
use paceline_provider::{Endpoint, EndpointKind, RequestFacts};
use tokio::time::timeout;

use super::allowance::{Allowance, Amount, Short};
use super::answer::{Cause, Kept, Verdict, judge, no_answer, without_answer};
use super::client::Client;
use super::control::milliseconds;
use super::tally::Taken;
use super::{RunError, RunSettings};
use crate::finished::{Answer, Failure, Finished, Tokens};
use crate::work::Items;
use crate::{Group, Item, Journal, JournalError, LineId, ReadError};

/// What all tries share.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) client: Client,
    pub(super) items: Items,
    pub(super) journal: Journal,
    pub(super) allowance: Allowance,
    pub(super) settings: RunSettings,
}

/// A line that is to be tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    pub(super) id: LineId,
    pub(super) group: Group,
    /// Counted from 1.
    pub(super) attempt: u32,
    /// When the first try began.
    pub(super) first: Instant,
    /// How long it waited for its turn in the tries before.
    pub(super) waited: Duration,
}

/// What came of a try.
#[derive(Debug)]
pub(super) enum Tried {
    /// The line is done.
    Done(Box<Done>),
    /// It is to be tried again.
    Again {
        next: Try,
        after: Duration,
        cause: Cause,
        reason: String,
    },
    /// It may not be sent as long as others are under way.
    NoRoom(Try, Short),
    /// Nothing more can be done.
    Failed(RunError),
}

/// A line that is done.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) custom_id: String,
    pub(super) status: Option<u16>,
    pub(super) taken: Taken,
}

impl Context {
    /// Tries a line.
    pub(super) async fn attempt(self: Arc<Self>, this: Try) -> Tried {
        match self.tried(this).await {
            Ok(tried) => tried,
            Err(error) => Tried::Failed(error),
        }
    }

    async fn tried(&self, this: Try) -> Result<Tried, RunError> {
        let item = self.read(this.id).await?;
        let kind = Endpoint::classify(&Method::POST, &item.url).kind;
        let (money, tokens) = self.most(kind, &item);
        let held = match self.allowance.hold(money, tokens) {
            Ok(held) => held,
            Err(short) => return Ok(Tried::NoRoom(this, short)),
        };
        let tried = self.send(this, &item, kind).await;
        let took = match &tried {
            Ok(Tried::Done(done)) => Amount {
                nanousd: done.taken.cost_nanousd.unwrap_or(0),
                tokens: done
                    .taken
                    .input_tokens
                    .saturating_add(done.taken.output_tokens),
            },
            _ => Amount::default(),
        };
        self.allowance.settle(held, took);
        tried
    }

    async fn send(&self, this: Try, item: &Item, kind: EndpointKind) -> Result<Tried, RunError> {
        let Some(left) = self.time_left(this) else {
            let late = Box::new(without_answer(
                "deadline_passed",
                "the line's deadline has passed",
            ));
            return self.keep(this, item, kind, late).await;
        };
        self.journal.sent(this.id, this.attempt).await?;
        let sent = self
            .client
            .post(&item.url, self.own_headers(item, left), item.body.clone());
        let verdict = match within(left, sent).await {
            None => {
                let message = "no answer came before the line's deadline";
                Verdict::Keep(Box::new(without_answer("deadline_passed", message)))
            }
            Some(Ok(answer)) => judge(kind, answer, this.attempt),
            Some(Err(error)) => no_answer(&error, this.attempt),
        };
        match verdict {
            Verdict::Keep(kept) => self.keep(this, item, kind, kept).await,
            Verdict::Hopeless(reason) => {
                self.journal.returned(this.id).await?;
                Err(RunError::Hopeless(reason))
            }
            Verdict::Again {
                after,
                cause,
                otherwise,
            } => {
                if this.attempt >= self.settings.attempts_max && cause.is_of_the_request()
                    || left.is_some_and(|left| after >= left)
                {
                    return self.keep(this, item, kind, otherwise).await;
                }
                if cause.is_free() {
                    self.journal.returned(this.id).await?;
                }
                let (code, message) = otherwise.error.unwrap_or_default();
                let next = Try {
                    attempt: this.attempt + u32::from(cause.is_of_the_request()),
                    waited: this.waited + otherwise.told.waited,
                    ..this
                };
                Ok(Tried::Again {
                    next,
                    after,
                    cause,
                    reason: format!("{code}: {message}"),
                })
            }
        }
    }

    /// Puts a result down.
    async fn keep(
        &self,
        this: Try,
        item: &Item,
        kind: EndpointKind,
        kept: Box<Kept>,
    ) -> Result<Tried, RunError> {
        let kept = *kept;
        let asked = model(kind, item);
        let usage = kept.usage();
        let waited = this.waited + kept.told.waited;
        let took = this.first.elapsed();
        let cost_nanousd = if kept.error.is_none() {
            self.settings.pricing.cost(asked.as_deref(), &kept.answered)
        } else {
            // Refusals and errors are free everywhere.
            Some(0)
        };
        let error = kept.error.as_ref().map(|(code, _)| code.clone());
        let has_answer = kept.status > 0;
        let finished = Finished {
            custom_id: item.custom_id.clone(),
            answer: has_answer.then(|| Answer {
                status: kept.status,
                request_id: kept.told.request_id.clone(),
                body: kept.body,
            }),
            failure: kept
                .error
                .filter(|_| !has_answer)
                .map(|(code, message)| Failure { code, message }),
            error_code: error.clone(),
            tokens: Tokens {
                input: usage.input_tokens,
                cached: usage.cached_input_tokens,
                output: usage.output_tokens,
                reasoning: usage.reasoning_tokens,
            },
            cost_nanousd,
            model: asked,
            attempts: this.attempt,
            wait_ms: milliseconds(waited),
            duration_ms: milliseconds(took),
        };
        self.journal.done(this.id, finished).await?;
        Ok(Tried::Done(Box::new(Done {
            custom_id: item.custom_id.clone(),
            status: has_answer.then_some(kept.status),
            taken: Taken {
                error,
                input_tokens: usage.input_tokens,
                output_tokens: usage.output_tokens,
                cost_nanousd,
                waited,
                took,
                attempts: this
                    .attempt
                    .saturating_add(kept.told.attempts)
                    .saturating_sub(1),
                limited_by: kept.told.limited_by,
            },
        })))
    }

    /// What is left of the line's time; `Some(None)`: it has no end, `None`: nothing.
    fn time_left(&self, this: Try) -> Option<Option<Duration>> {
        match self.settings.line_deadline {
            None => Some(None),
            Some(deadline) => deadline.checked_sub(this.first.elapsed()).map(Some),
        }
    }

    fn own_headers(&self, item: &Item, left: Option<Duration>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        // By this name the provider finds the request again; it takes ASCII alone.
        let name = item.custom_id.as_str();
        if let (true, Ok(value)) = (name.is_ascii(), HeaderValue::from_str(name)) {
            headers.insert("x-client-request-id", value);
        }
        let mut insert = |name: &'static str, time: Option<Duration>| {
            let Some(time) = time else { return };
            let text = format!("{}ms", milliseconds(time).max(1));
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        };
        insert("x-paceline-max-wait", left);
        insert("x-paceline-attempt-timeout", self.settings.attempt_timeout);
        headers
    }

    /// The most that a request may take, as far as it says so.
    fn most(&self, kind: EndpointKind, item: &Item) -> (Option<u64>, Option<u64>) {
        let facts = RequestFacts::parse(kind, &item.body).ok();
        let output = facts.and_then(|facts| {
            let answers = u64::from(facts.n.max(facts.best_of).max(1));
            Some(facts.max_output_tokens?.saturating_mul(answers))
        });
        let tokens = output.map(|output| output.saturating_add(item.body.len() as u64 / 2));
        (self.settings.pricing.most(kind, &item.body), tokens)
    }

    async fn read(&self, id: LineId) -> Result<Item, RunError> {
        let items = self.items.clone();
        let read = tokio::task::spawn_blocking(move || items.read(id)).await;
        let read: Result<Item, ReadError> =
            read.map_err(|error| RunError::Broken(error.to_string()))?;
        Ok(read?)
    }
}

fn model(kind: EndpointKind, item: &Item) -> Option<String> {
    let facts = RequestFacts::parse(kind, &item.body).ok()?;
    Some(facts.model.into_owned()).filter(|model| !model.is_empty())
}

async fn within<T>(left: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match left {
        None => Some(future.await),
        Some(left) => timeout(left, future).await.ok(),
    }
}

impl RunError {
    /// Whether the disk is the reason.
    pub fn is_disk(&self) -> bool {
        matches!(
            self,
            Self::Journal(JournalError::File(_)) | Self::Read(ReadError::File(_))
        )
    }
}
