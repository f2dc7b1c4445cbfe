//! The variables that other programs use and that work here as they are.

/// How the text of a variable becomes that of its setting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reading {
    AsWritten,
    /// A number of seconds, or a duration with its unit.
    Seconds,
    /// A number of minutes, or a duration with its unit.
    Minutes,
}

/// A variable that stands for one setting.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) reading: Reading,
}

const fn known(name: &'static str, path: &'static str, reading: Reading) -> Known {
    Known {
        name,
        path,
        reading,
    }
}

/// The variables that stand for one setting each.
pub(crate) const KNOWN: [Known; 20] = [
    known("OPENAI_API_KEY", "upstream.api_key", Reading::AsWritten),
    known("OPENAI_BASE_URL", "upstream.base_url", Reading::AsWritten),
    known(
        "OPENAI_TPM_LIMIT",
        "limits.tokens_per_minute",
        Reading::AsWritten,
    ),
    known(
        "OPENAI_TOKENS_PER_MINUTE",
        "limits.tokens_per_minute",
        Reading::AsWritten,
    ),
    known(
        "OPENAI_TOKENS_PER_HOUR",
        "limits.tokens_per_hour",
        Reading::AsWritten,
    ),
    known(
        "OPENAI_REQUESTS_PER_MINUTE",
        "limits.requests_per_minute",
        Reading::AsWritten,
    ),
    known(
        "OPENAI_REQUESTS_PER_HOUR",
        "limits.requests_per_hour",
        Reading::AsWritten,
    ),
    known("OPENAI_TPM_HEADROOM", "limits.headroom", Reading::AsWritten),
    known(
        "OPENAI_MAX_CONCURRENCY",
        "limits.concurrency",
        Reading::AsWritten,
    ),
    known("OPENAI_STAGGER_SECONDS", "limits.spacing", Reading::Seconds),
    known(
        "OPENAI_EST_TOKENS_PER_RUN",
        "estimator.default_output_tokens",
        Reading::AsWritten,
    ),
    known(
        "OPENAI_RETRY_MAX_ATTEMPTS",
        "retry.retries_max",
        Reading::AsWritten,
    ),
    known(
        "OPENAI_MAX_RETRIES",
        "retry.retries_max",
        Reading::AsWritten,
    ),
    known(
        "OPENAI_BACKOFF_BASE_SECONDS",
        "retry.base_delay",
        Reading::Seconds,
    ),
    known("OPENAI_BASE_DELAY", "retry.base_delay", Reading::Seconds),
    known("OPENAI_MAX_DELAY", "retry.delay_max", Reading::Seconds),
    known(
        "OPENAI_STABILIZATION_MINUTES",
        "retry.stabilisation",
        Reading::Minutes,
    ),
    known(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "telemetry.otlp_endpoint",
        Reading::AsWritten,
    ),
    known(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "telemetry.otlp_headers",
        Reading::AsWritten,
    ),
    known(
        "OTEL_SERVICE_NAME",
        "telemetry.service_name",
        Reading::AsWritten,
    ),
];

/// Variables that are accepted and change nothing, with what is said about each.
pub(crate) const ACCEPTED: [(&str, &str); 2] = [
    (
        "OPENAI_GATE_IN_ADAPTER",
        "is accepted and changes nothing: direct calls are always gated",
    ),
    (
        "OPENAI_GATE_IN_BATCH",
        "is accepted and changes nothing: batches are always gated",
    ),
];

/// Whether a variable is one of those that Kubernetes puts into every container for a service
/// whose name begins with ours, as in `PACELINE_SERVICE_HOST` and `PACELINE_PORT_4100_TCP_ADDR`.
pub(super) fn is_service_link(name: &str) -> bool {
    let words: Vec<_> = name.split('_').collect();
    let has = |pair: [&str; 2]| words.windows(2).any(|window| window == pair);
    let port = words.iter().position(|word| *word == "PORT");
    has(["SERVICE", "HOST"])
        || has(["SERVICE", "PORT"])
        || port.is_some_and(|at| match words.get(at + 1..) {
            Some([]) => true,
            Some([number, protocol, ..]) => {
                number.parse::<u16>().is_ok() && matches!(*protocol, "TCP" | "UDP" | "SCTP")
            }
            _ => false,
        })
}
