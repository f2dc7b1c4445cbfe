//! One attempt: sent upstream, with its answer judged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use paceline_pace::{Answered, observation, processing};
use paceline_provider::{EndpointKind, LimitHeaders, Pacing, Refusal, retry_after};
use tokio::time::timeout;

use super::Call;
use crate::body::UpstreamBody;
use crate::exchange::Exchange;
use crate::pace::Lease;
use crate::relay::Reader;
use crate::upstream::{
    Connection, OwnKey, SendError, Upstream, chain, is_event_stream, request_headers,
};

/// An answer that is not a stream is read in full before it goes on when it is at most this long:
/// until then a break can be mended by a retry.
const HELD_BYTES_MAX: u64 = 1 << 20;

/// An error answer is read up to this length.
pub(crate) const ERROR_BYTES_MAX: usize = 1 << 20;

/// How long the events that only say that a response began are held back.
const PREAMBLE_TIME_MAX: Duration = Duration::from_millis(50);

/// And up to what size; `response.created` echoes the request.
const PREAMBLE_BYTES_MAX: usize = 256 * 1024;

/// What came of one attempt.
pub(super) enum Sent {
    /// A good answer, or an error that is the caller's to see.
    Answer(Box<Answer>),
    /// The provider refused or failed, and said so.
    Refused(Box<Refused>),
    /// A stream that began as a success and then, before any output, told a refusal.
    RefusedInStream(Box<Refusal>, Box<Answer>),
}

/// The beginning of an answer, or all of it.
pub(super) struct Answer {
    pub(super) head: http::response::Parts,
    pub(super) body: AnswerBody,
    pub(super) reader: Reader,
    pub(super) connection: Connection,
}

/// The body of an answer.
pub(super) enum AnswerBody {
    /// All of it is here.
    Whole(Bytes),
    /// It goes on; the first pieces are here.
    Rest(Incoming, VecDeque<Bytes>),
}

/// A refusal, with the answer that carried it.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) head: http::response::Parts,
    pub(super) body: Bytes,
}

/// Builds the request of this attempt; `None` when its body is gone.
pub(super) fn build(call: &mut Call, upstream: &Upstream) -> Option<Request<UpstreamBody>> {
    let plan = &mut call.plan;
    let below_version = plan.uri.path().strip_prefix("/v1").unwrap_or_default();
    let uri = upstream.target.path(below_version, plan.uri.query())?;
    let own_key = OwnKey {
        key: plan.live.settings.upstream.api_key.as_ref(),
        key_use: plan.live.settings.upstream.api_key_use,
    };
    let keep_encoding = call.exchange.endpoint.pacing == Pacing::None;
    let headers = request_headers(&plan.headers, &upstream.target, &own_key, keep_encoding);
    let mut request = Request::new(plan.payload.take()?);
    *request.method_mut() = plan.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    call.exchange.trace.attempts(&mut request);
    Some(request)
}

/// Sends one attempt and judges the start of its answer.
///
/// # Errors
/// When no proper answer comes.
pub(super) async fn send(
    exchange: &mut Exchange,
    upstream: &Arc<Upstream>,
    request: Request<UpstreamBody>,
    lease: Option<&mut Lease>,
    strip_usage: bool,
) -> Result<Sent, SendError> {
    let observer = lease
        .as_ref()
        .map(|lease| (Arc::clone(lease.pool()), lease.id()));
    let patience = exchange.caller.attempt_timeout;
    let on_sent = || {
        exchange.sent();
        if let Some(lease) = lease {
            lease.dispatched();
        }
    };
    let (response, connection) = upstream.send(request, patience, on_sent).await?;
    exchange.answered(response.status().as_u16());
    exchange.shared.note_upstream(true);
    let (head, body) = response.into_parts();
    let (shared, sent_at) = (Arc::clone(&exchange.shared), exchange.sent_at());
    shared.note_date(&head.headers, sent_at);
    let provider_now = shared.provider_now();
    if let Some((pool, reservation)) = observer {
        let told = LimitHeaders::parse_at(&head.headers, provider_now);
        let answered = Answered {
            sent: sent_at,
            admitted: head.status.is_success().then_some(reservation),
            processing: processing(&head.headers),
        };
        let observations: Vec<_> = told
            .reports
            .iter()
            .filter_map(|report| observation(report, &answered))
            .collect();
        // First whose limits they are: what waits must not go by a count that is not the pool's alone.
        if let Some(asks) = exchange.asks.as_ref().filter(|_| head.status.is_success()) {
            shared.registry.heard(asks, &told);
        }
        pool.observe(&observations);
    }
    if head.status.as_u16() >= 400 {
        let refused = refused(head, body, upstream.idle_timeout, provider_now).await?;
        connection.keep();
        return Ok(Sent::Refused(Box::new(refused)));
    }
    read_start(
        exchange,
        upstream,
        Response::from_parts(head, body),
        connection,
        strip_usage,
    )
    .await
}

async fn refused(
    head: http::response::Parts,
    body: Incoming,
    pause_max: Duration,
    provider_now: Option<SystemTime>,
) -> Result<Refused, SendError> {
    let status = head.status.as_u16();
    let body = read_bounded(body, ERROR_BYTES_MAX, pause_max).await?;
    let mut refusal = Refusal::from_response_at(status, &head.headers, &body, provider_now)
        .unwrap_or_else(|| unexplained(status, &head.headers));
    if refusal.retry_after.is_none() {
        refusal.retry_after = retry_after(&head.headers, SystemTime::now());
    }
    Ok(Refused {
        refusal,
        head,
        body,
    })
}

/// A status of 400 and above always explains itself; this is for the parser's own `None`.
fn unexplained(status: u16, headers: &HeaderMap) -> Refusal {
    Refusal::from_response(StatusCode::BAD_GATEWAY.as_u16(), headers, b"")
        .unwrap_or_else(|| Refusal::from_error_object(format!("{{\"code\":{status}}}").as_bytes()))
}

/// Reads as much of a good answer as can be held back without the caller noticing.
async fn read_start(
    exchange: &mut Exchange,
    upstream: &Upstream,
    response: Response<Incoming>,
    connection: Connection,
    strip_usage: bool,
) -> Result<Sent, SendError> {
    let (head, mut body) = response.into_parts();
    let kind = exchange.endpoint.kind;
    let is_events = is_event_stream(&head.headers);
    let answer = |body, reader| {
        Box::new(Answer {
            head,
            body,
            reader,
            connection,
        })
    };
    if is_events {
        let mut reader = Reader::events(kind, strip_usage);
        let mut ready = VecDeque::new();
        if let Some(piece) = next_piece(&mut body, upstream.idle_timeout).await? {
            exchange.trace.begins_to_stream();
            reader.read(piece, &mut |piece| ready.push_back(piece));
            if kind == EndpointKind::Responses {
                hold_preamble(&mut body, &mut reader, &mut ready).await?;
            }
        }
        let refusal = reader.early_refusal().cloned();
        let answer = answer(AnswerBody::Rest(body, ready), reader);
        return Ok(match refusal {
            Some(refusal) => Sent::RefusedInStream(Box::new(refusal), answer),
            None => Sent::Answer(answer),
        });
    }
    if exchange.endpoint.pacing == Pacing::None {
        let rest = AnswerBody::Rest(body, VecDeque::new());
        return Ok(Sent::Answer(answer(rest, Reader::Opaque)));
    }
    let mut reader = Reader::json(kind);
    let mut held = VecDeque::new();
    let mut held_bytes = 0;
    while held_bytes <= HELD_BYTES_MAX && body.size_hint().lower() <= HELD_BYTES_MAX {
        let Some(piece) = next_piece(&mut body, upstream.idle_timeout).await? else {
            let whole = if held.len() == 1 {
                held.pop_front().unwrap_or_default()
            } else {
                held.into_iter().flatten().collect()
            };
            return Ok(Sent::Answer(answer(AnswerBody::Whole(whole), reader)));
        };
        held_bytes += piece.len() as u64;
        reader.read(piece, &mut |piece| held.push_back(piece));
    }
    Ok(Sent::Answer(answer(AnswerBody::Rest(body, held), reader)))
}

/// Reads on while a stream of the Responses API has told no more than that it began.
///
/// A refusal comes right behind that preamble, where it comes at all, so the wait is short.
async fn hold_preamble(
    body: &mut Incoming,
    reader: &mut Reader,
    ready: &mut VecDeque<Bytes>,
) -> Result<(), SendError> {
    let end = tokio::time::Instant::now() + PREAMBLE_TIME_MAX;
    while reader.is_preamble() && ready.iter().map(Bytes::len).sum::<usize>() < PREAMBLE_BYTES_MAX {
        match tokio::time::timeout_at(end, body.frame()).await {
            Err(_) | Ok(None) => break,
            Ok(Some(Err(error))) => return Err(SendError::Cut(chain(&error))),
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    reader.read(piece, &mut |piece| ready.push_back(piece));
                }
            }
        }
    }
    Ok(())
}

pub(crate) async fn read_bounded(
    mut body: Incoming,
    bytes_max: usize,
    pause_max: Duration,
) -> Result<Bytes, SendError> {
    let mut pieces: Vec<u8> = Vec::new();
    while pieces.len() < bytes_max {
        match next_piece(&mut body, pause_max).await? {
            Some(piece) => pieces.extend_from_slice(&piece),
            None => break,
        }
    }
    Ok(Bytes::from(pieces))
}

async fn next_piece(body: &mut Incoming, pause_max: Duration) -> Result<Option<Bytes>, SendError> {
    loop {
        match timeout(pause_max, body.frame()).await {
            Err(_) => {
                return Err(SendError::Timeout {
                    phase: "at the start of an answer",
                    limit: pause_max,
                });
            }
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(SendError::Cut(chain(&error))),
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}
