//! WebSocket sessions: paced as one request when they open, then tunnelled byte for byte.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use paceline_limiter::Outcome as Fate;
use paceline_provider::{Profile, Refusal};
use paceline_routing::Outcome as LaneOutcome;
use tokio::time::timeout;

use crate::body::{ReplyBody, UpstreamBody};
use crate::exchange::{Ending, Exchange};
use crate::lanes::{Passage, outcome_of};
use crate::pace::Lease;
use crate::respond::Problem;
use crate::serve::plan::of_session;
use crate::serve::send::{ERROR_BYTES_MAX, read_bounded};
use crate::serve::session::{Admitted, admit};
use crate::serve::way::{Way, Wording};
use crate::serve::{Call, Plan, own_headers};
use crate::server::{CallerBody, Worker};
use crate::upstream::{OwnKey, SendError, Upstream, answer_headers, chain, request_headers};

/// The longest name of a model that is read.
const MODEL_BYTES_MAX: usize = 256;

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Opens a session upstream and ties the two ends together.
pub(crate) async fn serve(
    worker: &Arc<Worker>,
    request: Request<CallerBody>,
    mut exchange: Exchange,
) -> Response<ReplyBody> {
    let live = worker.shared.live();
    let model = model_in_query(request.uri().query().unwrap_or_default());
    let plan =
        model.and_then(|model| of_session(&worker.shared, &live, &request, &mut exchange, model));
    let plan = match plan {
        Ok(plan) => plan,
        Err(problem) => return refused(exchange, problem, Ending::Refused),
    };
    let mut call = Call {
        deadline: worker.shared.clock.now() + exchange.caller.max_wait,
        exchange,
        plan,
        last_words: None,
    };
    match open(worker, &mut call, request).await {
        Ok(session) => session.start(call.exchange).await,
        Err((problem, ending)) => refused(call.exchange, problem, ending),
    }
}

fn refused(mut exchange: Exchange, problem: Problem, ending: Ending) -> Response<ReplyBody> {
    if ending == Ending::Refused {
        let refusals = &exchange.shared.metrics.refusals;
        refusals.of(&["gateway", problem.code]).inc();
    }
    exchange.status = problem.status.as_u16();
    exchange.error_code = Some(Arc::from(problem.code));
    exchange.finish(ending);
    problem.into_response()
}

/// Both ends of a session that is being opened.
struct Session {
    answer: Response<Incoming>,
    upstream: Arc<Upstream>,
    caller: hyper::upgrade::OnUpgrade,
    lease: Lease,
    passage: Passage,
    profile: &'static Profile,
    own_key: bool,
    /// Longest pause in an answer that says why there is no session.
    pause_max: Duration,
}

async fn open(
    worker: &Arc<Worker>,
    call: &mut Call,
    mut request: Request<CallerBody>,
) -> Result<Session, (Problem, Ending)> {
    let refuse = |problem| (problem, Ending::Refused);
    let live = Arc::clone(&call.plan.live);
    let patience = call.exchange.caller.max_wait;
    // What a session takes is not told here, so that it counts as the longest answer of its model.
    let purse = &worker.shared.purse;
    let reserved = purse
        .reserve(&live.settings, &call.exchange, patience)
        .await;
    call.exchange.reserved = reserved.map_err(refuse)?;
    let Admitted {
        way,
        mut lease,
        passage,
    } = admit(call).await.map_err(refuse)?;
    let internal = || (Problem::internal(), Ending::UpstreamFailed);
    let (exchange, plan) = (&mut call.exchange, &call.plan);
    let way = plan.ways.get(way).ok_or_else(internal)?;
    let settings = live.settings.reach(&way.lane.provider);
    let settings = settings.ok_or_else(internal)?;
    let upstream = worker.upstream(&live, &way.lane.provider);
    let upstream = upstream.map_err(|error| {
        tracing::error!(%error, "the upstream cannot be used");
        internal()
    })?;
    let caller = hyper::upgrade::on(&mut request);
    let mut forwarded = forward(&request, plan, (way, settings), &upstream).ok_or_else(|| {
        let problem = Problem::invalid_path(request.uri().path(), "it cannot be forwarded");
        (problem, Ending::Refused)
    })?;
    exchange.trace.attempts(&mut forwarded);
    let limit = settings.first_byte_timeout;
    let opened = open_at(exchange, &mut lease, (&upstream, limit), forwarded).await;
    let answer = match opened {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(%error, "a session could not be opened");
            passage.end(&LaneOutcome::from(&error));
            return Err((Problem::upstream(&error), Ending::UpstreamFailed));
        }
    };
    exchange.answered(answer.status().as_u16());
    Ok(Session {
        answer,
        upstream,
        caller,
        lease,
        passage,
        profile: way.profile,
        own_key: way.own_key,
        pause_max: settings.idle_timeout,
    })
}

/// Asks a provider for a session.
async fn open_at(
    exchange: &mut Exchange,
    lease: &mut Lease,
    (upstream, limit): (&Upstream, Duration),
    request: Request<UpstreamBody>,
) -> Result<Response<Incoming>, SendError> {
    let mut sender = upstream.open().await?;
    exchange.sent();
    lease.dispatched();
    let sent = timeout(limit, sender.send_request(request)).await;
    let sent = sent.map_err(|_| SendError::Timeout {
        phase: "opening a session",
        limit,
    })?;
    sent.map_err(|error| SendError::Cut(chain(&error)))
}

/// The model that a query names.
///
/// # Errors
/// When it names several: servers differ in which of them they take.
fn model_in_query(query: &str) -> Result<Option<Arc<str>>, Problem> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let mut models = pairs.filter(|(name, _)| name == "model");
    let first = models.next().map(|(_, model)| model);
    if models.next().is_some() {
        let message = "'model' appears more than once; send it once".to_owned();
        return Err(Problem::invalid_request(message, Some("model")));
    }
    let is_usable = |model: &str| !model.is_empty() && model.len() <= MODEL_BYTES_MAX;
    let usable = first.filter(|model| is_usable(model));
    Ok(usable.map(|model| Arc::from(&*model)))
}

/// The query with another model; all else in it is as it was.
fn with_model(query: &str, model: &str) -> String {
    let is_model = |pair: &str| {
        let mut named = url::form_urlencoded::parse(pair.as_bytes());
        named.next().is_some_and(|(name, _)| name == "model")
    };
    let renamed: String = url::form_urlencoded::byte_serialize(model.as_bytes()).collect();
    let pairs = query.split('&').map(|pair| match is_model(pair) {
        true => format!("model={renamed}"),
        false => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn forward(
    request: &Request<CallerBody>,
    plan: &Plan,
    (way, settings): (&Way, &paceline_config::Upstream),
    upstream: &Upstream,
) -> Option<Request<UpstreamBody>> {
    let below_version = request.uri().path().strip_prefix("/v1").unwrap_or_default();
    let query = request.uri().query().map(|query| match way.wording {
        Wording::Renamed => Cow::Owned(with_model(query, &way.lane.model)),
        _ => Cow::Borrowed(query),
    });
    let uri = upstream.target.path(below_version, query.as_deref())?;
    let own_key = OwnKey::of(settings, plan.own_key_only);
    let profile = way.profile;
    let mut headers = request_headers(
        request.headers(),
        &upstream.target,
        &own_key,
        (profile, true),
    );
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    // Bytes are tunnelled as they are, so what the two ends agree on is theirs alone.
    if let Some(extensions) = request.headers().get(SEC_WEBSOCKET_EXTENSIONS) {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, extensions.clone());
    }
    let mut forwarded = Request::new(UpstreamBody::Whole(Full::default()));
    *forwarded.method_mut() = request.method().clone();
    *forwarded.uri_mut() = uri;
    *forwarded.headers_mut() = headers;
    Some(forwarded)
}

impl Session {
    async fn start(self, exchange: Exchange) -> Response<ReplyBody> {
        let Self {
            mut answer,
            upstream,
            caller,
            lease,
            passage,
            profile,
            own_key,
            pause_max,
        } = self;
        let mut headers = std::mem::take(answer.headers_mut());
        answer_headers(&mut headers);
        let mut response = Response::new(ReplyBody::empty());
        *response.status_mut() = answer.status();
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            *response.headers_mut() = headers;
            own_headers(&exchange, &mut response);
            let provider = hyper::upgrade::on(&mut answer);
            passage.first_byte();
            tokio::spawn(tunnel(caller, provider, (lease, passage), exchange));
            return response;
        }
        // The provider refused: its words are in the body.
        headers.remove(http::header::CONTENT_LENGTH);
        upstream.mask.headers(&mut headers);
        *response.headers_mut() = headers;
        own_headers(&exchange, &mut response);
        let body = read_bounded(answer.into_body(), ERROR_BYTES_MAX, pause_max).await;
        let body = upstream.mask.bytes(body.unwrap_or_default());
        let (status, headers) = (response.status().as_u16(), response.headers());
        let refusal = Refusal::from_response_for(profile, status, headers, &body, None);
        passage.end(&match refusal {
            Some(refusal) => outcome_of(&refusal, own_key),
            None => LaneOutcome::Refused,
        });
        *response.body_mut() = ReplyBody::whole(body);
        lease.settle(None, None, Fate::Failed);
        exchange.finish(Ending::ProviderError);
        response
    }
}

async fn tunnel(
    caller: hyper::upgrade::OnUpgrade,
    provider: hyper::upgrade::OnUpgrade,
    (lease, passage): (Lease, Passage),
    exchange: Exchange,
) {
    let ends = tokio::try_join!(caller, provider);
    let ending = match ends {
        Err(error) => {
            tracing::debug!(error = %chain(&error), "a session ended while it opened");
            Ending::CallerGone
        }
        Ok((caller, provider)) => {
            let (mut caller, mut provider) = (TokioIo::new(caller), TokioIo::new(provider));
            tokio::select! {
                // How a session ends is between its two ends; both see the other's close.
                _ = tokio::io::copy_bidirectional(&mut caller, &mut provider) => Ending::Ok,
                // A session has no natural end to wait for at shutdown.
                () = exchange.shared.stopped() => Ending::Refused,
            }
        }
    };
    lease.settle(None, None, Fate::Success);
    passage.end(&LaneOutcome::Whole);
    exchange.finish(ending);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_names_another_model_and_is_else_the_same() {
        let named = |query| {
            model_in_query(query)
                .unwrap()
                .map(|model| model.to_string())
        };
        assert_eq!(named("a=1&model=my%2Fmodel&b"), Some("my/model".to_owned()));
        assert_eq!(named("model="), None);
        assert_eq!(named(""), None);
        assert!(model_in_query("model=a&m%6fdel=b").is_err());
        let renamed = with_model("a=%20&m%6fdel=fast&b", "gpt realtime");
        assert_eq!(renamed, "a=%20&model=gpt+realtime&b");
    }
}
