//! One batch, planned and played.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use paceline_batch::plan::{Bind, Latency, LimitsSource, PlanSettings, Planner, Pool, Settle};
use paceline_batch::{Concurrency, Item, LineId, Pricing};
use paceline_limiter::{
    Charge, ChargeFormula, Combine, DomainSettings, Limit, Metric, Timestamp, WindowModel,
};
use paceline_proving::{
    Arrivals, Delay, Formula, Gateway, Kind, Knowledge, Metric as Quoted, Priority, QuotaRule, Run,
    Scenario, Sender, Settle as Settled, Size, Span,
};
use paceline_tokens::prices::PriceBook;
use paceline_tokens::{Calibrations, OutputKey, OutputLengths};
use serde_json::json;

use super::draws::Draws;
use super::workloads::Workload;

const GUARD: Duration = Duration::from_millis(200);

/// Answers of each kind that were seen before.
const SEEN: u64 = 2_000;

/// The ways to the provider and back.
const THERE_MS: Span = Span(20, 100);
const BACK_MS: Span = Span(10, 50);

/// 20,000 days after 1970, where the proving ground begins, and the middle of the minute in which it
/// does so.
const START: Timestamp = Timestamp::from_nanos((20_000 * 86_400 + 30) * 1_000_000_000);

/// A plan and what came of it.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) planned_s: f64,
    pub(crate) played_s: f64,
    pub(crate) binds: Option<Bind>,
}

pub(crate) fn judge(workload: &Workload) -> Judged {
    let plan = planner(workload).plan(None).unwrap();
    assert_eq!(plan.requests, workload.requests);
    assert_eq!(plan.unreadable.count, 0);
    let pool = plan.pools.first().unwrap();
    assert_eq!(pool.too_large.count, 0);
    Judged {
        planned_s: Duration::from_millis(plan.course.wall_ms).as_secs_f64(),
        played_s: played(workload),
        binds: plan.course.binds.first().map(|share| share.bind.clone()),
    }
}

/// When the proving ground has the last answer.
fn played(workload: &Workload) -> f64 {
    let scenario = scenario(workload);
    assert!(scenario.is_sound(), "{}", scenario.to_toml().unwrap());
    let report = Run::play(&scenario, Sender::Gateway, 7).unwrap().report;
    assert_eq!(report.served, workload.requests, "{report:?}");
    assert_eq!(report.violations, Vec::<String>::new());
    report.last_answer_s
}

fn scenario(workload: &Workload) -> Scenario {
    let kinds = workload.prompts.len() as u64;
    let streams = workload
        .prompts
        .iter()
        .map(|(model, prompt)| paceline_proving::Workload {
            tenant: (*model).to_owned(),
            tenants: 1,
            weight: 1,
            priority: Priority::Batch,
            start_s: 0,
            arrivals: Arrivals::Job {
                requests: workload.requests / kinds,
                concurrency: Some(workload.concurrency / kinds),
            },
            prompt_tokens: *prompt,
            max_tokens: workload.max_tokens,
            output_tokens: workload.output,
            characters_per_token: 4.0,
            patience_s: None,
        });
    let mut scenario = Scenario::parse("minimal", MINIMAL).unwrap();
    scenario.duration_s = 6 * 86_400;
    scenario.gateway = Gateway {
        knows: Knowledge::Everything,
        guard_ms: 200,
        charge: Some(workload.formula),
        settle: match workload.corrected {
            true => Settled::Actual,
            false => Settled::AtAdmission,
        },
        ..Gateway::default()
    };
    scenario.delay = Delay {
        to_provider_ms: THERE_MS,
        from_provider_ms: BACK_MS,
        processing_ms: workload.processing_ms,
        streaming_ms: workload.streaming_ms,
        timeout_s: 600,
    };
    scenario.provider.quota = workload.quotas.clone();
    scenario.provider.formula = workload.formula;
    scenario.provider.refund = workload.corrected;
    scenario.workload = streams.collect();
    scenario
}

const MINIMAL: &str = r#"
duration_s = 60
[provider]
[[provider.quota]]
metric = "tokens"
amount = 1000
[[workload]]
arrivals = { job = { requests = 1 } }
"#;

fn planner(workload: &Workload) -> Planner {
    let settings = PlanSettings {
        pricing: Pricing {
            book: Arc::new(PriceBook::built_in()),
            provider: "openai".into(),
        },
        calibrations: Calibrations::default(),
        output_lengths: seen(workload),
        default_output_tokens: 1_000,
        exact: false,
        concurrency: Concurrency::Fixed(workload.concurrency as usize),
        latency: latency(workload),
        start: START,
    };
    let pool = pool(workload);
    let mut planner = Planner::new(settings, move |_| pool.clone());
    let mut draws = Draws::new(3);
    for number in 0..workload.requests {
        planner.add(&item(workload, number as u32, &mut draws));
    }
    planner
}

/// What a gateway has learned of such answers.
fn seen(workload: &Workload) -> OutputLengths {
    let mut lengths = OutputLengths::default();
    let mut draws = Draws::new(11);
    if workload.output == Size::Fixed(0) {
        return lengths;
    }
    for (model, _) in &workload.prompts {
        for _ in 0..SEEN {
            let drawn = draws.size(workload.output);
            let key = OutputKey {
                model,
                route: "chat_completions",
                max_output_tokens: workload.max_tokens,
            };
            lengths.observe(key, drawn.min(workload.max_tokens.unwrap_or(u64::MAX)));
        }
    }
    lengths
}

/// What a run would have measured, on average.
fn latency(workload: &Workload) -> Latency {
    let spans = [
        THERE_MS,
        BACK_MS,
        workload.processing_ms,
        workload.streaming_ms,
    ];
    let mean_ms: u64 = spans.iter().map(|Span(low, high)| (low + high) / 2).sum();
    Latency {
        first: Duration::from_millis(mean_ms),
        tokens_per_second: 0.0,
    }
}

fn pool(workload: &Workload) -> Pool {
    Pool {
        name: "default".to_owned(),
        source: LimitsSource::Configured,
        settings: DomainSettings {
            limits: workload.quotas.iter().map(limit).collect(),
            ..DomainSettings::default()
        },
        charge: ChargeFormula {
            combine: match workload.formula {
                Formula::Max => Combine::Max,
                Formula::Sum => Combine::Sum,
                Formula::InputOnly => Combine::Input,
            },
            ..ChargeFormula::CAUTIOUS
        },
        settle: match workload.corrected {
            true => Settle::Actual,
            false => Settle::AsReserved,
        },
        used: Charge::ZERO,
    }
}

fn limit(quota: &QuotaRule) -> Limit {
    Limit {
        metric: match quota.metric {
            Quoted::Requests => Metric::Requests,
            Quoted::Tokens => Metric::Tokens,
            Quoted::InputTokens => Metric::InputTokens,
            Quoted::OutputTokens => Metric::OutputTokens,
            Quoted::Images => Metric::Images,
        },
        amount: quota.amount,
        window: Duration::from_secs(quota.window_s),
        model: match quota.kind {
            Kind::Bucket => WindowModel::Bucket {
                burst: quota.amount,
            },
            Kind::BucketBurst { burst } => WindowModel::Bucket { burst },
            Kind::Fixed => WindowModel::Fixed {
                phase: Timestamp::ZERO,
            },
            Kind::FixedFromFirstUse => WindowModel::FixedFromFirstUse,
            Kind::Sliding => WindowModel::Sliding,
            Kind::Quantised { quantum_ms } => WindowModel::Quantised {
                quantum: Duration::from_millis(quantum_ms),
            },
        },
        guard: GUARD,
    }
}

fn item(workload: &Workload, number: u32, draws: &mut Draws) -> Item {
    let (model, prompt) = workload.prompts[number as usize % workload.prompts.len()];
    // Four characters, of which each is a token.
    let text = "dog ".repeat(draws.size(prompt) as usize);
    let mut body = match workload.url {
        "/v1/embeddings" => json!({"model": model, "input": text}),
        _ => json!({"model": model, "messages": [{"role": "user", "content": text}]}),
    };
    if let Some(most) = workload.max_tokens {
        body["max_tokens"] = most.into();
    }
    Item {
        id: LineId(number),
        line: u64::from(number) + 1,
        custom_id: format!("request-{number}"),
        url: workload.url.to_owned(),
        body: Bytes::from(body.to_string()),
    }
}
