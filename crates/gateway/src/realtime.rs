//! WebSocket sessions: paced as one request when they open, then tunnelled byte for byte.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use paceline_limiter::{Charge, Metric, Outcome as Fate};
use tokio::time::timeout;

use crate::body::{ReplyBody, UpstreamBody};
use crate::exchange::{Ending, Exchange};
use paceline_provider::Dialect;

use crate::pace::{Acquired, Lease, Turn, WaitingRequest, count_hit, tier};
use crate::respond::Problem;
use crate::route::{Behind, speaking};
use crate::serve::send::{ERROR_BYTES_MAX, read_bounded};
use crate::serve::way::{Maker, Paced, Toll};
use crate::serve::{check_model, own_headers};
use crate::server::{CallerBody, Worker};
use crate::shared::Live;
use crate::upstream::{OwnKey, SendError, Upstream, answer_headers, chain, request_headers};

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
    match open(worker, &live, request, &mut exchange).await {
        Ok(session) => {
            session
                .start(exchange, live.settings.upstream.idle_timeout)
                .await
        }
        Err((problem, ending)) => {
            if ending == Ending::Refused {
                let refusals = &worker.shared.metrics.refusals;
                refusals.of(&["gateway", problem.code]).inc();
            }
            exchange.status = problem.status.as_u16();
            exchange.error_code = Some(std::sync::Arc::from(problem.code));
            exchange.finish(ending);
            problem.into_response()
        }
    }
}

/// Both ends of a session that is being opened.
struct Session {
    answer: Response<Incoming>,
    upstream: Arc<Upstream>,
    caller: hyper::upgrade::OnUpgrade,
    lease: Lease,
}

async fn open(
    worker: &Arc<Worker>,
    live: &Live,
    mut request: Request<CallerBody>,
    exchange: &mut Exchange,
) -> Result<Session, (Problem, Ending)> {
    let mut lease = turn(worker, live, &request, exchange).await?;
    let provider = speaking(&live.settings, Some(Dialect::OpenAi));
    let upstream = worker.upstream(live, provider).map_err(|error| {
        tracing::error!(%error, "the upstream cannot be used");
        (Problem::internal(), Ending::UpstreamFailed)
    })?;
    let caller = hyper::upgrade::on(&mut request);
    let settings = live
        .settings
        .reach(provider)
        .unwrap_or(&live.settings.upstream);
    let mut forwarded = forward(&request, &upstream, settings).ok_or_else(|| {
        let problem = Problem::invalid_path(request.uri().path(), "it cannot be forwarded");
        (problem, Ending::Refused)
    })?;
    exchange.trace.attempts(&mut forwarded);
    let failed = |error: SendError| {
        tracing::warn!(%error, "a session could not be opened");
        (Problem::upstream(&error), Ending::UpstreamFailed)
    };
    let mut sender = upstream.open().await.map_err(failed)?;
    exchange.sent();
    lease.dispatched();
    let limit = live.settings.upstream.first_byte_timeout;
    let answer = timeout(limit, sender.send_request(forwarded))
        .await
        .map_err(|_| SendError::Timeout {
            phase: "opening a session",
            limit,
        })
        .and_then(|sent| sent.map_err(|error| SendError::Cut(chain(&error))))
        .map_err(failed)?;
    exchange.answered(answer.status().as_u16());
    Ok(Session {
        answer,
        upstream,
        caller,
        lease,
    })
}

/// A session takes its turn like a call, charged as one request.
async fn turn(
    worker: &Arc<Worker>,
    live: &Live,
    request: &Request<CallerBody>,
    exchange: &mut Exchange,
) -> Result<Lease, (Problem, Ending)> {
    let model = model_in_query(request.uri().query().unwrap_or_default());
    exchange.model = Some(Arc::clone(&model));
    let refuse = |problem| (problem, Ending::Refused);
    check_model(&exchange.caller, &model).map_err(refuse)?;
    let patience = exchange.caller.max_wait;
    // What a session takes is not told here, so that it counts as the longest answer of its model.
    let purse = &worker.shared.purse;
    let reserved = purse.reserve(&live.settings, exchange, patience).await;
    exchange.reserved = reserved.map_err(refuse)?;
    let charge = Charge::ZERO.with(Metric::Requests, 1);
    let maker = Maker {
        shared: &worker.shared,
        live,
        caller: &exchange.caller,
        headers: request.headers(),
        kind: exchange.endpoint.kind,
        model: &model,
        is_behind_rule: false,
    };
    let behind = Behind::plain(speaking(&live.settings, Some(Dialect::OpenAi)), &model);
    let way = maker.way(&behind, Some(&|_, _| Toll::flat(charge)));
    let way = way.map_err(refuse)?;
    let Some(Paced { pool, .. }) = way.paced else {
        return Err(refuse(Problem::internal()));
    };
    exchange.pool = Some(Arc::clone(pool.watch().name()));
    exchange.lane = Some(way.lane);
    let caller = &exchange.caller;
    let asked = paceline_limiter::Request {
        tenant: caller.tenant_id,
        weight: caller.weight,
        tier: tier(caller.tier),
        charge,
        parts: None,
        deadline: Some(worker.shared.clock.now() + caller.max_wait),
        retry: false,
    };
    let who = WaitingRequest {
        request_id: Arc::clone(&exchange.request_id),
        tenant: Arc::clone(&caller.tenant),
        session: caller.session.clone(),
        model,
        expected_output_tokens: 0,
    };
    let refused = |refusal| {
        (
            Problem::refusal(&refusal, pool.watch().name()),
            Ending::Refused,
        )
    };
    let acquired = pool.acquire(asked, who);
    count_hit(&worker.shared.metrics, pool.watch().name(), &acquired);
    match acquired {
        Acquired::Now(lease) => Ok(lease),
        Acquired::Refused(refusal) => Err(refused(refusal)),
        Acquired::Later(wait, _) => {
            exchange.trace.waits();
            match wait.await {
                Turn::Go {
                    lease,
                    waited,
                    binding,
                } => {
                    exchange.trace.goes(Some(binding));
                    exchange.waited = waited;
                    Ok(lease)
                }
                Turn::Refused(refusal) => Err(refused(refusal)),
            }
        }
    }
}

fn model_in_query(query: &str) -> Arc<str> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let model = pairs.into_iter().find(|(name, _)| name == "model");
    match model {
        Some((_, model)) if !model.is_empty() && model.len() <= 256 => Arc::from(&*model),
        _ => Arc::from("-"),
    }
}

fn forward(
    request: &Request<CallerBody>,
    upstream: &Upstream,
    settings: &paceline_config::Upstream,
) -> Option<Request<UpstreamBody>> {
    let below_version = request.uri().path().strip_prefix("/v1").unwrap_or_default();
    let uri = upstream.target.path(below_version, request.uri().query())?;
    let own_key = OwnKey::of(settings, false);
    let profile = settings.profile;
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
    async fn start(self, exchange: Exchange, pause_max: Duration) -> Response<ReplyBody> {
        let Self {
            mut answer,
            upstream,
            caller,
            lease,
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
            tokio::spawn(tunnel(caller, provider, lease, exchange));
            return response;
        }
        // The provider refused: its words are in the body.
        headers.remove(http::header::CONTENT_LENGTH);
        upstream.mask.headers(&mut headers);
        *response.headers_mut() = headers;
        own_headers(&exchange, &mut response);
        let body = read_bounded(answer.into_body(), ERROR_BYTES_MAX, pause_max).await;
        let body = upstream.mask.bytes(body.unwrap_or_default());
        *response.body_mut() = ReplyBody::whole(body);
        lease.settle(None, None, Fate::Failed);
        exchange.finish(Ending::ProviderError);
        response
    }
}

async fn tunnel(
    caller: hyper::upgrade::OnUpgrade,
    provider: hyper::upgrade::OnUpgrade,
    lease: Lease,
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
    exchange.finish(ending);
}
