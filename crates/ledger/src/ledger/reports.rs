//! Questions that are often asked.

use serde::{Deserialize, Serialize};

use super::Ledger;
use crate::StoreError;
use crate::query::{Answer, Dimension, Filter, Group, Order, Query, QueryError};
use crate::usage::{Latency, Usage};

/// How large the prompts of a route and model are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptSize {
    /// The endpoint.
    pub route: String,
    /// The model.
    pub model: String,
    /// Calls that were sent.
    pub calls: u64,
    /// Input tokens of all of them.
    pub input_tokens: u64,
    /// Input tokens of a call on average.
    pub average_input_tokens: u64,
    /// The most of one call.
    pub max_input_tokens: u64,
    /// Input tokens that came from the provider's cache.
    pub cached_tokens: u64,
    /// The cost of these calls, in billionths of a dollar; input and output.
    pub cost_nanousd: u64,
    /// Input tokens that would be saved if these calls were as large, on average, as all calls that
    /// the filter lets through.
    pub above_average_tokens: u64,
}

/// What a session did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReport {
    /// Its sums.
    pub usage: Usage,
    /// Its times.
    pub latency: Latency,
    /// The same by model.
    pub by_model: Vec<Group>,
    /// The same by outcome.
    pub by_outcome: Vec<Group>,
    /// The end of its first call, in milliseconds since 1970; `None`: there is none.
    pub first_ms: Option<i64>,
    /// The end of its last call.
    pub last_ms: Option<i64>,
}

impl Ledger {
    /// How large prompts are, by route and model; those with most input tokens in all first.
    ///
    /// # Errors
    /// As [`Ledger::query`].
    pub async fn prompt_sizes(
        &self,
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<PromptSize>, QueryError> {
        let total = self.query(&Query::total(filter.clone())).await?;
        let average = total.groups.first();
        let average = average.map_or(0, |group| group.usage.average_input_tokens());
        let query = Query::total(filter)
            .by(Dimension::Route)
            .by(Dimension::Model)
            .top(Order::InputTokens, limit);
        let answer = self.query(&query).await?;
        Ok(answer
            .groups
            .iter()
            .map(|group| prompt_size(group, average))
            .collect())
    }

    /// What calls cost, by one dimension, the dearest first.
    ///
    /// # Errors
    /// As [`Ledger::query`].
    pub async fn cost_breakdown(
        &self,
        filter: Filter,
        by: Dimension,
        limit: usize,
    ) -> Result<Answer, QueryError> {
        let query = Query::total(filter).by(by).top(Order::Cost, limit);
        self.query(&query).await
    }

    /// What a session did; of one tenant, or of all that use this name. From the records themselves.
    ///
    /// # Errors
    /// As [`Ledger::query`].
    pub async fn session_report(
        &self,
        session: &str,
        tenant: Option<&str>,
    ) -> Result<SessionReport, QueryError> {
        let filter = Filter {
            session: Some(session.to_owned()),
            tenant: tenant.map(str::to_owned),
            ..Filter::default()
        };
        let total = self
            .query(&Query::total(filter.clone()).with_latency())
            .await?;
        let total = total.groups.into_iter().next();
        let by = |dimension| {
            Query::total(filter.clone())
                .by(dimension)
                .top(Order::Cost, 100)
        };
        let by_model = self.query(&by(Dimension::Model)).await?.groups;
        let by_outcome = self.query(&by(Dimension::Outcome)).await?.groups;
        let ends = self.first_and_last(&filter).await?;
        Ok(SessionReport {
            usage: total.as_ref().map(|group| group.usage).unwrap_or_default(),
            latency: total.and_then(|group| group.latency).unwrap_or_default(),
            by_model,
            by_outcome,
            first_ms: ends.map(|(first, _)| first),
            last_ms: ends.map(|(_, last)| last),
        })
    }

    /// When the first and the last of these calls ended, in milliseconds since 1970; `None`: there is
    /// none. From the records themselves.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn first_and_last(&self, filter: &Filter) -> Result<Option<(i64, i64)>, StoreError> {
        let first = self.page_forward(filter, None, 1).await?;
        let last = self.entries(filter, None, 1).await?.entries;
        let ends = first.first().zip(last.first());
        Ok(ends.map(|(first, last)| (first.ended_at_ms, last.ended_at_ms)))
    }
}

fn prompt_size(group: &Group, average: u64) -> PromptSize {
    let mut names = group.names.iter().cloned();
    let usage = &group.usage;
    let would_be = average.saturating_mul(usage.sent);
    PromptSize {
        route: names.next().unwrap_or_default(),
        model: names.next().unwrap_or_default(),
        calls: usage.sent,
        input_tokens: usage.input_tokens,
        average_input_tokens: usage.average_input_tokens(),
        max_input_tokens: usage.max_input_tokens,
        cached_tokens: usage.cached_tokens,
        cost_nanousd: usage.cost_nanousd,
        above_average_tokens: usage.input_tokens.saturating_sub(would_be),
    }
}
