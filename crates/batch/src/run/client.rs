//! HTTP to the data plane.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

/// An answer larger than this is given up: nobody could read its line.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// How long a connection may take to come about.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Where requests go and what goes with each of them.
#[derive(Clone, Debug)]
pub struct Target {
    /// Address with its version path, as in `http://127.0.0.1:4100/v1`.
    pub base_url: Url,
    /// Goes with every request: authorization, tenant, tags, priority.
    pub headers: HeaderMap,
    /// PEM file of the authorities that are trusted, in place of the built-in ones.
    pub ca_file: Option<PathBuf>,
}

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is no address of this kind.
    #[error(
        "{0} is no address to send to: it takes http:// or https:// and a host, as in http://127.0.0.1:4100/v1"
    )]
    Address(String),
    /// The certificate authorities cannot be used.
    #[error("{} cannot be used as certificate authorities: {reason}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// Nobody could be reached: nothing was sent.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The connection ended too early.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The path cannot be part of an address.
    #[error("{0} is no path")]
    Path(String),
}

/// Sends requests over kept connections.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pooled: Pooled<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    headers: HeaderMap,
}

impl Client {
    pub(crate) fn new(target: &Target) -> Result<Self, TargetError> {
        let url = &target.base_url;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(TargetError::Address(url.to_string()));
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_PATIENCE));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls(target.ca_file.as_deref())?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let mut headers = target.headers.clone();
        let json = HeaderValue::from_static("application/json");
        headers.entry(header::CONTENT_TYPE).or_insert(json);
        Ok(Self {
            pooled: Pooled::builder(TokioExecutor::new()).build(https),
            base: url.as_str().trim_end_matches('/').to_owned(),
            headers,
        })
    }

    /// Sends a body to a path below the version, and reads the whole answer.
    pub(crate) async fn post(
        &self,
        path: &str,
        own: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, NoAnswer> {
        let below_version = path.strip_prefix("/v1").unwrap_or(path);
        let uri: Uri = format!("{}{below_version}", self.base)
            .parse()
            .map_err(|_| NoAnswer::Path(path.to_owned()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().extend(own);
        let answer = self.pooled.request(request).await.map_err(|error| {
            if error.is_connect() {
                NoAnswer::Unreachable(chain(&error))
            } else {
                NoAnswer::Broken(chain(&error))
            }
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| NoAnswer::Broken(chain(&*error)))?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, TargetError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let Some(path) = ca_file else {
        return Ok(builder.with_webpki_roots().with_no_client_auth());
    };
    let unusable = |reason: String| TargetError::Authorities {
        path: path.to_owned(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for certificate in
        CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate)?;
    }
    if roots.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
