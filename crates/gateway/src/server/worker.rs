//! One thread: accepts connections until the gateway stops, then waits for them to end.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};

use super::connection;
use crate::admin::AdminPlane;
use crate::shared::{Live, Shared};
use crate::upstream::{TargetError, Upstream};

/// What one thread serves with.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    /// The admin plane, where it is served on this listener.
    pub(crate) admin: Option<AdminPlane>,
    /// The providers as this thread reaches them.
    upstreams: Mutex<Upstreams>,
}

/// Providers by name, as the settings of one generation describe them.
#[derive(Debug, Default)]
struct Upstreams {
    generation: Option<u64>,
    by_name: HashMap<String, Arc<Upstream>>,
}

/// Why a provider cannot be reached at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReachError {
    /// Its address, its certificates or its proxy cannot be used.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The settings do not have it any more.
    #[error("there is no provider called {0:?}")]
    Gone(String),
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, admin: Option<AdminPlane>) -> Self {
        Self {
            shared,
            admin,
            upstreams: Mutex::default(),
        }
    }

    /// The provider of this name as these settings describe it.
    ///
    /// # Errors
    /// When it is not there, or its address or certificate authorities cannot be used.
    pub(crate) fn upstream(&self, live: &Live, name: &str) -> Result<Arc<Upstream>, ReachError> {
        let mut upstreams = self.upstreams.lock();
        if upstreams.generation != Some(live.generation) {
            *upstreams = Upstreams {
                generation: Some(live.generation),
                ..Upstreams::default()
            };
        }
        if let Some(upstream) = upstreams.by_name.get(name) {
            return Ok(Arc::clone(upstream));
        }
        let settings = live.settings.reach(name);
        let settings = settings.ok_or_else(|| ReachError::Gone(name.to_owned()))?;
        let upstream = Arc::new(Upstream::sharing(settings, &live.places(name))?);
        upstreams
            .by_name
            .insert(name.to_owned(), Arc::clone(&upstream));
        Ok(upstream)
    }
}

/// Runs one thread to the end of the gateway.
///
/// # Errors
/// When the listener cannot be used by the runtime.
pub(crate) async fn run(worker: Arc<Worker>, listener: std::net::TcpListener) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let connections = tokio::task::JoinSet::new();
    let mut connections = accept_until(&worker, listener, connections).await;
    let grace = worker.shared.live().settings.server.shutdown_grace;
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            grace_s = grace.as_secs_f64(),
            "connections are cut: they did not end within the grace period"
        );
    }
    // Dropping what is left settles every reservation through its guard.
    connections.shutdown().await;
    Ok(())
}

async fn accept_until(
    worker: &Arc<Worker>,
    listener: TcpListener,
    mut connections: tokio::task::JoinSet<()>,
) -> tokio::task::JoinSet<()> {
    let mut stopped = std::pin::pin!(worker.shared.stopped());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => return connections,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match accepted {
            Ok((stream, _)) => start(worker, stream, &mut connections),
            Err(error) => {
                // Out of file descriptors, most likely: accepting again at once would spin.
                tracing::error!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn start(worker: &Arc<Worker>, stream: TcpStream, connections: &mut tokio::task::JoinSet<()>) {
    let shared = &worker.shared;
    let limit = shared.live().settings.server.connections_max as u64;
    if shared.connections.load(Ordering::Relaxed) >= limit {
        shared.metrics.connections_refused.inc();
        return;
    }
    shared.connections.fetch_add(1, Ordering::Relaxed);
    shared.metrics.connections_open.inc();
    let counted = Counted(Arc::clone(shared));
    let worker = Arc::clone(worker);
    connections.spawn(async move {
        let _counted = counted;
        connection::serve(worker, stream).await;
    });
}

/// Counts a connection for as long as it is open.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.connections_open.dec();
    }
}
