//! One connection: HTTP, until it ends or a fault takes the socket over.

use std::{convert::Infallible, pin::pin, sync::Arc};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
};

use super::{accept::Signal, stream::SharedStream};
use crate::{provider::Provider, service, wire::Script};

/// What a request knows of its connection.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    scripts: mpsc::Sender<Script>,
    signal: watch::Receiver<Signal>,
    /// Held for as long as anything of the connection lives, so that a shutdown can wait for it.
    _alive: mpsc::Sender<()>,
}

impl Line {
    /// Hands the connection over to a script. This never returns: HTTP ends here, and the request
    /// with it.
    pub(crate) async fn play(self, script: Script) -> Infallible {
        // The connection holds the receiver for as long as it polls this request.
        let _ = self.scripts.send(script).await;
        std::future::pending().await
    }

    /// Waits until the simulator asks connections to end.
    pub(crate) async fn ending(&mut self) {
        // A simulator that is gone asks for it as well.
        let _ = self.signal.changed().await;
    }
}

pub(super) async fn serve(
    stream: TcpStream,
    provider: Arc<Provider>,
    mut signal: watch::Receiver<Signal>,
    alive: mpsc::Sender<()>,
) {
    // Without this, small chunks wait for each other's acknowledgements.
    let _ = stream.set_nodelay(true);
    let _open = provider.count_connection();
    let stream = SharedStream::new(stream);
    let (sender, mut scripts) = mpsc::channel(1);
    let line = Line {
        scripts: sender,
        signal: signal.clone(),
        _alive: alive,
    };
    let script = {
        let service =
            service_fn(|request| service::handle(Arc::clone(&provider), line.clone(), request));
        let http = http1::Builder::new()
            .serve_connection(TokioIo::new(stream.clone()), service)
            .with_upgrades();
        let mut http = pin!(http);
        loop {
            tokio::select! {
                // The caller's faults end the connection as its close does.
                _ = http.as_mut() => return,
                script = scripts.recv() => break script,
                changed = signal.changed() => {
                    if changed.is_err() || signal.borrow_and_update().cut {
                        return;
                    }
                    http.as_mut().graceful_shutdown();
                }
            }
        }
    };
    if let Some(script) = script {
        tokio::select! {
            () = script.play(stream) => {}
            // Some scripts end only with the caller, and nobody would wait for that.
            _ = signal.changed() => {}
        }
    }
}
