//! The profiles themselves.
//!
//! Sources are the providers' own pages on rate limits, quotas and errors where a fact is marked as
//! documented, and answers that were seen on the wire where it is marked as measured.

mod clouds;
mod copies;

use super::path::PathStyle;
use super::{
    Admission, Dialect, KeyHeader, Known, KnownLimit, OutputWeight, PoolScope, Profile, Tells,
    Unset, WindowKind,
};
use crate::metric::LimitMetric;
use crate::openai::ChargeRule;
use std::time::Duration;

pub(super) use clouds::GEMINI_COMPATIBLE;

const SECOND: u64 = 1;
const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

pub(super) const ALL: &[Profile] = &[
    OPENAI,
    clouds::AZURE,
    ANTHROPIC,
    clouds::GEMINI,
    GEMINI_COMPATIBLE,
    clouds::VERTEX,
    clouds::BEDROCK,
    copies::GROQ,
    copies::MISTRAL,
    copies::CEREBRAS,
    copies::TOGETHER,
    copies::DEEPSEEK,
    copies::OPENROUTER,
    copies::XAI,
    copies::COHERE,
    copies::VLLM,
    COMPATIBLE,
];

/// Nothing is known of it but the dialect.
pub(super) const COMPATIBLE: Profile = Profile {
    name: "compatible",
    title: "OpenAI-compatible",
    dialect: Dialect::OpenAi,
    base_url: None,
    bare_base_path: "",
    key: KeyHeader::Bearer,
    headers: &[],
    limits: &[],
    tells: Known::Unknown,
    admission: Known::Unknown,
    output: OutputWeight::Once,
    cached_input_counts: Known::Unknown,
    failures_count: Known::Unknown,
    unused_comes_back: Known::Unknown,
    limits_concurrency: Known::Unknown,
    overload_statuses: &[503],
    hosts: &[],
    paths: PathStyle::Plain,
    header_windows: &[],
};

const fn openai_limit(metric: LimitMetric, window_s: u64) -> KnownLimit {
    KnownLimit::of(metric, window_s)
        .kind(Known::Measured(WindowKind::Bucket))
        .shared_by(
            Known::Documented(PoolScope::Organization),
            Known::Documented(true),
        )
}

/// Projects can have limits of their own below the organization's. Answers of 2023 show that what a
/// request allowed and did not use stayed deducted; whether it still does is not known.
const OPENAI: Profile = Profile {
    name: "openai",
    title: "OpenAI",
    base_url: Some("https://api.openai.com/v1"),
    bare_base_path: "/v1",
    limits: &[
        openai_limit(LimitMetric::Requests, MINUTE),
        openai_limit(LimitMetric::Requests, DAY),
        openai_limit(LimitMetric::Tokens, MINUTE),
        openai_limit(LimitMetric::Tokens, DAY),
        openai_limit(LimitMetric::Images, MINUTE),
    ],
    tells: Known::Documented(Tells::Headers),
    admission: Known::Documented(Admission::Rule(ChargeRule::OPENAI, Unset::Nothing)),
    cached_input_counts: Known::Documented(true),
    failures_count: Known::Documented(true),
    limits_concurrency: Known::Documented(false),
    hosts: &["api.openai.com", "*.api.openai.com"],
    ..COMPATIBLE
};

const fn anthropic_limit(metric: LimitMetric) -> KnownLimit {
    KnownLimit::of(metric, MINUTE)
        .kind(Known::Documented(WindowKind::Bucket))
        .shared_by(
            Known::Documented(PoolScope::Organization),
            Known::Documented(true),
        )
}

/// Input is estimated when a request begins and put right while it runs; output counts as it is
/// produced, and `max_tokens` plays no part. Workspaces can have limits of their own below the
/// organization's.
const ANTHROPIC: Profile = Profile {
    name: "anthropic",
    title: "Anthropic",
    dialect: Dialect::Anthropic,
    base_url: Some("https://api.anthropic.com/v1"),
    bare_base_path: "/v1",
    key: KeyHeader::XApiKey,
    headers: &[("anthropic-version", "2023-06-01")],
    limits: &[
        anthropic_limit(LimitMetric::Requests),
        anthropic_limit(LimitMetric::InputTokens),
        anthropic_limit(LimitMetric::OutputTokens),
    ],
    tells: Known::Documented(Tells::Headers),
    admission: Known::Documented(Admission::Expected),
    cached_input_counts: Known::Documented(false),
    unused_comes_back: Known::Documented(true),
    overload_statuses: &[529],
    hosts: &["api.anthropic.com"],
    header_windows: &[
        (LimitMetric::Requests, Duration::from_secs(MINUTE)),
        (LimitMetric::Tokens, Duration::from_secs(MINUTE)),
        (LimitMetric::InputTokens, Duration::from_secs(MINUTE)),
        (LimitMetric::OutputTokens, Duration::from_secs(MINUTE)),
    ],
    ..COMPATIBLE
};
