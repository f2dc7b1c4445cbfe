//! How each provider words what it reports: errors, limits, waits and ids.
//!
//! The bodies are the documented and recorded ones. Where neither is known of a provider, its voice is
//! OpenAI's, which it says it speaks.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    charge::Charge,
    enforcer::{QuotaLevel, Refusal},
    headers::{add_levels, add_text},
    json::{Json, object},
    likeness::Likeness,
    quota::{Metric, NANOS_PER_SECOND},
    refusal::{self, ApiError},
    settings::SimulatorSettings,
};

mod anthropic;
mod azure;
mod bedrock;
mod compatible;
mod google;
mod groq;
mod keys;
mod moment;

pub(crate) use anthropic::error_kind as anthropic_kind;
pub(crate) use bedrock::exception_member;
pub(crate) use keys::{key_of, missing_key, wrong_key};

/// What a refusal or an error is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) settings: &'a SimulatorSettings,
    pub(crate) model: &'a str,
    /// The query of the address.
    pub(crate) query: Option<&'a str>,
    /// Whether a stream was asked for.
    pub(crate) is_stream: bool,
    /// The provider's clock.
    pub(crate) now_ns: u64,
}

/// What the limit headers of an answer are made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) levels: &'a [QuotaLevel],
    pub(crate) is_refusal: bool,
    /// What was charged at admission and what the request came to use, of a whole answer.
    pub(crate) cost: Option<(Charge, Charge)>,
}

impl Subject<'_> {
    /// The error for a decision of the enforcer.
    pub(crate) fn refusal(&self, refusal: &Refusal) -> ApiError {
        let organization = &self.settings.organization;
        match self.settings.likeness {
            Likeness::Azure => azure::refusal(self, refusal),
            Likeness::Anthropic => anthropic::refusal(self, refusal),
            Likeness::Gemini | Likeness::GeminiCompatible => google::refusal(self, refusal),
            Likeness::Vertex => google::exhausted(),
            Likeness::Bedrock => bedrock::refusal(refusal),
            Likeness::Groq => groq::refusal(self, refusal),
            Likeness::Mistral => compatible::mistral(),
            Likeness::Cerebras => compatible::cerebras(refusal),
            Likeness::Together => compatible::together(refusal),
            Likeness::DeepSeek => compatible::deepseek(refusal, self),
            Likeness::OpenRouter => compatible::openrouter(refusal, self),
            Likeness::XAi => compatible::xai(refusal, self),
            Likeness::Cohere => compatible::cohere(refusal),
            Likeness::OpenAi | Likeness::Vllm => {
                refusal::rate_limit_error(refusal, self.model, organization)
            }
        }
    }

    /// The refusal of a wrong key that hides nothing of it.
    pub(crate) fn shown_key(&self, key: &str) -> ApiError {
        let mut error = wrong_key(self.settings.likeness, "");
        error.message = format!("Incorrect API key provided: Bearer {key}.");
        error
    }

    /// The refusal of what this one request asks for; the key is good for others.
    pub(crate) fn forbidden(&self) -> ApiError {
        let kind = match self.settings.likeness {
            Likeness::Gemini | Likeness::GeminiCompatible | Likeness::Vertex => "PERMISSION_DENIED",
            Likeness::Bedrock => "AccessDeniedException",
            Likeness::Anthropic => "permission_error",
            _ => "invalid_request_error",
        };
        let message = "You have insufficient permissions for this operation.";
        ApiError::new(StatusCode::FORBIDDEN, kind, message)
    }

    /// The error of a provider that fails.
    pub(crate) fn server_error(&self) -> ApiError {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        match self.settings.likeness {
            Likeness::Anthropic => ApiError::new(status, "api_error", "Internal server error"),
            Likeness::Gemini | Likeness::GeminiCompatible | Likeness::Vertex => {
                let message = "An internal error has occurred. Please retry or report in \
                               https://developers.generativeai.google/guide/troubleshooting";
                ApiError::new(status, "INTERNAL", message)
            }
            Likeness::Bedrock => {
                let message = "The system encountered an unexpected error during processing. Try \
                               your request again.";
                ApiError::new(status, "InternalServerException", message)
            }
            _ => refusal::server_error(),
        }
    }

    /// The error of a provider out of capacity, whatever the caller's limits are.
    pub(crate) fn overloaded(&self) -> ApiError {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match self.settings.likeness {
            Likeness::Anthropic => anthropic::overloaded(),
            Likeness::Azure => azure::high_demand(),
            Likeness::Gemini | Likeness::GeminiCompatible | Likeness::Vertex => {
                let message = "The model is overloaded. Please try again later.";
                ApiError::new(unavailable, "UNAVAILABLE", message)
            }
            Likeness::Bedrock => {
                let message = "Bedrock is unable to process your request.";
                ApiError::new(unavailable, "ServiceUnavailableException", message)
            }
            Likeness::Mistral => compatible::mistral_capacity(),
            Likeness::Cerebras => compatible::cerebras_queue(),
            _ => refusal::overloaded(),
        }
    }

    /// The refusal of traffic that grew too fast.
    pub(crate) fn slow_down(&self, wait_ns: u64) -> ApiError {
        match self.settings.likeness {
            Likeness::OpenAi => refusal::slow_down(wait_ns),
            _ => self.refusal(&Refusal::SlowDown { wait_ns }),
        }
    }

    /// The refusal that no waiting helps: the account has no money left.
    pub(crate) fn insufficient_quota(&self) -> ApiError {
        match self.settings.likeness {
            Likeness::Anthropic => anthropic::spend_limit(),
            Likeness::DeepSeek => {
                let status = StatusCode::PAYMENT_REQUIRED;
                ApiError::new(status, "unknown_error", "Insufficient Balance")
                    .code("invalid_request_error")
            }
            Likeness::OpenRouter => {
                let status = StatusCode::PAYMENT_REQUIRED;
                ApiError::new(status, "", "Insufficient credits")
            }
            _ => refusal::insufficient_quota(),
        }
    }

    /// The body of an error.
    pub(crate) fn envelope(&self, error: &ApiError, request_id: &str) -> Json {
        match self.settings.likeness {
            Likeness::OpenAi => error.envelope(),
            Likeness::Azure => azure::envelope(error),
            Likeness::Anthropic => anthropic::envelope(error, request_id),
            Likeness::Gemini => google::envelope(error),
            // Both wrap it into a list, Vertex in streams.
            Likeness::GeminiCompatible => Json::List(vec![google::envelope(error)]),
            Likeness::Vertex if self.is_stream => Json::List(vec![google::envelope(error)]),
            Likeness::Vertex => google::envelope(error),
            Likeness::Bedrock => object! { "message": error.message.as_str() },
            other => compatible::envelope(other, error, request_id),
        }
    }

    /// The headers of an error beside the hints on waiting.
    pub(crate) fn error_headers(&self, headers: &mut HeaderMap, error: &ApiError) {
        for (name, value) in error.headers() {
            add_text(headers, HeaderName::from_static(name), value);
        }
        if self.settings.likeness == Likeness::Bedrock {
            let kind = format!(
                "{}:http://internal.amazon.com/coral/com.amazon.bedrock/",
                bedrock::error_type(error)
            );
            add_text(headers, HeaderName::from_static("x-amzn-errortype"), &kind);
        }
    }
}

impl Shown<'_> {
    /// Adds the headers that tell of limits.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap) {
        let settings = self.subject.settings;
        if !settings.headers.rate_limits {
            return;
        }
        match settings.likeness {
            Likeness::OpenAi | Likeness::XAi => {
                add_levels(headers, &settings.headers, self.levels);
            }
            Likeness::Azure => azure::levels(headers, self),
            Likeness::Anthropic => anthropic::levels(headers, self),
            Likeness::Groq => groq::levels(headers, self.levels),
            Likeness::Mistral if !self.subject.is_stream && !self.is_refusal => {
                compatible::mistral_levels(headers, self);
            }
            Likeness::Cerebras if !self.is_refusal => {
                compatible::cerebras_levels(headers, self.levels);
            }
            Likeness::Together => compatible::together_levels(headers, self.levels),
            Likeness::Cohere if !self.is_refusal => {
                compatible::cohere_levels(headers, self.levels);
            }
            _ => {}
        }
    }

    /// The levels of one metric.
    fn of(&self, metric: Metric) -> impl Iterator<Item = &QuotaLevel> {
        let levels = self.levels.iter();
        levels.filter(move |level| level.quota.metric == metric)
    }

    /// The level of one metric with the least left.
    fn binding(&self, metric: Metric) -> Option<&QuotaLevel> {
        self.of(metric).min_by_key(|level| level.remaining)
    }
}

/// Adds the headers that identify an answer and who asked for it.
pub(crate) fn add_identity(
    headers: &mut HeaderMap,
    settings: &SimulatorSettings,
    project: Option<&str>,
    request_id: &str,
) {
    let mut add = |name: &'static str, value: &str| {
        add_text(headers, HeaderName::from_static(name), value);
    };
    match settings.likeness {
        Likeness::OpenAi => {
            add("openai-organization", &settings.organization);
            if let Some(project) = project.or(settings.project.as_deref()) {
                add("openai-project", project);
            }
            add("openai-version", "2020-10-01");
            add("x-request-id", request_id);
        }
        Likeness::Azure => {
            add("apim-request-id", request_id);
            add("x-ms-region", "simulator");
            add("x-request-id", request_id);
        }
        Likeness::Anthropic => {
            add("anthropic-organization-id", &settings.organization);
            add("request-id", request_id);
        }
        Likeness::Bedrock => add("x-amzn-requestid", request_id),
        Likeness::Gemini => add("x-gemini-service-tier", "standard"),
        Likeness::GeminiCompatible | Likeness::Vertex | Likeness::Cohere => {}
        Likeness::Mistral => add("mistral-correlation-id", request_id),
        _ => add("x-request-id", request_id),
    }
}

/// An amount with commas between the thousands, as providers write them in prose.
fn with_commas(amount: u64) -> String {
    let digits = amount.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A wait that is not known to the second: at least one second.
const fn whole_seconds(wait_ns: u64) -> u64 {
    refusal::retry_after_seconds(wait_ns)
}

fn number(headers: &mut HeaderMap, name: &'static str, value: u64) {
    headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
}

/// The limit that a refusal names, and the wait until it has room.
fn limit_of(refusal: &Refusal) -> Option<(&crate::quota::Quota, Option<u64>)> {
    match refusal {
        Refusal::TooLarge { quota, .. } => Some((quota, None)),
        Refusal::OverLimit { quota, wait_ns, .. } => Some((quota, Some(*wait_ns))),
        Refusal::Concurrency { .. } | Refusal::SlowDown { .. } => None,
    }
}

/// The wait of a refusal, if waiting helps.
const fn wait_of(refusal: &Refusal) -> Option<u64> {
    match refusal {
        Refusal::TooLarge { .. } => None,
        Refusal::Concurrency { .. } => Some(NANOS_PER_SECOND),
        Refusal::OverLimit { wait_ns, .. } | Refusal::SlowDown { wait_ns } => Some(*wait_ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted_by_commas() {
        let written = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (30_000, "30,000"),
            (1_234_567, "1,234,567"),
        ];
        for (amount, text) in written {
            assert_eq!(with_commas(amount), text);
        }
    }

    #[test]
    fn every_provider_words_every_refusal_and_failure() {
        for likeness in Likeness::ALL {
            let settings = SimulatorSettings::like(likeness);
            let subject = Subject {
                settings: &settings,
                model: "m",
                query: None,
                is_stream: false,
                now_ns: 1_790_812_800 * NANOS_PER_SECOND,
            };
            let quota = crate::quota::Quota::tokens_per_minute(100);
            let refusals = [
                Refusal::TooLarge {
                    quota,
                    requested: 101,
                },
                Refusal::OverLimit {
                    quota,
                    used: 90,
                    requested: 20,
                    stated_wait_ns: 6 * NANOS_PER_SECOND,
                    wait_ns: 6 * NANOS_PER_SECOND,
                },
                Refusal::Concurrency { limit: 3 },
                Refusal::SlowDown {
                    wait_ns: NANOS_PER_SECOND,
                },
            ];
            let errors = refusals.iter().map(|refusal| subject.refusal(refusal));
            let others = [
                subject.server_error(),
                subject.overloaded(),
                subject.insufficient_quota(),
                subject.slow_down(NANOS_PER_SECOND),
                missing_key(likeness),
                wrong_key(likeness, "sk-…"),
                ApiError::invalid("no"),
            ];
            for error in errors.chain(others) {
                assert!(error.status.as_u16() >= 400, "{likeness}: {error:?}");
                let body = subject.envelope(&error, "req_1").to_vec();
                let body = String::from_utf8(body).unwrap();
                let message = error.message.split('\n').next().unwrap();
                assert!(body.contains(message), "{likeness}: {body}");
            }
        }
    }
}
