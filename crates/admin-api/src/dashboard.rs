//! Signing in to the dashboard, and what its page has to know at its start.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Body of `POST /dashboard/session`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The admin token, or a ticket that was made with it.
    pub token: String,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SignIn(..)")
    }
}

/// Answer of `GET /dashboard/session`: what the page needs at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DashboardSession {
    /// The version of the gateway.
    pub version: String,
    /// When the gateway was started, in milliseconds since 1970.
    pub started_at_ms: i64,
    /// Where calls are sent: host, and port unless it is the usual one.
    pub upstream: String,
    /// Where callers reach the gateway, as an address that a client on the same machine can use.
    pub listen: String,
    /// What the chat needs.
    pub chat: ChatSetup,
    /// The bundle of settings that was chosen: `production` or `development`.
    pub preset: Option<String>,
    /// Where the limits come from.
    pub limits: LimitsOrigin,
    /// Whether usage records are kept: without them there is neither usage nor cost.
    pub ledger: bool,
}

/// What the chat needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChatSetup {
    /// Whether calls need a key from whoever makes them: the gateway has none of its own for the
    /// provider, or asks callers for one of its keys.
    pub needs_key: bool,
    /// Names of models, at most 50: first those that were called lately, then those that the
    /// configuration and the prices name.
    pub models: Vec<String>,
}

/// Where limits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitsOrigin {
    /// Every pool has limits in the configuration, and nothing is learned beside them.
    Configured,
    /// No pool has limits in the configuration: they are learned from the provider's answers.
    Learned,
    /// Some are configured, others are learned.
    Both,
    /// None are configured, and none are learned.
    Unlimited,
}

/// Answer of `POST /dashboard/ticket`: opens the dashboard once, in place of the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DashboardTicket {
    /// What signs in, once.
    pub ticket: String,
    /// How long it can be used, in milliseconds.
    pub valid_ms: u64,
}

impl std::fmt::Debug for DashboardTicket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DashboardTicket(..)")
    }
}
