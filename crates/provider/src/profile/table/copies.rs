//! Providers that speak OpenAI's dialect, each with limits of its own kind.

use super::{
    Admission, COMPATIBLE, DAY, HOUR, Known, KnownLimit, LimitMetric, MINUTE, PoolScope, Profile,
    SECOND, Tells, Unset, WindowKind,
};
use std::time::Duration;

const fn groq_limit(metric: LimitMetric, window_s: u64) -> KnownLimit {
    KnownLimit::of(metric, window_s)
        .kind(Known::Measured(WindowKind::Bucket))
        .shared_by(
            Known::Documented(PoolScope::Organization),
            Known::Documented(true),
        )
}

/// Headers tell the requests of a day and the tokens of a minute; the requests of a minute and the
/// tokens of a day never appear. 498 is a full flex tier.
pub(super) const GROQ: Profile = Profile {
    name: "groq",
    title: "Groq",
    base_url: Some("https://api.groq.com/openai/v1"),
    bare_base_path: "/openai/v1",
    limits: &[
        groq_limit(LimitMetric::Requests, MINUTE),
        groq_limit(LimitMetric::Requests, DAY),
        groq_limit(LimitMetric::Tokens, MINUTE),
        groq_limit(LimitMetric::Tokens, DAY),
        // Seconds of audio.
        groq_limit(LimitMetric::Other, HOUR),
        groq_limit(LimitMetric::Other, DAY),
    ],
    tells: Known::Documented(Tells::Headers),
    cached_input_counts: Known::Documented(false),
    overload_statuses: &[498, 503],
    hosts: &["api.groq.com"],
    header_windows: &[
        (LimitMetric::Requests, Duration::from_secs(DAY)),
        (LimitMetric::Tokens, Duration::from_secs(MINUTE)),
    ],
    ..COMPATIBLE
};

const fn mistral_limit(metric: LimitMetric) -> KnownLimit {
    KnownLimit::of(metric, MINUTE)
        .kind(Known::Measured(WindowKind::Clock))
        .shared_by(Known::Unknown, Known::Measured(true))
}

/// A refusal tells no wait: the limit is full again at the next full minute. Each answer tells in a
/// header what the request was charged.
pub(super) const MISTRAL: Profile = Profile {
    name: "mistral",
    title: "Mistral",
    base_url: Some("https://api.mistral.ai/v1"),
    bare_base_path: "/v1",
    limits: &[
        mistral_limit(LimitMetric::Requests),
        mistral_limit(LimitMetric::Tokens),
    ],
    tells: Known::Measured(Tells::HeadersUnlessStreamed),
    hosts: &["api.mistral.ai"],
    ..COMPATIBLE
};

const fn cerebras_limit(metric: LimitMetric, window_s: u64) -> KnownLimit {
    KnownLimit::of(metric, window_s)
        .kind(Known::Documented(WindowKind::Bucket))
        .shared_by(
            Known::Documented(PoolScope::Organization),
            Known::Documented(true),
        )
}

/// A request that names no maximum is charged for the whole rest of the context.
pub(super) const CEREBRAS: Profile = Profile {
    name: "cerebras",
    title: "Cerebras",
    base_url: Some("https://api.cerebras.ai/v1"),
    bare_base_path: "/v1",
    limits: &[
        cerebras_limit(LimitMetric::Requests, MINUTE),
        cerebras_limit(LimitMetric::Requests, HOUR),
        cerebras_limit(LimitMetric::Requests, DAY),
        cerebras_limit(LimitMetric::Tokens, MINUTE),
        cerebras_limit(LimitMetric::Tokens, HOUR),
        cerebras_limit(LimitMetric::Tokens, DAY),
    ],
    tells: Known::Documented(Tells::Headers),
    admission: Known::Documented(Admission::InputAndAllowed(Unset::RestOfContext)),
    hosts: &["api.cerebras.ai"],
    ..COMPATIBLE
};

const fn together_limit(metric: LimitMetric) -> KnownLimit {
    KnownLimit {
        window: Known::Unknown,
        ..KnownLimit::of(metric, MINUTE)
            .kind(Known::Documented(WindowKind::Dynamic))
            .shared_by(
                Known::Documented(PoolScope::Organization),
                Known::Documented(true),
            )
    }
}

/// The limit follows the traffic: 429 is above it, 503 is a lack of capacity below it.
pub(super) const TOGETHER: Profile = Profile {
    name: "together",
    title: "Together AI",
    base_url: Some("https://api.together.ai/v1"),
    bare_base_path: "/v1",
    limits: &[
        together_limit(LimitMetric::Requests),
        together_limit(LimitMetric::Tokens),
    ],
    tells: Known::Measured(Tells::Headers),
    hosts: &["api.together.ai", "api.together.xyz"],
    ..COMPATIBLE
};

/// Only what is under way at once is limited, for all keys of an account together and by model. A
/// request counts until its answer is complete.
pub(super) const DEEPSEEK: Profile = Profile {
    name: "deepseek",
    title: "DeepSeek",
    base_url: Some("https://api.deepseek.com/v1"),
    bare_base_path: "/v1",
    limits_concurrency: Known::Documented(true),
    hosts: &["api.deepseek.com"],
    ..COMPATIBLE
};

const fn openrouter_limit(window_s: u64) -> KnownLimit {
    KnownLimit::of(LimitMetric::Requests, window_s)
        .kind(Known::Measured(WindowKind::Clock))
        .shared_by(Known::Measured(PoolScope::Account), Known::Unknown)
}

/// The limits are those of free models. The same headers of a refusal tell of a minute or of a day.
pub(super) const OPENROUTER: Profile = Profile {
    name: "openrouter",
    title: "OpenRouter",
    base_url: Some("https://openrouter.ai/api/v1"),
    bare_base_path: "/api/v1",
    limits: &[openrouter_limit(MINUTE), openrouter_limit(DAY)],
    tells: Known::Measured(Tells::Nothing),
    hosts: &["openrouter.ai"],
    ..COMPATIBLE
};

const fn xai_limit(metric: LimitMetric, window_s: u64) -> KnownLimit {
    KnownLimit::of(metric, window_s)
        .shared_by(Known::Documented(PoolScope::Team), Known::Documented(true))
}

/// Requests are limited by the second. Cached input and reasoning count in full.
pub(super) const XAI: Profile = Profile {
    name: "xai",
    title: "xAI",
    base_url: Some("https://api.x.ai/v1"),
    bare_base_path: "/v1",
    limits: &[
        xai_limit(LimitMetric::Requests, SECOND),
        xai_limit(LimitMetric::Tokens, MINUTE),
    ],
    tells: Known::Measured(Tells::Headers),
    cached_input_counts: Known::Documented(true),
    hosts: &["api.x.ai", "*.api.x.ai"],
    header_windows: &[
        (LimitMetric::Requests, Duration::from_secs(SECOND)),
        (LimitMetric::Tokens, Duration::from_secs(MINUTE)),
    ],
    ..COMPATIBLE
};

/// Trial keys. Of production keys no more is known than that they have larger limits.
pub(super) const COHERE: Profile = Profile {
    name: "cohere",
    title: "Cohere",
    base_url: Some("https://api.cohere.ai/compatibility/v1"),
    bare_base_path: "/compatibility/v1",
    limits: &[KnownLimit::of(LimitMetric::Requests, MINUTE)
        .kind(Known::Measured(WindowKind::Rolling))
        .shared_by(Known::Unknown, Known::Unknown)],
    tells: Known::Measured(Tells::Headers),
    hosts: &["api.cohere.ai", "api.cohere.com"],
    ..COMPATIBLE
};

/// A server of one's own, of whose limits nothing is known beforehand.
pub(super) const VLLM: Profile = Profile {
    name: "vllm",
    title: "vLLM",
    bare_base_path: "/v1",
    ..COMPATIBLE
};
