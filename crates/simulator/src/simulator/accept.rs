//! The listener: takes connections, goes away for a time when told to, and stops.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    time::{sleep, timeout},
};

use super::{StartError, connection, workers::Workers};
use crate::provider::Provider;

/// What all connections are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Signal {
    /// Raised by one whenever connections shall end after their request.
    pub(super) drains: u64,
    /// Whether connections shall end at once.
    pub(super) cut: bool,
}

#[derive(Debug)]
pub(super) struct Acceptor {
    address: SocketAddr,
    signal: Arc<watch::Sender<Signal>>,
    stop: oneshot::Sender<()>,
    /// Closed when the listener and all connections are gone.
    gone: mpsc::Receiver<()>,
}

impl Acceptor {
    pub(super) async fn start(
        listen: SocketAddr,
        worker_threads: usize,
        provider: Arc<Provider>,
    ) -> Result<Self, StartError> {
        let listening = TcpListener::bind(listen).await;
        let bound = listening.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| StartError::Listen {
            address: listen,
            source,
        })?;
        let workers = Workers::start(worker_threads).map_err(StartError::Worker)?;
        let signal = Arc::new(watch::Sender::new(Signal::default()));
        let (stop, stopped) = oneshot::channel();
        let (alive, gone) = mpsc::channel(1);
        let door = Door {
            address,
            workers,
            provider,
            signal: Arc::downgrade(&signal),
            alive,
        };
        tokio::spawn(door.keep(listener, stopped));
        Ok(Self {
            address,
            signal,
            stop,
            gone,
        })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, lets requests end for a time, and cuts the rest.
    pub(super) async fn stop(mut self, drain: Duration) {
        drop(self.stop);
        self.signal.send_modify(|signal| signal.drains += 1);
        if timeout(drain, self.gone.recv()).await.is_err() {
            self.signal.send_modify(|signal| signal.cut = true);
            // Connections only have to notice; there is nothing that they wait for.
            let _ = timeout(Duration::from_secs(1), self.gone.recv()).await;
        }
    }
}

struct Door {
    address: SocketAddr,
    workers: Workers,
    provider: Arc<Provider>,
    signal: std::sync::Weak<watch::Sender<Signal>>,
    alive: mpsc::Sender<()>,
}

impl Door {
    async fn keep(mut self, mut listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
        let mut refusals = self.provider.watch_refusals();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.admit(stream),
                    // Such as too many open files: what is open must close first.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                },
                changed = refusals.changed() => {
                    let time = *refusals.borrow_and_update();
                    drop(listener);
                    if let Some(signal) = self.signal.upgrade() {
                        signal.send_modify(|signal| signal.drains += 1);
                    }
                    let reopened = tokio::select! {
                        reopened = reopen(self.address, time) => reopened,
                        _ = &mut stopped => return,
                    };
                    match (changed, reopened) {
                        (Ok(()), Ok(again)) => listener = again,
                        _ => return,
                    }
                }
                _ = &mut stopped => return,
            }
        }
    }

    fn admit(&mut self, stream: TcpStream) {
        let Some(signal) = self.signal.upgrade().map(|signal| signal.subscribe()) else {
            return;
        };
        let provider = Arc::clone(&self.provider);
        let alive = self.alive.clone();
        // The socket moves to the runtime that serves it.
        let Ok(stream) = stream.into_std() else {
            return;
        };
        if let Some(worker) = self.workers.next() {
            worker.spawn(async move {
                if let Ok(stream) = TcpStream::from_std(stream) {
                    connection::serve(stream, provider, signal, alive).await;
                }
            });
        }
    }
}

/// Listens again on the same address, after a time.
async fn reopen(address: SocketAddr, time: Duration) -> io::Result<TcpListener> {
    sleep(time).await;
    let mut attempts = 0;
    loop {
        match TcpListener::bind(address).await {
            Err(_) if attempts < 100 => attempts += 1,
            result => return result,
        }
        sleep(Duration::from_millis(20)).await;
    }
}
