//! The running server: where it listens, and how it starts and stops.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use crate::{
    book::BilledRequest,
    faults::{FaultRule, InvalidFault},
    journal::JournalEntry,
    provider::Provider,
    quota::Quota,
    settings::SimulatorSettings,
    state::SimulatorState,
};

mod accept;
mod connection;
mod stream;
mod workers;

use accept::Acceptor;
pub(crate) use connection::Line;
pub(crate) use stream::SharedStream;

/// Why a simulated provider did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; choose another address, or port 0 for a free one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A worker thread did not start.
    #[error("cannot start a worker thread: {0}; set fewer worker threads")]
    Worker(io::Error),
    /// A fault rule names no known fault.
    #[error("invalid fault rule: {0}")]
    Fault(#[from] InvalidFault),
}

/// How long a shutdown waits for requests in flight before it cuts them.
const DRAIN: Duration = Duration::from_secs(2);

/// A simulated provider that listens and serves. Dropping it stops it at once.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    provider: Arc<Provider>,
    acceptor: Acceptor,
}

impl Simulator {
    /// Listens, and serves until it is shut down or dropped. Needs a tokio runtime with I/O and
    /// time; with worker threads of its own, that runtime only accepts connections.
    ///
    /// # Errors
    /// If the address is taken, a worker thread does not start, or a fault rule is invalid.
    pub async fn start(settings: SimulatorSettings) -> Result<Self, StartError> {
        let listen = settings.listen;
        let worker_threads = settings.worker_threads;
        let provider = Arc::new(Provider::new(settings)?);
        let acceptor = Acceptor::start(listen, worker_threads, Arc::clone(&provider)).await?;
        Ok(Self {
            address: acceptor.address(),
            provider,
            acceptor,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base address for client libraries, with the path that the provider's own has:
    /// `http://127.0.0.1:1234/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        let path = self.provider.settings().likeness.base_path();
        format!("http://{}{path}", self.address)
    }

    /// The state of all pools and counters now.
    #[must_use]
    pub fn state(&self) -> SimulatorState {
        self.provider.state()
    }

    /// The journal's entries after a sequence number; 0 gives all that are kept.
    #[must_use]
    pub fn journal(&self, since: u64) -> Vec<JournalEntry> {
        self.provider.court().journal_since(since)
    }

    /// What was billed for requests that callers named, the oldest first: the last 262,144.
    #[must_use]
    pub fn book(&self) -> Vec<BilledRequest> {
        self.provider.court().book()
    }

    /// Changes the limits of all pools from now on. A limit that matches an old one in metric,
    /// window and kind keeps its level.
    pub fn set_quotas(&self, quotas: &[Quota]) {
        self.provider.court().set_quotas(quotas);
    }

    /// Replaces all fault rules.
    ///
    /// # Errors
    /// If a rule names no known fault; the old rules then stay in force.
    pub fn set_faults(&self, rules: Vec<FaultRule>) -> Result<(), InvalidFault> {
        self.provider.set_faults(rules)
    }

    /// Closes the listener and all connections (each after its request), and listens again after
    /// a time. Until then, connections are refused.
    pub fn refuse_connections(&self, time: Duration) {
        self.provider.refuse_connections(time);
    }

    /// Empties all pools, the journal, the counters, and the counts of ordered faults. Rules stay.
    pub fn reset(&self) {
        self.provider.reset();
    }

    /// Stops listening, lets requests in flight end for up to two seconds, and cuts the rest.
    pub async fn shutdown(self) {
        self.acceptor.stop(DRAIN).await;
    }
}
