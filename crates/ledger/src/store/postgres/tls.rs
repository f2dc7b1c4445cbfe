//! Connections, in TLS where the server offers it.

use std::fs;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Socket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::PostgresSettings;
use crate::store::StoreError;

/// Connects, and leaves the connection to the runtime of the ledger.
pub(super) async fn connect(
    settings: &PostgresSettings,
    runtime: &Handle,
) -> Result<Client, StoreError> {
    let make = MakeTls {
        config: Arc::new(client_config(settings)?),
    };
    let config = settings.config.clone();
    // Sockets belong to the runtime that they were made in.
    let connecting = runtime.spawn(async move { config.connect(make).await });
    let connected = connecting
        .await
        .map_err(|error| settings.away(error.to_string()))?;
    let (client, connection) = connected.map_err(|error| settings.problem(&error))?;
    runtime.spawn(async move {
        // Whoever uses the client is told of its end as well.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection of the ledger has ended");
        }
    });
    Ok(client)
}

fn client_config(settings: &PostgresSettings) -> Result<ClientConfig, StoreError> {
    let mut roots = RootCertStore::empty();
    match &settings.authority {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let pem = fs::read(path).map_err(|error| settings.unreadable(path, &error))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| settings.unreadable(path, &error))?;
                let added = roots.add(certificate);
                added.map_err(|error| settings.unreadable(path, &error))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| settings.away(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[derive(Clone)]
struct MakeTls {
    config: Arc<ClientConfig>,
}

impl MakeTlsConnect<Socket> for MakeTls {
    type Stream = Tls;
    type TlsConnect = Connect;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Connect, InvalidDnsNameError> {
        Ok(Connect {
            name: ServerName::try_from(host.to_owned())?,
            connector: TlsConnector::from(self.config.clone()),
        })
    }
}

struct Connect {
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl TlsConnect<Socket> for Connect {
    type Stream = Tls;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Tls>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let stream = self.connector.connect(self.name, socket).await?;
            Ok(Tls(Box::new(stream)))
        })
    }
}

struct Tls(Box<TlsStream<Socket>>);

impl tokio_postgres::tls::TlsStream for Tls {
    /// None: passwords are proven, never sent, and the certificate is checked.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Tls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
