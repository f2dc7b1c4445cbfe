//! TOML and environment to checked settings, with every problem reported at once.
//!
//! [`Settings::load`] takes a configuration file, the environment and what the command line asks
//! for, and gives [`Settings`] that need no other look, or every [`Problem`] with its place:
//!
//! ```
//! use paceline_config::{Settings, SourceFile, Sources};
//!
//! let env = [("HOME".to_owned(), "/home/ada".to_owned())].into();
//! let content = b"[server]\nlisten = 4100\n\n[limits]\ntoken_per_minute = 10_000\n".to_vec();
//! let file = Some(SourceFile { name: "paceline.toml".into(), content });
//! let overrides = Default::default();
//! let problems = Settings::load(Sources { file, env: &env, overrides }).unwrap_err();
//! assert_eq!(
//!     problems.to_string(),
//!     "paceline.toml:2: server.listen: must be an IP address and a port (got 4100); \
//!      as in \"127.0.0.1:4100\" or \"[::1]:4100\"\n\
//!      paceline.toml:5: limits.token_per_minute: unknown key; \
//!      did you mean \"tokens_per_minute\"?"
//! );
//! ```
//!
//! The sections of the file are described by types whose JSON Schema is the one list of settings:
//! the file and the variables are checked against it, and [`schema()`], [`template()`] and
//! [`reference()`] are made from it.
//!
//! This crate does not know what the settings are for: it opens no connection, reads no clock and
//! no process environment, and of all files only those that a setting names for a secret.

mod admin;
mod alerts;
mod batches;
mod breaker;
mod budgets;
mod checker;
mod document;
mod domains;
mod environment;
mod estimator;
mod leaf;
mod ledger;
mod load;
mod log;
mod models;
mod nearest;
mod node;
mod origin;
mod pattern;
mod preset;
mod prices;
mod problem;
mod profile;
mod providers;
mod quantity;
mod queue;
mod reference;
mod report;
mod retry;
mod schema;
mod secret;
mod server;
mod settings;
mod shape;
mod sources;
mod store;
mod telemetry;
mod template;
mod tenants;
mod upstream;
mod verify;

pub use admin::Admin;
pub use alerts::Webhook;
pub use batches::Batches;
pub use breaker::Breaker;
pub use budgets::{BudgetPeriod, BudgetRule, BudgetScope, BudgetUnit};
pub use domains::{
    ChargeRule, DomainRule, LimitRule, Metric, SettleRule, WhenStoreIsAway, WindowKind,
};
pub use estimator::EstimatorKind;
pub use ledger::Ledger;
pub use log::{Log, LogFormat};
pub use models::{Choose, FallBack, HedgeRule, LaneRule, ModelRule, RouteRule};
pub use origin::Origin;
pub use pattern::Pattern;
pub use preset::{PresetSettings, presets};
pub use prices::{Prices, UnknownPrice};
pub use problem::{Notice, Problem, Problems};
pub use providers::{Provider, UPSTREAM};
pub use quantity::{parse_duration, parse_size};
pub use queue::{Queue, Tier, TierRule, Tiers};
pub use reference::reference;
pub use retry::Retry;
pub use schema::{about_setting, schema};
pub use secret::Secret;
pub use server::Server;
pub use settings::Settings;
pub use sources::{Loaded, Overrides, SourceFile, Sources};
pub use store::Store;
pub use telemetry::Telemetry;
pub use template::template;
pub use tenants::Tenant;
pub use upstream::{
    ClientCertificate, EarlierThinking, Effort, HttpVersion, KeyUse, LateSystem, MaxTokensField,
    Proxy, Thinking, Translation, Upstream,
};
