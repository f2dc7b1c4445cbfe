//! One request to the provider: from finding a connection to the head of the answer.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use paceline_config as config;
use paceline_config::HttpVersion;
use parking_lot::Mutex;
use tokio::time::timeout;

use super::dial::{Dialer, Way};
use super::failure::{ConnectError, SendError, chain};
use super::http1::{self, Single};
use super::http2::Multiplexed;
use super::mask::Mask;
use super::places::{Place, Places};
use super::shelf::{Carrier, Shelf};
use super::stream::Stalled;
use super::target::{Target, TargetError};
use super::total::Total;
use super::watched::{Patience, Progress};
use crate::body::UpstreamBody;

/// How often a request that the provider did not look at is sent again at once. After that it is a
/// failure like others, with a pause before the next attempt.
const RESENDS_MAX: u32 = 3;

/// The provider, as one thread reaches it.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) target: Target,
    /// Takes the key that the gateway sends out of what the provider says.
    pub(crate) mask: Mask,
    dialer: Dialer,
    version: HttpVersion,
    connect_timeout: Duration,
    patience: Patience,
    /// Longest pause between two pieces of an answer.
    pub(crate) idle_timeout: Duration,
    total_timeout: Option<Duration>,
    connections_max: Option<NonZeroUsize>,
    places: Arc<Places>,
    shelf: Arc<Shelf>,
    /// Held while a connection is opened that others may share, with the last one's failure.
    opening: tokio::sync::Mutex<()>,
    failed: Mutex<Option<(Instant, ConnectError)>>,
    /// Whether the provider chose HTTP/1.1 when it could choose.
    prefers_http1: AtomicBool,
}

/// The connection that an answer comes over; it goes back to its pool when the answer is complete.
#[derive(Debug)]
pub(crate) struct Connection {
    carrier: Carrier,
    upstream: Arc<Upstream>,
    total: Total,
}

impl Connection {
    /// Keeps the connection for the next request.
    pub(crate) fn keep(self) {
        match self.carrier {
            Carrier::Single(single) => self.upstream.shelf.keep(single),
            // The connection was never given away, and the stream is over.
            Carrier::Stream(permit) => drop(permit),
        }
    }

    /// When the answer has to be complete.
    pub(crate) fn total(&self) -> Total {
        self.total
    }
}

/// What a request is sent with.
pub(super) struct Asked<'a> {
    pub(super) dialer: &'a Dialer,
    patience: Patience,
    /// How long the caller waits for the answer to begin, where that is limited.
    within: Option<Duration>,
}

/// Why a connection brought no answer.
pub(super) enum Unanswered {
    /// The provider did not look at the request, which is here again, and why.
    Unsent(Box<Request<UpstreamBody>>, String),
    /// It may have looked at it, or it cannot be sent again.
    Failed(SendError),
}

impl From<SendError> for Unanswered {
    fn from(error: SendError) -> Self {
        Self::Failed(error)
    }
}

impl Unanswered {
    /// The provider said that it did not look at a request.
    pub(super) fn turned_away(again: Option<Request<UpstreamBody>>, reason: String) -> Self {
        match again {
            Some(request) => Self::Unsent(Box::new(request), reason),
            None => Self::Failed(ConnectError::TurnedAway(reason).into()),
        }
    }
}

impl Asked<'_> {
    /// Waits for an answer as long as it may take.
    pub(super) async fn wait<T>(
        &self,
        sending: impl Future<Output = T>,
        progress: &Progress,
    ) -> Result<T, SendError> {
        let waiting = async {
            tokio::select! {
                biased;
                answer = sending => Ok(answer),
                overdue = progress.overdue(self.patience) => Err(overdue),
            }
        };
        let Some(limit) = self.within else {
            return waiting.await;
        };
        timeout(limit, waiting).await.unwrap_or_else(|_| {
            let phase = "waiting for the first byte of the answer";
            Err(SendError::Timeout { phase, limit })
        })
    }

    /// What a broken connection means.
    pub(super) fn failed(&self, error: &hyper::Error) -> SendError {
        match Stalled::caused(error) {
            true => SendError::Timeout {
                phase: "without taking any of the request (write_timeout)",
                limit: self.patience.write,
            },
            false => SendError::Cut(chain(error)),
        }
    }
}

impl Upstream {
    /// Reads the settings, for a use of its own.
    ///
    /// # Errors
    /// When the address, the proxy or a certificate cannot be used.
    pub(crate) fn new(settings: &config::Upstream) -> Result<Self, TargetError> {
        Self::sharing(settings, &Arc::default())
    }

    /// Reads the settings. All that have the same `places` have `connections_max` together.
    ///
    /// # Errors
    /// When the address, the proxy or a certificate cannot be used.
    pub(crate) fn sharing(
        settings: &config::Upstream,
        places: &Arc<Places>,
    ) -> Result<Self, TargetError> {
        let dialer = Dialer::new(settings)?;
        let (idle_max, lifetime) = (settings.idle_connections_max, settings.connection_lifetime);
        let shelf = Arc::new(Shelf::new(idle_max, lifetime, Arc::clone(places)));
        places.join(&shelf);
        Ok(Self {
            target: dialer.target.clone(),
            mask: Mask::of(settings.api_key.as_ref()),
            dialer,
            version: settings.http_version,
            connect_timeout: settings.connect_timeout,
            patience: Patience {
                write: settings.write_timeout,
                first_byte: settings.first_byte_timeout,
            },
            idle_timeout: settings.idle_timeout,
            total_timeout: settings.total_timeout,
            connections_max: settings.connections_max,
            places: Arc::clone(places),
            shelf,
            opening: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
            prefers_http1: AtomicBool::new(false),
        })
    }

    /// Looks names up elsewhere.
    #[cfg(test)]
    pub(super) fn set_resolver(&mut self, resolver: Arc<dyn super::resolve::Resolve>) {
        self.dialer.set_resolver(resolver);
    }

    /// Sends one request and waits for the head of the answer.
    ///
    /// The answer has to begin within `patience`, where the caller has less than is set.
    /// `on_sent` is called when the provider may have seen the request. What it cannot have looked
    /// at, because a kept connection turns out to be closed or because it says so, is sent again.
    ///
    /// # Errors
    /// When no connection can be had, when it ends early, or when no answer starts in time.
    pub(crate) async fn send(
        self: &Arc<Self>,
        request: Request<UpstreamBody>,
        patience: Option<Duration>,
        on_sent: impl FnOnce(),
    ) -> Result<(Response<Incoming>, Connection), SendError> {
        let total = Total::starting_now(self.total_timeout);
        let (response, carrier) = total.bound(self.ask(request, patience, on_sent)).await?;
        let upstream = Arc::clone(self);
        let connection = Connection {
            carrier,
            upstream,
            total,
        };
        Ok((response, connection))
    }

    async fn ask(
        &self,
        mut request: Request<UpstreamBody>,
        within: Option<Duration>,
        on_sent: impl FnOnce(),
    ) -> Result<(Response<Incoming>, Carrier), SendError> {
        let asked = Asked {
            dialer: &self.dialer,
            patience: self.patience,
            within,
        };
        let mut on_sent = Some(on_sent);
        let mut carrier = self.carrier().await?;
        let mut resends = 0;
        loop {
            if let Carrier::Single(single) = &mut carrier
                && !single.is_ready().await
            {
                carrier = self
                    .replaced(carrier, &mut resends, "it was closed")
                    .await?;
                continue;
            }
            if let Some(on_sent) = on_sent.take() {
                on_sent();
            }
            let answer = match &mut carrier {
                Carrier::Single(single) => single.ask(request, &asked).await,
                Carrier::Stream(permit) => permit.ask(request, &asked).await,
            };
            match answer {
                Ok(response) => return Ok((response, carrier)),
                Err(Unanswered::Failed(error)) => return Err(error),
                Err(Unanswered::Unsent(unsent, why)) => {
                    request = *unsent;
                    carrier = self.replaced(carrier, &mut resends, &why).await?;
                }
            }
        }
    }

    /// Another carrier in place of one that did not carry: a new connection where it was one.
    async fn replaced(
        &self,
        carrier: Carrier,
        resends: &mut u32,
        why: &str,
    ) -> Result<Carrier, SendError> {
        *resends += 1;
        if *resends > RESENDS_MAX {
            return Err(ConnectError::TurnedAway(why.to_owned()).into());
        }
        let was_single = matches!(carrier, Carrier::Single(_));
        drop(carrier);
        match was_single {
            true => Ok(self.open_any().await?),
            false => self.carrier().await,
        }
    }

    /// What can carry a request: something that is there, or a new connection.
    async fn carrier(&self) -> Result<Carrier, SendError> {
        if let Some(carrier) = self.shelf.ready() {
            return Ok(carrier);
        }
        if !self.may_be_shared() {
            return Ok(self.open_any().await?);
        }
        // One opens the connection, and the others wait for it: most can share it.
        let since = Instant::now();
        let turn = self.opening.lock().await;
        if let Some(carrier) = self.shelf.ready() {
            return Ok(carrier);
        }
        if !self.may_be_shared() {
            drop(turn);
            return Ok(self.open_any().await?);
        }
        if let Some((at, error)) = &*self.failed.lock()
            && *at >= since
        {
            return Err(error.clone().into());
        }
        let opened = self.open_any().await;
        if let Err(error) = &opened {
            *self.failed.lock() = Some((Instant::now(), error.clone()));
        }
        Ok(opened?)
    }

    /// Whether a connection that is opened now may carry more than one request.
    fn may_be_shared(&self) -> bool {
        match self.version {
            HttpVersion::One => false,
            HttpVersion::Two => true,
            HttpVersion::Auto => {
                self.target.is_secure() && !self.prefers_http1.load(Ordering::Relaxed)
            }
        }
    }

    /// A new connection, or one that others have just left.
    async fn open_any(&self) -> Result<Carrier, ConnectError> {
        let place = match self.place().await? {
            Room::Place(place) => place,
            Room::Used(carrier) => return Ok(carrier),
        };
        let way = Way {
            version: self.version,
            tunnel: false,
        };
        let dialed = self.dialer.connect(way, place).await?;
        self.prefers_http1.store(!dialed.http2, Ordering::Relaxed);
        if !dialed.http2 {
            let single = Single::begin(dialed.stream, dialed.to_proxy).await?;
            return Ok(Carrier::Single(single));
        }
        let connection = Multiplexed::begin(dialed.stream, self.connect_timeout).await?;
        let first = self.shelf.add(connection).map(Carrier::Stream);
        first.ok_or_else(|| ConnectError::Http("it allows no streams".to_owned()))
    }

    /// Room for one more connection, or one that can be used again.
    async fn place(&self) -> Result<Room, ConnectError> {
        let Some(max) = self.connections_max.map(NonZeroUsize::get) else {
            return Ok(Room::Place(None));
        };
        let limit = self.connect_timeout;
        let end = tokio::time::Instant::now() + limit;
        loop {
            let mut freed = std::pin::pin!(self.places.freed());
            freed.as_mut().enable();
            if let Some(place) = self.places.take(max) {
                return Ok(Room::Place(Some(place)));
            }
            if let Some(carrier) = self.shelf.ready().or_else(|| self.places.borrow()) {
                return Ok(Room::Used(carrier));
            }
            let waited = tokio::time::timeout_at(end, freed).await;
            waited.map_err(|_| ConnectError::Full { max, limit })?;
        }
    }

    /// Opens a connection of its own for a protocol upgrade: HTTP/1.1, whatever is spoken else.
    pub(crate) async fn open(&self) -> Result<SendRequest<UpstreamBody>, SendError> {
        loop {
            match self.place().await? {
                Room::Place(place) => {
                    let dialed = self.dialer.connect(Way::UPGRADABLE, place).await?;
                    return Ok(http1::begin(dialed.stream).await?);
                }
                // It cannot be upgraded, but closing it makes room.
                Room::Used(Carrier::Single(single)) => drop(single),
                Room::Used(Carrier::Stream(permit)) => permit.retire(),
            }
        }
    }
}

/// Where a request can go.
enum Room {
    /// A new connection; its place where they are counted.
    Place(Option<Place>),
    /// One that can be used again.
    Used(Carrier),
}
