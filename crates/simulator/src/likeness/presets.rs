//! What each provider limits, how it charges, and what it tells of it, as far as is known.
//!
//! The kinds of windows, the charges and the settlement are the providers'; the amounts are small ones
//! that tests change. What a provider does not document and nobody has measured is marked `Not known`.

use crate::{
    charge::{ChargeFormula, Settlement},
    enforcer::{EnforcerSettings, RampLimit},
    likeness::Likeness,
    quota::{Metric, Quota, QuotaKind},
    settings::{HeaderSettings, SimulatorSettings, StreamRefusals},
};

const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600_000;

const fn fixed(metric: Metric, amount: u64, window_ms: u64) -> Quota {
    Quota::bucket(metric, amount, window_ms).kept_as(QuotaKind::Fixed)
}

impl SimulatorSettings {
    /// A provider that limits, charges and answers as a real one does.
    #[must_use]
    pub fn like(likeness: Likeness) -> Self {
        let settings = Self {
            likeness,
            models: models(likeness).iter().map(|&id| id.to_owned()).collect(),
            headers: headers(likeness),
            // Other providers' keys start with letters of their own, or with none that mean anything.
            key_prefix: match likeness {
                Likeness::OpenAi | Likeness::Anthropic | Likeness::DeepSeek => "sk-".to_owned(),
                _ => String::new(),
            },
            ..Self::default()
        };
        match likeness {
            Likeness::OpenAi => settings.limited(vec![
                Quota::requests_per_minute(500),
                Quota::tokens_per_minute(60_000),
            ]),
            Likeness::Azure => azure(settings),
            Likeness::Anthropic => anthropic(settings),
            Likeness::Gemini | Likeness::GeminiCompatible => gemini(settings),
            Likeness::Vertex => vertex(settings),
            Likeness::Bedrock => bedrock(settings),
            Likeness::Groq => groq(settings),
            Likeness::Mistral => mistral(settings),
            Likeness::Cerebras => cerebras(settings),
            Likeness::Together => together(settings),
            Likeness::DeepSeek => deepseek(settings),
            Likeness::OpenRouter => settings.limited(vec![
                fixed(Metric::Requests, 20, Quota::MINUTE_MS),
                fixed(Metric::Requests, 50, Quota::DAY_MS),
            ]),
            Likeness::XAi => xai(settings),
            Likeness::Cohere => settings.limited(vec![
                Quota::requests_per_minute(20).kept_as(QuotaKind::Sliding),
            ]),
            Likeness::Vllm => settings,
        }
    }

    /// Sets a limit on `amount` units per `window_ms`: the one of that window, or the shorter one in
    /// which it is kept (a minute's requests in pieces of ten seconds), or a new one. Where prompts are
    /// limited and not all tokens together, a limit on tokens is one on the prompts'.
    pub fn set_limit(&mut self, metric: Metric, amount: u64, window_ms: u64) {
        let quotas = &mut self.limits.quotas;
        let metrics_of = |quotas: &[Quota], metric| quotas.iter().any(|q| q.metric == metric);
        let metric = match metric {
            Metric::Tokens
                if !metrics_of(quotas, metric) && metrics_of(quotas, Metric::InputTokens) =>
            {
                Metric::InputTokens
            }
            other => other,
        };
        let mut is_set = false;
        for quota in quotas.iter_mut().filter(|quota| quota.metric == metric) {
            let is_piece =
                window_ms == Quota::MINUTE_MS && (1..Quota::MINUTE_MS).contains(&quota.window_ms);
            if quota.window_ms == window_ms || is_piece {
                let piece = u128::from(amount) * u128::from(quota.window_ms);
                let piece = piece.div_ceil(u128::from(window_ms.max(1)));
                quota.amount = u64::try_from(piece).unwrap_or(u64::MAX);
                is_set = true;
            }
        }
        if !is_set {
            quotas.push(Quota::bucket(metric, amount, window_ms));
        }
    }

    fn limited(mut self, quotas: Vec<Quota>) -> Self {
        self.limits.quotas = quotas;
        self
    }
}

/// Estimated maximum tokens against a counter that is reset each minute; requests in pieces of ten
/// seconds, of which the header shows one (6 requests per minute for each 1,000 tokens).
fn azure(settings: SimulatorSettings) -> SimulatorSettings {
    SimulatorSettings {
        charge_formula: ChargeFormula::EstimatePlusLimitTimesChoices,
        // The model's longest answer is assumed where a request names no limit.
        default_max_tokens: 4_096,
        pool_per_model: true,
        // Of the Responses API only.
        stream_refusals: StreamRefusals::InStreamWithRetryAfter,
        ..settings.limited(vec![
            fixed(Metric::Requests, 60, 10 * SECOND_MS),
            Quota::tokens_per_minute(60_000).kept_as(QuotaKind::FixedFromFirstUse),
        ])
    }
}

/// Buckets for each class of models. Input is estimated at the beginning and then set right, without
/// what was read from the cache; output counts as it is produced, whatever `max_tokens` says.
/// Not known: whether the first estimate contains what the cache holds; here it does not.
fn anthropic(settings: SimulatorSettings) -> SimulatorSettings {
    let quotas = vec![
        Quota::requests_per_minute(50),
        Quota::bucket(Metric::InputTokens, 30_000, Quota::MINUTE_MS),
        Quota::bucket(Metric::OutputTokens, 8_000, Quota::MINUTE_MS),
    ];
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas,
            refund: true,
            ..EnforcerSettings::default()
        },
        charge_formula: ChargeFormula::InputOnly,
        settlement: Settlement {
            cached_is_free: true,
            as_produced: true,
            ..Settlement::default()
        },
        counts_per_minute: Some(2_000),
        pool_per_model: true,
        context_tokens: 200_000,
        ..settings
    }
}

/// Requests and input tokens per minute, requests per day; per project and model. Failed calls count.
/// Not known: whether an estimate or the exact count of the input is charged; the end corrects it here.
/// The day of the real one begins at midnight of the American west coast, this one's in UTC.
fn gemini(settings: SimulatorSettings) -> SimulatorSettings {
    let quotas = vec![
        fixed(Metric::Requests, 15, Quota::MINUTE_MS),
        fixed(Metric::InputTokens, 250_000, Quota::MINUTE_MS),
        fixed(Metric::Requests, 1_000, Quota::DAY_MS),
    ];
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas,
            refund: true,
            ..EnforcerSettings::default()
        },
        charge_formula: ChargeFormula::InputOnly,
        pool_per_model: true,
        context_tokens: 1_048_576,
        ..settings
    }
}

/// No quota of one's own: what there is room for, which follows traffic. Not known: how it moves.
fn vertex(settings: SimulatorSettings) -> SimulatorSettings {
    let ramp = RampLimit {
        metric: Metric::InputTokens,
        floor: 60_000,
        growth_percent: 100,
        step_ms: Quota::MINUTE_MS,
        period_ms: Quota::MINUTE_MS,
    };
    SimulatorSettings {
        limits: EnforcerSettings {
            ramp: Some(ramp),
            ..EnforcerSettings::default()
        },
        charge_formula: ChargeFormula::InputOnly,
        pool_per_model: true,
        context_tokens: 1_048_576,
        ..settings
    }
}

/// Input and `max_tokens` are reserved, and settled with the answer's burndown rate of 5 (the one of
/// Claude 3.7 to 4.7); what was read from the cache is free. Not known: the shape of the windows, and
/// what is reserved for a request without a limit.
fn bedrock(settings: SimulatorSettings) -> SimulatorSettings {
    let quotas = vec![
        fixed(Metric::Requests, 200, Quota::MINUTE_MS),
        fixed(Metric::Tokens, 200_000, Quota::MINUTE_MS),
        fixed(Metric::Tokens, 50_000_000, Quota::DAY_MS),
    ];
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas,
            refund: true,
            ..EnforcerSettings::default()
        },
        charge_formula: ChargeFormula::EstimatePlusLimit,
        default_max_tokens: 4_096,
        settlement: Settlement {
            cached_is_free: true,
            output_weight: 5,
            ..Settlement::default()
        },
        pool_per_model: true,
        context_tokens: 200_000,
        ..settings
    }
}

/// Buckets as OpenAI's; cached tokens do not count. Not known: the charge at admission.
fn groq(settings: SimulatorSettings) -> SimulatorSettings {
    let quotas = vec![
        Quota::requests_per_minute(30),
        Quota::requests_per_day(14_400),
        Quota::tokens_per_minute(12_000),
        Quota::tokens_per_day(500_000),
    ];
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas,
            refund: true,
            ..EnforcerSettings::default()
        },
        settlement: Settlement {
            cached_is_free: true,
            ..Settlement::default()
        },
        pool_per_model: true,
        ..settings
    }
}

/// The minute of the clock. Not known: the charge at admission; the header of a whole answer tells what
/// it came to cost, so the end corrects it.
fn mistral(settings: SimulatorSettings) -> SimulatorSettings {
    let quotas = vec![
        fixed(Metric::Requests, 60, Quota::MINUTE_MS),
        fixed(Metric::Tokens, 100_000, Quota::MINUTE_MS),
    ];
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas,
            refund: true,
            ..EnforcerSettings::default()
        },
        pool_per_model: true,
        ..settings
    }
}

/// Requests and tokens per minute, hour and day. The estimated input and `max_completion_tokens` are
/// taken at admission and stay taken; 16,384 are assumed where a request names no limit. Not known: the
/// shape of the windows.
fn cerebras(settings: SimulatorSettings) -> SimulatorSettings {
    let quotas = vec![
        Quota::requests_per_minute(30),
        Quota::bucket(Metric::Requests, 900, HOUR_MS),
        Quota::requests_per_day(14_400),
        Quota::tokens_per_minute(60_000),
        Quota::bucket(Metric::Tokens, 1_000_000, HOUR_MS),
        Quota::tokens_per_day(1_000_000),
    ];
    SimulatorSettings {
        charge_formula: ChargeFormula::EstimatePlusLimit,
        default_max_tokens: 16_384,
        pool_per_model: true,
        ..settings.limited(quotas)
    }
}

/// A rate of requests that steady traffic raises. Not known: the formula; here each ten seconds may hold
/// 20 requests, or half as many again as the busiest ten seconds of the minute before.
fn together(settings: SimulatorSettings) -> SimulatorSettings {
    let ramp = RampLimit {
        metric: Metric::Requests,
        floor: 20,
        growth_percent: 50,
        step_ms: 10 * SECOND_MS,
        period_ms: Quota::MINUTE_MS,
    };
    SimulatorSettings {
        limits: EnforcerSettings {
            ramp: Some(ramp),
            ..EnforcerSettings::default()
        },
        pool_per_model: true,
        ..settings
    }
}

/// Requests in flight, of all keys of an account together, for each model.
fn deepseek(settings: SimulatorSettings) -> SimulatorSettings {
    SimulatorSettings {
        limits: EnforcerSettings {
            max_in_flight: Some(20),
            ..EnforcerSettings::default()
        },
        pool_per_model: true,
        ..settings
    }
}

/// Requests per second, tokens per minute; cached and reasoning tokens count. Not known: the charge at
/// admission, and how the minute is kept.
fn xai(settings: SimulatorSettings) -> SimulatorSettings {
    let quotas = vec![
        fixed(Metric::Requests, 5, SECOND_MS),
        Quota::tokens_per_minute(100_000),
    ];
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas,
            refund: true,
            ..EnforcerSettings::default()
        },
        pool_per_model: true,
        ..settings
    }
}

/// Which providers tell their limits and waits in headers at all.
fn headers(likeness: Likeness) -> HeaderSettings {
    let tells_wait = matches!(
        likeness,
        Likeness::OpenAi
            | Likeness::Azure
            | Likeness::Anthropic
            | Likeness::Groq
            | Likeness::Cerebras
            // Not known.
            | Likeness::XAi
    );
    HeaderSettings {
        rate_limits: true,
        project_tokens: likeness == Likeness::XAi,
        retry_after: tells_wait,
        retry_after_ms: matches!(likeness, Likeness::OpenAi | Likeness::Azure),
    }
}

const fn models(likeness: Likeness) -> &'static [&'static str] {
    match likeness {
        Likeness::OpenAi => &crate::settings::DEFAULT_MODELS,
        Likeness::Azure => &["gpt-4o", "gpt-4o-mini"],
        Likeness::Anthropic => &["claude-haiku-4-5", "claude-opus-4-5", "claude-sonnet-4-5"],
        Likeness::Gemini | Likeness::GeminiCompatible | Likeness::Vertex => {
            &["gemini-2.5-flash", "gemini-2.5-pro"]
        }
        Likeness::Bedrock => &["anthropic.claude-sonnet-4-5-20250929-v1:0"],
        Likeness::Groq => &["llama-3.3-70b-versatile", "openai/gpt-oss-20b"],
        Likeness::Mistral => &["mistral-large-latest", "mistral-small-latest"],
        Likeness::Cerebras => &["gpt-oss-120b", "llama-3.3-70b"],
        Likeness::Together => &["meta-llama/Llama-3.3-70B-Instruct-Turbo"],
        Likeness::DeepSeek => &["deepseek-chat", "deepseek-reasoner"],
        Likeness::OpenRouter => &["meta-llama/llama-3.3-70b-instruct:free"],
        Likeness::XAi => &["grok-4.5"],
        Likeness::Cohere => &["command-a-03-2025"],
        Likeness::Vllm => &["Qwen/Qwen2.5-7B-Instruct"],
    }
}

#[cfg(test)]
mod tests;
