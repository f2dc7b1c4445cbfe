//! From a request to its answer: who asks, what for, whether the limits allow it, what goes wrong.

use std::{convert::Infallible, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::{
    answer::{Answer, AnswerBody, Dialect, Event, Rhythm},
    book,
    caller::Caller,
    charge::Charge,
    control,
    court::{Party, Ticket, Verdict},
    endpoints::{self, Input, Prepared},
    enforcer::{QuotaLevel, Refusal},
    faults::Fault,
    headers::{add_levels, add_retry_after, add_text},
    provider::Provider,
    quota::{Metric, Quota},
    realtime, refusal,
    refusal::ApiError,
    settings::StreamRefusals,
    simulator::Line,
    turn::Turn,
};

/// The header by which a request orders a fault for itself.
const FAULT_HEADER: &str = "x-simulator-fault";

/// Answers one request.
pub(crate) async fn handle(
    provider: Arc<Provider>,
    line: Line,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let is_control = request.uri().path().starts_with(control::PREFIX);
    if !is_control {
        provider.court().count_received();
        let on_its_way = provider.arrival();
        if !on_its_way.is_zero() {
            tokio::time::sleep(on_its_way).await;
        }
    }
    let started = Instant::now();
    if realtime::is_wanted(&request) {
        return Ok(realtime::open(&provider, line, request, started).await);
    }
    let (parts, body) = request.into_parts();
    let turn = match read(body, provider.settings().max_body_bytes).await {
        Ok(body) if is_control => control::answer(&provider, &parts, &body),
        Ok(body) => Exchange::new(&provider, &parts).answer(body),
        Err(error) => Turn::error(&error),
    };
    Ok(turn.send(started, line).await)
}

async fn read(body: Incoming, most_bytes: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, most_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("Request body too large: the maximum is {most_bytes} bytes.");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Err(ApiError::new(status, "invalid_request_error", message))
        }
        Err(_) => Err(ApiError::invalid(
            "The request body could not be read to its end.",
        )),
    }
}

/// The headers that every answer of the provider carries.
pub(crate) fn identity(provider: &Provider, project: Option<&str>) -> HeaderMap {
    let settings = provider.settings();
    let mut headers = HeaderMap::with_capacity(16);
    let organization = HeaderName::from_static("openai-organization");
    add_text(&mut headers, organization, &settings.organization);
    if let Some(project) = project.or(settings.project.as_deref()) {
        add_text(
            &mut headers,
            HeaderName::from_static("openai-project"),
            project,
        );
    }
    add_text(
        &mut headers,
        HeaderName::from_static("openai-version"),
        "2020-10-01",
    );
    add_text(
        &mut headers,
        HeaderName::from_static("x-request-id"),
        &provider.request_id(),
    );
    headers
}

/// A request and its provider.
struct Exchange<'a> {
    provider: &'a Provider,
    parts: &'a Parts,
}

impl<'a> Exchange<'a> {
    const fn new(provider: &'a Provider, parts: &'a Parts) -> Self {
        Self { provider, parts }
    }

    fn answer(&self, body: Bytes) -> Turn {
        let mut turn = self
            .judge(body)
            .unwrap_or_else(|error| self.refused(&error, &[]));
        let project = self.parts.headers.get("openai-project");
        let project = project.and_then(|project| project.to_str().ok());
        turn.headers.extend(identity(self.provider, project));
        turn
    }

    fn judge(&self, body: Bytes) -> Result<Turn, ApiError> {
        let Parts {
            method,
            uri,
            headers,
            ..
        } = self.parts;
        let path = uri.path();
        let (endpoint, id) = endpoints::find(method, path)?;
        let caller = Caller::identify(self.provider.settings(), headers)?;
        let input = Input {
            path,
            query: uri.query(),
            headers,
            body,
        };
        let prepared = endpoint(self.provider, &input, id)?;
        let fault = self.fault(path, &prepared.model)?;
        let Some(size) = prepared.size else {
            let charge = Charge::default();
            let refusal = fault.and_then(|fault| self.refusal_by_fault(fault, &charge, "-"));
            return Ok(match refusal {
                Some((error, _)) => self.refused(&error, &[]),
                None => self.disturbed(prepared, None, fault),
            });
        };
        let settings = self.provider.settings();
        let charge = settings
            .charge_formula
            .charge(&size, settings.default_max_tokens);
        let party = Party {
            request: book::name(headers),
            ..caller.party(settings, &prepared.model)
        };
        let model = prepared.model.as_str();
        let refusal = fault.and_then(|fault| self.refusal_by_fault(fault, &charge, model));
        if let Some((error, level)) = refusal {
            let mut levels = self.provider.court().levels(&party.pool);
            levels.retain(|known| level.is_none_or(|level| level.quota != known.quota));
            levels.extend(level);
            return Ok(self.refused(&error, &levels));
        }
        let (mut turn, levels) = match self.provider.court().admit(party, &charge) {
            Verdict::Admitted(ticket, levels) => {
                (self.disturbed(prepared, Some(ticket), fault), levels)
            }
            Verdict::Refused(refusal, levels) => {
                (self.refused_by_limit(prepared, &refusal), levels)
            }
        };
        add_levels(&mut turn.headers, &settings.headers, &levels);
        Ok(turn)
    }

    fn fault(&self, path: &str, model: &str) -> Result<Option<Fault>, ApiError> {
        let order = self.parts.headers.get(FAULT_HEADER);
        let order = order.map(|order| String::from_utf8_lossy(order.as_bytes()));
        let fault = self.provider.fault(order.as_deref(), path, model);
        let fault = fault.map_err(|error| ApiError::invalid(error.to_string()))?;
        if let Some(fault) = fault {
            self.provider.court().count_fault(fault.name());
        }
        Ok(fault)
    }

    /// The refusal that a fault is, if it is one, and the level that it pretends.
    fn refusal_by_fault(
        &self,
        fault: Fault,
        charge: &Charge,
        model: &str,
    ) -> Option<(ApiError, Option<QuotaLevel>)> {
        match fault {
            Fault::RateLimited => {
                let (refusal, level) = self.pretended(charge);
                Some((self.error_for(&refusal, model), Some(level)))
            }
            Fault::TooLarge => {
                let quota = self.pretended_quota();
                let requested = charge.of(quota.metric).max(quota.amount.saturating_add(1));
                let refusal = Refusal::TooLarge { quota, requested };
                Some((self.error_for(&refusal, model), None))
            }
            Fault::InsufficientQuota => Some((refusal::insufficient_quota(), None)),
            Fault::SlowDown => Some((refusal::slow_down(crate::quota::NANOS_PER_SECOND), None)),
            _ => None,
        }
    }

    /// A refusal that no limit called for: the limit is said to be wholly used.
    fn pretended(&self, charge: &Charge) -> (Refusal, QuotaLevel) {
        let quota = self.pretended_quota();
        let requested = charge.of(quota.metric).clamp(1, quota.amount.max(1));
        let wait = u128::from(requested) * u128::from(quota.window_ns());
        let wait_ns = u64::try_from(wait / u128::from(quota.amount.max(1))).unwrap_or(u64::MAX);
        let used = quota.amount;
        let refusal = Refusal::OverLimit {
            quota,
            used,
            requested,
            stated_wait_ns: wait_ns,
            wait_ns,
        };
        let level = QuotaLevel {
            quota,
            used,
            remaining: 0,
            reset_ns: quota.window_ns(),
        };
        (refusal, level)
    }

    /// The first limit on tokens, or one that is usual.
    fn pretended_quota(&self) -> Quota {
        let quotas = self.provider.court().quotas();
        let tokens = quotas
            .into_iter()
            .find(|quota| quota.metric == Metric::Tokens);
        tokens.unwrap_or(const { Quota::tokens_per_minute(10_000) })
    }

    fn error_for(&self, refusal: &Refusal, model: &str) -> ApiError {
        refusal::rate_limit_error(refusal, model, &self.provider.settings().organization)
    }

    fn refused(&self, error: &ApiError, levels: &[QuotaLevel]) -> Turn {
        let mut turn = Turn::error(error);
        let settings = self.provider.settings();
        add_retry_after(&mut turn.headers, &settings.headers, error);
        add_levels(&mut turn.headers, &settings.headers, levels);
        turn
    }

    fn refused_by_limit(&self, prepared: Prepared, refusal: &Refusal) -> Turn {
        let settings = self.provider.settings();
        let error = self.error_for(refusal, &prepared.model);
        let Answer::Events { dialect, .. } = prepared.answer else {
            return self.refused(&error, &[]);
        };
        let hints = settings.stream_refusals == StreamRefusals::InStreamWithRetryAfter;
        if settings.stream_refusals == StreamRefusals::AsStatus {
            return self.refused(&error, &[]);
        }
        let events = dialect.error(&error, 0, hints);
        let mut turn = Turn::free(Answer::Events { dialect, events });
        if hints {
            add_retry_after(&mut turn.headers, &settings.headers, &error);
        }
        turn
    }

    /// An answer that is served, unless a fault prevents it.
    fn disturbed(&self, prepared: Prepared, ticket: Option<Ticket>, fault: Option<Fault>) -> Turn {
        let error = match fault {
            Some(Fault::ServerError) => Some(Turn::error(&refusal::server_error())),
            Some(Fault::Overloaded) => Some(self.refused(&refusal::overloaded(), &[])),
            Some(Fault::BadGateway) => Some(page(StatusCode::BAD_GATEWAY)),
            Some(Fault::GatewayTimeout) => Some(page(StatusCode::GATEWAY_TIMEOUT)),
            Some(Fault::ErrorInStream { .. }) if !prepared.is_stream() => {
                Some(Turn::error(&refusal::server_error()))
            }
            Some(Fault::RefusedInStream) if !prepared.is_stream() => {
                let (refusal, _) = self.pretended(&Charge::of_tokens(1));
                Some(self.refused(&self.error_for(&refusal, &prepared.model), &[]))
            }
            _ => None,
        };
        if let Some(turn) = error {
            ticket.into_iter().for_each(|mut ticket| ticket.fail());
            return turn;
        }
        if let Some((id, response)) = prepared.keep {
            self.provider.responses().lock().put(id, response);
        }
        let settings = self.provider.settings();
        let rhythm = Rhythm::draw(&settings.latency, prepared.digest ^ settings.seed);
        let (answer, failed) = match (fault, prepared.answer) {
            (Some(Fault::ErrorInStream { after_events }), Answer::Events { dialect, events }) => {
                (broken_off(dialect, events, after_events as usize), true)
            }
            (Some(Fault::RefusedInStream), Answer::Events { dialect, .. }) => {
                let (refusal, _) = self.pretended(&Charge::of_tokens(1));
                let error = self.error_for(&refusal, &prepared.model);
                let events = dialect.error(&error, 0, false);
                (Answer::Events { dialect, events }, true)
            }
            (_, answer) => (answer, false),
        };
        Turn {
            ticket,
            usage: prepared.usage,
            rhythm,
            failed,
            fault,
            ..Turn::free(answer)
        }
    }
}

/// A stream that reports an error after some of its events.
fn broken_off(dialect: Dialect, mut events: Vec<Event>, after: usize) -> Answer {
    events.truncate(after);
    let sent = events.len() as u64;
    events.extend(dialect.error(&refusal::server_error(), sent, true));
    Answer::Events { dialect, events }
}

/// A web page as proxies send it instead of an answer.
fn page(status: StatusCode) -> Turn {
    let reason = status.canonical_reason().unwrap_or_default();
    let title = format!("{} {reason}", status.as_u16());
    let body = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1>\
         </center>\r\n</body>\r\n</html>\r\n"
    );
    let answer = Answer::Whole {
        content_type: "text/html; charset=UTF-8",
        body: body.into(),
    };
    Turn {
        status,
        ..Turn::free(answer)
    }
}
