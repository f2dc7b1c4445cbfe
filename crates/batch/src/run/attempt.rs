//! One try of one line, from the file to the journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method};
use paceline_provider::{Endpoint, EndpointKind};
use tokio::time::timeout;

use super::allowance::{Allowance, Amount, Short};
use super::answer::{Cause, Kept, Verdict, judge, no_answer, without_answer};
use super::client::Client;
use super::control::milliseconds;
use super::cost::Asked;
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
        let asked = Asked::read(kind, &item.body);
        self.check_price(&asked)?;
        let money = self.settings.pricing.most(&asked);
        let held = match self.allowance.hold(money, asked.tokens_max()) {
            Ok(held) => held,
            Err(short) => return Ok(Tried::NoRoom(this, short)),
        };
        let tried = self.send(this, &item, (kind, &asked)).await;
        let took = match &tried {
            Ok(Tried::Done(done)) => Amount {
                // What is not known is not nothing.
                nanousd: done.taken.cost_nanousd.unwrap_or(held.nanousd),
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

    /// Where cost is bounded, a model without a price would pass the bound unseen.
    fn check_price(&self, asked: &Asked) -> Result<(), RunError> {
        let Some(model) = asked.model.as_deref() else {
            return Ok(());
        };
        let is_known = self.settings.pricing.of(model).is_some();
        if is_known || !self.allowance.bounds_cost() {
            return Ok(());
        }
        let provider = &self.settings.pricing.provider;
        Err(RunError::Hopeless(format!(
            "the bound of cost cannot be held: no price of {model} at {provider} is known; add one to the file \
             of prices, say in prices.provider whose prices hold, or run without the bound"
        )))
    }

    async fn send(
        &self,
        this: Try,
        item: &Item,
        (kind, asked): (EndpointKind, &Asked),
    ) -> Result<Tried, RunError> {
        let Some(left) = self.time_left(this) else {
            let late = Box::new(without_answer(
                "deadline_passed",
                "the line's deadline has passed",
                false,
            ));
            return self.keep(this, item, asked, late).await;
        };
        self.journal.sent(this.id, this.attempt).await?;
        let sent = self
            .client
            .post(&item.url, self.own_headers(item, left), item.body.clone());
        let verdict = match within(left, sent).await {
            None => {
                let message = "no answer came before the line's deadline";
                Verdict::Keep(Box::new(without_answer("deadline_passed", message, true)))
            }
            Some(Ok(answer)) => judge(kind, answer, this.attempt),
            Some(Err(error)) => no_answer(&error, this.attempt),
        };
        match verdict {
            Verdict::Keep(kept) => self.keep(this, item, asked, kept).await,
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
                    return self.keep(this, item, asked, otherwise).await;
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
        asked: &Asked,
        kept: Box<Kept>,
    ) -> Result<Tried, RunError> {
        let kept = *kept;
        let usage = kept.usage();
        let waited = this.waited + kept.told.waited;
        let took = this.first.elapsed();
        let cost_nanousd = if kept.error.is_none() {
            let model = asked.model.as_deref();
            self.settings.pricing.cost(model, &kept.answered)
        } else {
            // Refusals and errors are free everywhere; what broke off may not be.
            (!kept.may_be_billed).then_some(0)
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
            model: asked.model.clone(),
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

    async fn read(&self, id: LineId) -> Result<Item, RunError> {
        let items = self.items.clone();
        let read = tokio::task::spawn_blocking(move || items.read(id)).await;
        let read: Result<Item, ReadError> =
            read.map_err(|error| RunError::Broken(error.to_string()))?;
        Ok(read?)
    }
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
