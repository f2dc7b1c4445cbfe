//! Proxies: tunnels and passed-on requests, with and without a password, and proxies that fail.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use paceline_testkit::redis::Certificates;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::server::{Server, Speaks};
use super::{ask, failure, plain, secure, upstream};

/// `me:pass` as it is sent (RFC 7617).
const AUTHORIZED: &str = "Basic bWU6cGFzcw==";

/// A proxy that asks for a user and a password, and notes what it is asked for.
struct TestProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    async fn start(certificates: Option<&Certificates>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let tls = certificates.map(acceptor).transpose()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, tls) = (Arc::clone(&noted), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, noted).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, noted).await;
                            }
                        }
                    }
                });
            }
        });
        Ok(Self { address, asked })
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

fn acceptor(certificates: &Certificates) -> Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificates.certificate())?],
            PrivateKeyDer::from_pem_file(certificates.key())?,
        )?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve<S>(stream: S, asked: Arc<Mutex<Vec<String>>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| pass(request, Arc::clone(&asked)));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = connection.with_upgrades().await;
}

async fn pass(
    mut request: Request<Incoming>,
    asked: Arc<Mutex<Vec<String>>>,
) -> Result<Response<Full<Bytes>>> {
    asked
        .lock()
        .push(format!("{} {}", request.method(), request.uri()));
    let authorization = request.headers_mut().remove(PROXY_AUTHORIZATION);
    let mut response = Response::new(Full::default());
    if authorization.is_none_or(|value| value != AUTHORIZED) {
        *response.status_mut() = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        return Ok(response);
    }
    let to = request.uri().authority().unwrap().to_string();
    if to.starts_with("forbidden.test") {
        *response.status_mut() = StatusCode::FORBIDDEN;
        return Ok(response);
    }
    // Names are for the proxy to look up: this one sends all of them to loopback.
    let port = to.rsplit(':').next().unwrap();
    let mut provider = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
    if request.method() == Method::CONNECT {
        tokio::spawn(async move {
            let caller = hyper::upgrade::on(request).await.unwrap();
            let mut caller = TokioIo::new(caller);
            let _ = tokio::io::copy_bidirectional(&mut caller, &mut provider).await;
        });
        return Ok(response);
    }
    assert_eq!(request.headers()[HOST], to.as_str());
    let stream = TokioIo::new(provider);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let path = request.uri().path_and_query().cloned().unwrap();
    *request.uri_mut() = path.into();
    *request.headers_mut() = HeaderMap::from_iter([(HOST, to.parse()?)]);
    let answer = sender.send_request(request).await?;
    Ok(Response::new(Full::new(
        answer.into_body().collect().await?.to_bytes(),
    )))
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_http_by_whole_addresses() -> Result<()> {
    let certificates = Certificates::make()?;
    let proxy = TestProxy::start(None).await?;
    let keys = format!(
        "proxy = \"http://me:pass@{}\"\nca_file = {:?}\n",
        proxy.address,
        certificates.authority()
    );
    let server = Server::start(Speaks::tls(&certificates, &["h2", "http/1.1"], false)?).await?;
    let port = server.address.port();
    for version in ["1.1", "2"] {
        let keys = format!("{keys}http_version = \"{version}\"");
        let upstream = upstream(&secure(server.address), &keys)?;
        assert_eq!(ask(&upstream, "/echo", "hello").await?, "hello");
        assert_eq!(ask(&upstream, "/echo", "again").await?, "again");
    }
    let tunnel = format!("CONNECT localhost:{port}");
    assert_eq!(
        proxy.asked(),
        [tunnel.clone(), tunnel],
        "a tunnel is used again"
    );

    let server = Server::start(Speaks::http1()).await?;
    let port = server.address.port();
    let upstream = upstream(&format!("http://provider.test:{port}/v1"), &keys)?;
    for _ in 0..2 {
        assert_eq!(ask(&upstream, "/echo", "hello").await?, "hello");
    }
    let whole = format!("POST http://provider.test:{port}/v1/echo");
    assert_eq!(proxy.asked()[2..], [whole.clone(), whole]);
    assert!(server.requests()[0].starts_with("1.1 /v1/echo"));
    Ok(())
}

#[tokio::test]
async fn without_tls_http2_and_upgrades_go_through_a_tunnel_too() -> Result<()> {
    let proxy = TestProxy::start(None).await?;
    let keys = format!(
        "proxy = \"http://me:pass@{}\"\nhttp_version = \"2\"",
        proxy.address
    );
    let server = Server::start(Speaks::http2()).await?;
    let upstream = upstream(&plain(server.address), &keys)?;
    assert_eq!(ask(&upstream, "/echo", "hello").await?, "hello");
    upstream.open().await?;
    let tunnel = format!("CONNECT {}", server.address);
    assert_eq!(proxy.asked(), [tunnel.clone(), tunnel]);
    Ok(())
}

#[tokio::test]
async fn a_proxy_may_be_spoken_to_over_tls() -> Result<()> {
    let certificates = Certificates::make()?;
    let proxy = TestProxy::start(Some(&certificates)).await?;
    let keys = format!(
        "proxy = \"https://me:pass@localhost:{}\"\nca_file = {:?}",
        proxy.address.port(),
        certificates.authority()
    );
    let server = Server::start(Speaks::tls(&certificates, &["http/1.1"], false)?).await?;
    let upstream = upstream(&secure(server.address), &keys)?;
    assert_eq!(ask(&upstream, "/echo", "hello").await?, "hello");
    assert_eq!(proxy.asked().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_fails_is_named_without_its_password() -> Result<()> {
    let proxy = TestProxy::start(None).await?;
    let address = proxy.address;
    let gone = "127.0.0.1:9";
    let (plain, tls) = ("http://provider.test:1/v1", "https://provider.test:1/v1");
    let forbidden = "https://forbidden.test:1/v1";
    for (proxy, base_url, reason) in [
        (
            format!("http://me:canary@{address}"),
            plain,
            "does not take the user and the password of proxy (407)",
        ),
        (
            format!("http://me:canary@{address}"),
            tls,
            "does not take the user and the password of proxy (407)",
        ),
        (
            format!("http://{address}"),
            plain,
            "asks for a user and a password (407)",
        ),
        (
            format!("http://{address}"),
            tls,
            "asks for a user and a password (407)",
        ),
        (
            format!("http://me:pass@{address}"),
            forbidden,
            "refused to open the way: status 403",
        ),
        (
            format!("http://me:canary@{gone}"),
            tls,
            "cannot be used: connecting to 127.0.0.1 port 9",
        ),
        (
            format!("http://me:canary@{gone}"),
            plain,
            "cannot be used: connecting to 127.0.0.1 port 9",
        ),
    ] {
        let named = proxy
            .rsplit('@')
            .next()
            .unwrap()
            .trim_start_matches("http://");
        let expected = format!("the proxy http://{named} {reason}");
        let upstream = upstream(base_url, &format!("proxy = {proxy:?}"))?;
        let told = failure(&upstream, "/echo").await;
        assert!(told.contains(&expected), "{told}");
        assert!(!format!("{told} {upstream:?}").contains("canary"), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_talks_nonsense_or_nothing_is_given_up() -> Result<()> {
    for (says, reason) in [
        ("SSH-2.0-OpenSSH_9\r\n\r\n", "did not answer in HTTP/1"),
        ("HTTP/1.1 200 OK\r\n", "broke off"),
        ("", "the answer of the proxy"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let keys = format!(
            "proxy = \"http://{}\"\nconnect_timeout = \"100ms\"",
            listener.local_addr()?
        );
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(says.as_bytes()).await.unwrap();
            if says.is_empty() {
                std::future::pending::<()>().await;
            }
        });
        let told = failure(&upstream("https://provider.test/v1", &keys)?, "/echo").await;
        assert!(told.contains(reason), "{told}");
    }
    Ok(())
}
