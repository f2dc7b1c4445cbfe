//! Which certificate authorities are trusted, and what the gateway proves itself with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use paceline_config as config;
use rustls::client::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ConfigBuilder, RootCertStore, WantsVerifier};
use tokio_rustls::TlsConnector;

/// What HTTP/2 is called while TLS is agreed on (RFC 9113).
pub(super) const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The file cannot be read as PEM.
    #[error("{key} {} cannot be read as PEM {what}: {reason}", path.display())]
    Unreadable {
        key: &'static str,
        what: &'static str,
        path: PathBuf,
        reason: String,
    },
    /// The file holds no certificate that can be used.
    #[error("{key} {} holds no usable certificate", path.display())]
    Empty { key: &'static str, path: PathBuf },
    /// Certificate and key do not fit each other, or cannot be used.
    #[error("client_certificate_file cannot be used with its key: {0}")]
    Own(rustls::Error),
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The files that say who is trusted, and who the gateway is.
#[derive(Clone, Copy, Default)]
pub(super) struct Files<'a> {
    pub(super) ca: Option<&'a Path>,
    pub(super) ca_extra: Option<&'a Path>,
    pub(super) own: Option<&'a config::ClientCertificate>,
}

/// How TLS is spoken with the provider, for each version of HTTP that may be offered.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) name: ServerName<'static>,
    pub(super) http1: TlsConnector,
    pub(super) http2: TlsConnector,
    pub(super) either: TlsConnector,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// When one of them cannot be read or holds nothing usable.
    pub(super) fn new(name: ServerName<'static>, files: Files<'_>) -> Result<Self, TlsError> {
        let plain = client_config(files)?;
        // The copies share the sessions that can be taken up again.
        let offering = |protocols: &[&[u8]]| {
            let mut config = plain.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsConnector::from(Arc::new(config))
        };
        Ok(Self {
            name,
            http1: offering(&[HTTP1]),
            http2: offering(&[HTTP2]),
            either: offering(&[HTTP2, HTTP1]),
        })
    }
}

/// A client configuration that offers no version of HTTP yet.
///
/// # Errors
/// When a file cannot be read or holds nothing usable.
pub(super) fn client_config(files: Files<'_>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    match files.ca {
        Some(path) => add(&mut roots, "ca_file", path)?,
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    if let Some(path) = files.ca_extra {
        add(&mut roots, "ca_extra_file", path)?;
    }
    let builder = builder()?.with_root_certificates(roots);
    let Some(own) = files.own else {
        return Ok(builder.with_no_client_auth());
    };
    let certificates = certificates("client_certificate_file", &own.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&own.key_file);
    let key = key.map_err(|error| unreadable("client_key_file", "key", &own.key_file, &error))?;
    let config = builder.with_client_auth_cert(certificates, key);
    config.map_err(TlsError::Own)
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    Ok(builder.with_safe_default_protocol_versions()?)
}

fn add(roots: &mut RootCertStore, key: &'static str, path: &Path) -> Result<(), TlsError> {
    for certificate in certificates(key, path)? {
        roots.add(certificate)?;
    }
    Ok(())
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read = read.map_err(|error| unreadable(key, "certificates", path, &error))?;
    if read.is_empty() {
        let path = path.to_owned();
        return Err(TlsError::Empty { key, path });
    }
    Ok(read)
}

fn unreadable(
    key: &'static str,
    what: &'static str,
    path: &Path,
    error: &rustls::pki_types::pem::Error,
) -> TlsError {
    TlsError::Unreadable {
        key,
        what,
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
