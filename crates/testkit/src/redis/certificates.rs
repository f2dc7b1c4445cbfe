//! Certificates that are good for loopback, from an authority made for the occasion.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::process::needed;

/// An authority and a server certificate for `127.0.0.1` and `localhost` that it has signed. The
/// files last as long as this or a clone of it does. Valid from now on, for a day.
#[derive(Clone, Debug)]
pub struct Certificates {
    folder: Arc<TempDir>,
}

impl Certificates {
    /// Makes both, with keys on P-256.
    ///
    /// # Errors
    /// When `openssl` is not installed or fails.
    pub fn make() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = "/CN=paceline test authority";
        openssl(
            folder.path(),
            "authority",
            authority,
            &["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
        )?;
        let signed = [
            "-CA",
            "authority.crt",
            "-CAkey",
            "authority.key",
            "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "extendedKeyUsage=serverAuth,clientAuth",
        ];
        openssl(folder.path(), "server", "/CN=localhost", &signed)?;
        Ok(Self {
            folder: Arc::new(folder),
        })
    }

    /// The authority's certificate, which a client has to trust, in PEM.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.crt")
    }

    /// The server's certificate, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    /// The server's private key, in PEM.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }
}

/// Makes `NAME.key` and `NAME.crt`.
fn openssl(folder: &Path, name: &str, subject: &str, more: &[&str]) -> Result<()> {
    let output = Command::new(needed(&["openssl"], "openssl")?)
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "ec", "-noenc", "-days", "1"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", subject])
        .args(["-keyout", &format!("{name}.key")])
        .args(["-out", &format!("{name}.crt")])
        .args(more)
        .output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("openssl made no certificate: {}", reason.trim());
    }
    Ok(())
}
