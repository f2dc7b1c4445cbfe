//! From a request's head and body to what will be sent and what it will be charged.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Uri};
use http_body::Body as _;
use paceline_config::{Choose, DomainRule, ModelRule, Settings};
use paceline_limiter::{Charge, Metric};
use paceline_provider::{
    Admission, BodyKind, Endpoint, EndpointKind, Pacing, Profile, RequestFacts,
};
use paceline_tokens::{Estimate, TextProfile};
use parking_lot::Mutex;

use crate::body::UpstreamBody;
use crate::budget;
use crate::caller::Caller;
use crate::exchange::Exchange;
use crate::form::{FormBounds, NamedModel, read_form};
use crate::intake::{IntakeBounds, IntakeError, WholeBody, read_whole};
use crate::labels;
use crate::lanes::{Chooser, routing_time};
use crate::learn::{coarse_profile, estimate_input};
use crate::pace::{charge_parts, charge_rule};
use crate::record::split_tags;
use crate::respond::Problem;
use crate::route::{Route, Wanted, speaking};
use crate::server::CallerBody;
use crate::shared::{BufferedBytes, Live, Shared};
use crate::stored::{Place, response_in_path};

use super::is_read_in_full;
use super::way::{Maker, Toll, TollOf, Way};

/// The model of calls that name none.
const NO_MODEL: &str = "-";

/// Bodies up to this size are read for the shape of their text.
const SHAPED_BYTES_MAX: usize = 64 * 1024;

/// What will be sent, and the ways that it can take.
pub(crate) struct Plan {
    pub(crate) live: Arc<Live>,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
    /// The model that the body names, where that is a form.
    pub(crate) model_in_form: Option<NamedModel>,
    /// The ways that the call can take: one at least.
    pub(crate) ways: Vec<Way>,
    /// The place in `settings.models` of the rule that says what is behind the name.
    pub(crate) rule: Option<usize>,
    /// Whether callers' keys go nowhere: there are several lanes, or it was so before.
    pub(crate) own_key_only: bool,
    /// Whether a stream may be asked for its usage, which is then kept from the caller.
    pub(crate) asks_usage: bool,
    /// Input and output that are to be expected, in tokens.
    pub(crate) expected_tokens: u64,
    /// Room that the body takes, given back when the request is over.
    pub(crate) _room: Option<BufferedBytes>,
}

impl Plan {
    /// The lanes that are as good as each other: those of one priority, and each for itself where they
    /// are used in order. Less is used first.
    pub(crate) fn group(&self, place: usize) -> (u32, usize) {
        let priority = self.ways.get(place).map_or(u32::MAX, |way| way.priority);
        let in_order = |rule: &ModelRule| rule.choose == Choose::InOrder;
        match self.rule().is_some_and(in_order) {
            true => (priority, place),
            false => (priority, 0),
        }
    }

    fn new(live: &Arc<Live>, method: &Method, uri: &Uri, headers: HeaderMap) -> Self {
        Self {
            live: Arc::clone(live),
            method: method.clone(),
            uri: uri.clone(),
            headers,
            payload: Payload::Gone,
            model_in_form: None,
            ways: Vec::new(),
            rule: None,
            own_key_only: false,
            asks_usage: false,
            expected_tokens: 0,
            _room: None,
        }
    }

    /// The rule that says what is behind the name, where one does.
    pub(crate) fn rule(&self) -> Option<&ModelRule> {
        self.live.settings.models.get(self.rule?)
    }

    /// What is known of choices under that rule.
    pub(crate) fn chooser(&self) -> Option<&Mutex<Chooser>> {
        self.live.lanes.chooser(self.rule?)
    }
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
    /// The whole body, where it is here.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match self {
            Self::Whole(bytes) => Some(bytes),
            Self::Streamed { .. } | Self::Gone => None,
        }
    }

    /// The body that passes as it comes, its beginning as `word` has it; `None` when it is gone.
    pub(crate) fn take(
        &mut self,
        word: impl FnOnce(&Bytes) -> Option<Bytes>,
    ) -> Option<UpstreamBody> {
        match std::mem::replace(self, Self::Gone) {
            Self::Streamed { head, rest } => {
                let head = word(&head)?;
                let head = (!head.is_empty()).then_some(head);
                Some(UpstreamBody::Streamed { head, rest })
            }
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
    let mut plan = Plan::new(live, &head.method, &head.uri, head.headers);
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
    let charge = toll_unread(endpoint.pacing);
    if let Some(content_type) = form_type(&endpoint, &plan.headers).map(str::to_owned) {
        let bounds = FormBounds {
            bytes_max: server.body_max_bytes,
            pause_max: server.body_timeout,
            needs_model: do_names_matter(&live.settings, &exchange.caller),
        };
        let form = read_form(&mut body, &content_type, bounds, shared).await?;
        plan._room = form.room;
        plan.model_in_form = form.model;
        plan.payload = match form.is_whole {
            true => Payload::Whole(form.head),
            false => Payload::Streamed {
                head: form.head,
                rest: body,
            },
        };
    } else if body.is_end_stream() {
        plan.payload = Payload::Whole(Bytes::new());
    } else {
        let head = Bytes::new();
        plan.payload = Payload::Streamed { head, rest: body };
    }
    let model = plan
        .model_in_form
        .as_ref()
        .map(|model| Arc::clone(&model.name));
    lay_unread(shared, &mut plan, exchange, model, charge).map_err(IntakeError::Problem)?;
    Ok(plan)
}

/// A plan for a session, whose body is the session itself.
///
/// # Errors
/// When the caller's key is not for the model.
pub(crate) fn of_session(
    shared: &Arc<Shared>,
    live: &Arc<Live>,
    request: &Request<CallerBody>,
    exchange: &mut Exchange,
    model: Option<Arc<str>>,
) -> Result<Plan, Problem> {
    let mut plan = Plan::new(
        live,
        request.method(),
        request.uri(),
        request.headers().clone(),
    );
    let charge = toll_unread(Pacing::Requests);
    lay_unread(shared, &mut plan, exchange, model, charge)?;
    Ok(plan)
}

/// What a call is charged of whose body only the model is known; `None`: it is not paced.
fn toll_unread(pacing: Pacing) -> Option<Charge> {
    let images = u64::from(pacing == Pacing::Images);
    let charge = Charge::ZERO
        .with(Metric::Requests, 1)
        .with(Metric::Images, images);
    (pacing != Pacing::None).then_some(charge)
}

/// The content type of a call whose form names a model. Videos are not among them: what reads them
/// later does not say which model's they are.
fn form_type<'a>(endpoint: &Endpoint, headers: &'a HeaderMap) -> Option<&'a str> {
    let is_paced = endpoint.pacing != Pacing::None && endpoint.kind != EndpointKind::Videos;
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default();
    let is_form = match endpoint.body {
        BodyKind::Multipart => true,
        BodyKind::Any => content_type.to_ascii_lowercase().starts_with("multipart/"),
        BodyKind::Json => false,
    };
    (is_paced && is_form).then_some(content_type)
}

/// Whether the name of a model decides where a call goes, or whether it may.
fn do_names_matter(settings: &Settings, caller: &Caller) -> bool {
    let leads = !settings.models.is_empty()
        || !settings.routes.is_empty()
        || !settings.providers.is_empty();
    leads
        || caller
            .key
            .as_ref()
            .is_some_and(|key| !key.models.is_empty())
}

/// Finds the ways of a call of whose body only the model is known, at the most.
fn lay_unread(
    shared: &Arc<Shared>,
    plan: &mut Plan,
    exchange: &mut Exchange,
    model: Option<Arc<str>>,
    charge: Option<Charge>,
) -> Result<(), Problem> {
    let flat = charge.map(Toll::flat);
    let toll = flat.map(|flat| move |_: &DomainRule, _: &'static Profile| flat);
    let toll = toll.as_ref().map(|toll| toll as TollOf<'_>);
    if toll.is_some() {
        let name = model.as_deref().unwrap_or(NO_MODEL);
        exchange.model = Some(Arc::from(name));
        check_model(&exchange.caller, name)?;
    }
    lay_ways(shared, plan, exchange, model.as_deref(), toll)
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
    check_model(&exchange.caller, &model)?;
    let expected = shared.estimate(&model, labels::endpoint(kind), live.estimator, &input);
    let estimate = expected.estimate;
    exchange.expected_output_tokens = expected.output_tokens();
    exchange.estimate = Some(input);
    exchange.estimated_input_tokens = estimate.input_tokens;
    let choices = u64::from(facts.n.max(facts.best_of).max(1));
    exchange.output_bound = facts
        .max_output_tokens
        .map(|tokens| tokens.saturating_mul(choices));
    exchange.service_tier = facts.service_tier.as_deref().map(str::to_owned);
    plan.expected_tokens = estimate.total();
    plan.asks_usage = facts.stream
        && facts.include_usage != Some(true)
        && matches!(
            kind,
            EndpointKind::ChatCompletions | EndpointKind::Completions
        );
    let toll = |rule: &DomainRule, profile: &'static Profile| {
        json_toll(&facts, (rule, profile), &live, &estimate)
    };
    lay_ways(shared, plan, exchange, Some(&model), Some(&toll))?;
    if let Some(response) = &facts.previous_response_id {
        stay_with(shared, plan, exchange, response);
    }
    let first = plan.ways.first().and_then(|way| way.paced.as_ref());
    let charge = first.map_or(Charge::ZERO, |paced| paced.charge);
    exchange.estimated_tokens = charge.get(Metric::Tokens);
    exchange.images = charge.get(Metric::Images);
    drop(facts);
    plan.payload = Payload::Whole(body);
    Ok(())
}

/// Finds the ways that a call for `model` can take. Its key has to be for the name that a route puts in
/// the place of the caller's, too. `toll` says what is charged; without one it is not paced.
///
/// A call that names no model goes one way, the same always: there is nothing in which another name
/// could be put, and what it leaves at a provider is asked for there.
fn lay_ways(
    shared: &Arc<Shared>,
    plan: &mut Plan,
    exchange: &mut Exchange,
    model: Option<&str>,
    toll: Option<TollOf<'_>>,
) -> Result<(), Problem> {
    let live = Arc::clone(&plan.live);
    let settings = &live.settings;
    let kind = exchange.endpoint.kind;
    let tags = tags_of(&exchange.caller);
    let name = model.unwrap_or(NO_MODEL);
    let wanted = Wanted {
        model: name,
        tags: &tags,
        dialect: kind.dialect(),
    };
    let mut route = Route::find(settings, wanted);
    let kept = place_in_path(shared, settings, plan.uri.path(), exchange);
    if let Some(place) = kept {
        route = Route::plain(place.provider, name);
    } else if model.is_none() {
        route.lanes.retain(|lane| *lane.model == *name);
        route.lanes.truncate(1);
        if route.lanes.is_empty() {
            route = Route::plain(speaking(settings, kind.dialect()), name);
        }
    }
    if toll.is_some() {
        check_model(&exchange.caller, route.name)?;
    }
    plan.rule = route.rule.and_then(|rule| {
        let mut rules = live.settings.models.iter();
        rules.position(|other| std::ptr::eq(other, rule))
    });
    plan.own_key_only = plan.rule.is_some() || kept.is_some_and(|place| place.own_key);
    let maker = Maker {
        shared,
        live: &live,
        caller: &exchange.caller,
        headers: &plan.headers,
        kind,
        model: name,
        is_behind_rule: plan.own_key_only,
    };
    let ways = route.lanes.iter().map(|lane| maker.way(lane, toll));
    plan.ways = ways.collect::<Result<_, _>>()?;
    let lanes = plan.ways.iter().map(|way| Arc::clone(&way.lane));
    exchange.lanes = lanes.collect();
    Ok(())
}

/// Where the response is that an unpaced call's path names.
fn place_in_path<'a>(
    shared: &Shared,
    settings: &'a Settings,
    path: &str,
    exchange: &Exchange,
) -> Option<Place<'a>> {
    let endpoint = &exchange.endpoint;
    let reads = endpoint.kind == EndpointKind::Responses && endpoint.pacing == Pacing::None;
    let id = response_in_path(path).filter(|_| reads)?;
    place_of(shared, settings, &exchange.caller, id)
}

fn place_of<'a>(
    shared: &Shared,
    settings: &'a Settings,
    caller: &Caller,
    response: &str,
) -> Option<Place<'a>> {
    let now = routing_time(shared.clock.now());
    shared
        .stored
        .place((&caller.tenant, response), settings, now)
}

/// Leaves a call that continues a response the ways to where that is, if it has any.
fn stay_with(shared: &Shared, plan: &mut Plan, exchange: &mut Exchange, response: &str) {
    let live = Arc::clone(&plan.live);
    let place = place_of(shared, &live.settings, &exchange.caller, response);
    let is_there = |way: &Way| place.is_some_and(|place| *way.lane.provider == *place.provider);
    if plan.ways.iter().any(is_there) {
        plan.ways.retain(is_there);
        let lanes = plan.ways.iter().map(|way| Arc::clone(&way.lane));
        exchange.lanes = lanes.collect();
    }
}

/// What the provider deducts at admission, which is not what the call will use in the end.
fn json_toll(
    facts: &RequestFacts<'_>,
    (rule, profile): (&DomainRule, &'static Profile),
    live: &Live,
    estimate: &Estimate,
) -> Toll {
    let expected = paceline_provider::Expected {
        input_tokens: estimate.input_tokens,
        output_tokens: estimate.output_tokens,
        ..paceline_provider::Expected::default()
    };
    let charges = profile.charge(facts, &expected);
    // What the provider documents is not learned again.
    let is_learned = !matches!(
        profile.admission.value(),
        Some(Admission::Expected | Admission::InputOnly | Admission::InputAndAllowed(_))
    );
    let is_calibrated = live.estimator == paceline_tokens::Estimator::Calibrated;
    let tokens = match (is_calibrated, is_learned) {
        (true, true) => charge_rule(rule.charge).tokens(facts),
        (true, false) => charges.tokens,
        (false, _) => estimate.total(),
    };
    let charge = Charge::ZERO
        .with(Metric::Requests, 1)
        .with(Metric::Tokens, tokens)
        .with(Metric::InputTokens, estimate.input_tokens)
        .with(Metric::OutputTokens, estimate.output_tokens)
        .with(Metric::Images, charges.images);
    Toll {
        charge,
        parts: charge_parts(rule.charge, facts).filter(|_| is_calibrated && is_learned),
        input_tokens: estimate.input_tokens,
    }
}

/// The tags that the caller gave.
pub(crate) fn tags_of(caller: &Caller) -> Vec<String> {
    let tags = caller.tags.as_deref();
    tags.map(split_tags).unwrap_or_default()
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

/// Whether a caller's key is for the model of this name.
pub(crate) fn check_model(caller: &Caller, model: &str) -> Result<(), Problem> {
    match &caller.key {
        Some(key) if !key.allows(model) => Err(Problem::model_not_allowed(model, &key.id)),
        _ => Ok(()),
    }
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
