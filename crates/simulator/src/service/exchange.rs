//! One request and its answer: who asks, what for, whether the limits allow it, what goes wrong.

use bytes::Bytes;
use http::{StatusCode, request::Parts};

use crate::{
    answer::{Answer, Dialect, Event, Pace, Rhythm},
    book,
    caller::{self, Caller},
    charge::Charge,
    court::{COUNTING, Party, Ticket, Verdict},
    endpoints::{self, Input, Keep, Prepared},
    enforcer::{QuotaLevel, Refusal},
    faults::Fault,
    headers::add_retry_after,
    likeness::Likeness,
    provider::Provider,
    quota::{Metric, Quota},
    refusal::ApiError,
    settings::StreamRefusals,
    turn::Turn,
    voice::{self, Shown, Subject},
};

/// The header by which a request orders a fault for itself.
const FAULT_HEADER: &str = "x-simulator-fault";

/// A request and its provider.
pub(super) struct Exchange<'a> {
    provider: &'a Provider,
    parts: &'a Parts,
    request_id: String,
}

/// A fault that is a refusal, and the level that it pretends.
type Pretended = (ApiError, Option<QuotaLevel>);

impl<'a> Exchange<'a> {
    pub(super) fn new(provider: &'a Provider, parts: &'a Parts) -> Self {
        Self {
            provider,
            parts,
            request_id: provider.request_id(),
        }
    }

    pub(super) fn answer(&self, body: Bytes) -> Turn {
        let subject = self.subject("-", false);
        let turn = self.judge(body);
        self.identified(turn.unwrap_or_else(|error| self.refused(&subject, &error, &[])))
    }

    /// The answer to a request whose body could not be read.
    pub(super) fn unread(&self, error: &ApiError) -> Turn {
        self.identified(self.refused(&self.subject("-", false), error, &[]))
    }

    fn identified(&self, mut turn: Turn) -> Turn {
        let settings = self.provider.settings();
        let project = caller::project_named(settings, &self.parts.headers, self.parts.uri.query());
        voice::add_identity(
            &mut turn.headers,
            settings,
            project.as_deref(),
            &self.request_id,
        );
        turn.tells_time = matches!(settings.likeness, Likeness::OpenAi | Likeness::Azure);
        turn
    }

    fn subject<'s>(&'s self, model: &'s str, is_stream: bool) -> Subject<'s> {
        Subject {
            settings: self.provider.settings(),
            model,
            query: self.parts.uri.query(),
            is_stream,
            now_ns: self.provider.court().now_ns(),
        }
    }

    fn judge(&self, body: Bytes) -> Result<Turn, ApiError> {
        let Parts {
            method,
            uri,
            headers,
            ..
        } = self.parts;
        let (path, query) = (uri.path(), uri.query());
        let settings = self.provider.settings();
        let route = endpoints::find(settings.likeness, method, path)?;
        let caller = Caller::identify(settings, headers, query)?;
        let input = Input {
            path,
            query,
            headers,
            model: route.model.as_deref(),
            body,
        };
        let prepared = (route.endpoint)(self.provider, &input, &route.id)?;
        let fault = self.fault(path, &prepared.model)?;
        let model = prepared.model.clone();
        let subject = self.subject(&model, prepared.is_stream());
        let Some(size) = prepared.size else {
            let subject = self.subject("-", prepared.is_stream());
            let charge = Charge::default();
            let refusal = fault.and_then(|fault| self.refusal_by_fault(&subject, fault, &charge));
            return Ok(match refusal {
                Some((error, _)) => self.refused(&subject, &error, &[]),
                None => self.disturbed(&subject, prepared, None, fault),
            });
        };
        let charge = settings
            .charge_formula
            .charge(&size, settings.default_max_tokens);
        let charge = settings.settlement.at_admission(charge);
        let mut party = Party {
            request: book::name(headers),
            ..caller.party(settings, &prepared.model)
        };
        if path.ends_with(COUNTING) {
            party.pool = format!("{}{COUNTING}", party.pool).into();
        }
        let refusal = fault.and_then(|fault| self.refusal_by_fault(&subject, fault, &charge));
        if let Some((error, level)) = refusal {
            let mut levels = self.provider.court().levels(&party.pool);
            levels.retain(|known| level.is_none_or(|level| level.quota != known.quota));
            levels.extend(level);
            return Ok(self.refused(&subject, &error, &levels));
        }
        Ok(self.decided(&subject, prepared, party, (charge, fault)))
    }

    /// The answer that the limits allow.
    fn decided(
        &self,
        subject: &Subject<'_>,
        prepared: Prepared,
        party: Party,
        (charge, fault): (Charge, Option<Fault>),
    ) -> Turn {
        let court = self.provider.court();
        let is_whole = !prepared.is_stream();
        let cost = is_whole.then(|| (charge, court.actual(&prepared.usage)));
        let pool = party.pool.clone();
        let (mut turn, mut levels, is_refusal) = match court.admit(party, &charge) {
            Verdict::Admitted(ticket, levels) => {
                let turn = self.disturbed(subject, prepared, Some(ticket), fault);
                (turn, levels, false)
            }
            Verdict::Refused(refusal, levels) => {
                let turn = self.refused_by_limit(subject, prepared, &refusal);
                (turn, levels, true)
            }
        };
        if subject.settings.likeness == Likeness::Together {
            levels.extend(court.dynamic_level(&pool));
        }
        Shown {
            subject: *subject,
            levels: &levels,
            is_refusal,
            cost,
        }
        .add_to(&mut turn.headers);
        turn
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
        subject: &Subject<'_>,
        fault: Fault,
        charge: &Charge,
    ) -> Option<Pretended> {
        match fault {
            Fault::RateLimited => {
                let (refusal, level) = self.pretended(charge);
                Some((subject.refusal(&refusal), Some(level)))
            }
            Fault::TooLarge => {
                let quota = self.pretended_quota();
                let requested = charge.of(quota.metric).max(quota.amount.saturating_add(1));
                let refusal = Refusal::TooLarge { quota, requested };
                Some((subject.refusal(&refusal), None))
            }
            Fault::InsufficientQuota => Some((subject.insufficient_quota(), None)),
            Fault::SlowDown => Some((subject.slow_down(crate::quota::NANOS_PER_SECOND), None)),
            _ => None,
        }
    }

    /// The key of the request, which was found to be good.
    fn key(&self) -> String {
        let (headers, query) = (&self.parts.headers, self.parts.uri.query());
        let likeness = self.provider.settings().likeness;
        voice::key_of(likeness, headers, query).unwrap_or_default()
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

    /// The first limit on tokens, or else on prompts or requests, or one that is usual.
    fn pretended_quota(&self) -> Quota {
        let quotas = self.provider.court().quotas();
        let metrics = [Metric::Tokens, Metric::InputTokens];
        let found = metrics
            .into_iter()
            .find_map(|metric| quotas.iter().find(|quota| quota.metric == metric));
        let is_openai = self.provider.settings().likeness == Likeness::OpenAi;
        let other = quotas.first().filter(|_| !is_openai);
        found
            .or(other)
            .copied()
            .unwrap_or(const { Quota::tokens_per_minute(10_000) })
    }

    fn refused(&self, subject: &Subject<'_>, error: &ApiError, levels: &[QuotaLevel]) -> Turn {
        let mut turn = Turn::error(error.status, &subject.envelope(error, &self.request_id));
        add_retry_after(&mut turn.headers, &subject.settings.headers, error);
        subject.error_headers(&mut turn.headers, error);
        if !levels.is_empty() {
            Shown {
                subject: *subject,
                levels,
                is_refusal: true,
                cost: None,
            }
            .add_to(&mut turn.headers);
        }
        turn
    }

    fn refused_by_limit(
        &self,
        subject: &Subject<'_>,
        prepared: Prepared,
        refusal: &Refusal,
    ) -> Turn {
        let settings = subject.settings;
        let error = subject.refusal(refusal);
        let Answer::Events { dialect, .. } = prepared.answer else {
            return self.refused(subject, &error, &[]);
        };
        let hints = settings.stream_refusals == StreamRefusals::InStreamWithRetryAfter;
        // Azure does so with the Responses API only.
        let as_status = settings.stream_refusals == StreamRefusals::AsStatus
            || settings.likeness == Likeness::Azure && !matches!(dialect, Dialect::Responses(_));
        if as_status {
            return self.refused(subject, &error, &[]);
        }
        let events = self.error_events(subject, &dialect, &error, (0, hints));
        let mut turn = Turn::free(Answer::Events { dialect, events });
        if hints {
            add_retry_after(&mut turn.headers, &settings.headers, &error);
        }
        turn
    }

    fn error_events(
        &self,
        subject: &Subject<'_>,
        dialect: &Dialect,
        error: &ApiError,
        (sent, with_event): (u64, bool),
    ) -> Vec<Event> {
        let envelope = subject.envelope(error, &self.request_id);
        dialect.error(error, &envelope, sent, with_event)
    }

    /// The error that a fault makes of an admitted request, if it does.
    fn failure(&self, subject: &Subject<'_>, fault: Fault, is_stream: bool) -> Option<Turn> {
        let failed = |error: &ApiError| Some(self.refused(subject, error, &[]));
        match fault {
            Fault::WrongKey => failed(&subject.shown_key(&self.key())),
            Fault::Forbidden => failed(&subject.forbidden()),
            Fault::ServerError => failed(&subject.server_error()),
            Fault::Overloaded => failed(&subject.overloaded()),
            Fault::BadGateway => Some(page(StatusCode::BAD_GATEWAY)),
            Fault::GatewayTimeout => Some(page(StatusCode::GATEWAY_TIMEOUT)),
            Fault::WebPage => Some(page(StatusCode::OK)),
            Fault::ErrorInStream { .. } if !is_stream => failed(&subject.server_error()),
            Fault::RefusedInStream if !is_stream => {
                let (refusal, _) = self.pretended(&Charge::of_tokens(1));
                failed(&subject.refusal(&refusal))
            }
            _ => None,
        }
    }

    /// An answer that is served, unless a fault prevents it.
    fn disturbed(
        &self,
        subject: &Subject<'_>,
        prepared: Prepared,
        ticket: Option<Ticket>,
        fault: Option<Fault>,
    ) -> Turn {
        let is_stream = prepared.is_stream();
        if let Some(turn) = fault.and_then(|fault| self.failure(subject, fault, is_stream)) {
            ticket.into_iter().for_each(|mut ticket| ticket.fail());
            return turn;
        }
        match prepared.keep {
            Some(Keep::Response(id, response)) => {
                self.provider.responses().lock().put(id, response);
            }
            Some(Keep::Prefixes(prefixes)) => self.provider.keep_prefixes(&prefixes),
            None => {}
        }
        let settings = subject.settings;
        let rhythm = Rhythm::draw(&settings.latency, prepared.digest ^ settings.seed);
        let (answer, failed) = match (fault, prepared.answer) {
            (
                Some(Fault::ErrorInStream { after_events }),
                Answer::Events {
                    dialect,
                    mut events,
                },
            ) => {
                events.truncate(after_events as usize);
                let sent = events.len() as u64;
                let error = in_stream_error(subject);
                events.extend(self.error_events(subject, &dialect, &error, (sent, true)));
                (Answer::Events { dialect, events }, true)
            }
            (Some(Fault::RefusedInStream), Answer::Events { dialect, .. }) => {
                let (refusal, _) = self.pretended(&Charge::of_tokens(1));
                let error = subject.refusal(&refusal);
                let events = self.error_events(subject, &dialect, &error, (0, false));
                (Answer::Events { dialect, events }, true)
            }
            (_, answer) => (kept_alive(settings.likeness, answer), false),
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

/// What breaks a stream off: with Anthropic it is want of capacity.
fn in_stream_error(subject: &Subject<'_>) -> ApiError {
    match subject.settings.likeness {
        Likeness::Anthropic => subject.overloaded(),
        _ => subject.server_error(),
    }
}

/// What some providers send while they are not ready: empty lines before a whole answer, comments in a
/// stream.
fn kept_alive(likeness: Likeness, answer: Answer) -> Answer {
    let comment: &'static [u8] = match likeness {
        Likeness::DeepSeek => b": keep-alive\n\n",
        Likeness::OpenRouter => b": OPENROUTER PROCESSING\n\n",
        _ => return answer,
    };
    match answer {
        Answer::Events {
            dialect,
            mut events,
        } => {
            events.insert(0, Event::raw(comment, Pace::AtOnce));
            Answer::Events { dialect, events }
        }
        Answer::Whole { content_type, body } if likeness == Likeness::DeepSeek => Answer::Whole {
            content_type,
            body: [b"\n".as_slice(), &body].concat().into(),
        },
        whole @ Answer::Whole { .. } => whole,
    }
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
