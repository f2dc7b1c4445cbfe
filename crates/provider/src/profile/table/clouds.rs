//! Azure, Google and Amazon.

use super::{
    Admission, COMPATIBLE, ChargeRule, DAY, Dialect, KeyHeader, Known, KnownLimit, LimitMetric,
    MINUTE, OutputWeight, PathStyle, PoolScope, Profile, Tells, Unset, WindowKind,
};
use std::time::Duration;

/// The counter of requests is checked over one or ten seconds, and its header was seen to tell the
/// part for ten seconds: 20 where 120 a minute are allowed.
const AZURE_PIECE: Duration = Duration::from_secs(10);

pub(super) const AZURE: Profile = Profile {
    name: "azure",
    title: "Azure OpenAI",
    bare_base_path: "/openai/v1",
    key: KeyHeader::ApiKey,
    limits: &[
        KnownLimit {
            piece: Known::Documented(AZURE_PIECE),
            ..KnownLimit::of(LimitMetric::Requests, MINUTE).shared_by(
                Known::Documented(PoolScope::Deployment),
                Known::Documented(true),
            )
        },
        KnownLimit::of(LimitMetric::Tokens, MINUTE)
            .kind(Known::Measured(WindowKind::FirstUse))
            .shared_by(
                Known::Documented(PoolScope::Deployment),
                Known::Documented(true),
            ),
    ],
    tells: Known::Measured(Tells::Headers),
    admission: Known::Documented(Admission::Rule(ChargeRule::AZURE, Unset::ModelMaximum)),
    unused_comes_back: Known::Measured(true),
    hosts: &[
        "*.openai.azure.com",
        "*.cognitiveservices.azure.com",
        "*.services.ai.azure.com",
    ],
    paths: PathStyle::Azure,
    header_windows: &[
        (LimitMetric::Requests, AZURE_PIECE),
        (LimitMetric::Tokens, Duration::from_secs(MINUTE)),
    ],
    ..COMPATIBLE
};

const fn gemini_limit(metric: LimitMetric, window_s: u64) -> KnownLimit {
    KnownLimit::of(metric, window_s).shared_by(
        Known::Documented(PoolScope::Project),
        Known::Documented(true),
    )
}

/// There is also a bound of spending in ten minutes, by tier.
pub(super) const GEMINI: Profile = Profile {
    name: "gemini",
    title: "Gemini API",
    dialect: Dialect::Gemini,
    base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
    bare_base_path: "/v1beta",
    key: KeyHeader::XGoogApiKey,
    limits: &[
        gemini_limit(LimitMetric::Requests, MINUTE),
        gemini_limit(LimitMetric::Requests, DAY)
            .kind(Known::Documented(WindowKind::PacificMidnight)),
        gemini_limit(LimitMetric::InputTokens, MINUTE),
    ],
    tells: Known::Measured(Tells::Nothing),
    admission: Known::Documented(Admission::InputOnly),
    output: OutputWeight::Never,
    failures_count: Known::Documented(true),
    hosts: &["generativelanguage.googleapis.com"],
    paths: PathStyle::Gemini,
    ..COMPATIBLE
};

/// The same account by OpenAI's words.
pub(in crate::profile) const GEMINI_COMPATIBLE: Profile = Profile {
    name: "gemini-compatible",
    title: "Gemini API (OpenAI-compatible)",
    dialect: Dialect::OpenAi,
    base_url: Some("https://generativelanguage.googleapis.com/v1beta/openai"),
    bare_base_path: "/v1beta/openai",
    key: KeyHeader::Bearer,
    hosts: &[],
    paths: PathStyle::Plain,
    ..GEMINI
};

/// Newer models draw on a quota that is shared with everybody and moves with the load: what is left
/// is told by nothing. The base URL names project, location and publisher.
pub(super) const VERTEX: Profile = Profile {
    name: "vertex",
    title: "Vertex AI",
    dialect: Dialect::Gemini,
    limits: &[KnownLimit {
        window: Known::Unknown,
        ..KnownLimit::of(LimitMetric::Requests, MINUTE)
            .kind(Known::Measured(WindowKind::Dynamic))
            .shared_by(Known::Unknown, Known::Unknown)
    }],
    tells: Known::Measured(Tells::Nothing),
    hosts: &["aiplatform.googleapis.com", "*-aiplatform.googleapis.com"],
    paths: PathStyle::Gemini,
    ..COMPATIBLE
};

const fn bedrock_limit(metric: LimitMetric, window_s: u64) -> KnownLimit {
    KnownLimit::of(metric, window_s).shared_by(
        Known::Documented(PoolScope::Account),
        Known::Documented(true),
    )
}

/// The runtime endpoint. Input and the allowed output are set aside when a request begins; in the
/// end input, what was written to a cache and output times the model's burndown count.
pub(super) const BEDROCK: Profile = Profile {
    name: "bedrock",
    title: "Amazon Bedrock",
    dialect: Dialect::Bedrock,
    limits: &[
        bedrock_limit(LimitMetric::Requests, MINUTE),
        bedrock_limit(LimitMetric::Tokens, MINUTE),
        bedrock_limit(LimitMetric::Tokens, DAY),
    ],
    tells: Known::Measured(Tells::Nothing),
    admission: Known::Measured(Admission::InputAndAllowed(Unset::ModelMaximum)),
    output: OutputWeight::Burndown,
    cached_input_counts: Known::Measured(false),
    unused_comes_back: Known::Measured(true),
    hosts: &["bedrock-runtime.*.amazonaws.com"],
    paths: PathStyle::Bedrock,
    ..COMPATIBLE
};
