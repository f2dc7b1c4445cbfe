//! Who may use the admin plane: whoever shows the token, or a browser that was signed in with it.

mod cookie;
mod guesses;
mod sessions;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use paceline_config::Secret;
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use super::problem::Problem;
use crate::browser::is_from_elsewhere;
use crate::shared::Shared;
pub(crate) use cookie::NAME as SESSION_COOKIE;
use guesses::Guesses;
use sessions::{Sessions, hash};

pub(super) use sessions::TICKET_AGE_MAX;

/// What goes with every answer behind the token: it is kept nowhere and taken for nothing else.
const ANSWER_HEADERS: [(HeaderName, &str); 2] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Sent by the dashboard's page with what changes something: no page of another origin can set it
/// without having asked first, which it is never allowed.
const FROM_THE_PAGE: &str = "x-paceline-dashboard";

/// How a browser says from where the page comes that sends a request.
const FETCH_SITE: &str = "sec-fetch-site";

/// Where browsers sign in, which nobody who does it has a session for.
pub(super) const SIGN_IN: &str = "/dashboard/session";

/// What a caller must show.
#[derive(Debug)]
pub(super) struct Gate {
    token: Secret,
    shared: Arc<Shared>,
    sessions: Mutex<Sessions>,
    guesses: Mutex<Guesses>,
}

/// What let a request in.
#[derive(Clone, Debug)]
pub(super) enum Entered {
    /// The token, or nothing, where nothing is asked for.
    Token,
    /// A session, and what tells its end.
    Session(watch::Receiver<()>),
}

/// Lets a request through when it shows the token or a session, and does not come from a foreign page.
pub(super) async fn guard(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    let (method, headers) = (request.method(), request.headers());
    let is_sign_in = *method == Method::POST && request.uri().path() == SIGN_IN;
    let entered = match gate.is_welcome(headers) {
        Err(problem) => Err(problem.into_response()),
        Ok(()) if is_sign_in => Ok(Entered::Token),
        Ok(()) => gate.admit(method, headers).await,
    };
    let mut response = match entered {
        Err(refusal) => refusal,
        Ok(entered) => {
            request.extensions_mut().insert(entered.clone());
            let response = next.run(request).await;
            match entered {
                Entered::Token => response,
                Entered::Session(end) => until(end, response),
            }
        }
    };
    let headers = response.headers_mut();
    for (name, value) in ANSWER_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Lets a request through to what is no secret, under whatever name is served.
pub(super) async fn guard_name(
    State(gate): State<Arc<Gate>>,
    request: Request,
    next: Next,
) -> Response {
    match gate.is_named(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Ends what streams to a browser when its session ends.
fn until(mut end: watch::Receiver<()>, response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_stream {
        return response;
    }
    let ended = async move { while end.changed().await.is_ok() {} };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(ended)))
}

impl Gate {
    pub(super) fn new(shared: Arc<Shared>, token: Secret) -> Self {
        Self {
            token,
            shared,
            sessions: Mutex::default(),
            guesses: Mutex::default(),
        }
    }

    /// Whether the host that a request names is served here.
    fn is_named(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if is_served(headers, &self.shared.live().settings.admin.hosts) {
            return Ok(());
        }
        let message = "this host name is not served; admin.hosts lists those that are, besides \
                       localhost and addresses";
        Err(Problem::new(StatusCode::FORBIDDEN, "foreign_host", message))
    }

    /// Whether a request names a host that is served, and comes from no foreign page.
    fn is_welcome(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.is_named(headers)?;
        if is_from_elsewhere(headers) {
            let message = "requests from pages of another origin are refused";
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "foreign_origin",
                message,
            ));
        }
        Ok(())
    }

    /// Lets a request in that shows the token or a session, or says why not.
    async fn admit(&self, method: &Method, headers: &HeaderMap) -> Result<Entered, Response> {
        if let Some(given) = headers.get(header::AUTHORIZATION) {
            let given = given.as_bytes().strip_prefix(b"Bearer ");
            let is_right = match given {
                Some(given) => self.is_token(given).await,
                None => Ok(false),
            };
            return match is_right {
                Ok(true) => Ok(Entered::Token),
                Ok(false) => Err(unauthorized(headers)),
                Err(pause) => Err(too_many_attempts(pause).into_response()),
            };
        }
        let shown = cookie::shown(headers);
        if !shown.is_empty() && !method.is_safe() && !is_from_the_page(headers) {
            let message = "with a session, what changes something needs the header \
                           x-paceline-dashboard: 1 and an Origin of this address";
            let problem = Problem::new(StatusCode::FORBIDDEN, "not_from_the_page", message);
            return Err(problem.into_response());
        }
        let now = self.shared.clock.now();
        let mut sessions = self.sessions.lock();
        let mut ends = shown.iter().filter_map(|id| sessions.enter(id, now));
        let end = ends.next();
        end.map(Entered::Session)
            .ok_or_else(|| unauthorized(headers))
    }

    /// Whether this is the token. Takes its time when somebody guesses.
    ///
    /// # Errors
    /// How long it takes until asking again is of use.
    async fn is_token(&self, given: &[u8]) -> Result<bool, Duration> {
        let hashed = hash(given);
        let wait = {
            let mut guesses = self.guesses.lock();
            if guesses.is_known(&hashed) {
                return Ok(false);
            }
            guesses.take(self.shared.clock.now())?
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let is_right = given.ct_eq(self.token.expose().as_bytes()).into();
        let mut guesses = self.guesses.lock();
        match is_right {
            true => guesses.give_back(),
            false => {
                guesses.was_wrong(hashed);
                drop(guesses);
                tracing::warn!("a wrong admin token was refused");
            }
        }
        Ok(is_right)
    }

    /// Signs a browser in that shows the token or a ticket: the header with its cookie.
    pub(super) async fn sign_in(
        &self,
        headers: &HeaderMap,
        given: &str,
    ) -> Result<HeaderValue, Problem> {
        let given = given.as_bytes();
        let has_ticket = self
            .sessions
            .lock()
            .redeem(&hash(given), self.shared.clock.now());
        if !has_ticket && !self.is_token(given).await.map_err(too_many_attempts)? {
            let message = "this is not the admin token, or the ticket was used or is over; \
                           `paceline dashboard` prints an address that signs in";
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                message,
            ));
        }
        let id = self.sessions.lock().begin(self.shared.clock.now());
        let id = id.map_err(|error| no_randomness(&error))?;
        let set = cookie::set(headers, &id);
        tracing::info!("a browser has signed in to the dashboard");
        set.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "foreign_host", "no such host"))
    }

    /// Forgets the session of a browser: the header that takes its cookie away.
    pub(super) fn sign_out(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let shown = cookie::shown(headers);
        let mut sessions = self.sessions.lock();
        for id in &shown {
            sessions.end(id);
        }
        cookie::clear(headers).filter(|_| !shown.is_empty())
    }

    /// Makes a ticket that signs a browser in, once. A session makes none: it would never end.
    pub(super) fn ticket(&self, entered: &Entered) -> Result<String, Problem> {
        if let Entered::Session(_) = entered {
            let message = "a ticket is made with the admin token, and not with a session";
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "not_from_the_page",
                message,
            ));
        }
        let ticket = self.sessions.lock().ticket(self.shared.clock.now());
        ticket.map_err(|error| no_randomness(&error))
    }

    /// Whether something that was meant for others is the token.
    pub(super) fn holds(&self, text: &[u8]) -> bool {
        let text = text.strip_prefix(b"Bearer ").unwrap_or(text);
        text.ct_eq(self.token.expose().as_bytes()).into()
    }
}

fn no_randomness(error: &getrandom::Error) -> Problem {
    let message = format!("no random bytes for a session: {error}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no_randomness", message)
}

fn too_many_attempts(pause: Duration) -> Problem {
    let message = "too many wrong tokens came lately; try again in a moment";
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message);
    problem.after(pause)
}

/// No token, a wrong one, or a session that is over, whose cookie is taken away.
fn unauthorized(headers: &HeaderMap) -> Response {
    let message = "the admin token is needed: Authorization: Bearer <token>; it is kept in the \
                   file admin-token of the state folder";
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    let mut response = (challenge, problem).into_response();
    let stale = !cookie::shown(headers).is_empty() && !headers.contains_key(header::AUTHORIZATION);
    if let Some(clear) = cookie::clear(headers).filter(|_| stale) {
        response.headers_mut().insert(header::SET_COOKIE, clear);
    }
    response
}

/// Whether the dashboard's own page says that it sends this. Where it comes from is known to be this
/// address if it is told at all.
fn is_from_the_page(headers: &HeaderMap) -> bool {
    let is_marked = headers.get(FROM_THE_PAGE).is_some_and(|mark| mark == "1");
    let is_placed = headers.contains_key(header::ORIGIN)
        || headers
            .get(FETCH_SITE)
            .is_some_and(|site| site == "same-origin");
    is_marked && is_placed
}

/// Whether the host that a request names is an address, this machine, or one of `names`. A name that
/// somebody else owns may have been made to point here, to get at this from a page of theirs.
fn is_served(headers: &HeaderMap, names: &[String]) -> bool {
    let host = headers.get(header::HOST).map(HeaderValue::to_str);
    let Some(Ok(host)) = host else {
        // Pages cannot leave it out; HTTP/1.0 probes may.
        return host.is_none();
    };
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| host.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        pairs.collect()
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let own = ("host", "127.0.0.1:4100");
        for (name, value, is_welcome) in [
            ("origin", "http://127.0.0.1:4100", true),
            ("origin", "http://evil.test", false),
            ("origin", "http://127.0.0.1:4101", false),
            ("origin", "null", false),
            ("origin", "", false),
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "none", true),
            ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "cross-site", false),
            ("sec-fetch-site", "", false),
            ("accept", "*/*", true),
        ] {
            let asked = headers(&[own, (name, value)]);
            assert_eq!(!is_from_elsewhere(&asked), is_welcome, "{name}: {value}");
        }
        assert!(is_from_elsewhere(&headers(&[("origin", "http://a")])));
    }

    #[test]
    fn only_the_page_itself_says_what_the_page_says() {
        let mark = ("x-paceline-dashboard", "1");
        let origin = ("origin", "http://127.0.0.1:4100");
        assert!(is_from_the_page(&headers(&[mark, origin])));
        assert!(is_from_the_page(&headers(&[
            mark,
            ("sec-fetch-site", "same-origin")
        ])));
        for lacking in [
            &[mark][..],
            &[origin],
            &[mark, ("sec-fetch-site", "none")],
            &[("x-paceline-dashboard", ""), origin],
        ] {
            assert!(!is_from_the_page(&headers(lacking)), "{lacking:?}");
        }
    }
}
