//! From a request's head and body to what will be sent and what it will be charged.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body::Body as _;
use http_body_util::Full;
use paceline_config::SettleRule;
use paceline_limiter::{Charge, ChargeParts, Metric};
use paceline_provider::{
    BodyKind, ChargeRule, EndpointKind, Pacing, RequestFacts, with_include_usage,
};
use paceline_tokens::TextProfile;

use crate::body::UpstreamBody;
use crate::budget;
use crate::exchange::Exchange;
use crate::intake::{IntakeBounds, IntakeError, WholeBody, multipart_model, read_head, read_whole};
use crate::labels;
use crate::learn::{coarse_profile, estimate_input};
use crate::pace::{Asks, Pool, PoolKey, charge_parts, charge_rule};
use crate::respond::Problem;
use crate::server::CallerBody;
use crate::shared::{BufferedBytes, Live, Shared};

use super::is_read_in_full;

/// The model of calls that name none.
const NO_MODEL: &str = "-";

/// Bodies up to this size are read for the shape of their text.
const SHAPED_BYTES_MAX: usize = 64 * 1024;

/// What will be sent, and under which limits.
pub(crate) struct Plan {
    pub(crate) live: Arc<Live>,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
    /// The limit pool and the charge; `None` for calls that are not paced.
    pub(crate) paced: Option<Paced>,
    /// Whether the chunk that tells a stream's usage is kept from the caller.
    pub(crate) strip_usage: bool,
    /// Room that the body takes, given back when the request is over.
    pub(crate) _room: Option<BufferedBytes>,
}

/// Under which limits a call is paced.
pub(crate) struct Paced {
    pub(crate) pool: Arc<Pool>,
    pub(crate) charge: Charge,
    /// What the tokens of the charge are made from, where the provider's formula is learned.
    pub(crate) parts: Option<ChargeParts>,
    pub(crate) settle: SettleRule,
    pub(crate) penalty_tokens: u64,
}

/// A request's body.
pub(crate) enum Payload {
    /// Read in full: can be sent again.
    Whole(Bytes),
    /// Passed on as it comes: can be sent once.
    Streamed { head: Bytes, rest: CallerBody },
    /// Sent already.
    Gone,
}

impl Payload {
    /// The body to send now; `None` when it is gone.
    pub(crate) fn take(&mut self) -> Option<UpstreamBody> {
        if let Self::Whole(bytes) = self {
            return Some(UpstreamBody::Whole(Full::new(bytes.clone())));
        }
        match std::mem::replace(self, Self::Gone) {
            Self::Streamed { head, rest } => Some(UpstreamBody::Streamed {
                head: (!head.is_empty()).then_some(head),
                rest,
            }),
            _ => None,
        }
    }

    /// Whether the request can be sent again.
    pub(crate) fn repeatable(&self) -> bool {
        matches!(self, Self::Whole(_))
    }
}

/// Reads what is needed of the body and decides what the call is charged.
///
/// # Errors
/// When the body cannot be read or can never be valid.
pub(crate) async fn read(
    shared: &Arc<Shared>,
    live: &Arc<Live>,
    request: Request<CallerBody>,
    exchange: &mut Exchange,
) -> Result<Plan, IntakeError> {
    let endpoint = exchange.endpoint;
    check_metered(live, exchange, request.uri().path()).map_err(IntakeError::Problem)?;
    let (head, mut body) = request.into_parts();
    let server = &live.settings.server;
    let mut plan = Plan {
        live: Arc::clone(live),
        method: head.method,
        uri: head.uri,
        headers: head.headers,
        payload: Payload::Gone,
        paced: None,
        strip_usage: false,
        _room: None,
    };
    if is_read_in_full(&endpoint) {
        let bounds = IntakeBounds {
            bytes_max: server.body_max_bytes,
            pause_max: server.body_timeout,
        };
        let WholeBody { bytes, room } = read_whole(body, bounds, shared).await?;
        plan._room = room;
        plan_json(shared, &mut plan, exchange, bytes).map_err(IntakeError::Problem)?;
        return Ok(plan);
    }
    let mut first = Bytes::new();
    if endpoint.pacing != Pacing::None {
        if endpoint.body == BodyKind::Multipart {
            first = read_head(&mut body, server.body_timeout).await?;
        }
        let model = multipart_model(&first).unwrap_or(NO_MODEL);
        exchange.model = Some(Arc::from(model));
        let images = u64::from(endpoint.pacing == Pacing::Images);
        let charge = Charge::ZERO
            .with(Metric::Requests, 1)
            .with(Metric::Images, images);
        plan.paced =
            Some(paced(shared, live, exchange, (charge, None)).map_err(IntakeError::Problem)?);
    }
    if body.is_end_stream() && first.is_empty() {
        plan.payload = Payload::Whole(Bytes::new());
        return Ok(plan);
    }
    plan.payload = Payload::Streamed {
        head: first,
        rest: body,
    };
    Ok(plan)
}

fn plan_json(
    shared: &Arc<Shared>,
    plan: &mut Plan,
    exchange: &mut Exchange,
    body: Bytes,
) -> Result<(), Problem> {
    let live = Arc::clone(&plan.live);
    let kind = exchange.endpoint.kind;
    let (facts, profile) = read_facts(kind, &body)?;
    let input = estimate_input(&facts, profile, &live);
    let model: Arc<str> = Arc::from(&*facts.model);
    exchange.stream = facts.stream;
    exchange.model = Some(Arc::clone(&model));
    let rule = live.settings.domain_for(&model);
    let expected = shared.estimate(&model, labels::endpoint(kind), live.estimator, &input);
    let estimate = expected.estimate;
    // What the provider deducts at admission, which is not what the call will use in the end.
    let tokens = match live.estimator {
        paceline_tokens::Estimator::Calibrated => charge_rule(rule.charge).tokens(&facts),
        paceline_tokens::Estimator::Simple | paceline_tokens::Estimator::Generous => {
            estimate.total()
        }
    };
    let charge = Charge::ZERO
        .with(Metric::Requests, 1)
        .with(Metric::Tokens, tokens)
        .with(Metric::InputTokens, estimate.input_tokens)
        .with(Metric::OutputTokens, estimate.output_tokens)
        .with(
            Metric::Images,
            ChargeRule::images(exchange.endpoint.pacing, &facts),
        );
    let parts = match live.estimator {
        paceline_tokens::Estimator::Calibrated => charge_parts(rule.charge, &facts),
        paceline_tokens::Estimator::Simple | paceline_tokens::Estimator::Generous => None,
    };
    exchange.estimated_tokens = tokens;
    exchange.expected_output_tokens = expected.output_tokens();
    exchange.estimate = Some(input);
    exchange.estimated_input_tokens = estimate.input_tokens;
    exchange.images = charge.get(Metric::Images);
    let choices = u64::from(facts.n.max(facts.best_of).max(1));
    exchange.output_bound = facts
        .max_output_tokens
        .map(|tokens| tokens.saturating_mul(choices));
    exchange.service_tier = facts.service_tier.as_deref().map(str::to_owned);
    let wants_usage = live.settings.upstream.include_usage
        && facts.stream
        && facts.include_usage != Some(true)
        && matches!(
            kind,
            EndpointKind::ChatCompletions | EndpointKind::Completions
        );
    let rewritten = if wants_usage {
        with_include_usage(&body)
    } else {
        None
    };
    plan.strip_usage = rewritten.is_some();
    plan.paced = Some(paced(shared, &live, exchange, (charge, parts))?);
    plan.payload = Payload::Whole(rewritten.unwrap_or(body));
    Ok(())
}

/// Reads the facts and, of bodies that are not too large for it, the shape of the text: it makes the
/// estimate of tokens exact to a few percent, at about two microseconds a kibibyte.
fn read_facts(kind: EndpointKind, body: &[u8]) -> Result<(RequestFacts<'_>, TextProfile), Problem> {
    let mut profile = TextProfile::default();
    let facts = if body.len() <= SHAPED_BYTES_MAX {
        let mut add = |text: &str| profile += TextProfile::of(text);
        RequestFacts::parse_with_text(kind, body, &mut add)
    } else {
        RequestFacts::parse(kind, body)
    };
    let facts = facts.map_err(|error| Problem::invalid_body(&error))?;
    if body.len() > SHAPED_BYTES_MAX {
        profile = coarse_profile(&facts);
    }
    Ok((facts, profile))
}

/// Whether the caller's key is for the model.
pub(crate) fn check_model(exchange: &Exchange) -> Result<(), Problem> {
    let (Some(key), Some(model)) = (&exchange.caller.key, &exchange.model) else {
        return Ok(());
    };
    if key.allows(model) {
        return Ok(());
    }
    Err(Problem::model_not_allowed(model, &key.id))
}

/// Whether what the call spends is seen here, where the caller is bound to that: by a hard budget, or
/// by a key that is for certain models alone.
fn check_metered(live: &Live, exchange: &Exchange, path: &str) -> Result<(), Problem> {
    if !exchange.endpoint.unmetered {
        return Ok(());
    }
    let caller = &exchange.caller;
    if let Some(key) = caller.key.as_ref().filter(|key| !key.models.is_empty()) {
        let why = format!("the key {} is for certain models alone", key.id);
        return Err(Problem::path_not_metered(path, &why));
    }
    match budget::hard_budget_of(&live.settings.budgets, caller) {
        Some(name) => {
            let why = format!("the budget {name} holds for this caller");
            Err(Problem::path_not_metered(path, &why))
        }
        None => Ok(()),
    }
}

fn paced(
    shared: &Shared,
    live: &Live,
    exchange: &mut Exchange,
    (charge, parts): (Charge, Option<ChargeParts>),
) -> Result<Paced, Problem> {
    check_model(exchange)?;
    let model = exchange.model.as_deref().unwrap_or(NO_MODEL);
    let rule = live.settings.domain_for(model);
    let asks = Asks {
        key: PoolKey::of(rule, exchange.caller.credential, model),
        input_tokens: charge.get(Metric::InputTokens),
    };
    let pool = shared
        .registry
        .pool(&asks, rule, &live.settings)
        .map_err(|error| {
            tracing::error!(%error, rule = %rule.name, "the limiter refuses its settings");
            Problem::internal()
        })?;
    exchange.pool = Some(Arc::clone(pool.watch().name()));
    exchange.asks = Some(asks);
    Ok(Paced {
        pool,
        charge,
        parts,
        settle: rule.settle,
        penalty_tokens: rule.penalty_tokens,
    })
}

/// Lets a call that is tried again use the pool that its like use by now.
pub(super) fn choose_pool_again(plan: &mut Plan, exchange: &mut Exchange) {
    let (Some(paced), Some(asks)) = (&mut plan.paced, &exchange.asks) else {
        return;
    };
    let settings = &plan.live.settings;
    let rule = settings.domain_for(exchange.model.as_deref().unwrap_or(NO_MODEL));
    // The settings were good for the first attempt; the pool of that one stays otherwise.
    if let Ok(pool) = exchange.shared.registry.pool(asks, rule, settings) {
        exchange.pool = Some(Arc::clone(pool.watch().name()));
        paced.pool = pool;
    }
}
