//! Whether a batch would be through in time: `POST /v1/batches/preflight`.
//!
//! Nothing is reserved: what others do meanwhile may make it otherwise. Every line of the batch is held
//! to limits and budgets when it comes, whatever was answered here.

mod projection;
mod shares;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use paceline_config::{DomainRule, FallBack, SettleRule, parse_duration};
use paceline_limiter::{Charge, ChargeParts, DomainSnapshot, Metric, Refusal};
use paceline_provider::{Endpoint, EndpointKind};
use paceline_routing::Health;
use paceline_tokens::{OutputKey, PredictionSource};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::OwnCall;
use crate::body::ReplyBody;
use crate::budget::BatchSpend;
use crate::caller::Caller;
use crate::intake::{IntakeBounds, IntakeError, read_whole};
use crate::labels;
use crate::pace::Pool;
use crate::respond::Problem;
use crate::route::{Route, Wanted};
use crate::serve::way::{Maker, Toll, Way};
use crate::serve::{check_model, tags_of};
use crate::shared::{Live, Shared};

use projection::{Binds, Projection};
use shares::{Part, Shares, share};

/// What is asked is short.
const BODY_BYTES_MAX: u64 = 16 * 1024;

/// No batch has more requests, or tokens.
const REQUESTS_MAX: u64 = 1_000_000_000;
const TOKENS_MAX: u64 = 1_000_000_000_000_000;

/// Waiting requests that are looked at one by one; of more, the rest counts as these do on average.
const WAITING_SEEN: usize = 10_000;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    model: String,
    requests: u64,
    /// Of all requests together.
    input_tokens: u64,
    /// That each request allows.
    max_output_tokens: Option<u64>,
    endpoint: Option<String>,
    within: Option<String>,
}

/// A batch as it is asked for, checked.
#[derive(Debug)]
struct Batch {
    model: String,
    kind: EndpointKind,
    requests: u64,
    input_each: u64,
    max_output: Option<u64>,
    within: Duration,
}

/// The answer to a batch that can start.
#[derive(Serialize)]
struct Admitted<'a> {
    admitted: bool,
    model: &'a str,
    pool: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pools: Option<Value>,
    limits: &'static str,
    projected_tokens: u64,
    expected_seconds: Option<f64>,
    within_seconds: f64,
    binds: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggested_concurrency: Option<u32>,
}

pub(super) async fn answer(
    shared: &Arc<Shared>,
    call: OwnCall,
) -> Result<Response<ReplyBody>, IntakeError> {
    let counter = &shared.metrics.batch_preflights;
    let bounds = IntakeBounds {
        bytes_max: BODY_BYTES_MAX,
        pause_max: call.live.settings.server.body_timeout,
    };
    let OwnCall {
        live,
        caller,
        request,
        ..
    } = call;
    let (head, body) = request.into_parts();
    let body = read_whole(body, bounds, shared).await?.bytes;
    let batch = read(&body, &live).map_err(IntakeError::Problem)?;
    check_model(&caller, &batch.model).map_err(IntakeError::Problem)?;
    let asker = (&*live, &caller, &head.headers);
    let ways = ways_of(shared, asker, &batch).map_err(IntakeError::Problem)?;
    let output = output_each(shared, &live, &batch);
    let parts = match parts_of(shared, &live, &ways, (&batch, output)) {
        Ok(parts) => parts,
        Err(problem) => {
            counter.of(&["refused"]).inc();
            return Err(IntakeError::Problem(problem));
        }
    };
    let lanes: Vec<_> = ways.iter().map(|way| &*way.lane).collect();
    let spend = BatchSpend {
        lanes: &lanes,
        requests: batch.requests,
        input_each: batch.input_each,
        output_each: output.allowed,
    };
    let budgeted = shared
        .purse
        .could_hold(&live.settings, &caller, spend, shared);
    if let Err(problem) = budgeted.await {
        counter.of(&["budget"]).inc();
        return Err(IntakeError::Problem(problem));
    }
    let plan = share(&parts, batch.requests);
    let seen = Seen {
        parts: &parts,
        plan,
        batch: &batch,
    };
    Ok(seen.verdict(shared))
}

/// The ways that the batch's requests can take: those of the first priority, and where calls fall back
/// on a quota that is spent all others too. Lanes that are ill are left out, unless all are.
fn ways_of(
    shared: &Arc<Shared>,
    (live, caller, headers): (&Live, &Caller, &HeaderMap),
    batch: &Batch,
) -> Result<Vec<Way>, Problem> {
    let tags = tags_of(caller);
    let wanted = Wanted {
        model: &batch.model,
        tags: &tags,
        dialect: batch.kind.dialect(),
    };
    let route = Route::find(&live.settings, wanted);
    check_model(caller, route.name)?;
    let maker = Maker {
        shared,
        live,
        caller,
        headers,
        kind: batch.kind,
        model: &batch.model,
        is_behind_rule: route.rule.is_some(),
    };
    let toll = |_: &DomainRule, _| Toll {
        input_tokens: batch.input_each,
        ..Toll::flat(Charge::ZERO)
    };
    let spills = route
        .rule
        .is_some_and(|rule| rule.fall_back_on.contains(&FallBack::Quota));
    let first = route.lanes.iter().map(|lane| lane.priority).min();
    let lanes = route.lanes.iter();
    let lanes = lanes.filter(|lane| spills || Some(lane.priority) == first);
    let ways: Result<Vec<_>, _> = lanes.map(|lane| maker.way(lane, Some(&toll))).collect();
    let mut ways = ways?;
    let is_ill = |way: &Way| matches!(way.lane.health(), Health::Ill { .. });
    if !ways.iter().all(is_ill) {
        ways.retain(|way| !is_ill(way));
    }
    Ok(ways)
}

/// The pools behind the ways, each once, with what each of the batch's requests takes of it.
///
/// # Errors
/// When each request is more than a whole limit of each of them allows.
fn parts_of(
    shared: &Shared,
    live: &Live,
    ways: &[Way],
    (batch, output): (&Batch, Output),
) -> Result<Vec<Part>, Problem> {
    let mut parts: Vec<Part> = Vec::new();
    let mut problem = Problem::internal();
    for way in ways {
        let Some(paced) = &way.paced else {
            continue;
        };
        if parts
            .iter()
            .any(|part| Arc::ptr_eq(&part.pool, &paced.pool))
        {
            continue;
        }
        let rule = live.settings.domain_at(&way.lane.provider, &way.lane.model);
        let snapshot = paced.pool.snapshot();
        let each = charge_of_each(rule, &snapshot, batch, output);
        if let Some(too_large) = too_large(&snapshot, each, paced.pool.watch().name()) {
            problem = too_large;
            continue;
        }
        let until = snapshot.cool_down_until;
        let now = shared.clock.now();
        parts.push(Part {
            cool_down: until.map_or(Duration::ZERO, |until| until.saturating_since(now)),
            ahead: ahead(&paced.pool, &snapshot),
            pool: Arc::clone(&paced.pool),
            snapshot,
            each,
        });
    }
    match parts.is_empty() {
        true => Err(problem),
        false => Ok(parts),
    }
}

/// A batch before its pools.
struct Seen<'a> {
    parts: &'a [Part],
    plan: Shares,
    batch: &'a Batch,
}

impl Seen<'_> {
    fn verdict(&self, shared: &Shared) -> Response<ReplyBody> {
        let counter = &shared.metrics.batch_preflights;
        let Some(projection) = self.plan.projection else {
            counter.of(&["unknown"]).inc();
            return self.admitted(None);
        };
        if projection.takes > self.batch.within {
            counter.of(&["refused"]).inc();
            let refusals = &shared.metrics.refusals;
            refusals.of(&["gateway", "BATCH_RATE_LIMITED"]).inc();
            return self.refused(&projection);
        }
        counter.of(&["admitted"]).inc();
        self.admitted(Some(&projection))
    }

    /// The pool that takes most of the batch.
    fn pool(&self) -> &str {
        self.parts[self.plan.largest].pool.watch().name()
    }

    /// Each pool with its requests, where there are several.
    fn pools(&self) -> Option<Value> {
        let pools = self.parts.iter().zip(&self.plan.requests);
        let told = pools.map(
            |(part, requests)| json!({ "pool": &**part.pool.watch().name(), "requests": requests }),
        );
        (self.parts.len() > 1).then(|| told.collect())
    }

    /// Tokens of the whole batch, as its pools count them.
    fn tokens(&self) -> u64 {
        let pools = self.parts.iter().zip(&self.plan.requests);
        let tokens = pools.map(|(part, requests)| {
            let each = part.each.get(Metric::Tokens);
            each.saturating_mul(*requests)
        });
        tokens.fold(0, u64::saturating_add)
    }

    /// Requests that may be in flight at once; `None` where a pool does not bound them.
    fn concurrency(&self) -> Option<u32> {
        let bounds = self.parts.iter().map(|part| part.snapshot.concurrency_max);
        bounds.sum()
    }

    fn admitted(&self, projection: Option<&Projection>) -> Response<ReplyBody> {
        let known = projection.is_some();
        super::json(
            StatusCode::OK,
            &Admitted {
                admitted: true,
                model: &self.batch.model,
                pool: self.pool(),
                pools: self.pools(),
                limits: if known { "known" } else { "unknown" },
                projected_tokens: self.tokens(),
                expected_seconds: projection.map(|projection| seconds(projection.takes)),
                within_seconds: seconds(self.batch.within),
                binds: projection.and_then(|projection| projection.binds.map(described)),
                suggested_concurrency: self.concurrency(),
            },
        )
    }

    fn refused(&self, projection: &Projection) -> Response<ReplyBody> {
        let within = self.batch.within;
        let wait = projection.takes.saturating_sub(within);
        let tokens = self.tokens();
        let pool = match self.parts.len() {
            1 => self.pool().to_owned(),
            count => format!("{count} limit pools"),
        };
        let remedy = if projection.takes_alone > within {
            format!(
                "even alone it would take {:.0} s: allow more with \"within\", or split it",
                seconds(projection.takes_alone).ceil()
            )
        } else {
            format!("ask again in {:.0} s", seconds(wait).ceil())
        };
        let problem = Problem::batch_rate_limited(
            format!(
                "{} requests with {tokens} projected tokens take {:.0} s in {pool}, behind what waits there, and \
                 may take {:.0} s: {} is in the way; {remedy}",
                self.batch.requests,
                seconds(projection.takes).ceil(),
                seconds(within),
                projection.binds.map_or("its queue".to_owned(), named),
            ),
            wait,
        );
        let mut envelope: Value = serde_json::from_slice(&problem.envelope()).unwrap_or_default();
        let figures = json!({
            "admitted": false,
            "model": self.batch.model,
            "pool": self.pool(),
            "pools": self.pools(),
            "projected_tokens": tokens,
            "expected_seconds": seconds(projection.takes),
            "expected_seconds_alone": seconds(projection.takes_alone),
            "within_seconds": seconds(within),
            "suggested_wait_seconds": seconds(wait).ceil().max(1.0),
            "binds": projection.binds.map(described),
        });
        if let (Some(error), Value::Object(figures)) = (envelope["error"].as_object_mut(), figures)
        {
            error.extend(figures);
        }
        let mut response = problem.into_response();
        *response.body_mut() = ReplyBody::whole(Bytes::from(envelope.to_string()));
        response
    }
}

fn read(body: &[u8], live: &Live) -> Result<Batch, Problem> {
    let asked: Asked = serde_json::from_slice(body).map_err(|error| {
        Problem::invalid_request(format!("the question is not understood: {error}"), None)
    })?;
    let wrong = |param: &'static str, expected: &str| {
        Problem::invalid_request(format!("{param:?} is to be {expected}"), Some(param))
    };
    if asked.model.is_empty() || asked.model.len() > 256 {
        return Err(wrong("model", "the name of a model"));
    }
    if !(1..=REQUESTS_MAX).contains(&asked.requests) {
        return Err(wrong("requests", "a number of requests, from 1"));
    }
    if asked.input_tokens > TOKENS_MAX {
        return Err(wrong(
            "input_tokens",
            "a number of tokens, of all requests together",
        ));
    }
    if asked
        .max_output_tokens
        .is_some_and(|tokens| tokens > 100_000_000)
    {
        return Err(wrong(
            "max_output_tokens",
            "the most output tokens of each request",
        ));
    }
    let within = match &asked.within {
        None => live.settings.batches.preflight_within,
        Some(text) => parse_duration(text)
            .filter(|within| !within.is_zero())
            .ok_or_else(|| wrong("within", "a duration such as 10m or 2h"))?,
    };
    let path = asked.endpoint.as_deref().unwrap_or("/v1/chat/completions");
    Ok(Batch {
        kind: Endpoint::classify(&Method::POST, path).kind,
        requests: asked.requests,
        input_each: asked.input_tokens.div_ceil(asked.requests),
        max_output: asked.max_output_tokens,
        within,
        model: asked.model,
    })
}

/// Tokens of one answer.
#[derive(Clone, Copy)]
struct Output {
    /// The most, where the batch says so, else what is expected.
    allowed: u64,
    /// Probably.
    expected: u64,
}

fn output_each(shared: &Shared, live: &Live, batch: &Batch) -> Output {
    if matches!(
        batch.kind,
        EndpointKind::Embeddings | EndpointKind::Moderations
    ) {
        let (allowed, expected) = (0, 0);
        return Output { allowed, expected };
    }
    let key = OutputKey {
        model: &batch.model,
        route: labels::endpoint(batch.kind),
        max_output_tokens: batch.max_output,
    };
    let assumed = live.settings.default_output_tokens;
    let learned = shared.learned.lock().output_lengths.predict(key, assumed);
    let expected = match (learned.source, batch.max_output) {
        // Nothing is known but what the batch says.
        (PredictionSource::Default, Some(most)) => most,
        _ => learned
            .typical_tokens
            .min(batch.max_output.unwrap_or(u64::MAX)),
    };
    Output {
        allowed: batch.max_output.unwrap_or(expected),
        expected,
    }
}

/// What each request takes of the pool's limits in the end.
fn charge_of_each(
    rule: &DomainRule,
    snapshot: &DomainSnapshot,
    batch: &Batch,
    output: Output,
) -> Charge {
    use paceline_config::ChargeRule;
    let input = batch.input_each;
    let formula = snapshot.charge.formula;
    let is_refunded = match rule.settle {
        SettleRule::Actual => true,
        SettleRule::AtAdmission | SettleRule::Highest => false,
        SettleRule::Learned => formula.refunds,
    };
    let used = input.saturating_add(output.expected);
    let parts = ChargeParts {
        input,
        output_max: output.allowed,
    };
    let tokens = match rule.charge {
        _ if is_refunded => used,
        ChargeRule::Learned => formula.tokens(&parts),
        ChargeRule::Max => input.max(output.allowed),
        ChargeRule::Sum => input.saturating_add(output.allowed),
    };
    Charge::ZERO
        .with(Metric::Requests, 1)
        .with(Metric::Tokens, tokens)
        .with(Metric::InputTokens, input)
        .with(Metric::OutputTokens, output.expected)
}

/// Each request may be more than a whole limit allows.
fn too_large(snapshot: &DomainSnapshot, each: Charge, pool: &str) -> Option<Problem> {
    let limit = snapshot
        .limits
        .iter()
        .find(|limit| each.get(limit.metric) > limit.amount)?;
    let refusal = Refusal::TooLarge {
        metric: limit.metric,
        amount: limit.amount,
        window: limit.window,
        requested: each.get(limit.metric),
    };
    Some(Problem::refusal(&refusal, pool))
}

/// What those that wait already take in all.
fn ahead(pool: &Pool, snapshot: &DomainSnapshot) -> Charge {
    let waiting = snapshot.waiting.iter().sum::<usize>();
    if waiting == 0 {
        return Charge::ZERO;
    }
    let seen = pool.waiting(WAITING_SEEN);
    let count = u128::try_from(seen.len().max(1)).unwrap_or(1);
    let all = u128::try_from(waiting).unwrap_or(count).max(count);
    Metric::ALL.into_iter().fold(Charge::ZERO, |sum, metric| {
        let units: u128 = seen
            .iter()
            .map(|(_, view)| u128::from(view.charge.get(metric)))
            .sum();
        let units = units.saturating_mul(all) / count;
        sum.with(metric, u64::try_from(units).unwrap_or(u64::MAX))
    })
}

/// To the millisecond.
fn seconds(duration: Duration) -> f64 {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).as_secs_f64()
}

fn named(binds: Binds) -> String {
    match binds {
        Binds::Limit {
            metric,
            amount,
            window,
            ..
        } => format!("{amount} {} in {} s", metric.name(), window.as_secs_f64()),
        Binds::Spacing => "launch spacing".to_owned(),
        Binds::CoolDown => "a cool-down".to_owned(),
    }
}

fn described(binds: Binds) -> Value {
    match binds {
        Binds::Limit {
            metric,
            amount,
            window,
            used,
        } => json!({
            "what": "limit",
            "metric": metric.name(),
            "amount": amount,
            "window_seconds": window.as_secs_f64(),
            "used": used,
        }),
        Binds::Spacing => json!({ "what": "spacing" }),
        Binds::CoolDown => json!({ "what": "cool_down" }),
    }
}
