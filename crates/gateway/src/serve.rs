//! The life of a request, from its head to the start of its answer.

mod attempt;
mod choose;
mod hedge;
mod listing;
pub(crate) mod plan;
pub(crate) mod send;
pub(crate) mod session;
mod turn;
pub(crate) mod way;
mod words;

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Method, Request, Response};
use paceline_config::Settings;
use paceline_limiter::Timestamp;
use paceline_provider::{BodyKind, Dialect, Endpoint, EndpointKind, KeyHeader, Pacing};

use crate::announce::{Announced, Progress};
use crate::batches::{self, Own, OwnCall};
use crate::body::ReplyBody;
use crate::browser;
use crate::caller::Caller;
use crate::exchange::{Ending, Exchange};
use crate::intake::IntakeError;
use crate::realtime;
use crate::respond::Problem;
use crate::server::{CallerBody, Worker};
use crate::trace::Trace;
use crate::upstream::OwnKey;

pub(crate) use attempt::own_headers;
use listing::Listing;
pub(crate) use plan::{Plan, check_model, tags_of};
use send::Refused;

/// Answers one request on the data plane.
///
/// `None` when the caller is gone and nobody is there to answer.
pub(crate) async fn serve(
    worker: &Arc<Worker>,
    request: Request<CallerBody>,
) -> Option<Response<ReplyBody>> {
    let received = Instant::now();
    let dialect = Endpoint::classify(request.method(), request.uri().path())
        .kind
        .dialect();
    match prepare(worker, request, received).await {
        Ok(Prepared::Call(mut call)) => match Listing::of(&mut call) {
            // Seldom, and not to make the future of every call larger.
            Some(listing) => Box::pin(listed(worker, *call, listing)).await,
            None => answer(worker, *call).await,
        },
        Ok(Prepared::Session(session)) => {
            let (request, exchange) = *session;
            Some(realtime::serve(worker, request, exchange).await)
        }
        Ok(Prepared::Own(call)) => match batches::answer(worker, *call).await {
            Ok(response) => Some(response),
            Err(error) => refuse(worker, error, dialect),
        },
        Err(error) => refuse(worker, error, dialect),
    }
}

fn refuse(
    worker: &Worker,
    error: IntakeError,
    dialect: Option<Dialect>,
) -> Option<Response<ReplyBody>> {
    let IntakeError::Problem(problem) = error else {
        return None;
    };
    let refusals = &worker.shared.metrics.refusals;
    refusals.of(&["gateway", problem.code]).inc();
    Some(problem.in_words_of(dialect).into_response())
}

/// A request that is refused before its story could begin leaves a line all the same.
fn refused_unread(problem: Problem) -> IntakeError {
    tracing::info!(
        target: "paceline::request",
        outcome = "refused",
        status = problem.status.as_u16(),
        code = problem.code,
        "request"
    );
    IntakeError::Problem(problem)
}

/// A request that is ready to be answered.
enum Prepared {
    /// A call with one answer.
    Call(Box<Call>),
    /// A WebSocket session.
    Session(Box<(Request<CallerBody>, Exchange)>),
    /// A call that is answered here.
    Own(Box<OwnCall>),
}

/// A call: what to send, and its story so far.
pub(crate) struct Call {
    pub(crate) exchange: Exchange,
    /// The last attempt starts before this.
    pub(crate) deadline: Timestamp,
    pub(crate) plan: Plan,
    /// What the provider said last when it refused.
    pub(crate) last_words: Option<Box<Refused>>,
}

async fn prepare(
    worker: &Arc<Worker>,
    request: Request<CallerBody>,
    received: Instant,
) -> Result<Prepared, IntakeError> {
    let endpoint = admissible(request.method(), request.uri().path(), request.headers())
        .map_err(refused_unread)?;
    let shared = &worker.shared;
    let live = shared.live();
    let run = shared.batches.as_ref();
    let run = run.and_then(|batches| batches.run_of(request.headers()));
    let grant = match &run {
        // A line of a batch that runs here counts as its owner's, whose key is not kept.
        Some(run) => shared.keys.grant_of(run.key_id()),
        None => shared.keys.grant(request.headers()),
    };
    let grant = grant.map_err(refused_unread)?;
    if run.is_none() {
        let lent = grant.is_none() && lends_a_key(&live.settings, request.headers());
        refuse_pages(request.method(), request.headers(), lent).map_err(refused_unread)?;
    }
    let mut caller = Ok(grant)
        .and_then(|grant| Caller::identify(request.headers(), &live.settings, &shared.names, grant))
        .map_err(refused_unread)?;
    if let Some(run) = &run {
        caller.credential = run.credential();
    }
    let is_served = shared.batches.is_some();
    if let Some(own) = Own::of(request.method(), request.uri().path(), is_served) {
        let call = OwnCall {
            own,
            live,
            caller,
            request,
        };
        return Ok(Prepared::Own(Box::new(call)));
    }
    let mut request = request;
    if caller.key.is_some() {
        // Keys of this gateway are nobody else's.
        for header in KeyHeader::ALL {
            request.headers_mut().remove(header.name());
        }
    }
    let mut exchange = Exchange::new(Arc::clone(shared), endpoint, caller, received);
    exchange.trace = Trace::begin(shared, request.headers());
    if endpoint.kind == EndpointKind::Realtime && realtime::is_upgrade(request.headers()) {
        return Ok(Prepared::Session(Box::new((request, exchange))));
    }
    match plan::read(shared, &live, request, &mut exchange).await {
        Ok(plan) => Ok(Prepared::Call(Box::new(Call {
            deadline: shared.clock.now() + exchange.caller.max_wait,
            exchange,
            plan,
            last_words: None,
        }))),
        Err(IntakeError::Problem(problem)) => {
            // The refusal is told as part of the request's own story.
            exchange.status = problem.status.as_u16();
            exchange.error_code = Some(Arc::from(problem.code));
            exchange.finish(Ending::Refused);
            Err(IntakeError::Problem(problem))
        }
        Err(IntakeError::Gone) => Err(IntakeError::Gone),
    }
}

/// Whether this path is forwarded at all, and what call it is.
fn admissible(method: &Method, path: &str, headers: &HeaderMap) -> Result<Endpoint, Problem> {
    if path.split('/').any(is_dot_segment) {
        return Err(Problem::invalid_path(
            path,
            "it climbs out of its folder with . or .. segments",
        ));
    }
    let below_version = path.strip_prefix("/v1");
    if !below_version.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(Problem::not_found(method, path));
    }
    let endpoint = Endpoint::classify(method, path);
    if endpoint.admin_key {
        return Err(Problem::admin_path(path));
    }
    if *method == Method::CONNECT || *method == Method::TRACE {
        return Err(Problem::not_found(method, path));
    }
    if headers.get_all(http::header::CONTENT_LENGTH).iter().count() > 1 {
        return Err(Problem::invalid_header("content-length", "one value"));
    }
    Ok(endpoint)
}

/// Whether any call with these headers is sent with a key of the gateway's own.
fn lends_a_key(settings: &Settings, headers: &HeaderMap) -> bool {
    let further = settings.providers.iter().map(|provider| &provider.upstream);
    let mut all = [&settings.upstream].into_iter().chain(further);
    let always = !settings.models.is_empty();
    all.any(|upstream| OwnKey::of(upstream, always).is_used_for(headers))
}

/// Refuses what a page of somebody else makes a browser send: to show an answer of the provider as a
/// page of this address, or to spend the gateway's own key, where that is `lent` to whoever calls.
fn refuse_pages(method: &Method, headers: &HeaderMap, lent: bool) -> Result<(), Problem> {
    // What asks for permission beforehand spends nothing.
    let spends = lent && *method != Method::OPTIONS;
    if browser::is_shown_as_page(headers) || (spends && browser::is_from_elsewhere(headers)) {
        return Err(Problem::browser_refused());
    }
    Ok(())
}

/// `.` and `..`, also percent-encoded in whole or in part.
fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// Answers a call for the list of models, as its caller may see it.
async fn listed(worker: &Arc<Worker>, call: Call, listing: Listing) -> Option<Response<ReplyBody>> {
    let response = answer(worker, call).await?;
    Some(listing.set_right(response).await)
}

async fn answer(worker: &Arc<Worker>, call: Call) -> Option<Response<ReplyBody>> {
    let announce = call.exchange.caller.announce && call.exchange.stream;
    if !announce {
        return Some(attempt::run(worker, call, None).await);
    }
    // The caller wants to see its place in the queue: the answer starts when it begins to wait.
    let live = worker.shared.live();
    let progress = Arc::new(Progress::default());
    let request_id = Arc::clone(&call.exchange.request_id);
    let mut outcome = Box::pin({
        let (worker, progress) = (Arc::clone(worker), Arc::clone(&progress));
        async move { attempt::run(&worker, call, Some(progress)).await }
    });
    tokio::select! {
        biased;
        response = &mut outcome => Some(response),
        () = progress.queued() => {
            let interval = live.settings.queue.announce_interval;
            Some(Announced::start(outcome, progress, interval, &request_id))
        }
    }
}

/// Whether the body of such a call is read in full before it is sent.
pub(crate) fn is_read_in_full(endpoint: &Endpoint) -> bool {
    endpoint.body == BodyKind::Json && endpoint.pacing != Pacing::None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: Method, path: &str) -> Result<EndpointKind, &'static str> {
        admissible(&method, path, &HeaderMap::new())
            .map(|endpoint| endpoint.kind)
            .map_err(|problem| problem.code)
    }

    #[test]
    fn only_the_providers_own_paths_are_forwarded() {
        let post = |path| verdict(Method::POST, path);
        assert_eq!(
            post("/v1/chat/completions"),
            Ok(EndpointKind::ChatCompletions)
        );
        assert_eq!(post("/v1/something/new"), Ok(EndpointKind::Unknown));
        assert_eq!(post("/v1x/chat"), Err("not_found"));
        assert_eq!(post("/"), Err("not_found"));
        assert_eq!(post("/v1/organization/usage"), Err("admin_path_refused"));
        for path in [
            "/v1/../admin",
            "/v1/%2e%2E/admin",
            "/v1/files/.%2e/x",
            "/v1/./models",
        ] {
            assert_eq!(post(path), Err("invalid_path"), "{path}");
        }
        assert_eq!(verdict(Method::TRACE, "/v1/models"), Err("not_found"));
    }
}
