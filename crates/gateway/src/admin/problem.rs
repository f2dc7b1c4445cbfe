//! What the admin plane answers when it does not answer what was asked.

use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use paceline_admin_api::{AdminError, AdminErrorBody};
use paceline_ledger::{QueryError, StoreError};

/// The most characters of what a caller sent that an error repeats.
const REPEATED_CHARACTERS_MAX: usize = 64;

/// How soon what is away may be asked again, in seconds, where nothing else is known.
const RETRY_SECONDS: u64 = 1;

/// An error of the admin plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    /// When asking again is of use.
    retry_s: Option<u64>,
    body: AdminErrorBody,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let is_passing = status == StatusCode::SERVICE_UNAVAILABLE;
        Self {
            status,
            retry_s: is_passing.then_some(RETRY_SECONDS),
            body: AdminErrorBody {
                code: code.to_owned(),
                message: message.into(),
                parameter: None,
                expected: None,
            },
        }
    }

    /// The same, with the time after which asking again is of use.
    pub(super) fn after(mut self, pause: Duration) -> Self {
        self.retry_s = Some(pause.as_secs() + 1);
        self
    }

    /// A parameter has a value that it cannot have.
    pub(super) fn invalid(parameter: &str, expected: &str) -> Self {
        let message = format!("{parameter} is wrong: expected {expected}");
        Self::about(parameter, expected, "invalid_parameter", message)
    }

    /// There is no such parameter here.
    pub(super) fn unknown(parameter: &str, known: &[&str]) -> Self {
        let parameter: String = parameter.chars().take(REPEATED_CHARACTERS_MAX).collect();
        let expected = match known {
            [] => "no parameter".to_owned(),
            known => format!("one of {}", known.join(", ")),
        };
        let message = format!("there is no parameter {parameter:?} here: expected {expected}");
        Self::about(&parameter, &expected, "unknown_parameter", message)
    }

    /// Something in the body, at a dotted path, is wrong.
    pub(super) fn in_body(path: &str, what: &str) -> Self {
        let message = format!("{path}: {what}");
        Self::about(path, what, "invalid_body", message)
    }

    /// What is wrong, where it is a parameter or something in the body.
    #[cfg(test)]
    pub(super) fn path(&self) -> &str {
        self.body.parameter.as_deref().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.body.message
    }

    /// Several things in the body are wrong: paths, and what is expected. There is at least one.
    pub(super) fn several(wrong: &[(String, String)]) -> Self {
        let told = wrong
            .iter()
            .map(|(path, expected)| format!("{path}: expected {expected}"));
        let message = told.collect::<Vec<_>>().join("; ");
        let (path, expected) = wrong
            .first()
            .map_or((".", "a request"), |it| (&it.0, &it.1));
        Self::about(path, expected, "invalid_body", message)
    }

    fn about(parameter: &str, expected: &str, code: &str, message: String) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, code, message);
        problem.body.parameter = Some(parameter.to_owned());
        problem.body.expected = Some(expected.to_owned());
        problem
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", what)
    }

    /// No usage records are kept.
    pub(super) fn ledger_off() -> Self {
        let message = "no usage records are kept; set ledger.enabled = true and start the gateway \
                       again to have them";
        Self::new(StatusCode::CONFLICT, "ledger_off", message)
    }

    /// The ledger could not be opened yet.
    pub(super) fn ledger_away(reason: &str) -> Self {
        let message = format!("the ledger cannot be opened yet, and is tried again: {reason}");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_away", message)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let message = format!("the ledger does not answer: {error}");
        if error.is_transient() {
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_away", message);
        }
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "store_failed", message)
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Store(error) => error.into(),
            QueryError::Dimensions(_) => Self::invalid("group_by", "one or two names"),
            QueryError::Offset(_) => Self::invalid("utc_offset", "less than a day"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry = self.retry_s.map(|seconds| [(header::RETRY_AFTER, seconds)]);
        let body = Json(AdminError { error: self.body });
        match retry {
            Some(retry) => (self.status, retry, body).into_response(),
            None => (self.status, body).into_response(),
        }
    }
}
