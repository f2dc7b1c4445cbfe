//! Serving the page on this machine, and telling it how the race stands.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use futures_util::stream::{Stream, unfold};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::report::Report;
use super::document;
use crate::exit::{self, Failure};

/// How long those who watch get to take the last figures.
const CLOSING: Duration = Duration::from_secs(1);

/// A page that is being served.
#[derive(Debug)]
pub(in crate::demo) struct Page {
    url: String,
    latest: watch::Sender<Latest>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

/// The newest report, as it is sent.
#[derive(Clone, Debug)]
struct Latest {
    json: Arc<str>,
    /// Nothing follows it.
    last: bool,
}

impl Latest {
    fn of(report: &Report) -> Result<Self, Failure> {
        Ok(Self {
            json: report.json()?.into(),
            last: report.verdict.is_some(),
        })
    }
}

impl Page {
    /// Listens, and serves until it is closed.
    pub(in crate::demo) async fn open(
        listen: SocketAddr,
        report: &Report,
    ) -> Result<Self, Failure> {
        let cannot = |error| {
            let message = format!("cannot serve the page on {listen}: {error}; see --page-listen");
            Failure::new(exit::ADDRESS, message)
        };
        let listener = TcpListener::bind(listen).await.map_err(cannot)?;
        let url = format!("http://{}/", listener.local_addr().map_err(cannot)?);
        let (latest, reports) = watch::channel(Latest::of(report)?);
        let (stop, stopped) = oneshot::channel::<()>();
        let served = axum::serve(listener, router(reports)).with_graceful_shutdown(async {
            // A sender that is gone has stopped as well.
            let _ = stopped.await;
        });
        let server = tokio::spawn(async {
            if let Err(error) = served.await {
                tracing::error!(%error, "the page ended");
            }
        });
        Ok(Self {
            url,
            latest,
            stop,
            server,
        })
    }

    /// Where a browser finds it.
    pub(in crate::demo) fn url(&self) -> &str {
        &self.url
    }

    /// Tells those who watch how the race stands.
    pub(in crate::demo) fn show(&self, report: &Report) -> Result<(), Failure> {
        self.latest.send_replace(Latest::of(report)?);
        Ok(())
    }

    /// Stops serving, once those who watch have the last figures.
    pub(in crate::demo) async fn close(self) {
        // A server that has ended already needs no word.
        let _ = self.stop.send(());
        let mut server = self.server;
        if timeout(CLOSING, &mut server).await.is_err() {
            server.abort();
        }
    }
}

fn router(reports: watch::Receiver<Latest>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/race.json", get(figures))
        .route("/events", get(events))
        .with_state(reports)
}

/// Headers of every answer but the events: the browser keeps nothing and guesses nothing.
const PLAIN: [(HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

async fn page() -> impl IntoResponse {
    let (page, policy) = document::live();
    let policy = [(header::CONTENT_SECURITY_POLICY, policy)];
    (PLAIN, policy, Html(page))
}

async fn figures(State(reports): State<watch::Receiver<Latest>>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    let json = reports.borrow().json.to_string();
    (PLAIN, kind, json)
}

/// The report now and whenever it changes; ends after the last.
async fn events(
    State(mut reports): State<watch::Receiver<Latest>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    reports.mark_changed();
    Sse::new(unfold(Some(reports), |reports| async {
        let mut reports = reports?;
        reports.changed().await.ok()?;
        let latest = reports.borrow_and_update().clone();
        let event = Event::default().data(&*latest.json);
        Some((Ok(event), (!latest.last).then_some(reports)))
    }))
}
