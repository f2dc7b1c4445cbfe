//! The control paths under `/_simulator/`, for tests and demonstrations; they need no key.
//!
//! - `GET state`: levels, requests in flight, counters.
//! - `GET journal?since=N`: the decisions after a sequence number.
//! - `GET book`: what was billed for requests that have a name.
//! - `POST reset`: empties pools, journal and counters.
//! - `POST faults`: replaces the faults from now on, and with no rules ends them: `{"rules": [{"fault": "500", "share": 0.1, ...}], "refuse_connections_ms": 500}`.
//! - `POST quotas`: `{"quotas": [{"metric": "tokens", "amount": 60000, "window_ms": 60000}]}`.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, request::Parts};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    answer::Answer, faults::FaultRule, provider::Provider, quota::Quota, refusal::ApiError,
    turn::Turn,
};

/// What all control paths start with.
pub(crate) const PREFIX: &str = "/_simulator/";

/// The body of `POST faults`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultsOrder {
    /// Replaces all rules, where present.
    rules: Option<Vec<FaultRule>>,
    /// Refuses connections for so many milliseconds, where present.
    refuse_connections_ms: Option<u64>,
}

/// The body of `POST quotas`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotasOrder {
    /// Replaces all limits; one that is like an old one keeps its level.
    quotas: Vec<Quota>,
}

/// Answers a control request.
pub(crate) fn answer(provider: &Provider, parts: &Parts, body: &Bytes) -> Turn {
    let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let answered = match (parts.method.as_str(), path) {
        ("GET", "state") => json(&provider.state()),
        ("GET", "journal") => journal(provider, parts.uri.query().unwrap_or_default()),
        ("GET", "book") => json(&provider.court().book()),
        ("POST", "reset") => {
            provider.reset();
            json(&provider.state())
        }
        ("POST", "faults") => faults(provider, body),
        ("POST", "quotas") => read::<QuotasOrder>(body).and_then(|order| {
            provider.court().set_quotas(&order.quotas);
            json(&provider.state())
        }),
        (method, _) => {
            let message = format!("no control path {method} {}", parts.uri.path());
            Err(ApiError::new(
                StatusCode::NOT_FOUND,
                "invalid_request_error",
                message,
            ))
        }
    };
    answered.map_or_else(
        |error| Turn::error(error.status, &error.envelope()),
        Turn::free,
    )
}

fn journal(provider: &Provider, query: &str) -> Result<Answer, ApiError> {
    let mut since = 0;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match (name.as_ref(), value.parse()) {
            ("since", Ok(number)) => since = number,
            _ => return Err(ApiError::invalid("`journal` takes `since`, a whole number")),
        }
    }
    json(&provider.court().journal_since(since))
}

fn faults(provider: &Provider, body: &Bytes) -> Result<Answer, ApiError> {
    let order: FaultsOrder = read(body)?;
    if let Some(rules) = order.rules {
        provider
            .set_faults(rules)
            .map_err(|error| ApiError::invalid(error.to_string()))?;
    }
    if let Some(time_ms) = order.refuse_connections_ms {
        provider.refuse_connections(Duration::from_millis(time_ms));
    }
    json(&provider.state())
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::invalid(format!("the body is not understood: {error}")))
}

fn json<T: Serialize>(value: &T) -> Result<Answer, ApiError> {
    let text = serde_json::to_vec(value).map_err(|error| {
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            error.to_string(),
        )
    })?;
    Ok(Answer::Whole {
        content_type: "application/json",
        body: text.into(),
    })
}
