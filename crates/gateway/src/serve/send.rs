//! One attempt: sent upstream, with its answer judged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use paceline_config::UPSTREAM;
use paceline_pace::{Answered, observation, processing};
use paceline_provider::{
    EndpointKind, LimitHeaders, Pacing, Profile, Refusal, retry_after, with_include_usage,
    with_model,
};
use tokio::time::timeout;

use super::plan::Plan;
use super::way::{Way, Wording};
use super::words::Translation;
use crate::body::UpstreamBody;
use crate::exchange::Exchange;
use crate::form::NamedModel;
use crate::pace::Lease;
use crate::relay::{Reader, Rewording};
use crate::respond::Problem;
use crate::upstream::{
    Connection, Mask, OwnKey, SendError, Upstream, chain, is_event_stream, request_headers,
    request_query,
};

/// An answer that is not a stream is read in full before it goes on when it is at most this long:
/// until then a break can be mended by a retry.
const HELD_BYTES_MAX: u64 = 1 << 20;

/// An answer that goes on in other words is read in full, up to this length.
const REWORDED_BYTES_MAX: u64 = 32 << 20;

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
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    pub(crate) head: http::response::Parts,
    pub(crate) body: Bytes,
    /// How it is put into the caller's words, where these are not the provider's.
    pub(crate) translation: Option<Translation>,
}

/// A request that is ready to go, and what to do with its answer.
pub(super) struct Outgoing {
    pub(super) request: Request<UpstreamBody>,
    /// What is known of who gets it.
    pub(super) profile: &'static Profile,
    pub(super) reading: Reading,
}

/// How an answer is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// What kind of call it answers, in the provider's words.
    kind: EndpointKind,
    /// Whether the chunk that tells a stream's usage is kept from the caller.
    strip_usage: bool,
    /// How it is put into the caller's words, where these are not the provider's.
    rewording: Option<Rewording>,
    translation: Option<Translation>,
}

/// Builds the request of this attempt over a way.
///
/// # Errors
/// When the call cannot be said in the provider's words, or its body is gone.
pub(super) fn build(
    exchange: &mut Exchange,
    plan: &mut Plan,
    way: usize,
    upstream: &Upstream,
) -> Result<Box<Outgoing>, Problem> {
    let now_ms = exchange.shared.now_ms();
    let way = plan.ways.get(way).ok_or_else(Problem::internal)?;
    let settings = plan.live.settings.reach(&way.lane.provider);
    let settings = settings.ok_or_else(Problem::internal)?;
    let called = plan.uri.path().strip_prefix("/v1").unwrap_or_default();
    let kind = exchange.endpoint.kind;
    let mut reading = Reading {
        kind,
        strip_usage: false,
        rewording: None,
        translation: None,
    };
    let wants_usage = plan.asks_usage && settings.include_usage;
    let mut path = way
        .profile
        .upstream_path(kind, called, &way.lane.model, None);
    let form = plan.model_in_form.as_ref();
    let body = match (plan.payload.whole(), way.wording) {
        (Some(_), Wording::Translated(translation)) => {
            let (body, asked) = way.said.clone().ok_or_else(Problem::internal)?;
            reading.kind = translation.kind;
            reading.translation = Some(translation);
            reading.rewording = Some(translation.answers(asked, now_ms, &settings.translation));
            path = translation.path().into();
            UpstreamBody::Whole(Full::new(body))
        }
        (Some(body), _) => {
            let worded = worded(body, way, form).ok_or_else(Problem::internal)?;
            let asking = wants_usage.then(|| with_include_usage(&worded)).flatten();
            reading.strip_usage = asking.is_some();
            UpstreamBody::Whole(Full::new(asking.unwrap_or(worded)))
        }
        (None, _) => {
            let body = plan.payload.take(|head| match way.wording {
                Wording::Renamed => worded(head, way, form),
                _ => Some(head.clone()),
            });
            body.ok_or_else(Problem::internal)?
        }
    };
    let own_key = OwnKey::of(settings, plan.own_key_only);
    let query = plan.uri.query();
    let query = query.map(|query| request_query(query, &plan.headers, &own_key, way.profile));
    let uri = upstream.target.path(&path, query.as_deref());
    let uri = uri.ok_or_else(|| Problem::invalid_path(&path, "it cannot be forwarded"))?;
    let keep_encoding = exchange.endpoint.pacing == Pacing::None;
    let headers = request_headers(
        &plan.headers,
        &upstream.target,
        &own_key,
        (way.profile, keep_encoding),
    );
    let profile = way.profile;
    let mut request = Request::new(body);
    *request.method_mut() = plan.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    exchange.trace.attempts(&mut request);
    // Moved around from here on.
    Ok(Box::new(Outgoing {
        request,
        profile,
        reading,
    }))
}

/// The body in the words of the way, or its beginning.
fn worded(body: &Bytes, way: &Way, form: Option<&NamedModel>) -> Option<Bytes> {
    match (way.wording, form) {
        (Wording::AsIs, _) => Some(body.clone()),
        (Wording::Renamed, Some(named)) => named.replaced(body, &way.lane.model),
        (Wording::Renamed, None) => with_model(body, &way.lane.model).map(Bytes::from),
        (Wording::Translated(_) | Wording::Counted | Wording::None, _) => None,
    }
}

/// Sends one attempt and judges the start of its answer.
///
/// # Errors
/// When no proper answer comes.
pub(super) async fn send(
    exchange: &mut Exchange,
    upstream: &Arc<Upstream>,
    outgoing: Box<Outgoing>,
    lease: Option<&mut Lease>,
) -> Result<Sent, SendError> {
    let Outgoing {
        request,
        profile,
        reading,
    } = *outgoing;
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
    let provider = exchange.lane.as_ref().map(|lane| &*lane.provider);
    exchange
        .shared
        .note_reached(provider.unwrap_or(UPSTREAM), true);
    let (head, body) = response.into_parts();
    let (shared, sent_at) = (Arc::clone(&exchange.shared), exchange.sent_at());
    shared.note_date(&head.headers, sent_at);
    let provider_now = shared.provider_now();
    if let Some((pool, reservation)) = observer {
        let told = LimitHeaders::parse_for(profile, &head.headers, provider_now);
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
        let translation = reading.translation;
        let reading = refused(profile, (head, body), upstream, provider_now);
        let mut refused = connection.total().bound(reading).await?;
        refused.translation = translation;
        connection.keep();
        return Ok(Sent::Refused(Box::new(refused)));
    }
    let total = connection.total();
    let reading = read_start(
        exchange,
        upstream,
        Response::from_parts(head, body),
        connection,
        reading,
    );
    total.bound(reading).await
}

async fn refused(
    profile: &Profile,
    (mut head, body): (http::response::Parts, Incoming),
    upstream: &Upstream,
    provider_now: Option<SystemTime>,
) -> Result<Refused, SendError> {
    let status = head.status.as_u16();
    let body = read_bounded(body, ERROR_BYTES_MAX, upstream.idle_timeout).await?;
    // First of all, so that the key is in nothing that is made of it.
    let body = upstream.mask.bytes(body);
    upstream.mask.headers(&mut head.headers);
    let mut refusal =
        Refusal::from_response_for(profile, status, &head.headers, &body, provider_now)
            .unwrap_or_else(|| unexplained(status, &head.headers));
    if refusal.retry_after.is_none() {
        refusal.retry_after = retry_after(&head.headers, SystemTime::now());
    }
    Ok(Refused {
        refusal,
        head,
        body,
        translation: None,
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
    reading: Reading,
) -> Result<Sent, SendError> {
    let (mut head, mut body) = response.into_parts();
    if let Some(translation) = reading.translation {
        translation.name_id(&mut head.headers);
    }
    let kind = reading.kind;
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
        let mut reader = match reading.rewording {
            Some(rewording) => Reader::reworded(kind, rewording),
            None => Reader::events(kind, reading.strip_usage),
        };
        let mut ready = VecDeque::new();
        let mut is_over = false;
        if let Some(piece) = next_piece(&mut body, upstream.idle_timeout).await? {
            exchange.trace.begins_to_stream();
            reader.read(piece, &mut |piece| ready.push_back(piece));
            if kind == EndpointKind::Responses {
                is_over = hold_preamble(&mut body, &mut reader, &mut ready).await?;
            }
        }
        let mut refusal = reader.early_refusal().cloned();
        if let Some(refusal) = &mut refusal {
            upstream.mask.refusal(refusal);
            let told: Vec<u8> = ready.drain(..).flatten().collect();
            ready.push_back(upstream.mask.bytes(told.into()));
        }
        if is_over && refusal.is_none() {
            reader = reader.finished(&mut |piece| ready.push_back(piece));
            if let Some(error) = reader.flaw() {
                return Err(error);
            }
        }
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
    let held_max = match reading.rewording {
        Some(_) => REWORDED_BYTES_MAX,
        None => HELD_BYTES_MAX,
    };
    while held_bytes <= held_max && body.size_hint().lower() <= held_max {
        let Some(piece) = next_piece(&mut body, upstream.idle_timeout).await? else {
            let whole = if held.len() == 1 {
                held.pop_front().unwrap_or_default()
            } else {
                held.into_iter().flatten().collect()
            };
            let whole = checked(whole, &reading, &upstream.mask)?;
            return Ok(Sent::Answer(answer(AnswerBody::Whole(whole), reader)));
        };
        held_bytes += piece.len() as u64;
        reader.read(piece, &mut |piece| held.push_back(piece));
    }
    if reading.rewording.is_some() {
        let why =
            format!("longer than {REWORDED_BYTES_MAX} bytes, which is not put into other words");
        return Err(SendError::Garbage(why));
    }
    Ok(Sent::Answer(answer(AnswerBody::Rest(body, held), reader)))
}

/// A whole answer in the caller's words.
///
/// # Errors
/// When it is no answer of the provider's API.
fn checked(whole: Bytes, reading: &Reading, mask: &Mask) -> Result<Bytes, SendError> {
    if let Some(rewording) = &reading.rewording {
        let reworded = rewording.whole(&whole);
        return reworded.map_err(|error| SendError::Garbage(error.to_string()));
    }
    // An object that is cut short goes on as it is: nothing here reads it but for its usage.
    if is_told_in_json(reading.kind) && !whole.trim_ascii().starts_with(b"{") {
        let text = mask.bytes(whole);
        let text = text.trim_ascii();
        let start = String::from_utf8_lossy(&text[..text.len().min(60)]).into_owned();
        return Err(SendError::Garbage(format!("no JSON object, but {start:?}")));
    }
    Ok(whole)
}

/// Whether an answer to such a call that is no stream is a JSON object, always.
fn is_told_in_json(kind: EndpointKind) -> bool {
    matches!(
        kind,
        EndpointKind::ChatCompletions
            | EndpointKind::Completions
            | EndpointKind::Responses
            | EndpointKind::Embeddings
            | EndpointKind::Moderations
            | EndpointKind::Messages
    )
}

/// Reads on while a stream of the Responses API has told no more than that it began, and says whether
/// it came to its end with that.
///
/// A refusal comes right behind that preamble, where it comes at all, so the wait is short.
async fn hold_preamble(
    body: &mut Incoming,
    reader: &mut Reader,
    ready: &mut VecDeque<Bytes>,
) -> Result<bool, SendError> {
    let end = tokio::time::Instant::now() + PREAMBLE_TIME_MAX;
    while reader.is_preamble() && ready.iter().map(Bytes::len).sum::<usize>() < PREAMBLE_BYTES_MAX {
        match tokio::time::timeout_at(end, body.frame()).await {
            Err(_) => break,
            Ok(None) => return Ok(true),
            Ok(Some(Err(error))) => return Err(SendError::Cut(chain(&error))),
            Ok(Some(Ok(frame))) => {
                if let Ok(piece) = frame.into_data() {
                    reader.read(piece, &mut |piece| ready.push_back(piece));
                }
            }
        }
    }
    Ok(false)
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
