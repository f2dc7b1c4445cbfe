//! A provider as these tests need it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream;
use http::header::{HOST, LOCATION};
use http::{Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use paceline_testkit::redis::Certificates;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a server speaks.
#[derive(Clone, Default)]
pub(super) struct Speaks {
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    /// HTTP/2 where TLS does not agree on anything.
    pub(super) http2: bool,
    /// Streams that it allows on a connection.
    pub(super) streams_max: Option<u32>,
}

impl Speaks {
    pub(super) fn http1() -> Self {
        Self::default()
    }

    pub(super) fn http2() -> Self {
        Self {
            http2: true,
            ..Self::default()
        }
    }

    /// TLS with these versions of HTTP; with `own_only`, to clients with a certificate alone.
    pub(super) fn tls(
        certificates: &Certificates,
        versions: &[&str],
        own_only: bool,
    ) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = CertificateDer::pem_file_iter(certificates.certificate())?;
        let chain = chain.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(certificates.key())?;
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions()?;
        let builder = match own_only {
            false => builder.with_no_client_auth(),
            true => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(CertificateDer::from_pem_file(certificates.authority())?)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build()?)
            }
        };
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols = versions
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Ok(Self {
            tls: Some(Arc::new(config)),
            ..Self::default()
        })
    }
}

/// What requests found, and what they wait for.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) connections: AtomicUsize,
    /// Requests by path, with version and the host that they named.
    pub(super) requests: Mutex<Vec<String>>,
    waiting: AtomicUsize,
    open: watch::Sender<bool>,
}

/// A provider that listens until it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Seen>,
    acceptor: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(speaks: Speaks) -> Result<Self> {
        Self::start_at("127.0.0.1:0".parse()?, speaks).await
    }

    pub(super) async fn start_at(address: SocketAddr, speaks: Speaks) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let acceptor = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (speaks, seen) = (speaks.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let Some(tls) = &speaks.tls else {
                        return serve(stream, speaks.http2, speaks.streams_max, seen).await;
                    };
                    let accepted = TlsAcceptor::from(Arc::clone(tls)).accept(stream).await;
                    if let Ok(stream) = accepted {
                        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        serve(stream, http2, speaks.streams_max, seen).await;
                    }
                });
            }
        });
        Ok(Self {
            address,
            seen,
            acceptor,
        })
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().clone()
    }

    /// Waits until so many requests are held at `/gate`.
    pub(super) async fn until_waiting(&self, requests: usize) {
        while self.seen.waiting.load(Ordering::SeqCst) < requests {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// Answers those that are held, and all that come.
    pub(super) fn open_gate(&self) {
        self.seen.open.send_replace(true);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn serve<S>(stream: S, http2: bool, streams_max: Option<u32>, seen: Arc<Seen>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
    let stream = TokioIo::new(stream);
    // How a connection ends is what the tests look at from the other side.
    if http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(streams_max);
        let _ = builder.serve_connection(stream, service).await;
    } else {
        let _ = http1::Builder::new()
            .serve_connection(stream, service)
            .await;
    }
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>, seen: Arc<Seen>) -> Result<Response<Body>, Infallible> {
    let version = match request.version() {
        Version::HTTP_2 => "2",
        _ => "1.1",
    };
    let host = request
        .headers()
        .get(HOST)
        .map(|host| host.to_str().unwrap().to_owned());
    let authority = request.uri().authority().map(ToString::to_string);
    let named = format!("host {host:?} authority {authority:?}");
    let path = request.uri().path().to_owned();
    seen.requests
        .lock()
        .push(format!("{version} {path} {named}"));
    let mut status = StatusCode::OK;
    let body = match path.as_str() {
        "/v1/echo" => request.into_body().collect().await.unwrap().to_bytes(),
        "/v1/hang" => std::future::pending().await,
        "/v1/gate" => {
            let mut open = seen.open.subscribe();
            seen.waiting.fetch_add(1, Ordering::SeqCst);
            let _ = open.wait_for(|open| *open).await;
            seen.waiting.fetch_sub(1, Ordering::SeqCst);
            Bytes::from_static(b"through")
        }
        "/v1/flood" => return Ok(Response::new(flood())),
        "/v1/407" => {
            status = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
            Bytes::new()
        }
        "/v1/elsewhere" => {
            let mut response = Response::new(Full::default().boxed());
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            let headers = response.headers_mut();
            headers.insert(LOCATION, "/v1/echo".parse().unwrap());
            return Ok(response);
        }
        _ => Bytes::from_static(b"ok"),
    };
    let mut response = Response::new(Full::new(body).boxed());
    *response.status_mut() = status;
    Ok(response)
}

/// An answer without an end.
fn flood() -> Body {
    let piece = Bytes::from(vec![b'x'; 16 * 1024]);
    let pieces = stream::unfold(piece, |piece| async move {
        Some((Ok::<_, Infallible>(Frame::data(piece.clone())), piece))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}
